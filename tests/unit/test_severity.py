"""Severity is how far × how many × how much it hurts."""

from __future__ import annotations

import pytest
from alert_samples import T0, series, verdict

from undertow.alerts.incident import Severity
from undertow.alerts.severity import reach, severity, size
from undertow.drift.verdict import Verdict

WARNING, ERROR, CRITICAL = Severity.WARNING, Severity.ERROR, Severity.CRITICAL


def refusals(before: float, after: float, events: int = 312) -> Verdict:
    return verdict(before=before, after=after, events=events)


def lengths(factor: float, events: int = 312) -> Verdict:
    return verdict(series("output_length"), before=800, after=800 * factor, events=events)


def test_size_is_one_for_four_times_the_odds_and_for_a_doubling() -> None:
    assert size(refusals(0.02, 0.0755)) == pytest.approx(1.0, abs=0.02)
    assert size(lengths(2.0)) == size(lengths(0.5)) == pytest.approx(1.0)
    assert size(lengths(1000.0)) == 2.0


def test_reach_counts_the_events_that_moved() -> None:
    """312 events in 120 seconds are 9,360 an hour."""
    assert reach(lengths(1.2)) == 1.0
    assert reach(lengths(1.2, events=1)) == pytest.approx(0.5)
    assert reach(refusals(0.02, 0.12, events=10)) == pytest.approx(0.1 * 300 / 60)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (refusals(0.021, 0.114), CRITICAL),
        (refusals(0.021, 0.035), ERROR),
        (lengths(1.2), ERROR),
        (lengths(0.4), CRITICAL),
        (refusals(0.0001, 0.0004, events=200), WARNING),  # three in ten thousand: two calls an hour
        (refusals(0.021, 0.114, events=4), ERROR),  # eleven calls an hour
        (verdict(series("error_rate"), before=0.2, after=0.02), WARNING),  # a fall that hurts nobody
    ],
)
def test_size_traffic_and_harm_make_the_severity(found: Verdict, expected: Severity) -> None:
    assert severity([found]) is expected


def test_traffic_alone_lowers_it() -> None:
    assert [severity([lengths(2.0, events=n)]) for n in (100, 1)] == [CRITICAL, ERROR]
    assert severity([lengths(1.12, events=1)]) is WARNING


def test_several_metrics_add_up_and_a_tail_counts_with_its_metric() -> None:
    half, tail = lengths(1.5), verdict(series("output_length.high"), before=0.01, after=0.02)
    assert severity([half]) is ERROR
    assert severity([half, tail]) is ERROR
    assert severity([half, refusals(0.02, 0.05)]) is CRITICAL


def test_a_metric_weighs_what_the_configuration_says() -> None:
    assert severity([lengths(3.0)], {"output_length": 0.5}) is ERROR
    assert severity([lengths(3.0)], {"output_length": 0.0}) is WARNING
    tail = verdict(series("output_length.high"), before=0.01, after=0.08)
    assert (severity([tail]), severity([tail], {"output_length": 0.0})) == (CRITICAL, WARNING)


def test_a_broken_rule_wakes_somebody_and_one_broken_twice_at_once() -> None:
    def breach(events: int) -> Verdict:
        return verdict(series("rule.residency"), changed=T0, before=0.0, after=float(events), events=events)

    assert [severity([breach(events)]) for events in (1, 2)] == [ERROR, CRITICAL]
    assert severity([breach(50)], {"rule.residency": 0.0}) is WARNING


def test_notices_count_for_nothing_and_what_is_no_number_does_not_break_it() -> None:
    assert severity([verdict(kind="notice")]) is WARNING
    assert severity([verdict(before=float("nan"), after=float("inf"))]) in set(Severity)
