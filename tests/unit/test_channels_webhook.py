"""The webhook: the whole incident as JSON, signed."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import msgspec
import pytest
from alert_samples import change, series, verdict

from undertow.alerts.channel import Outcome
from undertow.alerts.channels.webhook import Webhook
from undertow.alerts.incident import Change, Incident

NOW = 1_790_000_000.5


def sent(told: Change, key: str = "s3cret") -> httpx.Request:
    requests: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    channel = Webhook("https://example.org/hook", lambda: NOW, key, transport=httpx.MockTransport(take))
    assert channel.send(told).outcome is Outcome.DELIVERED
    return requests[0]


def test_the_receiver_gets_the_whole_incident() -> None:
    body = json.loads(sent(change()).content)
    assert (body["id"], body["kind"], body["dedup_key"]) == (change().id, "trigger", "undertow/0000000000000000")
    assert msgspec.convert(body["incident"], Incident) == change().incident
    assert body["text"].startswith("ERROR")


def test_the_signature_is_the_hmac_of_time_and_body() -> None:
    request = sent(change())
    parts = dict(part.split("=", 1) for part in request.headers["X-Undertow-Signature"].split(","))
    wanted = hmac.new(b"s3cret", parts["t"].encode() + b"." + request.content, hashlib.sha256).hexdigest()
    assert (parts["t"], parts["v1"]) == ("1790000000", wanted)


def test_without_a_secret_nothing_is_signed() -> None:
    assert "X-Undertow-Signature" not in sent(change(), key="").headers


def test_a_large_incident_is_cut_and_says_so() -> None:
    many = [verdict(series(region=f"{n}-" + "r" * 2000)) for n in range(600)]
    request = sent(change(verdicts=many))
    assert len(request.content) <= 1_000_000
    incident = json.loads(request.content)["incident"]
    assert incident["dropped"][0].startswith("verdicts (")
    assert incident["headline"] == change().incident.headline


@pytest.mark.parametrize("secret", ["", "s3cret"])
def test_a_url_with_a_secret_in_it_is_not_shown(secret: str) -> None:
    shown = repr(Webhook("https://user:pa55word@example.org/hooks/T0/B1/t0ken?key=k3y", lambda: NOW, secret))
    assert not [part for part in ("pa55word", "t0ken", "k3y", "s3cret") if part in shown]
