"""PagerDuty: events as its documentation wants them, within its limits."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest
from alert_samples import change, incident, series, verdict
from pagerduty_server import PagerDutyServer, change_problems, problems

from undertow.alerts.channel import Outcome, announcement
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.incident import Change, ChangeKind, Severity, Version, tell
from undertow.alerts.links import Link, Links

KEY = "0123456789abcdef0123456789abcdef"
ALERT = "undertow@b2aa94ce/0000000000000000"  # of this key, not telling it


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def sent(*changes: Change, links: Links | None = None, calls: int | None = None) -> list[dict[str, Any]]:
    """The events that the changes become, each one checked against the documented rules."""
    bodies: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://events.pagerduty.com/v2/enqueue"
        bodies.append(request.content)
        return httpx.Response(202, json={"status": "success"})

    channel = PagerDuty(KEY, Clock(), links=links, transport=httpx.MockTransport(take))
    assert {channel.send(c).outcome for c in changes} == {Outcome.DELIVERED}
    assert max(len(body) for body in bodies) <= 512_000
    events: list[dict[str, Any]] = [json.loads(body) for body in bodies]
    assert [problems(event) for event in events] == [[]] * (calls or len(changes))
    return events


def test_a_trigger_says_what_on_call_needs() -> None:
    (event,) = sent(change())
    payload, details = event["payload"], event["payload"]["custom_details"]
    assert (event["event_action"], event["dedup_key"]) == ("trigger", ALERT)
    assert payload["summary"] == change().incident.headline
    assert (payload["source"], payload["severity"], payload["class"]) == ("support/prod", "error", "refusal_rate")
    assert payload["timestamp"] == "2026-09-21T14:13:50.000Z"
    assert details["moved"] == ["answers that refuse [all traffic]: 2.1 % [1.9 %, 2.3 %] → 11.4 % [9.1 %, 13.7 %]"]
    assert details["http"] == "error rate 0.2 % → 0.2 %, latency p50 0.9 s → 0.9 s: green"
    assert details["suspects"][0].startswith("prompt_version=v48")
    assert details["versions"] == {"prompt_version=v48": "2026-09-21T14:11:15.000Z"}
    assert details["explain"] == "undertow explain 0000000000000000"
    assert details["query"].startswith("SELECT ")


def test_one_dedup_key_for_the_whole_life_of_an_incident() -> None:
    events = sent(change(), change(ChangeKind.UPDATE, revision=2), change(ChangeKind.RESOLVE, revision=3))
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1
    assert set(events[2]) == {"routing_key", "event_action", "dedup_key"}


def test_an_escalation_opens_a_new_alert_before_it_ends_the_old_one() -> None:
    grave = change(ChangeKind.ESCALATE, revision=2, severity=Severity.CRITICAL)
    events = sent(change(), grave, change(ChangeKind.RESOLVE, revision=3, step=1), calls=4)
    first = ALERT
    told = [(event["event_action"], event["dedup_key"]) for event in events]
    assert told == [("trigger", first), ("trigger", f"{first}/1"), ("resolve", first), ("resolve", f"{first}/1")]
    assert events[1]["payload"]["severity"] == "critical"


def test_an_escalation_of_which_half_was_taken_is_told_again() -> None:
    answers = iter([202, 503, 202, 202])
    channel = PagerDuty(KEY, Clock(), transport=httpx.MockTransport(lambda _: httpx.Response(next(answers))))
    grave = change(ChangeKind.ESCALATE, revision=2)
    assert [channel.send(grave).outcome for _ in range(2)] == [Outcome.RETRY, Outcome.DELIVERED]


def test_an_acknowledge_needs_only_its_key() -> None:
    _, event = sent(change(), change(ChangeKind.ACKNOWLEDGE, revision=2))
    assert event == {
        "routing_key": KEY,
        "event_action": "acknowledge",
        "dedup_key": ALERT,
    }


def test_links_and_pictures_go_with_a_trigger() -> None:
    links = Links([Link("Runbook", "https://e.org/{service}")], [Link("Chart", "https://e.org/{id}.png")])
    event, resolve = sent(change(), change(ChangeKind.RESOLVE, revision=2), links=links)
    assert event["links"] == [{"href": "https://e.org/support", "text": "Runbook"}]
    assert event["images"] == [{"src": "https://e.org/0000000000000000.png", "alt": "Chart"}]
    assert not {"links", "images"} & set(resolve)


def announced(version: Version, clock: Clock | None = None) -> dict[str, Any]:
    bodies: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://events.pagerduty.com/v2/change/enqueue"
        bodies.append(request.content)
        return httpx.Response(202)

    channel = PagerDuty(KEY, clock or Clock(), transport=httpx.MockTransport(take))
    assert channel.announce(announcement(version)).outcome is Outcome.DELIVERED
    event: dict[str, Any] = json.loads(bodies[0])
    assert change_problems(event) == []
    return event


def test_a_first_seen_version_is_a_change_event() -> None:
    event = announced(Version("prompt_version", "v48", 1_790_000_000.0, "support", "prod", "shorter answers"))
    assert event["payload"] == {
        "summary": "support/prod: prompt_version=v48 first seen 2026-09-21 14:13:20 UTC: shorter answers",
        "source": "support/prod",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "custom_details": {"dimension": "prompt_version", "value": "v48", "declared": "shorter answers"},
    }


def test_a_change_event_keeps_to_the_limits() -> None:
    event = announced(Version("config", "x" * 3000, float("nan"), "s" * 900))
    assert (len(event["payload"]["summary"]), len(event["payload"]["source"])) == (1024, 255)
    assert "timestamp" not in event["payload"]


def test_the_card_of_a_version_is_a_change_event_of_its_own() -> None:
    version = Version("prompt_version", "v48", 1_790_000_000.0, "support", "prod")
    told = msgspec.structs.replace(version, card=("prompt_version=v48, new", "answers that refuse: 2 %, 8 % on it"))
    event = announced(told)
    assert event["payload"]["summary"] == "support/prod: prompt_version=v48, new; answers that refuse: 2 %, 8 % on it"
    assert event["payload"]["custom_details"]["card"] == list(told.card)
    assert announcement(told).id != announcement(version).id


def test_announcements_leave_half_of_the_calls_to_pages() -> None:
    channel = PagerDuty(KEY, Clock(), transport=httpx.MockTransport(lambda _: httpx.Response(202)))
    version = announcement(Version("model", "m", 0.0, "s"))
    told = [channel.announce(version).outcome for _ in range(60)]
    assert told == [Outcome.DELIVERED] * 50 + [Outcome.DEFERRED] * 10
    pages = [channel.send(change()).outcome for _ in range(60)]
    assert pages == [Outcome.DELIVERED] * 50 + [Outcome.DEFERRED] * 10


@pytest.mark.parametrize("severity", Severity)
def test_severities_are_pagerdutys_own(severity: Severity) -> None:
    assert sent(change(severity=severity))[0]["payload"]["severity"] == str(severity)


def test_a_summary_is_cut_at_its_limit_with_an_ellipsis() -> None:
    summary = sent(change(headline="x" * 3000))[0]["payload"]["summary"]
    assert (len(summary), summary[-2:]) == (1024, "x…")


def test_long_names_are_cut() -> None:
    of = series(service="s" * 90_000, region="r" * 90_000)
    payload = sent(change(service="s" * 90_000, verdicts=[verdict(of)]))[0]["payload"]
    assert (len(payload["source"]), len(payload["component"])) == (255, 255)


def test_a_body_over_512_kb_loses_its_largest_part_and_says_so() -> None:
    causes = [{"kind": "version", "text": f"{n} " + "c" * 4000} for n in range(200)]
    many = [verdict(series(region=f"{n} " + "r" * 1500)) for n in range(200)]
    details = sent(change(causes=causes, verdicts=many))[0]["payload"]["custom_details"]
    assert [text.split(" (")[0] for text in details["dropped"]] == ["suspects"]
    assert len(details["moved"]) == 200
    assert details["incident"] == "0000000000000000"


def test_numbers_that_json_does_not_know_do_not_break_the_event() -> None:
    nan = float("nan")
    strange = verdict(before=nan, after=float("inf"), changed_from=nan, changed_to=float("inf"))
    odd = change(verdicts=[strange], changed_at=nan, changed_from=float("-inf"), changed_to=1e300)
    assert "unknown" in sent(odd)[0]["payload"]["custom_details"]["moved"][0]


def test_a_summary_page_without_verdicts_lists_its_incidents() -> None:
    causes = [{"kind": "incident", "id": "1", "text": "support: … [1]"}]
    page = incident(verdicts=[], versions=[], causes=causes, service="undertow", environment="")
    details = sent(tell(page, ChangeKind.TRIGGER, 0.0))[0]["payload"]["custom_details"]
    assert details["listed"] == ["support: … [1]"]


def test_no_more_than_a_hundred_calls_in_any_minute() -> None:
    clock, calls = Clock(), list[float]()

    def take(_: httpx.Request) -> httpx.Response:
        calls.append(clock.now)
        return httpx.Response(202)

    channel = PagerDuty(KEY, clock, transport=httpx.MockTransport(take))
    start = clock.now
    while clock.now < start + 200:
        answer = channel.send(change())
        assert answer.outcome in {Outcome.DELIVERED, Outcome.DEFERRED}
        clock.now += 0.25 if answer.outcome is Outcome.DELIVERED else answer.retry_after_s or 0.0
    assert max(sum(1 for call in calls if at <= call < at + 60) for at in calls) == 100
    assert len(calls) > 300


def test_a_clock_put_back_does_not_stop_the_pages() -> None:
    clock = Clock()
    channel = PagerDuty(KEY, clock, transport=httpx.MockTransport(lambda _: httpx.Response(202)))
    for _ in range(100):
        channel.send(change())
    clock.now -= 86_400
    assert channel.send(change()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("key", ["", "short", KEY + "0"])
def test_a_routing_key_of_the_wrong_length_is_refused_unseen(key: str) -> None:
    with pytest.raises(ValueError, match="has 32 characters") as caught:
        PagerDuty(key, Clock())
    assert not key or key not in str(caught.value)


def test_each_routing_key_has_dedup_keys_of_its_own_and_tells_nothing_of_itself() -> None:
    other = KEY[::-1]
    with PagerDutyServer(lambda: 0.0) as server:
        for key in (KEY, other):
            PagerDuty(key, lambda: 0.0, server.url).send(change())
    keys = [alert.dedup_key for alert in server.alerts]
    assert len(set(keys)) == 2
    assert not any(part in key for key in keys for part in (KEY[:8], other[:8]))


def test_who_acknowledged_at_pagerduty_did_so_for_their_own_team_alone() -> None:
    there = change(ChangeKind.ACKNOWLEDGE, revision=2, elsewhere="https://example.pagerduty.com/incidents/P1")
    assert [event["event_action"] for event in sent(change(), there, calls=1)] == ["trigger"]


def test_a_page_of_several_teams_says_who_is_told_of_which_services() -> None:
    verdicts = [verdict(series(service=name)) for name in ("support", "search", "billing")]
    teams = {"pagerduty": ["support"], "found": ["search", "billing"]}
    (event,) = sent(change(verdicts=verdicts, teams=teams, told_to="pagerduty"))
    details = event["payload"]["custom_details"]
    assert details["teams"] == [
        "pagerduty (this page): support",
        "found: search, billing",
        "all of it is incident 0000000000000000",
    ]
    assert [line.partition(":")[0] for line in details["services"]] == ["support", "billing", "search"]
    assert event["payload"]["source"].endswith("/prod and 2 more services")
