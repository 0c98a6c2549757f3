"""Alertmanager: labels that never change, ends that come, every replica told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from alert_samples import T0, change

from undertow.alerts.channel import Outcome
from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.incident import Change, ChangeKind, Severity
from undertow.alerts.links import Link, Links

NOW = T0 + 600
URLS = ["http://am-0:9093", "http://am-1:9093/prefix/"]
Calls = list[tuple[str, list[dict[str, Any]]]]


def channel(calls: Calls, statuses: dict[str, int] | None = None, links: Links | None = None) -> Alertmanager:
    def take(request: httpx.Request) -> httpx.Response:
        calls.append((str(request.url), json.loads(request.content)))
        return httpx.Response((statuses or {}).get(request.url.host, 200), headers={"Retry-After": "7"})

    return Alertmanager(URLS, lambda: NOW, links=links, transport=httpx.MockTransport(take))


def alerts(about: Change, links: Links | None = None) -> list[dict[str, Any]]:
    calls: Calls = []
    assert channel(calls, links=links).send(about).outcome is Outcome.DELIVERED
    assert calls[0][1] == calls[1][1]
    return calls[0][1]


def ends(found: list[dict[str, Any]]) -> dict[str, str]:
    return {alert["labels"]["severity"]: alert["endsAt"] for alert in found}


def test_every_replica_gets_every_change() -> None:
    calls: Calls = []
    channel(calls).send(change())
    assert {url for url, _ in calls} == {
        "http://am-0:9093/api/v2/alerts",
        "http://am-1:9093/prefix/api/v2/alerts",
    }


def test_an_alert_says_what_on_call_needs_and_identifies_itself_by_what_does_not_change() -> None:
    links = Links([Link("Runbook", "https://e.org/{service}")])
    first, later = alerts(change(), links)[0], alerts(change(ChangeKind.UPDATE, revision=2, headline="worse"), links)[0]
    assert first["labels"] == later["labels"]
    assert first["labels"] == {
        "alertname": "UndertowBehaviourShift",
        "incident": "0000000000000000",
        "service": "support",
        "environment": "prod",
        "severity": "error",
    }
    assert first["annotations"]["summary"] == change().incident.headline
    assert "moved" in first["annotations"]["description"]
    assert first["annotations"]["query"].startswith("SELECT")
    assert (first["annotations"]["Runbook"], first["generatorURL"]) == ("https://e.org/support",) * 2
    assert first["startsAt"] == "2026-09-21T14:13:20.000Z"


def test_it_ends_after_the_resolve_timeout_unless_it_is_told_again() -> None:
    assert ends(alerts(change()))["error"] == "2026-09-21T14:28:20.000Z"
    assert Alertmanager(URLS, lambda: NOW, resolve_timeout_s=600.0).remind_every_s == 120.0


def test_a_resolve_ends_the_alerts_of_all_severities() -> None:
    """A minute back, so that a server whose clock is behind takes them for ended too."""
    found = ends(alerts(change(ChangeKind.RESOLVE, severity=Severity.WARNING)))
    assert set(found.values()) == {"2026-09-21T14:22:20.000Z"}
    assert set(found) == set(Severity)


def test_a_graver_alert_takes_the_place_of_the_milder_ones() -> None:
    found = ends(alerts(change(ChangeKind.UPDATE, severity=Severity.CRITICAL)))
    assert found.pop("critical") == "2026-09-21T14:28:20.000Z"
    assert set(found.values()) == {"2026-09-21T14:22:20.000Z"}


def test_an_alert_found_just_now_still_begins_before_it_ends() -> None:
    (alert, *_) = alerts(change(ChangeKind.RESOLVE, opened_at=NOW + 5))
    assert alert["startsAt"] < alert["endsAt"]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ({"am-0": 500}, Outcome.DELIVERED),
        ({"am-0": 400, "am-1": 503}, Outcome.RETRY),
        ({"am-0": 400, "am-1": 404}, Outcome.REFUSED),
    ],
)
def test_one_replica_is_enough_and_a_refusal_takes_all(statuses: dict[str, int], outcome: Outcome) -> None:
    answer = channel([], statuses).send(change())
    assert answer.outcome is outcome
    assert all(str(status) in answer.detail for status in statuses.values())


def test_the_longest_wait_that_a_replica_asks_for_counts() -> None:
    assert channel([], {"am-0": 503, "am-1": 503}).send(change()).retry_after_s == 7.0


def test_a_reminder_sends_everything_in_calls_of_a_hundred_incidents() -> None:
    calls: Calls = []
    assert channel(calls).remind([change(number=n) for n in range(250)]).outcome is Outcome.DELIVERED
    told = [alert["labels"]["incident"] for url, body in calls if "am-0" in url for alert in body]
    assert (len(calls), len(set(told))) == (6, 250)
    assert channel([], {"am-0": 500, "am-1": 500}).remind([change()]).outcome is Outcome.RETRY


def test_without_a_replica_there_is_no_channel() -> None:
    with pytest.raises(ValueError, match="name every replica in `urls`"):
        Alertmanager([], lambda: NOW)


def test_what_is_wrong_with_the_watch_itself_has_a_name_of_its_own() -> None:
    (alert, *_) = alerts(change(verdicts=[], about="store"))
    assert alert["labels"]["alertname"] == "UndertowHealth"
    assert alert["annotations"]["explain"] == f"undertow explain {alert['labels']['incident']}"


def test_the_alert_that_always_fires_ends_unless_it_is_renewed() -> None:
    calls: Calls = []
    assert channel(calls).live("test", 180.0).outcome is Outcome.DELIVERED
    assert len(calls) == len(URLS)
    (alert,) = calls[0][1]
    assert alert["labels"] == {"alertname": "UndertowWatchdog", "instance": "test", "severity": "none"}
    assert alert["endsAt"] == "2026-09-21T14:26:20.000Z"
