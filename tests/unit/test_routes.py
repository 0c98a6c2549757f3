"""Routes and what they match: the first that fits counts, and nothing vanishes by a slip of the pen."""

from __future__ import annotations

import pytest
from alert_samples import incident, series, verdict

from undertow.alerts.incident import Severity
from undertow.alerts.matcher import Matcher
from undertow.alerts.routes import Route, Routes

CHANNELS = ["console", "pagerduty", "slack", "email"]


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        (Matcher(), True),
        (Matcher(service=("support",)), True),
        (Matcher(service=("sup*", "other")), True),
        (Matcher(service=("Support",)), False),
        (Matcher(environment=("prod",)), True),
        (Matcher(environment=("staging",)), False),
        (Matcher(metric=("refusal_rate",)), True),
        (Matcher(metric=("latency",)), True),  # of its tail
        (Matcher(metric=("latency.high",)), True),
        (Matcher(metric=("cost_per_task",)), False),  # only a notice
        (Matcher(severity=(Severity.CRITICAL, Severity.ERROR)), True),
        (Matcher(severity=(Severity.CRITICAL,)), False),
        (Matcher(service=("support",), severity=(Severity.CRITICAL,)), False),
    ],
    ids=str,
)
def test_every_field_that_is_set_must_fit(matcher: Matcher, fits: bool) -> None:
    verdicts = [verdict(), verdict(series("latency.high")), verdict(series("cost_per_task"), kind="notice")]
    assert matcher.matches(incident(verdicts=verdicts)) is fits


def test_a_summary_page_has_no_metric() -> None:
    assert not Matcher(metric=("*",)).matches(incident(verdicts=[]))


def test_the_first_route_that_matches_counts_and_the_console_shows_all() -> None:
    routes = Routes(
        [
            Route(severity=(Severity.CRITICAL,), channels=("pagerduty", "slack")),
            Route(service=("support",), channels=("slack",)),
        ],
        CHANNELS,
        fallback="email",
    )
    assert routes.channels(incident(severity=Severity.CRITICAL)) == ("console", "pagerduty", "slack")
    assert routes.channels(incident()) == ("console", "slack")
    assert routes.channels(incident(service="other")) == ("console", "pagerduty", "slack")


def test_the_fallback_gets_an_incident_at_once_only_by_a_route_s_word() -> None:
    routes = Routes([Route(service=("support",), channels=("email",))], CHANNELS, fallback="email")
    assert routes.channels(incident()) == ("console", "email")
    assert "email" not in routes.channels(incident(service="other"))


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        (("pagerdutty",), r"route 1 \(service a\) names the channel 'pagerdutty', .*did you mean 'pagerduty'\?"),
        (("xyz",), "configured are: console, pagerduty, slack, email"),
        ((), "names no channel; to mute for a while, use a silence"),
    ],
)
def test_a_route_to_nowhere_is_refused(channels: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Routes([Route(service=("a",), channels=channels)], CHANNELS)
