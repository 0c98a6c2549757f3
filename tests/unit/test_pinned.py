"""The daily comparison with a pin: told once, worsening seen, over when the level is back, no word on what wanders."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from bench.pins import EVERY, PIN_DAYS, SHARE, Traffic, build, observation

from undertow.drift.baselines import DAY
from undertow.drift.detector import Alarm
from undertow.drift.pin import Pin
from undertow.drift.pinned import Pinned

RATE = Traffic(0.05, 20_000)
LENGTHS = Traffic(None, 20_000)
WEEK = Pin(id="week", kind="days", source="a good week", service="s", first=0, last=PIN_DAYS - 1)


def levels(*parts: tuple[int, float]) -> list[float]:
    """Return (days, odds or length as a multiple of the pin's) … as one multiple a day."""
    return [factor for days, factor in parts for _ in range(days)]


def told(
    traffic: Traffic,
    multiples: Sequence[float],
    pin: Pin = WEEK,
    each_day: Callable[[int, Pinned], Pinned] = lambda _day, pinned: pinned,
    week: Sequence[float] = (1.0,) * PIN_DAYS,
) -> list[tuple[int, Alarm]]:
    """Follow one series that stands at these multiples of its level, one a day, after the pinned week."""
    rng = np.random.default_rng(3)
    pinned, series = build(traffic, 1)
    found = []
    for number, multiple in enumerate([*week, *multiples, 1.0]):
        if pinned.turn(number * DAY):
            found += [(number - PIN_DAYS, alarm) for alarm in pinned.look(number * DAY, SHARE)]
        pinned.add(observation(traffic, number, series, np.log([multiple]), rng), EVERY)
        if number == PIN_DAYS:
            pinned.pin(pin)
        pinned = each_day(number, pinned)
    return found


def kinds(found: Sequence[tuple[int, Alarm]]) -> list[tuple[int, str, str]]:
    return [(at, alarm.kind, alarm.direction) for at, alarm in found]


@pytest.mark.parametrize("traffic", [RATE, LENGTHS])
def test_a_level_that_stays_is_never_told(traffic: Traffic) -> None:
    assert told(traffic, levels((40, 1.0))) == []


@pytest.mark.parametrize(("traffic", "multiple"), [(RATE, 2.0), (RATE, 0.5), (LENGTHS, 1.4), (LENGTHS, 0.7)])
def test_a_jump_is_paged_after_its_first_day_and_once(traffic: Traffic, multiple: float) -> None:
    ((at, alarm),) = told(traffic, levels((10, 1.0), (20, multiple)))
    assert (at, alarm.kind, alarm.direction) == (11, "page", "up" if multiple > 1 else "down")
    assert alarm.changed_at == (PIN_DAYS + 10) * DAY
    assert alarm.changed_from <= alarm.changed_at < alarm.changed_to == (PIN_DAYS + 11) * DAY
    assert alarm.statistic >= alarm.threshold == pytest.approx(np.log(7000))
    assert alarm.before.low < alarm.before.value < alarm.before.high
    assert alarm.events == 20_000
    assert alarm.after.value / alarm.before.value == pytest.approx(multiple, rel=0.06)
    assert alarm.before.events == PIN_DAYS * 20_000
    assert "the last day at" in alarm.reason
    assert "in pin week (a good week): evidence" in alarm.reason


def test_a_slow_ramp_is_told_with_the_days_in_which_it_left() -> None:
    found = told(LENGTHS, [1.01**day for day in range(1, 25)])
    assert kinds(found)[0][1:] == ("notice", "up")  # below page_from
    at, page = next((at, alarm) for at, alarm in found if alarm.kind == "page")
    assert at <= 21
    assert PIN_DAYS * DAY <= page.changed_from < page.changed_at < page.changed_to <= (PIN_DAYS + at) * DAY
    assert page.after.value / page.before.value == pytest.approx(1.12, abs=0.04)


def test_a_small_change_is_a_notice_once() -> None:
    ((at, kind, direction),) = kinds(told(LENGTHS, levels((7, 1.0), (20, 1.08))))
    assert (kind, direction) == ("notice", "up")
    assert 8 <= at <= 10


def test_a_fall_that_does_no_harm_is_a_notice() -> None:
    violations = RATE._replace(of="schema_violation_rate")
    assert kinds(told(violations, levels((5, 1.0), (5, 0.5)))) == [(6, "notice", "down")]
    assert kinds(told(violations, levels((5, 1.0), (5, 2.0)))) == [(6, "page", "up")]


def test_worsening_is_paged_against_what_was_told() -> None:
    found = told(RATE, levels((5, 1.0), (5, 2.0), (5, 5.0), (5, 5.2)))
    assert kinds(found) == [(6, "page", "up"), (11, "page", "up")]
    assert found[1][1].changed_at == (PIN_DAYS + 10) * DAY
    assert found[1][1].before == found[0][1].before  # what is usual is what was pinned


def test_an_episode_ends_when_the_pins_level_is_back_and_a_later_one_is_told_anew() -> None:
    found = told(RATE, levels((5, 1.0), (5, 2.0), (8, 1.0), (4, 2.0)))
    assert kinds(found) == [(6, "page", "up"), (11, "recovered", "down"), (19, "page", "up")]
    assert found[1][1].opened_at == (PIN_DAYS + 6) * DAY


def test_a_partial_return_is_neither_over_nor_told() -> None:
    assert kinds(told(RATE, levels((5, 1.0), (5, 3.0), (10, 2.0)))) == [(6, "page", "up")]


def test_wander_from_day_to_day_is_measured_and_passed_over() -> None:
    """A fifth up and down is this series' habit, in the pinned week too; twice the level for good is not."""
    habit = [1.2, 1.2, 0.83, 0.83] * 7
    assert told(LENGTHS, habit, week=habit[1:8]) == []
    assert kinds(told(LENGTHS, [*habit, *levels((10, 2.0))], week=habit[1:8]))[0] == (29, "page", "up")


def test_a_state_that_was_saved_goes_on_alike_after_any_day() -> None:
    multiples = levels((5, 1.0), (5, 2.0), (3, 5.0), (6, 1.0), (3, 2.0))
    straight = told(RATE, multiples)

    def restarted(_day: int, pinned: Pinned) -> Pinned:
        again, _ = build(RATE, 1)
        again.restore(pinned.snapshot())
        return again

    assert told(RATE, multiples, each_day=restarted) == straight
    assert len(straight) == 5


def test_another_pin_forgets_what_was_told_and_an_accepted_level_is_compared_from_its_week_on() -> None:
    later = Pin(id="later", kind="days", source="", service="s", first=PIN_DAYS + 6, last=PIN_DAYS + 12)

    def accepted(number: int, pinned: Pinned) -> Pinned:
        if number == PIN_DAYS + 6:
            pinned.pin(later)
            assert len(pinned.compared) == 0  # its week is not over
        return pinned

    found = told(RATE, levels((5, 1.0), (12, 2.0), (3, 1.0)), each_day=accepted)
    assert kinds(found) == [(6, "page", "up"), (18, "page", "down")]


def test_what_is_compared_is_shown_as_of_the_last_whole_day() -> None:
    shown = []

    def look(number: int, pinned: Pinned) -> Pinned:
        shown.append([status for status in pinned.statuses(SHARE) if number >= PIN_DAYS])
        return pinned

    told(RATE, levels((5, 1.0), (5, 2.0)), each_day=look)
    first, last = shown[PIN_DAYS][0].compared[0], shown[-1][0].compared[0]
    assert (first.now, first.days, first.changed_at) == (None, 0, None)
    assert last.now is not None
    assert (last.days, last.pin, last.changed_at) == (7, "week", (PIN_DAYS + 5) * DAY)
    assert last.now.value > last.before.value
