"""What comes back from outside, through the port: signed links that ask first, signed webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from alert_samples import incident
from prometheus_client import CollectorRegistry

from undertow.alerts.addresses import Addresses
from undertow.alerts.channels.webhook import signature
from undertow.pipelines.clickhouse import StoreError
from undertow.pipelines.outside import Outside
from undertow.pipelines.section import Secret
from undertow.pipelines.server import ControlError, Port, Services

NOW = 1_790_000_000.0
HERE = incident(1)


class World:
    """What the port asks the composer for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def control(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if action == "deploy" and "service" not in arguments:
            raise ControlError("deploy needs a 'service'")
        if arguments.get("reason") == "too late":
            raise ControlError("no incident is open")
        self.asked.append((action, arguments))
        return {"done": action}

    def report(self, about: str) -> str:
        if about == "down":
            raise StoreError("no route to host")
        if about != HERE.id:
            raise ValueError(f"no incident '{about}' in the store")
        return f"<!doctype html><title>{about}</title>"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    outside = Outside(
        world.control,
        lambda: [HERE],
        lambda: NOW,
        world.report,
        Addresses("http://127.0.0.1", b"key"),
        (Secret("pd"),),
        Secret("ci"),
    )
    with Port("127.0.0.1:0", services(world, outside)) as port:
        yield port.url


def services(world: World, outside: Outside) -> Services:
    return Services(
        engine=None,
        registry=CollectorRegistry(),
        window_age=lambda: 1.0,
        window_age_limit_s=60.0,
        status=dict,
        control=world.control,
        token=Secret("token"),
        routes=outside.routes(),
    )


def link(url: str, about: str = HERE.id) -> str:
    return url + Addresses("http://x", b"key").address(about, NOW).removeprefix("http://x")


def test_opening_a_link_changes_nothing_and_asks(world: World, url: str) -> None:
    """Programs that preview links open them, by GET or by HEAD, as often as they like."""
    answers = [httpx.get(link(url)), httpx.head(link(url)), httpx.get(link(url))]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert world.asked == []
    assert HERE.headline.split(" →")[0] in answers[0].text
    assert answers[0].text.count("<button") == 3
    assert (answers[0].headers["cache-control"], answers[0].headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "frame-ancestors 'none'" in answers[0].headers["content-security-policy"]


def test_the_report_is_read_by_a_signed_address_and_on_this_machine_by_its_id(world: World, url: str) -> None:
    for address in (f"{link(url)}/report", f"{url}/incidents/{HERE.id}"):
        answer = httpx.get(address)
        assert (answer.status_code, answer.text) == (200, f"<!doctype html><title>{HERE.id}</title>")
        assert answer.headers["cache-control"] == "no-store"
        assert httpx.post(address).status_code == 405
    forged = f"{link(url)[:-1]}{'0' if link(url)[-1] != '0' else '1'}/report"
    assert httpx.get(forged).status_code == 403
    assert httpx.get(f"{url}/incidents/nothing").status_code == 404
    assert httpx.get(f"{url}/incidents/down").status_code == 503
    assert world.asked == []


def test_the_form_does_what_was_chosen(world: World, url: str) -> None:
    answer = httpx.post(link(url), data={"action": "false", "by": "anna", "reason": "load test", "id": "another"})
    assert (answer.status_code, "Noted: False alarm" in answer.text) == (200, True)
    assert world.asked == [("false", {"id": HERE.id, "by": "anna", "reason": "load test"})]


@pytest.mark.parametrize("data", [{}, {"action": "deploy"}, {"by": "anna"}])
def test_a_form_without_a_choice_asks_again(world: World, url: str, data: dict[str, str]) -> None:
    answer = httpx.post(link(url), data=data)
    assert (answer.status_code, answer.text.count("<button"), world.asked) == (400, 3, [])


def test_what_cannot_be_done_any_more_is_said(url: str) -> None:
    answer = httpx.post(link(url), data={"action": "accept", "reason": "too late"})
    assert (answer.status_code, "no incident is open" in answer.text) == (409, True)
    assert "is over" in httpx.get(link(url, incident(2).id)).text


def test_a_link_that_is_not_ours_opens_nothing(world: World, url: str) -> None:
    forged = f"{link(url)[:-1]}{'0' if link(url)[-1] != '0' else '1'}"
    assert [httpx.get(forged).status_code, httpx.post(forged, data={"action": "false"}).status_code] == [403, 403]
    assert world.asked == []


def pagerduty(url: str, signed_with: str = "pd", key: str = HERE.keys[-1]) -> httpx.Response:
    event = {
        "event_type": "incident.acknowledged",
        "agent": {"type": "user_reference", "summary": "Anna"},
        "data": {"incident_key": key, "html_url": "https://acme.pagerduty.com/incidents/P1"},
    }
    body = json.dumps({"event": event}).encode()
    header = "v1=" + hmac.new(signed_with.encode(), body, hashlib.sha256).hexdigest()
    return httpx.post(f"{url}/hooks/pagerduty", content=body, headers={"X-PagerDuty-Signature": header})


def test_a_signed_webhook_of_pagerduty_is_done_and_one_that_means_nothing_is_taken(world: World, url: str) -> None:
    assert pagerduty(url).status_code == 202
    assert pagerduty(url, key="another").json() == {"ignored": "about no incident that is open here"}
    where = "https://acme.pagerduty.com/incidents/P1"
    assert world.asked == [("acknowledge", {"id": HERE.id, "by": "Anna", "elsewhere": where})]


def test_a_webhook_that_is_not_pagerdutys_is_refused(world: World, url: str) -> None:
    assert pagerduty(url, signed_with="guess").status_code == 401
    assert world.asked == []


def deploy(url: str, content: bytes, at: float = NOW, signed_with: str = "ci") -> httpx.Response:
    headers = {"X-Undertow-Signature": signature(signed_with, int(at), content)}
    return httpx.post(f"{url}/hooks/deploy", content=content, headers=headers)


def test_a_deployment_is_declared_by_webhook(world: World, url: str) -> None:
    told = {"description": "prompt v48", "service": "support"}
    assert deploy(url, json.dumps(told).encode()).status_code == 202
    assert world.asked == [("deploy", told)]


@pytest.mark.parametrize(
    ("content", "at", "signed_with", "status"),
    [
        (b'{"service": "s"}', NOW - 301, "ci", 401),
        (b'{"service": "s"}', NOW, "guess", 401),
        (b'{"description": "x"}', NOW, "ci", 400),
        (b"nonsense", NOW, "ci", 400),
    ],
)
def test_a_deployment_that_cannot_be_believed_or_read_is_refused(
    world: World, url: str, content: bytes, at: float, signed_with: str, status: int
) -> None:
    assert deploy(url, content, at, signed_with).status_code == status
    assert world.asked == []


def test_what_is_not_configured_is_not_there(world: World) -> None:
    with Port("127.0.0.1:0", services(world, Outside(world.control, list, time.time, world.report))) as port:
        for path in ("/hooks/pagerduty", "/hooks/deploy", "/act/a/1/b"):
            assert httpx.post(f"{port.url}{path}").status_code == 404
