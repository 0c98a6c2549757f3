"""From events to the account of an incident, through the whole processor."""

from __future__ import annotations

import random
from typing import Any

import pytest

from undertow.alerts.cards import version_card
from undertow.alerts.incident import Incident
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Alerts, Budget, Detection, Embeddings, Ingest, Settings

CHANGED = 2400


def settings(**ingest: Any) -> Settings:
    return Settings(
        ingest=Ingest(**ingest),
        detection=Detection(dimensions=("operation", "region"), min_events=400, strict_events=200),
        budget=Budget(false_pages_per_week=100.0),
        alerts=Alerts(hold_s=15.0),
        embeddings=Embeddings(source="off"),
    )


def traffic() -> list[Interaction]:
    """Answers in one region turn into refusals, ten seconds after it got another prompt."""
    rng = random.Random(1)
    events = []
    for number in range(CHANGED + 400):
        region = rng.choice(["eu", "us", "ap"])
        new = region == "ap" and number >= CHANGED - 10
        bad = region == "ap" and number >= CHANGED and rng.random() < 0.8
        events.append(
            Interaction(
                id=str(number),
                time=1_790_000_000.0 + number,
                service="support",
                operation="answer",
                prompt_version="v48" if new else "v47",
                attributes={"region": region},
                input=f"Where is parcel {100 + number % 900}? Write to ana@example.com.",
                output="I'm sorry, but I can't help with that." if bad else "It is on its way and arrives on Tuesday.",
                refused=bad or rng.random() < 0.01,
                http_status=200,
            )
        )
    return events


def paged(config: Settings) -> Incident:
    processor, events = Processor(config, PriceTable()), traffic()
    changes = processor.step(events, range(len(events))).changes + processor.finish().changes
    return next(
        change.incident
        for change in reversed(changes)
        if any(verdict.series.metric == "refusal_rate" for verdict in change.incident.verdicts)
    )


@pytest.fixture(scope="module")
def incident() -> Incident:
    return paged(settings())


def test_the_cause_and_the_slice_are_named(incident: Incident) -> None:
    assert incident.causes[0]["value"] == "v48"
    assert incident.causes[0]["probability"] > 0.9
    assert "in region=ap: " in incident.place
    assert incident.moved_by


def test_the_new_version_has_its_card(incident: Incident) -> None:
    (card,) = [card for card in incident.cards if card[0].startswith("prompt_version=v48")]
    assert any(line.startswith("answers that refuse: ") and "on it" in line for line in card)


def test_every_new_version_has_its_card_whether_anything_is_different_or_not() -> None:
    processor, events = Processor(settings(), PriceTable()), traffic()
    for event in events[1800::2]:
        event.config = {"template": "card 4556 7375 8689 9855"}  # changes nothing; and no card shows the number
    steps = [processor.step(events, range(len(events))), processor.finish()]
    given = [card for step in steps for card in step.cards]
    assert len(given) == 2
    cards = {(card.dimension, card.value): card for card in given}
    bad = cards.pop(("prompt_version", "v48"))
    (calm,) = cards.values()
    assert "refusal_rate" in {row.metric for row in bad.rows if row.sure}
    assert bad.share == pytest.approx(1 / 3, abs=0.1)
    assert [row.metric for row in calm.rows if row.sure] == []
    assert "9855" not in calm.value
    assert calm.calls == 500
    assert any(line.startswith("no difference seen larger than: answers that refuse") for line in version_card(calm))


def test_calls_before_and_since_show_the_change_and_are_masked(incident: Incident) -> None:
    assert any("can't help" in call["output"] for call in incident.shown["since"])
    assert any("on its way" in call["output"] for call in incident.shown["before"])
    assert all("[email]" in call["input"] for side in incident.shown.values() for call in side)


def test_what_refusals_say_is_told(incident: Incident) -> None:
    assert any("can't help with" in line or "i'm sorry" in line for line in incident.words)


def test_without_leave_to_keep_texts_none_is_shown() -> None:
    found = paged(settings(content="none"))
    assert found.causes[0]["value"] == "v48"
    assert (found.shown, found.words) == ({"before": [], "since": []}, [])
