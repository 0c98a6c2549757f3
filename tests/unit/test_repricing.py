"""Prices that changed, as suspects, and on a page."""

from __future__ import annotations

import random

import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.prices import DatedPrice, Price, PriceTable
from undertow.drift.repricing import described, repriced
from undertow.drift.suspicion import Suspect
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Alerts, Budget, Detection, Embeddings, Settings

T0 = 1_790_000_000.0
CHANGED = T0 + 2400
CHEAP, DEAR = Price(2.5, 10.0), Price(5.0, 20.0)
TABLE = PriceTable({"gpt-x": [DatedPrice(CHEAP), DatedPrice(DEAR, since=CHANGED)], "other": CHEAP})
MODELS = [(None, "gpt-x-2026-01-01"), (None, "gpt-x"), ("openai", "gpt-x"), (None, "other"), (None, "unknown")]


def found(start: float, end: float, rose: bool = True) -> list[Suspect]:
    return list(repriced(TABLE, MODELS, start, end, rose))


def test_a_price_that_changed_in_between_is_one_suspect_whatever_the_names_of_the_model() -> None:
    (one,) = found(T0, CHANGED)
    assert (one.dimension, one.value, one.since, one.fit) == ("price", "gpt-x-2026-01-01", CHANGED, 0.0)
    assert one.declared == "input 2.5 → 5, output 10 → 20 $/M"
    assert one.per_day < 0.01
    assert found(CHANGED, CHANGED + 60) == []


def test_a_price_that_rose_is_no_cause_of_costs_that_fell() -> None:
    (one,) = found(T0, CHANGED, rose=False)
    assert one.fit < -10


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (Price(2.5, 10.0, cached=0.25), "cached input 2.5 → 0.25 $/M"),
        (Price(2.5, 12.0, cache_write=2.5), "output 10 → 12 $/M"),
        (Price(2.5, 10.0, request=0.01), "long contexts and fees alone"),
    ],
)
def test_only_what_moved_is_told(after: Price, said: str) -> None:
    assert described(CHEAP, after) == said


def test_a_page_about_costs_names_the_price() -> None:
    rng = random.Random(3)
    settings = Settings(
        detection=Detection(dimensions=("operation",), min_events=400, strict_events=200),
        budget=Budget(false_pages_per_week=100.0),
        alerts=Alerts(hold_s=15.0),
        embeddings=Embeddings(source="off"),
    )
    calls = [
        Interaction(
            id=str(number),
            time=T0 + number,
            service="support",
            response_model="gpt-x",
            prompt_version="v2" if number >= 2100 else "v1",
            input_tokens=rng.randint(500, 1500),
            output_tokens=rng.randint(100, 300),
            http_status=200,
        )
        for number in range(3000)
    ]
    processor = Processor(settings, TABLE)
    changes = processor.step(calls, range(len(calls))).changes + processor.finish().changes
    causes = changes[-1].incident.causes
    assert changes[-1].incident.verdicts[0].series.metric == "cost_per_task"
    assert (causes[0]["kind"], causes[0]["value"]) == ("price", "gpt-x")
    assert causes[0]["probability"] > 0.9
    assert causes[0]["text"].startswith(
        "price of gpt-x: input 2.5 → 5, output 10 → 20 $/M since 2026-09-21 14:53:20 UTC"
    )
