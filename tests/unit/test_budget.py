"""The budget of false pages, divided."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from undertow.drift.budget import VOLUME_SPANS, WEEK, Share, volume_after, weekly_volume


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
    found = Share(0.01).thresholds(np.array([1, 2, 3]), np.array([20_000.0, 140_000.0, 1.0]))
    assert found == pytest.approx([math.log(20_000 / 0.01), math.log(140_000 / 0.01), math.log(100 / 0.01)])


def test_a_series_that_weighs_more_needs_less_evidence_and_the_budget_stays_the_same() -> None:
    weights = np.array([1.0, 4.0, 0.5] * 50)
    share = Share.of(1.0, weights.sum(), lambda series: weights[series])
    series, weekly = np.arange(150), np.full(150, 1e4)
    limits = share.thresholds(series, weekly)
    assert limits[0] - limits[1] == pytest.approx(math.log(4))
    assert (weekly * np.exp(-limits)).sum() <= 1.0, "false pages a week, all series together"


def volumes(events: NDArray[np.float64], step: float = 600.0) -> NDArray[np.float64]:
    """Return the events a week that are believed after each step."""
    known, believed = np.zeros(len(VOLUME_SPANS)), []
    for number, count in enumerate(events.tolist(), 1):
        known = volume_after(known, step, count)
        believed.append(float(weekly_volume(known, number * step)))
    return np.array(believed)


def test_steady_traffic_is_believed_from_the_first_minutes_and_stays_so() -> None:
    believed = volumes(np.full(3000, 60.0))
    assert believed == pytest.approx(np.full(3000, 0.1 * WEEK), rel=0.03)


@pytest.mark.parametrize("times", [0.01, 0.1, 3.0, 100.0])
def test_traffic_that_changes_its_volume_spends_little_more_than_its_share(times: float) -> None:
    events = np.concatenate([np.full(10 * 1008, 60.0), np.full(2 * 1008, 60.0 * times)])
    spent = np.cumsum(events / volumes(events))  # shares: a week's worth of events is one
    assert spent[10 * 1008 - 1] == pytest.approx(10.0, rel=0.02)
    assert 0 < spent[-1] - spent[10 * 1008 - 1] < 2.2


def test_a_daily_cycle_costs_half_a_share_at_most() -> None:
    hours = np.arange(4 * 1008) / 6
    events = 60.0 * (1 + 0.5 * np.sin(2 * np.pi * hours / 24))
    spent = np.diff(np.cumsum(events / volumes(events))[1007::1008])
    assert (spent < 1.0).all()
    assert (spent > 0.65).all()


def test_after_a_fall_the_threshold_follows_within_a_fortnight() -> None:
    believed = volumes(np.concatenate([np.full(4 * 1008, 60.0), np.full(2 * 1008, 0.6)]))
    assert believed[-1] < 0.2 * believed[4 * 1008 - 1]


def test_the_limits_of_a_young_baseline_stand_off_by_a_quarter_of_the_share() -> None:
    assert norm.sf(Share(0.01).z) == pytest.approx(0.0025)
    assert norm.sf(Share(50.0).z) == pytest.approx(0.25)
