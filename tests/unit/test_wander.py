"""The band of days: by hand, with its lag, and across changes of the level."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

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


def band(squares: np.floating[Any], freedom: int) -> float:
    """Return what `squares` around the mean make of the band: four calm days count as well."""
    known = freedom + 4
    sd = math.sqrt((float(squares) + 4 * 0.025**2) / known)
    return float(t.isf(norm.sf(3.8), known) * math.sqrt(1 + 1 / (known + 1)) * sd)


@pytest.mark.parametrize("count", [2, 4, 5, 6])
def test_the_band_holds_a_further_day_as_often_as_3_8_standard_deviations(count: int) -> None:
    levels = [1.0, 1.05, 0.95, 1.02, 1.01, 0.98][:count]
    squares = np.var(levels) * count - 0.0001 * (count - 1) * (1 + math.sqrt(2 / (count - 1)))
    assert wandering(levels, 0.0001).widths(ROW)[0] == pytest.approx(band(squares, count - 1) if count >= 5 else 0.1)


def test_the_band_is_bounded_and_narrows_as_calm_days_are_seen() -> None:
    assert wandering([float(day) for day in range(6)]).widths(ROW)[0] == pytest.approx(math.log(2))
    calm = [wandering([1.0] * days, noise=1.0).widths(ROW)[0] for days in (5, 10, 20, 100)]
    assert calm == sorted(calm, reverse=True)
    assert 0.1 < calm[0] < 0.15
    assert calm[2] < 0.06


@pytest.mark.parametrize(("days", "most"), [(15, 30), (60, 10)])
def test_a_further_day_seldom_lies_beyond_the_band(days: int, most: int) -> None:
    """Of 20,000 series whose days wander by a tenth, some three lie beyond 3.8 standard deviations on either side."""
    rng, rows = np.random.default_rng(days), np.arange(20_000)
    made = Wander()
    made.grow(len(rows))
    levels = rng.normal(0, 0.1, (days, len(rows)))
    for day in range(days):
        made.record(rows, day * DAY, levels[day], np.zeros(len(rows)))
        made.learn(rows, np.full(len(rows), day * DAY))
    width = made.widths(rows)
    outside = np.abs(rng.normal(0, 0.1, len(rows)) - levels.mean(axis=0)) > width
    assert outside.sum() < most


def test_days_wait_until_they_are_learned_and_no_longer_than_a_week() -> None:
    made = wandering([1.0, 1.02, 0.99, 1.01, 1.0, 2.0, 2.0], learned=False)
    assert made.widths(ROW)[0] == 0.1
    made.learn(ROW, np.array([5 * DAY]))
    calm = made.widths(ROW)[0]
    assert calm == pytest.approx(band(np.var([1.0, 1.02, 0.99, 1.01, 1.0]) * 5, 4))
    for day in range(8, 13):
        made.record(ROW, day * DAY, np.array([2.0]), np.zeros(1))
    assert made.widths(ROW)[0] == calm
    made.record(ROW, 13 * DAY, np.array([2.0]), np.zeros(1))
    assert made.widths(ROW)[0] > calm, "what has lasted for a week is no longer a change that may be found"


def test_how_far_days_wander_outlives_a_change_of_the_level_and_the_days_around_it_do_not_count() -> None:
    before, after = [1.0, 1.02, 0.99, 1.01], [4.05, 4.03, 4.04]
    made = wandering(before)
    made.record(ROW, 5 * DAY, np.array([2.5]), np.zeros(1))
    made.restart(0)
    for day, level in enumerate(after, 6):
        made.record(ROW, day * DAY, np.array([level]), np.zeros(1))
    made.learn(ROW, np.array([9 * DAY]))
    assert made.widths(ROW)[0] == pytest.approx(band(np.var(before) * 4 + np.var(after) * 3, 5))


def test_columns_are_apart_and_one_can_be_forgotten() -> None:
    made = Wander((2,))
    made.grow(3)
    rows = np.array([0, 2])
    for day in range(1, 7):
        made.record(rows, day * DAY, np.array([[day % 2, 0.0], [0.0, day % 2]]) * 0.1, np.zeros((2, 2)))
    made.learn(rows, np.array([6 * DAY, 6 * DAY]))
    wide = made.widths(np.arange(3))[[0, 2]] > 0.2
    assert wide.tolist() == [[True, False], [False, True]]
    made.clear(0, 0)
    assert made.widths(np.array([0]))[0, 0] == 0.1
