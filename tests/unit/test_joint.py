"""Weak evidence in many metrics of a service pages together, in one metric alone it does not."""

import math

import numpy as np
import pytest
from bench.joint import METRICS, NO_CELLS, Services, false_pages

from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Observation
from undertow.drift.joint import JOINED_PART, _limit


@pytest.fixture
def services() -> Services:
    """Two services that have learned; nothing has moved."""
    watched = Services(2, 1.0, joined=True)
    watched.learn(2500)
    return watched


def raised(watched: Services, metrics: int, share_of_limit: float, own: float = 8.0) -> list[Alarm]:
    """Return what is said when so many metrics of the second service have this share of what would page together."""
    detector, joint = watched.detector, watched.joint
    assert joint is not None
    rows = np.arange(METRICS, METRICS + metrics)
    weekly = detector.baselines.weekly_events(rows)
    needed = _limit(1.0, 2) + math.log(METRICS / metrics)  # of each, where all say the same
    detector._evidence[rows, 1] = needed + math.log(share_of_limit) + np.log(weekly) - detector.log_weights[1]
    detector._segment[rows, 1] = own
    none, cells = np.zeros(0), np.zeros(0, np.int64)
    window = Observation(watched.now, watched.now + 10, cells, none, none, none, none, none, NO_CELLS)
    return [alarm for alarm, _ in joint.observe([detector], window, 1.0, 2)]


@pytest.mark.parametrize("metrics", [3, 12])
def test_metrics_that_together_have_enough_evidence_say_so_and_name_each_other(
    services: Services, metrics: int
) -> None:
    alarms = raised(services, metrics, 1.1)
    assert [alarm.series // SERIES_METRICS for alarm in alarms] == [1] * len(alarms)
    assert len(alarms) >= math.ceil(0.9 * metrics)
    assert all("joined with that of " in alarm.reason for alarm in alarms)
    assert all(alarm.statistic >= alarm.threshold for alarm in alarms)


def test_what_has_been_said_is_not_said_again(services: Services) -> None:
    assert raised(services, 12, 1.1)
    joint, none = services.joint, np.zeros(0)
    assert joint is not None
    window = Observation(services.now, services.now + 10, np.zeros(0, np.int64), none, none, none, none, none, NO_CELLS)
    assert list(joint.observe([services.detector], window, 1.0, 2)) == []


def test_a_little_less_is_not_enough(services: Services) -> None:
    assert raised(services, 12, 0.9) == []


def test_one_metric_alone_waits_for_its_own_threshold(services: Services) -> None:
    assert raised(services, 1, 5.0) == []


def test_evidence_that_no_metric_has_of_its_own_is_none(services: Services) -> None:
    assert raised(services, 12, 1.1, own=3.0) == []


def test_the_budget_is_divided_and_not_spent_twice() -> None:
    spent = 2 * math.exp(-_limit(1.0, 2))
    assert spent == pytest.approx(0.9 * JOINED_PART)


def test_services_in_which_nothing_moves_stay_within_the_budget() -> None:
    """Also when their metrics share their luck: the mean of e-values is one whatever the dependence."""
    for rho in (0.0, 0.01):
        _, together = false_pages(6, 10.0, rho)
        assert together <= 2
