"""What each slice contributes to a change."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.averages import NOTHING, Average, Shift, average_of, of_estimate, pooled, remainder
from undertow.drift.contributions import NO_VALUE, Slice, breakdowns
from undertow.drift.metrics import Family
from undertow.drift.verdict import Estimate

averages = st.builds(Average, st.integers(0, 500).map(float), st.floats(-3, 3), st.floats(0.01, 1))
shifts = st.lists(st.tuples(averages, averages), min_size=1, max_size=6)


def known(average: Average) -> Average:
    return average if average.events else NOTHING


@given(shifts)
def test_rate_and_mix_add_up_to_the_change_whatever_the_slices(drawn: list[tuple[Average, Average]]) -> None:
    slices = [Slice("region", f"r{n}", Shift(known(a), known(b))) for n, (a, b) in enumerate(drawn)]
    whole = Shift(pooled(one.shift.before for one in slices), pooled(one.shift.after for one in slices))
    found = breakdowns(slices, whole)
    if not (whole.before.events and whole.after.events):
        assert found == []
        return
    (one,) = found
    assert one.rate + one.mix == pytest.approx(whole.change, abs=1e-9)
    assert sum(part.total for part in one.parts) == pytest.approx(whole.change, abs=1e-9)
    assert sum(part.share_after for part in one.parts) == pytest.approx(1)


def test_calls_without_a_value_are_a_slice_of_their_own() -> None:
    whole = Shift(Average(100, 0.1, 0.03), Average(100, 0.4, 0.05))
    inside = Shift(Average(60, 0.1, 0.04), Average(60, 0.1, 0.04))
    (found,) = breakdowns([Slice("agent", "a", inside)], whole)
    assert {part.value for part in found.parts} == {"a", NO_VALUE}
    assert found.parts[0].value == NO_VALUE
    assert found.parts[0].rate == pytest.approx(0.3)


def test_a_change_of_shares_alone_is_all_mix() -> None:
    before = [Average(90, 0.0, 0.01), Average(10, 1.0, 0.01)]
    after = [Average(50, 0.0, 0.01), Average(50, 1.0, 0.01)]
    slices = [Slice("operation", str(n), Shift(a, b)) for n, (a, b) in enumerate(zip(before, after, strict=True))]
    (found,) = breakdowns(slices, Shift(pooled(before), pooled(after)))
    assert (found.rate, found.mix) == pytest.approx((0, 0.4))


def test_a_change_of_levels_alone_is_all_rate() -> None:
    slices = [Slice("operation", str(n), Shift(Average(50, n, 0.1), Average(70, n + 1, 0.1))) for n in range(3)]
    whole = Shift(pooled(one.shift.before for one in slices), pooled(one.shift.after for one in slices))
    (found,) = breakdowns(slices, whole)
    assert (found.rate, found.mix) == pytest.approx((1, 0))


def test_a_value_that_is_new_brings_its_part_as_mix() -> None:
    whole = Shift(Average(100, 0.1, 0.03), Average(100, 0.55, 0.05))
    slices = [
        Slice("prompt_version", "v1", Shift(Average(100, 0.1, 0.03), Average(50, 0.1, 0.03))),
        Slice("prompt_version", "v2", Shift(NOTHING, Average(50, 1.0, 0.03))),
    ]
    (found,) = breakdowns(slices, whole)
    assert (found.rate, found.mix) == pytest.approx((0, 0.45))


def test_errors_of_both_sums_are_those_of_repeated_samples() -> None:
    rng = np.random.default_rng(5)
    rates, mixes, errors = [], [], []
    for _ in range(400):
        slices = []
        codes = rng.choice(3, (2, 600), p=[0.5, 0.3, 0.2])
        values = rng.normal(codes.astype(float), 1.0)
        sides = [[_normal(values[side][codes[side] == n]) for n in range(3)] for side in (0, 1)]
        slices = [Slice("d", str(n), Shift(sides[0][n], sides[1][n])) for n in range(3)]
        (found,) = breakdowns(slices, Shift(pooled(sides[0]), pooled(sides[1])))
        rates.append(found.rate)
        mixes.append(found.mix)
        errors.append((found.rate_error, found.mix_error))
    assert np.std(rates) == pytest.approx(np.mean(errors, axis=0)[0], rel=0.15)
    assert np.std(mixes) == pytest.approx(np.mean(errors, axis=0)[1], rel=0.15)


def _normal(values: np.ndarray) -> Average:
    return average_of(Family.SCORE, len(values), float(values.sum()), float((values**2).sum()))


def test_what_is_left_of_a_whole_is_the_rest_of_its_events() -> None:
    parts = [average_of(Family.RATE, 100, 3, 3), average_of(Family.RATE, 50, 20, 20)]
    rest = remainder(pooled(parts), [parts[0]])
    assert (rest.events, rest.mean) == pytest.approx((50, 0.4))
    assert remainder(pooled(parts), parts) == NOTHING
    assert remainder(parts[0], []) == parts[0]


def test_nothing_has_no_level() -> None:
    assert str(pooled([NOTHING, NOTHING]).mean) == str(nan)


def test_an_interval_of_a_positive_level_becomes_an_error_of_its_log() -> None:
    average = of_estimate(Family.POSITIVE, Estimate(100.0, 90.0, 111.11, 500))
    assert average.mean == pytest.approx(4.605, abs=1e-3)
    assert average.error == pytest.approx(0.0537, abs=1e-3)
