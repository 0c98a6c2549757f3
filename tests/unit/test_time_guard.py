"""The time guard: an event from 2099 is refused wherever it stands, a sparse or unordered log loses nothing."""

import itertools
from collections.abc import Iterable

import pytest

from undertow.pipelines.time_guard import LiveGuard, ReplayGuard, ReplayState

FAR = 4_070_908_800.0  # 2099
DAY = 86_400.0
GOOD = [1_700_000_000.0 + second for second in range(20)]


def decided(times: Iterable[float | None], state: ReplayState | None = None) -> list[tuple[float | None, bool]]:
    """Return each time with whether it was accepted, in the order in which they came out."""
    guard: ReplayGuard[float | None] = ReplayGuard(300.0, state)
    pairs = [pair for time in times for pair in guard.offer(time, time)]
    return [(time, reject is None) for time, reject in [*pairs, *guard.finish()]]


@pytest.mark.parametrize("place", [0, 1, 5, 11, 12, 15, 18, 19, 20])
@pytest.mark.parametrize("many", [1, 2, 3])
def test_events_from_the_far_future_are_refused_wherever_they_stand(place: int, many: int) -> None:
    times = [*GOOD[:place], *(FAR + index for index in range(many)), *GOOD[place:]]
    assert decided(times) == [(time, time < FAR) for time in times]


@pytest.mark.parametrize("step", [DAY, 7 * DAY, 600.0, -DAY, -600.0, -1.0])
def test_a_sparse_log_in_either_direction_loses_nothing(step: float) -> None:
    times = [1_700_000_000.0 + index * step for index in range(30)]
    assert all(accepted for _, accepted in decided(times))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 10])
def test_short_logs_with_one_event_a_day_lose_nothing(count: int) -> None:
    assert all(accepted for _, accepted in decided(1_700_000_000.0 + DAY * index for index in range(count)))


def test_an_unordered_sparse_log_loses_nothing() -> None:
    days = [0, 4, 1, 2, 3, 9, 5, 8, 6, 7, 15, 10, 14, 11, 13, 12, 20, 16, 17, 18, 19]
    assert all(accepted for _, accepted in decided(1_700_000_000.0 + DAY * day for day in days))


def test_a_real_pause_moves_time_on() -> None:
    times = [*GOOD, *(time + DAY for time in GOOD)]
    assert decided(times) == [(time, True) for time in times]


def test_a_skewed_clock_ten_minutes_ahead_is_outvoted() -> None:
    times = [*GOOD[:10], GOOD[10] + 600, *GOOD[11:]]
    assert [time for time, accepted in decided(times) if not accepted] == [GOOD[10] + 600]


def test_what_is_within_the_limit_needs_no_vote() -> None:
    guard: ReplayGuard[str] = ReplayGuard(300.0, ReplayState(1000.0))
    assert list(guard.offer(1300.0, "a")) == [("a", None)]
    assert not guard.offer(1601.0, "b")


def test_order_is_kept_and_records_without_a_time_wait_their_turn() -> None:
    times = [GOOD[0], FAR, None, *GOOD[1:4], None, *GOOD[4:12]]
    assert [time for time, _ in decided(times)] == times


def test_ten_thousand_unreadable_records_do_not_pile_up_behind_a_jump() -> None:
    guard: ReplayGuard[float | None] = ReplayGuard(300.0, ReplayState(1000.0))
    guard.offer(2000.0, 2000.0)
    out = list(itertools.chain.from_iterable(guard.offer(None, None) for _ in range(10_000)))
    assert len(out) == 10_001


@pytest.mark.parametrize("cut", range(0, 24))
def test_going_on_from_a_snapshot_decides_the_same(cut: int) -> None:
    times = [*GOOD[:7], FAR, FAR + 1, *GOOD[7:12], GOOD[12] + 700, *GOOD[12:]]
    whole = decided(times)
    done = whole[:cut]
    largest = max((time for time, accepted in done if accepted and time is not None), default=float("-inf"))
    assert done + decided(times[cut:], ReplayState(largest)) == whole


def test_live_events_are_measured_by_the_clock() -> None:
    clock = [1000.0]
    guard: LiveGuard[str] = LiveGuard(300.0, now=lambda: clock[0])
    assert guard.offer(1300.0, "a")[0][1] is None
    refused = guard.offer(1300.5, "b")[0][1]
    assert refused is not None
    assert (refused.reason, refused.field) == ("more than 300 s ahead of its arrival", "time")
    clock[0] = 1001.0
    assert guard.offer(1300.5, "b")[0][1] is None
    assert guard.offer(None, "unreadable")[0][1] is None
