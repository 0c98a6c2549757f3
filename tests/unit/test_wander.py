"""The band of days: by hand, with its lag, and across changes of the level."""

import math

import numpy as np
import pytest

from undertow.drift.wander import Wander

ROW, DAY = np.array([0]), 86_400.0


def wandering(levels: list[float], noise: float = 0.0, learned: bool = True) -> Wander:
    made = Wander()
    made.grow(1)
    for day, level in enumerate(levels, 1):
        made.record(ROW, day * DAY, np.array([level]), np.array([noise]))
        if learned:
            made.learn(ROW, np.array([day * DAY]))
    return made


@pytest.mark.parametrize("count", [2, 4, 5, 6])
def test_the_band_is_3_8_standard_deviations_of_the_days_beyond_their_noise(count: int) -> None:
    levels = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95][:count]
    expected = 3.8 * math.sqrt(np.var(levels, ddof=1) - 0.001) if count >= 5 else 0.0
    assert wandering(levels, 0.001).widths(ROW)[0] == pytest.approx(expected)


def test_the_band_is_bounded_and_never_below_nothing() -> None:
    assert wandering([float(day) for day in range(6)]).widths(ROW)[0] == pytest.approx(math.log(2))
    assert wandering([1.0] * 6, noise=1.0).widths(ROW)[0] == 0


def test_days_wait_until_they_are_learned_and_no_longer_than_a_week() -> None:
    made = wandering([1.0, 1.2, 0.9, 1.1, 1.05, 5.0, 5.0], learned=False)
    assert made.widths(ROW)[0] == 0
    made.learn(ROW, np.array([5 * DAY]))
    calm = made.widths(ROW)[0]
    assert calm == pytest.approx(3.8 * np.std([1.0, 1.2, 0.9, 1.1, 1.05], ddof=1))
    for day in range(8, 13):
        made.record(ROW, day * DAY, np.array([5.0]), np.zeros(1))
    assert made.widths(ROW)[0] == calm
    made.record(ROW, 13 * DAY, np.array([5.0]), np.zeros(1))
    assert made.widths(ROW)[0] > calm, "what has lasted for a week is no longer a change that may be found"


def test_how_far_days_wander_outlives_a_change_of_the_level_and_the_days_around_it_do_not_count() -> None:
    made, before, after = wandering([1.0, 1.2, 0.9, 1.1]), [1.0, 1.2, 0.9, 1.1], [4.05, 3.95, 4.1]
    made.record(ROW, 5 * DAY, np.array([2.5]), np.zeros(1))
    made.restart(0)
    for day, level in enumerate(after, 6):
        made.record(ROW, day * DAY, np.array([level]), np.zeros(1))
    made.learn(ROW, np.array([9 * DAY]))
    within = (np.var(before) * 4 + np.var(after) * 3) / 5
    assert made.widths(ROW)[0] == pytest.approx(3.8 * math.sqrt(within))


def test_columns_are_apart_and_one_can_be_forgotten() -> None:
    made = Wander((2,))
    made.grow(3)
    rows = np.array([0, 2])
    for day in range(1, 7):
        made.record(rows, day * DAY, np.array([[day % 2, 0.0], [0.0, day % 2]]) * 0.1, np.zeros((2, 2)))
    made.learn(rows, np.array([6 * DAY, 6 * DAY]))
    assert (made.widths(np.arange(3)) > 0).tolist() == [[True, False], [False, False], [False, True]]
    made.clear(0, 0)
    assert made.widths(np.array([0]))[0].tolist() == [0.0, 0.0]
