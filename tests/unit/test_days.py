"""Daily sums: whole days, a ring of 28, and what is not a whole day."""

import numpy as np
import pytest

from undertow.drift.baselines import DAY
from undertow.drift.days import KEPT, Days, Sums


def add(days: Days, time: float, series: int = 7, since: float = 0.0, events: float = 10.0) -> None:
    days.add(time, np.array([series]), np.array([since]), np.array([[events, 1.0, 1.0, 1.0]]))


def test_a_day_is_over_when_a_window_of_a_later_one_begins() -> None:
    days = Days()
    assert not days.ended(0.0)
    add(days, 0.0)
    assert not days.ended(DAY - 1)
    assert days.ended(DAY)
    assert days.ended(5 * DAY)


def test_days_without_traffic_are_empty_and_28_days_are_kept() -> None:
    days = Days()
    for day in range(40):
        if day != 35:
            add(days, day * DAY + 5)
    rows = days.rows([7])
    recent = days.recent(rows, days.last)[0]
    assert (days.last, days.oldest) == (38, 11)
    assert recent[:, Sums.EVENTS].tolist() == [10.0] * 24 + [0.0] + [10.0] * 3
    assert recent[:, Sums.DAYS].sum() == KEPT - 1
    assert days.total(rows, 30, 38)[0, Sums.EVENTS] == 80.0


def test_a_long_silence_leaves_nothing_of_what_was_before() -> None:
    days = Days()
    add(days, 0.0)
    add(days, 100 * DAY)
    assert days.recent(days.rows([7]), days.today)[0].sum(axis=0).tolist() == [10.0, 1.0, 1.0, 1.0, 1.0]


def test_the_day_on_which_a_series_was_first_seen_is_no_whole_day() -> None:
    days = Days()
    add(days, 0.0, series=7)
    add(days, 0.5 * DAY, series=8, since=0.5 * DAY)
    add(days, DAY, series=8, since=DAY)
    add(days, 2 * DAY, series=8, since=2 * DAY)
    assert days.total(days.rows([8]), 0, 1)[0].tolist() == [10.0, 1.0, 1.0, 1.0, 1.0]
    assert days.rows([9, 5000]).tolist() == [-1, -1]


@pytest.mark.parametrize(("time", "first"), [(0.0, 0), (1.0, 1), (DAY, 1), (1.5 * DAY, 2)])
def test_the_first_whole_day_is_the_one_after_a_start_in_its_middle(time: float, first: int) -> None:
    days = Days()
    add(days, time)
    assert days.first == first
