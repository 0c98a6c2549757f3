"""Which pin governs a series, what it holds, and what can be no pin."""

from collections.abc import Sequence

import numpy as np
import pytest

from undertow.drift.baselines import DAY
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.days import Days, Sums
from undertow.drift.observations import Observations
from undertow.drift.pin import Pin, ReferencePart
from undertow.drift.pins import PINS_LIMIT, Pins
from undertow.drift.scales import Scales
from undertow.drift.segments import Group
from undertow.drift.verdict import Series

CATALOGUE = Catalogue()
REFUSALS, LATENCY = CATALOGUE.numbers["refusal_rate"], CATALOGUE.numbers["latency"]
GROUPS = [
    Group("s", "prod"),
    Group("s", "prod", (("prompt_version", "v47"),)),
    Group("s", "prod", (("prompt_version", "v48"),)),
    Group("s", "prod", (("region", "eu"),)),
    Group("t", "prod"),
]
WEEK = Pin(id="week", kind="days", source="0..6", service="s", first=0, last=6)


def numbers(metric: int, groups: Sequence[int] = range(len(GROUPS))) -> list[int]:
    return [group * SERIES_METRICS + metric for group in groups]


def seen(days: int = 10, until: Days | None = None) -> Days:
    """Return days in which group g has g + 1 hits of 100 events a day; v48 is there from day 8 on."""
    found = until or Days()
    for day in range(days):
        series = [n for n in [*numbers(REFUSALS), *numbers(LATENCY)] if n // SERIES_METRICS != 2 or day >= 8]
        hits = np.array([n // SERIES_METRICS + 1.0 for n in series])
        sums = np.stack([np.full(len(series), 100.0), hits, hits, hits], axis=1)
        found.add(day * DAY, np.array(series), np.full(len(series), day * DAY), sums)
    return found


def build(days: Days) -> Pins:
    return Pins(GROUPS, CATALOGUE, days, Observations(CATALOGUE, Scales(CATALOGUE, 2, 4)).numbers)


def held(pins: Pins) -> dict[int, list[float]]:
    found = pins.governed()
    return dict(zip(found.series.tolist(), found.sums.tolist(), strict=True))


def test_a_period_holds_the_days_of_each_series_itself() -> None:
    pins = build(seen())
    pins.add(WEEK)
    found = held(pins)
    assert set(found) == {*numbers(REFUSALS, [0, 1, 3]), *numbers(LATENCY, [0, 1, 3])}
    assert found[numbers(REFUSALS)[3]] == [700.0, 28.0, 28.0, 28.0, 7.0]
    assert set(pins.governed().since.tolist()) == {6}


def test_a_period_that_is_not_over_is_held_when_it_is() -> None:
    days = seen(5)
    pins = build(days)
    pins.add(WEEK)
    assert held(pins) == {}
    assert not pins.is_held(WEEK)
    seen(10, until=days)
    pins.hold(days.last)
    assert pins.is_held(WEEK)
    assert held(pins)[numbers(REFUSALS)[0]][Sums.DAYS] == 7


def test_the_newest_pin_that_covers_a_series_governs_it_until_it_is_dropped() -> None:
    pins = build(seen(12))
    one = Series("s", "prod", (("region", "eu"),), "refusal_rate")
    pins.add(WEEK)
    pins.add(Pin(id="new", kind="days", source="", service="s", series=(one,), first=3, last=10))
    found = pins.governed()
    by_pin = dict(zip(found.series.tolist(), (pins.pins[i].id for i in found.pin), strict=True))
    assert by_pin[numbers(REFUSALS)[3]] == "new"
    assert by_pin[numbers(REFUSALS)[0]] == "week"
    pins.remove("new")
    assert {pins.pins[i].id for i in pins.governed().pin} == {"week"}


@pytest.mark.parametrize(
    ("scope", "groups", "metrics"),
    [
        ({"metric": "latency"}, [0, 1, 3], [LATENCY]),
        ({"segment": (("region", "eu"),)}, [3], [REFUSALS, LATENCY]),
        ({"environment": "dev"}, [], []),
    ],
)
def test_a_pin_covers_what_it_says(scope: dict[str, object], groups: list[int], metrics: list[int]) -> None:
    pins = build(seen())
    pins.add(Pin(id="1", kind="days", source="", service="s", first=0, last=6, **scope))  # type: ignore[arg-type]
    assert set(held(pins)) == {number for metric in metrics for number in numbers(metric, groups)}


def test_a_version_is_compared_with_its_service_and_the_other_versions() -> None:
    pins = build(seen())
    version = ("prompt_version", "v47")
    pins.add(Pin(id="1", kind="version", source="", service="s", version=version, last=8))
    found = held(pins)
    assert set(found) == {*numbers(REFUSALS, [0, 1, 2]), *numbers(LATENCY, [0, 1, 2])}
    assert {tuple(sums) for sums in found.values()} == {(900.0, 18.0, 18.0, 18.0, 9.0)}


def test_a_file_is_compared_with_the_series_that_it_knows_on_their_scales() -> None:
    days = seen()
    scales = Scales(CATALOGUE, 2, 4)
    pins = Pins(GROUPS, CATALOGUE, days, Observations(CATALOGUE, scales).numbers)
    parts = (ReferencePart((), "refusal_rate", [0, 1], [980, 20]), ReferencePart((), "latency", [8192], [10]))
    pins.add(Pin(id="1", kind="reference", source="evals.jsonl", service="s", reference=parts))
    assert held(pins) == {numbers(REFUSALS)[0]: [1000.0, 20.0, 20.0, 20.0, float("inf")]}
    scales.apply(np.array([LATENCY]), np.array([8192]), np.array([9]), start=0.0)
    assert set(held(pins)) == {numbers(REFUSALS)[0], numbers(LATENCY)[0]}
    assert pins.governed().since.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("pin", "reason"),
    [
        (WEEK, "is there already"),
        (Pin(id="1", kind="days", source="", service="nobody", first=0, last=6), "no series is known of nobody"),
        (Pin(id="1", kind="days", source="then", service="s", first=-3, last=6), "before 1970-01-01 are not known"),
        (Pin(id="1", kind="version", source="v", service="s", version=("prompt_version", "v1")), "says nothing"),
        (Pin(id="1", kind="reference", source="file", service="s"), "says nothing"),
    ],
)
def test_what_nothing_can_be_compared_with_is_refused(pin: Pin, reason: str) -> None:
    pins = build(seen())
    pins.check(WEEK)
    pins.add(WEEK)
    with pytest.raises(ValueError, match=reason):
        pins.check(pin)


def test_days_that_are_no_longer_kept_cannot_be_pinned() -> None:
    pins = build(seen(40))
    with pytest.raises(ValueError, match="before 1970-01-12 are not known"):
        pins.check(WEEK)


def test_beyond_the_limit_asked_pins_are_refused_and_accepted_levels_replace_the_oldest() -> None:
    pins = build(seen())
    for number in range(PINS_LIMIT):
        pins.add(Pin(id=str(number), kind="days", source="", service="s", metric="latency", first=0, last=6))
    with pytest.raises(ValueError, match=f"there are {PINS_LIMIT} pins"):
        pins.check(WEEK)
    pins.add(WEEK)
    assert [pin.id for pin in pins.pins[::99]] == ["1", "week"]


def test_a_restored_registry_governs_as_before() -> None:
    days = seen()
    pins = build(days)
    pins.add(WEEK)
    again = build(days)
    again.restore(pins.snapshot())
    assert held(again) == held(pins)
