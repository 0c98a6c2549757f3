"""Thinning keeps the level, the events and the gaps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.model import Point
from undertow.dashboards.points import mean, runs, thin

POINTS = st.lists(
    st.builds(Point, t=st.floats(0, 1e6), value=st.none() | st.floats(0, 1), events=st.integers(0, 1000)), max_size=400
)


@given(POINTS, st.integers(1, 50))
def test_thinned_points_are_few_and_in_order(points: list[Point], limit: int) -> None:
    times = [point.t for point in thin(points, limit)]
    assert len(times) <= limit
    assert times == sorted(times)


def test_joining_keeps_every_event_and_the_mean_level() -> None:
    points = [Point(float(t), t / 1000, t / 1000 - 0.1, t / 1000 + 0.1, 1 + t % 7) for t in range(1000)]
    joined = thin(points, 10)
    assert sum(point.events for point in joined) == sum(point.events for point in points)
    assert mean(joined).value == pytest.approx(mean(points).value)


def test_a_point_of_many_windows_is_surer_than_each() -> None:
    joined = mean([Point(0, 0.5, 0.4, 0.6, 10)] * 4)
    assert joined.low == pytest.approx(0.45)
    assert joined.high == pytest.approx(0.55)


def test_a_window_without_traffic_and_a_long_silence_are_gaps() -> None:
    times = [0, 1, 2, 3, 10, 11, 12, 13]
    points = [Point(t, None if t == 12 else 1.0, events=5) for t in times]
    assert [[point.t for point in run] for run in runs(points)] == [[0, 1, 2, 3], [10, 11], [13]]


def test_what_is_not_a_number_is_a_gap() -> None:
    assert [point.value for point in thin([Point(0, math.nan), Point(1, math.inf), Point(2, 0.5)])] == [None, None, 0.5]


def test_no_points_are_no_runs() -> None:
    assert runs([]) == []
    assert thin([]) == []
