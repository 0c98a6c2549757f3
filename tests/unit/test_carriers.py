"""Which slices carry a change."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.drift.averages import Average, Shift, average_of, pooled
from undertow.drift.carriers import carriers
from undertow.drift.contributions import Slice
from undertow.drift.metrics import Family


def slices_of(rates: dict[str, tuple[float, float]], events: int = 2000, seed: int | None = None) -> list[Slice]:
    """Return regions with a rate before and after; drawn when there is a seed, else exactly that."""
    rng = np.random.default_rng(seed)
    made = []
    for value, levels in rates.items():
        hits = [rng.binomial(events, p) if seed is not None else round(events * p) for p in levels]
        made.append(Slice("region", value, Shift(*(average_of(Family.RATE, events, h, h) for h in hits))))
    return made


def whole_of(slices: list[Slice]) -> Shift:
    return Shift(pooled(one.shift.before for one in slices), pooled(one.shift.after for one in slices))


def found(slices: list[Slice]) -> tuple[str, tuple[str, ...]]:
    answer = carriers(Family.RATE, slices, whole_of(slices))
    return answer.kind, answer.values


def test_the_one_slice_that_moved_is_named() -> None:
    rates = {"eu": (0.02, 0.02), "us": (0.02, 0.02), "ap": (0.02, 0.06), "sa": (0.02, 0.02)}
    assert found(slices_of(rates)) == ("slice", ("ap",))


def test_two_slices_that_moved_are_named_together() -> None:
    rates = {"eu": (0.02, 0.08), "us": (0.02, 0.02), "ap": (0.02, 0.08), "sa": (0.02, 0.02)}
    assert found(slices_of(rates)) == ("slice", ("ap", "eu"))


def test_a_fall_is_found_like_a_rise() -> None:
    rates = {"eu": (0.3, 0.3), "us": (0.3, 0.3), "ap": (0.3, 0.1)}
    assert found(slices_of(rates)) == ("slice", ("ap",))


def test_no_slice_is_named_when_all_moved_by_the_same_odds_from_other_levels() -> None:
    rates = {"eu": (0.02, 0.0577), "us": (0.10, 0.25), "ap": (0.30, 0.5625)}
    assert found(slices_of(rates)) == ("alike", ())


def test_everywhere_but_more_there_is_uneven() -> None:
    rates = {"eu": (0.02, 0.05), "us": (0.02, 0.05), "ap": (0.02, 0.25)}
    assert found(slices_of(rates)) == ("uneven", ("ap",))


def test_few_events_say_neither_alike_nor_where() -> None:
    assert found(slices_of({"eu": (0.05, 0.10), "us": (0.05, 0.10)}, events=40)) == ("unclear", ())


def test_without_slices_nothing_is_claimed() -> None:
    one = average_of(Family.RATE, 100, 5, 5)
    assert carriers(Family.RATE, [], Shift(one, one)).kind == "unclear"


def test_searching_many_slices_names_one_by_chance_in_no_more_than_one_of_a_hundred() -> None:
    """Twelve slices in two dimensions, all alike: 600 times."""
    named = 0
    for seed in range(600):
        rng = np.random.default_rng(seed)
        slices = []
        for dimension, values in (("region", 4), ("operation", 8)):
            events = rng.multinomial(3000, rng.dirichlet(np.full(values, 3.0)))
            for value in range(values):
                n = int(events[value]) + 1
                before, after = rng.binomial(4 * n, 0.02), rng.binomial(n, 0.06)
                shift = Shift(average_of(Family.RATE, 4 * n, before, before), average_of(Family.RATE, n, after, after))
                slices.append(Slice(dimension, str(value), shift))
        whole = whole_of([one for one in slices if one.dimension == "region"])
        named += carriers(Family.RATE, slices, whole).kind in {"slice", "uneven"}
    assert named <= 12


@pytest.mark.parametrize("size", [0.2, -0.2])
def test_a_length_is_compared_on_its_own_scale(size: float) -> None:
    def length(mean: float) -> Average:
        return average_of(Family.POSITIVE, 900, 900 * mean, 900 * (mean**2 + 0.25))

    slices = [
        Slice("region", "eu", Shift(length(5.0), length(5.0))),
        Slice("region", "us", Shift(length(5.0), length(5.0 + size))),
    ]
    answer = carriers(Family.POSITIVE, slices, whole_of(slices))
    assert (answer.kind, answer.values) == ("slice", ("us",))
