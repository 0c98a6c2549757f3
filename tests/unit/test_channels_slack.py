"""Slack: messages as its documentation wants them, within its limits, with the chart in letters."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from alert_samples import change, incident, series, verdict
from slack_server import problems

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.channels.slack import Slack
from undertow.alerts.incident import Change, ChangeKind, Severity, tell
from undertow.alerts.links import Link, Links

URL = "https://hooks.slack.com/services/T000/B000/s3cr3t-s3cr3t"


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def sent(about: Change, links: Links | None = None) -> dict[str, Any]:
    """The message that the change becomes, checked against the documented rules."""
    bodies: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, text="ok")

    assert Slack(URL, Clock(), links, transport=httpx.MockTransport(take)).send(about).outcome is Outcome.DELIVERED
    message: dict[str, Any] = json.loads(bodies[0])
    assert problems(message) == []
    return message


def texts(message: dict[str, Any]) -> list[str]:
    return [b["text"]["text"] if "text" in b else b["elements"][0]["text"] for b in message["blocks"]]


def test_a_page_has_headline_chart_http_and_suspects() -> None:
    title, headline, drawn, http, suspects, asked, foot = texts(sent(change()))
    assert title == "ERROR: support/prod"
    assert headline == f":large_orange_circle: {change().incident.headline}"
    assert drawn.startswith("```answers that refuse\n  before ████")
    assert http == "*HTTP* error rate 0.2 % → 0.2 %, latency p50 0.9 s → 0.9 s: green"
    assert suspects.startswith("*Suspects*\n• prompt_version=v48 was first seen")
    assert asked.startswith("```SELECT")
    assert foot.endswith("undertow explain 0000000000000000")


@pytest.mark.parametrize("kind", [ChangeKind.UPDATE, ChangeKind.ACKNOWLEDGE, ChangeKind.RESOLVE])
def test_news_are_short_and_say_what_they_are(kind: ChangeKind) -> None:
    title, headline, foot = texts(sent(change(kind, revision=2)))
    assert title == f"{kind.upper()}: support/prod"
    assert change().incident.headline in headline
    assert "0000000000000000" in foot


def test_links_are_under_it() -> None:
    links = Links([Link("Run & book", "https://e.org/{service}"), Link("Grafana", "https://g.org/")])
    assert "<https://e.org/support|Run &amp; book> · <https://g.org/|Grafana>" in texts(sent(change(), links))


def test_nobody_is_called_by_a_name_in_the_data() -> None:
    loud = change(headline="<!channel> & <@U123>", causes=[{"kind": "version", "text": "model=<!here>"}])
    assert "<!" not in json.dumps(sent(loud)["blocks"])
    assert "<@" not in json.dumps(sent(loud)["text"])


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_has_a_sign(severity: Severity) -> None:
    assert texts(sent(change(severity=severity)))[1].startswith(":large_" if severity != "critical" else ":red_")


def test_everything_too_long_is_cut() -> None:
    verdicts = [verdict(series(f"score.{n}" + "n" * 2000, service="s" * 900)) for n in range(5)]
    causes = [{"kind": "version", "text": "c" * 5000}] * 9
    long = change(headline="h&" * 3000, service="s" * 900, verdicts=verdicts, causes=causes)
    assert len(sent(long)["blocks"]) == 7


def test_a_summary_page_lists_its_incidents() -> None:
    page = incident(verdicts=[], versions=[], http=[], causes=[{"text": "one"}, {"text": "two"}], service="undertow")
    assert texts(sent(tell(page, ChangeKind.TRIGGER, 0.0)))[2] == "*Listed*\n• one\n• two"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [  # the documented answers of an incoming webhook
        (200, "ok", Outcome.DELIVERED),
        (400, "invalid_payload", Outcome.REFUSED),
        (403, "action_prohibited", Outcome.REFUSED),
        (404, "no_service", Outcome.REFUSED),
        (410, "channel_is_archived", Outcome.REFUSED),
        (429, "rate_limited", Outcome.RETRY),
        (500, "rollup_error", Outcome.RETRY),
    ],
)
def test_answers(status: int, body: str, outcome: Outcome) -> None:
    channel = Slack(URL, Clock(), transport=httpx.MockTransport(lambda _: httpx.Response(status, text=body)))
    answer = channel.send(change())
    assert answer.outcome is outcome
    assert body in answer.detail or outcome is Outcome.DELIVERED


def test_one_message_a_second() -> None:
    clock = Clock()
    channel = Slack(URL, clock, transport=httpx.MockTransport(lambda _: httpx.Response(200, text="ok")))
    assert channel.send(change()).outcome is Outcome.DELIVERED
    clock.now += 0.25
    assert channel.send(change()) == Delivery(Outcome.DEFERRED, "own limit of one message a second", 0.75)
    clock.now += 0.75
    assert channel.send(change()).outcome is Outcome.DELIVERED
