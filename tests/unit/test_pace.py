"""A channel's own limit of calls."""

from __future__ import annotations

import random

from undertow.alerts.pace import Pace


def test_no_more_than_so_many_in_any_stretch_and_no_fewer_than_it_must() -> None:
    pace, now, calls, rng = Pace(5, 10.0), 0.0, list[float](), random.Random(1)
    while now < 200:
        wait = pace.wait_s(now)
        if wait == 0.0:
            pace.note(now)
            calls.append(now)
            now += rng.random()
        else:
            assert 0 < wait <= 10.0
            now += wait
    assert max(sum(at <= other < at + 10.0 for other in calls) for at in calls) == 5
    assert len(calls) >= 95


def test_calls_can_be_left_to_others() -> None:
    pace = Pace(4, 10.0)
    for at in (0.0, 1.0):
        assert pace.wait_s(at, spare=2) == 0.0
        pace.note(at)
    assert (pace.wait_s(2.0, spare=2), pace.wait_s(2.0)) == (8.0, 0.0)
    assert pace.wait_s(10.0, spare=2) == 0.0


def test_a_clock_put_back_forgets() -> None:
    pace = Pace(1, 10.0)
    pace.note(1000.0)
    assert pace.wait_s(500.0) == 0.0
