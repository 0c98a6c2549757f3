"""Where the month is heading."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from undertow.drift.projection import PICO, month_of, pace, project

DAY = 24
WEEK = 168


def hours(dollars: list[float], first: int = 0) -> dict[int, int]:
    return {first + n: round(each * PICO) for n, each in enumerate(dollars)}


def weekly(weeks: int, peak: float = 5.0) -> list[float]:
    """Busy from 8 to 18 on five days, a tenth of it otherwise."""
    return [peak if hour % DAY in range(8, 18) and hour % WEEK < 5 * DAY else peak / 10 for hour in range(weeks * WEEK)]


def test_a_profile_of_the_week_is_continued_hour_by_hour() -> None:
    known = weekly(4)
    now = 3 * WEEK + 50
    found = project(hours(known[:now]), now * 3600.0, 0.0, 4 * WEEK * 3600.0)
    assert found.value == pytest.approx(sum(known), rel=1e-3)
    assert found.spent == pytest.approx(sum(known[:now]))
    assert found.low <= found.value <= found.high < found.value * 1.1


def test_a_part_of_the_present_hour_is_still_to_come() -> None:
    level = [2.0] * 100
    found = project(hours([*level, 0.5]), (100 + 0.25) * 3600.0, 0.0, 200 * 3600.0)
    assert found.value == pytest.approx(200.0 + 0.5 + 0.75 * 2.0 + 99 * 2.0)


def test_a_new_level_of_the_last_week_is_where_things_go() -> None:
    """Three weeks at one level, one at four times it: the rest of the time is expected at the new one."""
    known = [1.0] * (3 * WEEK) + [4.0] * WEEK
    found = project(hours(known), 4 * WEEK * 3600.0, 0.0, 5 * WEEK * 3600.0)
    assert found.value - found.spent == pytest.approx(4.0 * WEEK)


def test_a_jump_of_yesterday_moves_the_value_and_the_interval_spans_both_levels() -> None:
    known = weekly(3) + [each * 10 for each in weekly(1)[:DAY]]
    now = len(known)
    found = project(hours(known), now * 3600.0, 0.0, (now + 6 * DAY) * 3600.0)
    rest = sum(weekly(1)[DAY:])
    assert found.value - found.spent == pytest.approx(10 * rest, rel=0.05)
    assert found.low - found.spent < 4 * rest


def test_a_weekend_is_no_new_level() -> None:
    """On a Sunday night the week to come is expected to be one, as soon as there has been one."""
    for weeks in (1, 2, 3):
        known = weekly(weeks)
        now = len(known)
        found = project(hours(known), now * 3600.0, 0.0, (now + WEEK) * 3600.0)
        assert found.value - found.spent == pytest.approx(sum(weekly(1)), rel=0.06), f"after {weeks} weeks"


def test_a_jump_in_the_third_week_is_no_weekday() -> None:
    known = [1.0] * (13 * DAY + 1) + [10.0] * DAY
    now = len(known)
    found = project(hours(known), now * 3600.0, 0.0, (now + 6 * DAY) * 3600.0)
    assert found.value - found.spent == pytest.approx(10.0 * 6 * DAY, rel=0.01)


def test_a_busier_weekend_of_a_service_that_rests_on_weekends_says_nothing_about_its_level() -> None:
    known = [1.0 if hour % WEEK < 5 * DAY else 0.05 for hour in range(4 * WEEK)]
    known[-2 * DAY :] = [0.2] * (2 * DAY)
    now = len(known)
    found = project(hours(known), now * 3600.0, 0.0, (now + 5 * DAY) * 3600.0)
    assert found.value - found.spent == pytest.approx(5 * DAY, rel=0.05)


def test_before_two_days_there_is_no_upper_end_and_before_an_hour_no_value() -> None:
    nothing = project({}, 1000.0, 0.0, 720 * 3600.0)
    assert (nothing.spent, nothing.low, nothing.high) == (0.0, 0.0, math.inf)
    assert math.isnan(nothing.value)
    first_day = project(hours([1.0] * 20), 20 * 3600.0, 0.0, 720 * 3600.0)
    assert first_day.value == pytest.approx(720.0)
    assert (first_day.low, first_day.high) == (first_day.spent, math.inf)


def test_in_the_first_week_the_interval_allows_for_a_weekend_not_seen_yet() -> None:
    def width(days: int) -> float:
        found = project(hours([1.0] * (days * DAY)), days * DAY * 3600.0, 0.0, 30 * DAY * 3600.0)
        return (found.high - found.low) / (found.value - found.spent)

    assert width(4) > 0.3
    assert width(10) == pytest.approx(0.0, abs=1e-9)


def test_ninety_of_a_hundred_ends_lie_inside_the_interval() -> None:
    """Days that differ by a quarter, independently and lasting: measured coverage within a few points of 90 %."""
    for persistence in (0.0, 0.5):
        inside = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            steps = rng.normal(0, 0.25, 58)
            days = np.zeros(58)
            for day in range(1, 58):
                days[day] = persistence * days[day - 1] + steps[day] * math.sqrt(1 - persistence**2)
            known = np.array(weekly(9))[: 58 * DAY] * np.repeat(np.exp(days), DAY)
            start, now, end = 28 * DAY, 38 * DAY, 58 * DAY
            found = project(hours(known[:now].tolist()), now * 3600.0, start * 3600.0, end * 3600.0)
            inside += found.low <= known[start:end].sum() <= found.high
        assert 0.8 <= inside / 200 <= 0.98, f"persistence {persistence}: {inside} of 200"


def test_hours_before_the_month_teach_the_profile_but_are_not_spent_in_it() -> None:
    found = project(hours([1.0] * 400), 400 * 3600.0, 300 * 3600.0, 500 * 3600.0)
    assert (found.spent, found.value) == pytest.approx((100.0, 200.0))


def test_the_pace_is_that_of_a_week_before_and_in_the_first_week_of_a_day_before() -> None:
    assert pace(hours([1.0] * 24 + [3.0] * 24), 48 * 3600.0) == 3.0
    assert pace(hours(weekly(1) + [each * 2 for each in weekly(1)[:24]]), (WEEK + 24) * 3600.0) == 2.0
    assert math.isnan(pace(hours([1.0] * 47), 47 * 3600.0))
    assert math.isnan(pace({0: 0, 47: 10}, 48 * 3600.0))


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-02-14T12:00", "2026-02-01", "2026-03-01"),
        ("2028-02-29T23:59", "2028-02-01", "2028-03-01"),
        ("2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("2026-01-01T00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_a_month_is_one_of_the_calendar(now: str, start: str, end: str) -> None:
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (now, start, end)]
    assert month_of(times[0]) == (times[1], times[2])


def test_a_service_that_spends_nothing_projects_nothing() -> None:
    found = project({0: 0, 99: 0}, 100 * 3600.0, 0.0, 720 * 3600.0)
    assert (found.spent, found.low, found.value, found.high) == (0.0, 0.0, 0.0, 0.0)
    assert math.isnan(found.pace)
