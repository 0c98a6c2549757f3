"""Numbers, times and their changes read the way people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.units import change_text, clock, duration, interval, number, quantity, short, stamp, tick
from undertow.drift.verdict import Estimate

SHARE = "share of events"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, SHARE, "0 %"),
        (0.00042, SHARE, "0.042 %"),
        (0.021, SHARE, "2.1 %"),
        (1.0, SHARE, "100 %"),
        (0.0, "seconds", "0 s"),
        (0.0021, "seconds", "2.1 ms"),
        (1.238, "seconds", "1.24 s"),
        (150.0, "seconds", "2 min 30 s"),
        (1.2, "US dollars", "$1.20"),
        (-0.5, "US dollars", "−$0.5"),
        (12_400.0, "US dollars", "$12,400"),
        (2.104, "calls", "2.1 calls"),
        (41.2, "/s", "41.2/s"),
        (math.nan, "calls", "–"),
        (None, "calls", "–"),
    ],
)
def test_a_quantity_carries_its_unit(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@given(st.floats(min_value=1e-9, max_value=1e15))
def test_a_number_keeps_three_significant_digits(value: float) -> None:
    read = float(number(value).replace(",", "").replace(" M", "e6"))
    assert read == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("before", "after", "unit", "text"),
    [
        (0.31, 0.006, SHARE, "−30.4 points"),
        (400.0, 380.0, "characters", "−5 %"),
        (1.0, 0.1, "calls", "× 0.1"),
        (0.0, 0.0, "calls", "no change"),
    ],
)
def test_a_change_is_told_in_points_percent_or_a_factor(before: float, after: float, unit: str, text: str) -> None:
    assert change_text(before, after, unit) == text


def test_an_interval_says_its_unit_once_where_both_ends_share_it() -> None:
    assert interval(Estimate(1.0, 0.8, 1.2, 9), "seconds") == "800 ms – 1.2 s"
    assert interval(Estimate(1.0, 1.1, 1.2, 9), "seconds") == "1.1 – 1.2 s"
    assert interval(Estimate(0.02, 0.01, 0.03, 9), SHARE) == "1.0 – 3.0 %"


@given(st.floats())
def test_any_time_has_a_text(t: float) -> None:
    assert len(stamp(t)) == 19
    assert len(clock(t)) == 8
    assert duration(t)


def test_durations_leave_out_what_is_zero() -> None:
    assert [duration(seconds) for seconds in (0, 60, 3600, 86_400, 90_061)] == ["0 s", "1 min", "1 h", "1 d", "1 d 1 h"]


def test_an_axis_does_not_round_a_share_further_than_its_step() -> None:
    assert [tick(value, SHARE) for value in (0.0, 0.0025, 0.005, 0.0075)] == ["0 %", "0.25 %", "0.5 %", "0.75 %"]
    assert short(math.inf, SHARE) == "–"
