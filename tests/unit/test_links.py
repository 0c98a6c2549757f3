"""Links and pictures: filled and escaped for each incident; a template that cannot be filled is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from alert_samples import T0, change, incident

from undertow.alerts.addresses import Addresses
from undertow.alerts.channel import Channel
from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.channels.console import Console
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.channels.slack import Slack
from undertow.alerts.channels.webhook import Webhook
from undertow.alerts.links import Link, Links, grafana
from undertow.alerts.query import query

GRAFANA = "https://grafana.example.org/d/x?var-service={service}&m={metric}&from={from_ms}&to={to_ms}&e={environment}"


def test_places_are_filled_and_escaped() -> None:
    (link,) = Links([Link("Grafana", GRAFANA)]).of(incident(service="a&b=c/ü"))
    begin, end = int(1000 * (T0 - 140 - 3600)), int(1000 * (T0 + 3600))
    assert link.href == (
        f"https://grafana.example.org/d/x?var-service=a%26b%3Dc%2F%C3%BC&m=refusal_rate&from={begin}&to={end}&e=prod"
    )


def test_times_that_are_none_and_a_page_without_findings_leave_their_places_empty() -> None:
    odd = incident(verdicts=[], changed_from=float("nan"))
    assert Links([Link("x", "https://e.org/{metric}/{from_ms}")]).of(odd)[0].href == "https://e.org//"


@pytest.mark.parametrize(
    ("href", "told"),
    [
        ("https://e.org/{services}", r"has the place \{services\}, which nothing fills"),
        ("https://e.org/{service.__class__}", "which nothing fills"),
        ("https://e.org/{", "cannot be read"),
        ("ftp://e.org/", "does not begin with http:// or https://"),
        ("javascript:alert(1)", "does not begin with"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(href: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Links([Link("x", href)])


def test_pictures_are_https_only() -> None:
    with pytest.raises(ValueError, match="does not begin with https://"):
        Links(images=[Link("x", "http://e.org/x.png")])
    assert Links(images=[Link("x", "https://e.org/{id}.png")]).images_of(incident())[0].href.endswith("0.png")


def test_the_board_of_the_incident_opens_on_the_time_around_the_change() -> None:
    (link,) = Links([grafana("https://grafana.example.org/sub{x}/")]).of(incident())
    begin, end = int(1000 * (T0 - 140 - 3600)), int(1000 * (T0 + 3600))
    assert link.text == "Grafana"
    assert link.href == (
        f"https://grafana.example.org/sub{{x}}/d/undertow-incident?var-incident={incident().id}&from={begin}&to={end}"
    )


LINKS = Links([grafana("https://grafana.example.org")], addresses=Addresses("https://undertow.example.org", b"key"))
POSTED: dict[str, Callable[[Any], Channel]] = {
    "pagerduty": lambda transport: PagerDuty("0" * 32, lambda: T0, links=LINKS, transport=transport),
    "alertmanager": lambda transport: Alertmanager(["http://am:9093"], lambda: T0, links=LINKS, transport=transport),
    "slack": lambda transport: Slack("https://hooks.slack.com/x", lambda: T0, LINKS, transport=transport),
    "webhook": lambda transport: Webhook("https://example.org/x", lambda: T0, links=LINKS, transport=transport),
}


def told(name: str) -> str:
    """What a channel sends for a page, all texts of it."""
    if name == "console":
        stream = io.StringIO()
        Console(stream, links=LINKS).send(change())
        return stream.getvalue()
    bodies: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200)

    POSTED[name](httpx.MockTransport(take)).send(change())
    return json.dumps(json.loads(bodies[0]), ensure_ascii=False).replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize("name", [*POSTED, "console"])
def test_every_page_leads_to_report_board_and_answer_and_carries_a_query(name: str) -> None:
    said = told(name).replace("&amp;", "&")
    address = LINKS.of(incident())[-1].href
    for wanted in (f"{address}/report", "/d/undertow-incident?var-incident=", address):
        assert wanted in said
    assert query(incident()) in said
