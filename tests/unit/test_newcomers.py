"""New versions beside the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from undertow.drift.averages import NOTHING, Average, average_of
from undertow.drift.cards import Card
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import METRICS, Family
from undertow.drift.newcomers import Newcomers

REFUSED, LENGTH = METRICS["refusal_rate"], METRICS["output_length"]


def call(number: int, prompt: str = "v1", **more: Any) -> Interaction:
    return Interaction(id=str(number), time=float(number), service="s", prompt_version=prompt, **more)


def traffic(seed: int = 1, count: int = 4000, share: float = 0.5) -> tuple[list[Interaction], np.ndarray]:
    """Version 2 comes after half of the calls, takes a share of them, and refuses more."""
    rng = np.random.default_rng(seed)
    new = (np.arange(count) >= count // 2) & (rng.random(count) < share)
    events = [call(n, "v2" if is_new else "v1") for n, is_new in enumerate(new.tolist())]
    refused = (rng.random(count) < np.where(new, 0.2, 0.02)).astype(float)
    return events, np.column_stack([refused, rng.lognormal(5, 0.5, count)])


def followed(events: list[Interaction], values: np.ndarray, batch: int = 500) -> Newcomers:
    newcomers = Newcomers([REFUSED, LENGTH], baseline_s=600.0)
    for start in range(0, len(events), batch):
        take(newcomers, events[start : start + batch], values[start : start + batch])
    newcomers.advance(np.inf)
    return newcomers


def take(newcomers: Newcomers, events: list[Interaction], values: np.ndarray) -> None:
    newcomers.observe(events, values, np.array([event.time // 10 * 10 for event in events]))


def unknown(_where: tuple[str, str]) -> Callable[[str, float, Sequence[str]], Average]:
    return lambda *_: NOTHING


def cards(newcomers: Newcomers, service: str = "s") -> list[Card]:
    return newcomers.cards(service, "", 4000.0, unknown)


def test_calls_on_a_new_version_and_beside_it_are_told_apart() -> None:
    events, values = traffic()
    on, off = followed(events, values).levels("s", "", "prompt_version", "v2", "refusal_rate")
    assert on.mean == pytest.approx(0.2, abs=0.04)
    assert off.mean == pytest.approx(0.02, abs=0.012)
    first = next(n for n, event in enumerate(events) if event.prompt_version == "v2")
    assert on.events + off.events == len(events) - first


def test_only_calls_of_the_operations_that_run_on_it_are_beside_it() -> None:
    """A prompt for answers, given to half of them, beside calls that sort tickets and never refuse."""
    events = [
        call(n, "v2" if n >= 2000 and n % 4 == 0 else "v1", operation="answer" if n % 2 == 0 else "sort")
        for n in range(4000)
    ]
    refused = np.array([event.operation == "answer" and event.id.endswith(("0", "4")) for event in events], float)
    newcomers = followed(events, np.column_stack([refused, np.ones(4000)]))
    on, off = newcomers.levels("s", "", "prompt_version", "v2", "refusal_rate")
    assert (on.events, off.events) == (500, 500)
    assert off.mean == pytest.approx(0.4)
    assert newcomers.operations("s", "", "prompt_version", "v2") == ["answer"]


def test_what_was_there_from_the_start_is_not_new() -> None:
    events, values = traffic()
    assert followed(events, values).levels("s", "", "prompt_version", "v1", "refusal_rate") == (NOTHING, NOTHING)


def test_the_batches_do_not_matter() -> None:
    events, values = traffic()
    assert followed(events, values, 1).snapshot() == followed(events, values, 4000).snapshot()


def test_the_order_does_not_matter() -> None:
    events, values = traffic()
    order = np.random.default_rng(1).permutation(len(events))
    shuffled = followed([events[row] for row in order.tolist()], values[order])
    assert shuffled.snapshot() == followed(events, values).snapshot()


def test_it_goes_on_from_a_snapshot_as_if_it_had_not_stopped() -> None:
    events, values = traffic()
    begun, resumed = Newcomers([REFUSED, LENGTH]), Newcomers([REFUSED, LENGTH])
    take(begun, events[:2505], values[:2505])
    begun.advance(2500.0)
    resumed.restore(begun.snapshot())
    take(resumed, events[2505:], values[2505:])
    resumed.advance(np.inf)
    assert resumed.snapshot() == followed(events, values).snapshot()


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 0"):
        Newcomers([REFUSED]).restore({"version": 0})


def test_a_card_marks_what_differs_and_only_that() -> None:
    """A card marks something that does not differ in one of a hundred draws."""
    marked: Counter[str] = Counter()
    for seed in range(60):
        (card,) = cards(followed(*traffic(seed, count=1500)))
        marked.update(row.metric for row in card.rows if row.sure)
    assert marked["refusal_rate"] == 60
    assert marked["output_length"] <= 3


def test_where_nothing_runs_without_the_version_a_card_compares_with_before() -> None:
    events, values = traffic(share=1.0)
    before = average_of(Family.RATE, 2000, 40, 40)
    (card,) = followed(events, values).cards(
        "s", "", 4000.0, lambda _: lambda metric, *_: before if metric == "refusal_rate" else NOTHING
    )
    assert (card.rows[0].metric, card.rows[0].sure, card.rows[0].beside) == ("refusal_rate", True, False)
    assert card.rows[0].other.value == pytest.approx(0.02)
    assert card.share == 1.0


def test_equal_versions_get_a_card_that_marks_nothing_in_nearly_all_of_sixty() -> None:
    marked = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        events = [call(n, "v2" if n > 900 and n % 2 else "v1") for n in range(1500)]
        values = np.column_stack([(rng.random(1500) < 0.1).astype(float), rng.lognormal(5, 0.5, 1500)])
        (card,) = cards(followed(events, values, 1500))
        marked += any(row.sure for row in card.rows)
    assert marked <= 3


def test_shadow_calls_scores_and_changes_are_no_traffic() -> None:
    events = [call(n) for n in range(1000)]
    odd = [
        call(1000, "shadow", shadow_of="1"),
        call(1001, "score", kind=Kind.SCORE),
        call(1002, "change", kind=Kind.CHANGE),
    ]
    newcomers = followed(events + odd, np.zeros((1003, 2)) + 1)
    assert cards(newcomers) == []


def test_after_a_day_a_version_is_no_longer_new() -> None:
    events, values = traffic()
    newcomers = followed(events, values)
    newcomers.expire(50_000.0)
    assert [card.value for card in cards(newcomers)] == ["v2"]
    newcomers.expire(86_400.0 + 2_100.0)
    assert cards(newcomers) == []


def test_a_card_is_given_once_when_enough_calls_have_run_on_the_version() -> None:
    events, values = traffic(share=0.5)
    newcomers = Newcomers([REFUSED, LENGTH], card_calls=300)
    given = []
    for start in range(0, 4000, 10):
        take(newcomers, events[start : start + 10], values[start : start + 10])
        newcomers.advance(start + 10.0)
        given += newcomers.due(start + 10.0, unknown)
    (card,) = given
    assert 300 <= card.calls < 310
    assert card.share == pytest.approx(0.5, abs=0.06)
    assert card.rows[0].sure
    assert newcomers.left(4000.0, unknown) == []


def test_a_version_that_hardly_anything_runs_on_has_its_card_when_its_time_is_up_also_after_a_restart() -> None:
    newcomers = followed(*traffic(share=0.05))
    assert newcomers.due(43_000.0, unknown) == []
    assert [card.value for card in newcomers.left(43_000.0, unknown)] == ["v2"]
    resumed = Newcomers([REFUSED, LENGTH])
    resumed.restore(newcomers.snapshot())
    assert [card.value for card in resumed.due(46_000.0, unknown)] == ["v2"]
    again = Newcomers([REFUSED, LENGTH])
    again.restore(resumed.snapshot())
    assert again.due(46_000.0, unknown) == []


def test_a_flood_of_versions_stays_within_its_limits() -> None:
    newcomers = Newcomers([REFUSED], baseline_s=10.0, max_followed=4, max_all=6, max_known=50)
    for service in ("a", "b"):
        events = [
            Interaction(id=str(n), time=float(n), service=service, config={"build": f"{service}{n}"})
            for n in range(300)
        ]
        take(newcomers, events, np.zeros((300, 1)))
        newcomers.advance(np.inf)
    assert len(cards(newcomers, "a")) == 4
    assert len(cards(newcomers, "b")) == 2
    assert newcomers.dropped > 0
    assert len(newcomers.snapshot()["services"][0][2]) == 50
