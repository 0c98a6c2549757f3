"""Baselines: nothing is lost on the way from the recent past to what is learned; season and wander by hand."""

import copy
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift.baselines import DAY, Baselines, Slot
from undertow.drift.weekly import WeeklyBaselines

HOUR = 3600.0
ROW = np.array([0])
SUMS = slice(Slot.EVENTS, Slot.LEARNED)


def baselines(rows: int = 1, born: float = 0.0) -> Baselines:
    made = Baselines()
    made.grow(rows, np.full(rows, born))
    return made


def block(number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    made = np.zeros((1, Slot.WIDTH))
    made[0, Slot.START], made[0, Slot.END] = number * 10.0, number * 10.0 + 10.0
    made[0, SUMS] = rng.integers(0, 50, Slot.LEARNED - Slot.EVENTS)
    made[0, Slot.EVENTS] = rng.integers(50, 80)
    return made


def pushed(count: int, seed: int = 1) -> tuple[Baselines, list[NDArray[np.float64]]]:
    rng, made = np.random.default_rng(seed), baselines()
    blocks = [block(number, rng) for number in range(count)]
    for each in blocks:
        made.push(ROW, each)
    return made, blocks


def test_learned_and_waiting_events_add_up_to_all_that_was_pushed_at_every_prefix() -> None:
    rng, made = np.random.default_rng(1), baselines()
    total = np.zeros(Slot.WIDTH)
    for number in range(400):
        fresh = block(number, rng)
        made.push(ROW, fresh)
        total += fresh[0]
        history = made.history(0)
        waiting = history[history[:, Slot.LEARNED] == 0]
        assert (made.sums[0] + waiting.sum(axis=0))[SUMS].tolist() == total[SUMS].tolist()
        assert made.waiting[0] == waiting[:, Slot.EVENTS].sum()
        assert made.learned(ROW)[0] == total[Slot.EVENTS]
        assert made.waiting[0] <= 0.25 * total[Slot.EVENTS] or len(waiting) == 0


def test_the_history_stays_short_in_order_and_without_gaps() -> None:
    made, blocks = pushed(500)
    history = made.history(0)
    assert 12 <= len(history) <= 24
    assert (history[1:, Slot.START] == history[:-1, Slot.END]).all()
    assert history[-1, Slot.END] == blocks[-1][0, Slot.END]
    learned = history[:, Slot.LEARNED]
    assert (np.diff(learned) <= 0).all(), "what is learned comes before what waits"
    assert set(learned) <= {0.0, 1.0}
    sizes = history[:, Slot.EVENTS]
    assert sizes[-1] < 100 < sizes[0], "resolution falls with age"


def test_a_merged_slot_holds_exactly_the_blocks_between_its_start_and_its_end() -> None:
    made, blocks = pushed(300)
    for slot in made.history(0):
        mine = [each[0] for each in blocks if slot[Slot.START] <= each[0, Slot.START] < slot[Slot.END]]
        assert np.sum(mine, axis=0)[SUMS].tolist() == slot[SUMS].tolist()


@pytest.mark.parametrize("latest", [0, 1, 3, 12])
def test_before_is_all_that_was_pushed_without_the_latest_slots(latest: int) -> None:
    made, blocks = pushed(300)
    history = made.history(0)
    slots = history[len(history) - latest :]
    start = slots[0, Slot.START] if latest else math.inf
    older = [each[0] for each in blocks if each[0, Slot.START] < start]
    assert made.before(0, slots)[SUMS].tolist() == np.sum(older, axis=0)[SUMS].tolist()


def test_a_restart_begins_with_the_sums_it_is_given_and_an_empty_past() -> None:
    made, _ = pushed(100)
    sums = np.arange(float(Slot.WIDTH))
    made.restart(0, sums, 5000.0)
    assert made.sums[0].tolist() == sums.tolist()
    assert len(made.history(0)) == 0
    assert made.learned(ROW)[0] == sums[Slot.EVENTS]
    made.push(ROW, block(0, np.random.default_rng(1)))
    assert len(made.history(0)) == 1


def test_rows_do_not_see_each_other() -> None:
    together, alone = baselines(3), baselines()
    rng, other = np.random.default_rng(1), np.random.default_rng(2)
    for number in range(200):
        mine, theirs = block(number, rng), block(number, other)
        if number % 3:
            together.push(np.array([0, 2]), np.concatenate([theirs, mine]))
        else:
            together.push(np.array([2]), mine)
        alone.push(ROW, mine)
    assert together.history(2).tolist() == alone.history(0).tolist()
    assert together.sums[2].tolist() == alone.sums[0].tolist()


# -- daily profile ----------------------------------------------------------------------------------------------------


def identity(level: NDArray[np.float64]) -> NDArray[np.float64]:
    return level


def seasoned(days: int = 4) -> tuple[Baselines, NDArray[np.float64]]:
    made = baselines()
    levels = 10 + np.arange(24.0) % 7
    for hour in range(24 * days):
        made.record_hours(ROW, hour * HOUR, np.array([100.0]), np.array([100 * levels[hour % 24]]))
    return made, levels


def test_the_profile_is_the_smoothed_shrunk_and_interpolated_level_by_hour() -> None:
    made, levels = seasoned()
    weights = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    smooth = np.array([(weights * levels[np.arange(h - 2, h + 3) % 24]).sum() * 400 for h in range(24)])
    mean = (levels.sum() * 400 + 0.5) / (24 * 400 + 1)
    expected = (smooth + 50 * mean) / (9 * 400 + 50) - mean
    for hour in range(24):
        centre = 4 * DAY + (hour + 0.5) * HOUR
        assert made.season(ROW, centre, np.array([50.0]), identity)[0] == pytest.approx(expected[hour])
        between = made.season(ROW, centre + 0.25 * HOUR, np.array([50.0]), identity)[0]
        assert between == pytest.approx(0.75 * expected[hour] + 0.25 * expected[(hour + 1) % 24])


def test_an_hour_has_its_profile_when_it_has_passed_on_three_days() -> None:
    made = baselines()
    for hour in range(10, 24 * 3 + 10):  # from 10:00 of the first day to 10:00 of the fourth
        made.record_hours(ROW, hour * HOUR, np.array([100.0]), np.array([100.0 * (hour % 24)]))
    known = [bool(made.has_profile(ROW, hour * HOUR)[0]) for hour in range(24)]
    assert known == [hour != 9 for hour in range(24)], "9:00 of the fourth day goes on"
    made.record_hours(ROW, (24 * 3 + 10) * HOUR, np.array([1.0]), np.array([1.0]))
    assert made.has_profile(ROW, 9 * HOUR)[0]
    assert made.season(ROW, 9.5 * HOUR, np.array([50.0]), identity)[0] != 0


def test_days_without_events_make_no_profile() -> None:
    made = baselines()
    for day in (0, 1, 8):
        made.record_hours(ROW, day * DAY, np.array([10.0]), np.array([1.0]))
    assert not made.has_profile(ROW, 8 * DAY)[0], "the third time is not over"
    assert not made.has_profile(ROW, 12 * HOUR)[0], "never seen at noon"
    assert made.season(ROW, 12 * HOUR, np.array([50.0]), identity)[0] == 0
    assert made.unknown_season(ROW, 12.5 * HOUR)[0] == pytest.approx(2.0), "as far as a cycle can reach"


def weekly(weeks: int, weekend: float) -> WeeklyBaselines:
    made = WeeklyBaselines()
    made.grow(1, np.zeros(1))
    for hour in range(24 * 7 * weeks + 1):
        level = 10.0 + (weekend if hour // 24 % 7 in {2, 3} else 0.0)  # the epoch began on a Thursday
        made.record_hours(ROW, hour * HOUR, np.array([1000.0]), np.array([1000.0 * level]))
    return made


@pytest.mark.parametrize("day", range(7))
def test_after_three_weeks_the_profile_is_that_of_the_hour_of_week(day: int) -> None:
    made, noon = weekly(3, weekend=4.0), 21 * DAY + (day + 0.5) * DAY
    mean = 10 + 4 * 2 / 7
    found = made.season(ROW, noon, np.array([50.0]), identity)[0]
    assert mean + found == pytest.approx(14.0 if day in {2, 3} else 10.0, abs=0.05)
    early = weekly(2, weekend=4.0).season(ROW, noon, np.array([50.0]), identity)[0]
    assert early == pytest.approx(0.0, abs=0.05), "two weeks say nothing of one day of the week"


def test_the_weekly_profile_moves_along_and_loses_what_is_set_aside() -> None:
    made = weekly(3, weekend=4.0)
    noon = 23.5 * DAY
    before = made.season(ROW, noon, np.array([50.0]), identity)[0]
    made.move(0, lambda events, sums: sums + 2.5 * events)
    assert made.season(ROW, noon, np.array([50.0]), identity)[0] == pytest.approx(before, rel=1e-5)
    slots = np.zeros((1, Slot.WIDTH))
    slots[0, [Slot.START, Slot.EVENTS, Slot.SUM]] = 21 * DAY + 5 * HOUR, 1000.0, 1000.0
    kept = made.week.copy()
    made.set_aside(0, slots)
    assert (kept - made.week)[0, 5].tolist() == [1000.0, 1000.0]
    assert np.delete(kept - made.week, 5, axis=1).sum() == 0


def test_what_is_set_aside_leaves_the_profile() -> None:
    made, _ = seasoned()
    before = made.hours.copy()
    slots = np.zeros((2, Slot.WIDTH))
    slots[:, Slot.START] = [5 * HOUR + 60, 5 * HOUR + 120]
    slots[:, Slot.EVENTS], slots[:, Slot.SUM] = 10.0, 30.0
    made.set_aside(0, slots)
    assert (before - made.hours)[0, 5].tolist() == [20.0, 60.0]
    assert np.delete(before - made.hours, 5, axis=1).sum() == 0
    slots[:, Slot.EVENTS] = 1e9
    made.set_aside(0, slots)
    assert made.hours[0, 5].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("seen", [[3], [3, 4, 5], [0, 12], list(range(24)), [22, 23, 0, 1]])
@pytest.mark.parametrize("now", [0.5, 3.5, 9.25, 16.0])
def test_an_unknown_cycle_is_allowed_as_far_as_a_sine_of_any_phase_can_have_moved(seen: list[int], now: float) -> None:
    made = baselines()
    for hour in seen:
        made.record_hours(ROW, hour * HOUR + 60, np.array([10.0]), np.array([0.0]))
    made.sightings[0, seen] = 0
    phases = np.linspace(0, 2 * np.pi, 2000)[:, None]
    hours = np.array(seen) + 0.5
    moved = np.sin(phases[:, 0] + 2 * np.pi * now / 24) - np.sin(phases + 2 * np.pi * hours / 24).mean(axis=1)
    assert made.unknown_season(ROW, now * HOUR)[0] == pytest.approx(np.abs(moved).max(), abs=1e-4)
    made.sightings[:] = 3
    assert made.unknown_season(ROW, now * HOUR)[0] == 0


def test_only_whole_days_at_one_level_count() -> None:
    made = baselines(born=18 * HOUR)
    made.record_day(ROW, 0.0, np.array([10.0]), np.array([1.0]))
    assert made.start_day(ROW, 0.0).tolist() == []
    assert made.start_day(ROW, 1.0).tolist() == [0]
    assert not made.whole_day(ROW)[0], "born at 18:00"
    made.record_day(ROW, 1.0, np.array([10.0]), np.array([1.0]))
    assert made.whole_day(ROW)[0]
    made.restart(0, np.zeros(Slot.WIDTH), 1.5 * DAY)
    assert not made.whole_day(ROW)[0], "changed at noon"


def test_a_day_counts_for_the_wander_when_the_baseline_has_learned_all_of_it() -> None:
    made = baselines()
    for number in range(7):
        made.wander.record(ROW, (number + 1) * 100.0, np.array([number * 0.1]), np.zeros(1))
    counted = []
    for number in range(70):
        made.push(ROW, block(number, np.random.default_rng(number)))
        learned = made.history(0)[made.history(0)[:, Slot.LEARNED] == 1]
        assert made.wander.counted[0, 0] == (learned[-1, Slot.END] // 100 if len(learned) else 0)
        counted.append(made.wander.counted[0, 0])
    assert counted[-1] >= 4


def test_a_snapshot_holds_everything() -> None:
    made = weekly(1, weekend=1.0)
    made.record_volumes(ROW, 10.0, np.ones(1))
    made.push(ROW, block(0, np.random.default_rng(1)))
    other = WeeklyBaselines()
    other.restore(copy.deepcopy(made.snapshot()))
    for mine, theirs in ((made, other), (made.wander, other.wander)):
        for name, array in vars(mine).items():
            assert name == "wander" or np.array_equal(array, getattr(theirs, name)), name
