"""Silence against a stream's own hours: nights and weekends are none, and pauses that are usual neither."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from undertow.drift.usual_hours import UsualHours, UsualHoursState

HOUR = 3600.0
DAY = 24 * HOUR
MONDAY = 1_767_571_200.0  # 2026-01-05 00:00 UTC


def office(weeks: int, per_hour: int = 200) -> UsualHours:
    """Busy from 8 to 18 on weekdays, silent otherwise; the last hour known is that before the next Monday."""
    hours = UsualHours()
    for hour in range(weeks * 7 * 24):
        if hour // 24 % 7 < 5 and 8 <= hour % 24 < 18:
            hours.add(MONDAY + hour * HOUR, per_hour)
    return hours


def at(weeks: int, day: int, hour: float) -> float:
    return MONDAY + weeks * 7 * DAY + day * DAY + hour * HOUR


def test_a_quarter_of_a_busy_hour_without_events_is_silence() -> None:
    hours = office(2)
    hours.add(at(2, 0, 8), 200)
    assert hours.is_silent(at(2, 0, 9), at(2, 0, 9.25))
    assert not hours.is_silent(at(2, 0, 9), at(2, 0, 9.1)), "20 events are missing, 30 are needed"


@pytest.mark.parametrize(("day", "hour"), [(0, 20), (1, 3), (5, 12), (6, 12)])
def test_nights_and_weekends_are_none(day: int, hour: float) -> None:
    hours = office(2)
    assert not hours.is_silent(at(2, day, hour), at(2, day, hour + 4))


def test_the_silence_of_a_morning_is_told_after_the_hour_in_which_the_day_begins() -> None:
    hours = office(2)
    last = at(1, 4, 17.9)  # Friday evening
    assert not hours.is_silent(last, at(2, 0, 8.9)), "some days begin at half past"
    assert hours.is_silent(last, at(2, 0, 9))


@pytest.mark.parametrize("minutes", [10, 30, 50])
def test_a_day_that_begins_and_ends_within_an_hour_is_none(minutes: int) -> None:
    hours, begins, ends = UsualHours(), 8 + minutes / 60, 17 + minutes / 60
    for day in range(15):
        for minute in range(24 * 60):
            if begins <= minute / 60 < ends:
                hours.add(at(0, day, minute / 60), 5)
    assert not hours.is_silent(at(2, 0, ends), at(2, 1, begins))
    assert hours.is_silent(at(2, 0, ends), at(2, 1, 9.2))


def test_in_the_first_week_hours_of_the_day_stand_in() -> None:
    hours = UsualHours()
    for hour in range(48):
        hours.add(MONDAY + hour * HOUR, 60)
    assert hours.expected(at(0, 2, 1), at(0, 2, 2)) == 60.0
    assert hours.is_silent(at(0, 2, 0), at(0, 2, 0.6))


WORKDAYS = {
    "first": st.integers(0, 4),  # day of the week on which the stream begins
    "zone": st.integers(-12, 14),
    "opens": st.integers(0, 10),
    "length": st.integers(6, 13),
    "per_hour": st.integers(60, 5000),
}


def worked(first: int, zone: int, opens: int, length: int, per_hour: int, until: float) -> UsualHours:
    """Busy for some hours on weekdays, all in local time, up to a time of the first week."""
    hours = UsualHours()
    for hour in range(first * 24, 7 * 24):
        time = MONDAY + (hour - zone) * HOUR
        if hour // 24 < 5 and opens <= hour % 24 < opens + length and time < until:
            hours.add(time, per_hour)
    return hours


@given(**WORKDAYS, at_hour=st.integers(0, 71))
def test_a_first_quiet_weekend_is_no_silence(
    first: int, zone: int, opens: int, length: int, per_hour: int, at_hour: int
) -> None:
    evening = at(0, 4, opens + length - zone)
    hours = worked(first, zone, opens, length, per_hour, evening)
    assert not hours.is_silent(evening - 1, min(evening + at_hour * HOUR, at(1, 0, opens - zone)))


@given(**WORKDAYS, stops=st.floats(0.3, 0.7))
def test_a_stream_that_breaks_off_on_its_second_day_is_silent(
    first: int, zone: int, opens: int, length: int, per_hour: int, stops: float
) -> None:
    second = min(first, 3) + 1
    gone = at(0, second, opens + round(stops * length) - zone)
    assume(gone % DAY != 0)  # at midnight a Friday may have ended
    hours = worked(second - 1, zone, opens, length, per_hour, gone)
    assert hours.is_silent(gone - 1, gone + 1.05 * HOUR)


@pytest.mark.parametrize("day", range(7))
def test_a_stream_without_nights_that_breaks_off_on_its_second_day_is_silent_on_any_day(day: int) -> None:
    hours = UsualHours()
    for hour in range(24 + 11):
        hours.add(at(0, day, hour), 60)
    assert hours.is_silent(at(0, day + 1, 11) - 1, at(0, day + 1, 12))


def test_a_stream_without_nights_may_rest_on_its_first_weekend_and_not_on_a_tuesday() -> None:
    hours = UsualHours()
    for hour in range(5 * 24):
        hours.add(at(0, 0, hour), 60)
        if hour == 24 + 23:
            assert hours.is_silent(at(0, 2, 0) - 1, at(0, 2, 1))
    assert not any(hours.is_silent(at(0, 5, 0) - 1, at(0, 5, hour)) for hour in range(48))


def test_the_second_weekend_is_known_from_the_first() -> None:
    hours = office(1)
    for hour in range(7 * 24):
        hours.add(at(1, 0, hour), 200 if hour // 24 < 5 and 8 <= hour % 24 < 18 else 0)
    assert not hours.is_silent(at(1, 4, 17.9), at(1, 6, 12))
    assert hours.is_silent(at(1, 4, 17.9), at(2, 0, 9)), "Monday morning is known"


def test_nothing_is_known_on_the_first_day() -> None:
    hours = UsualHours()
    for hour in range(20):
        hours.add(MONDAY + hour * HOUR, 10_000)
    assert not hours.is_silent(at(0, 0, 19), at(0, 0, 23))


def test_one_week_in_which_it_was_silent_does_not_hide_the_next() -> None:
    hours = UsualHours()
    for hour in range(4 * 7 * 24):
        hours.add(MONDAY + hour * HOUR, 0 if hour == 2 * 7 * 24 + 12 else 100)
    assert hours.expected(at(4, 0, 12), at(4, 0, 13)) == 100.0


def test_a_pause_that_is_usual_is_none() -> None:
    """A log that is shipped every half hour: half an hour without events is nothing, an hour and a bit is silence."""
    hours = UsualHours()
    for half in range(14 * 48):
        hours.add(MONDAY + half * HOUR / 2, 100)
        hours.add_pause(MONDAY + half * HOUR / 2, 1800.0)
    assert not hours.is_silent(at(2, 0, 9), at(2, 0, 9.9))
    assert hours.is_silent(at(2, 0, 9), at(2, 0, 10.1))


def test_a_night_is_no_usual_pause() -> None:
    hours = office(2)
    hours.add(at(2, 0, 8), 200)
    hours.add_pause(at(2, 0, 8), 14 * HOUR)
    assert hours.is_silent(at(2, 0, 8.1), at(2, 0, 8.5))


def test_what_lasts_for_weeks_becomes_usual() -> None:
    hours = office(1)
    assert hours.is_silent(at(1, 0, 9), at(1, 0, 12))
    hours.add(at(3, 0, 7), 1)
    assert not hours.is_silent(at(3, 0, 9), at(3, 0, 12))


@given(st.lists(st.tuples(st.floats(0, 60 * DAY), st.integers(0, 100)), max_size=12))
def test_it_goes_on_from_its_state(added: list[tuple[float, int]]) -> None:
    whole, resumed = UsualHours(), UsualHours()
    for time, events in added:
        whole.add(MONDAY + time, events)
        resumed.add(MONDAY + time, events)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(resumed.snapshot()), type=UsualHoursState)
        resumed = UsualHours(state)
    assert resumed.snapshot() == whole.snapshot()
    assert whole.expected(MONDAY, MONDAY + 61 * DAY) >= 0
