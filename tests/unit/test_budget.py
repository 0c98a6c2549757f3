"""The budget of false pages, divided."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from undertow.drift.budget import WEEK, Share


@pytest.mark.parametrize(("series", "divisor"), [(0, 64), (1, 64), (64, 64), (65, 128), (1000, 1024), (1024, 1024)])
def test_the_share_is_that_of_the_next_power_of_two_and_never_more_than_a_64th(series: int, divisor: int) -> None:
    assert Share.of(2.0, series).pages_per_week == 2.0 / divisor


def test_all_shares_together_never_exceed_the_budget() -> None:
    assert all(series * Share.of(1.0, series).pages_per_week <= 1.0 for series in range(1, 3000))


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_that_is_none_is_refused_by_name(budget: float) -> None:
    with pytest.raises(ValueError, match=f"false_pages_per_week = {budget} must be greater than 0"):
        Share.of(budget, 1)


def test_the_threshold_is_the_logarithm_of_a_weeks_events_over_the_share() -> None:
    share = Share(0.01)
    day = 86_400.0
    found = share.thresholds(np.array([20_000.0, 20_000.0]), np.array([WEEK, day]))
    assert found == pytest.approx([math.log(20_000 / 0.01), math.log(140_000 / 0.01)])


def test_what_is_too_short_or_too_rare_to_extrapolate_is_taken_as_longer_and_more_frequent() -> None:
    share = Share(0.01)
    seconds = np.array([0.0, 600.0])
    assert share.thresholds(np.array([50.0, 50.0]), seconds)[0] == share.thresholds(np.array([50.0, 50.0]), seconds)[1]
    assert share.thresholds(np.array([1.0]), np.array([52 * WEEK]))[0] == pytest.approx(math.log(100 / 0.01))


def test_the_limits_of_a_young_baseline_stand_off_by_a_quarter_of_the_share() -> None:
    assert norm.sf(Share(0.01).z) == pytest.approx(0.0025)
    assert norm.sf(Share(50.0).z) == pytest.approx(0.25)
