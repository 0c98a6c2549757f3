"""PagerDuty's webhooks of version 3: whom to believe, and what is meant. Quotes are from its documentation."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from alert_samples import incident

from undertow.pipelines.hooks import Meant, is_pagerdutys, meant_by_pagerduty
from undertow.pipelines.section import Secret

HERE = incident(1)
ADDRESS = "https://acme.pagerduty.com/incidents/PGR0VU2"
PERSON = {"id": "PLH1HKV", "summary": "Tenex Engineer", "type": "user_reference"}


def webhook(kind: str, agent: dict[str, str] | None = PERSON, **data: Any) -> bytes:
    about = {"id": "PGR0VU2", "type": "incident", "html_url": ADDRESS, "incident_key": HERE.keys[-1]} | data
    event = {"id": "01", "event_type": kind, "resource_type": "incident", "agent": agent, "data": about}
    return json.dumps({"event": event}).encode()


def note(content: str) -> bytes:
    reference = {"html_url": ADDRESS, "id": "PGR0VU2", "type": "incident_reference"}
    return webhook("incident.annotated", type="incident_note", incident=reference, content=content, incident_key=None)


def meant(body: bytes, elsewhere: str = ADDRESS) -> Meant:
    return meant_by_pagerduty(body, lambda: [incident(0), incident(1, elsewhere=elsewhere)])


def signed(body: bytes, secret: str) -> str:
    """ "v1 and is computed as an HMAC of the payload body using a SHA-256 hash function." """
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_signature_by_one_of_our_subscriptions_is_believed() -> None:
    assert is_pagerdutys(signed(b"{}", "s3cret"), b"{}", [Secret("other"), Secret("s3cret")])


def test_one_right_signature_of_several_is_enough() -> None:
    """ "Multiple signatures may be present to allow for a zero-downtime secret rotation." """
    header = f"{signed(b'{}', 'old')},{signed(b'{}', 'new')}"
    assert is_pagerdutys(header, b"{}", [Secret("new")])
    assert is_pagerdutys(header, b"{}", [Secret("old")])


@pytest.mark.parametrize("header", ["", "v1=", "v2=" + signed(b"{}", "s")[3:], signed(b"{} ", "s"), "nonsense", "v1=é"])
def test_what_is_not_signed_is_not_believed(header: str) -> None:
    assert not is_pagerdutys(header, b"{}", [Secret("s")])
    assert not is_pagerdutys(header, b"{}", [])


def test_an_acknowledgement_is_one() -> None:
    arguments = {"id": HERE.id, "by": "Tenex Engineer", "elsewhere": ADDRESS}
    assert meant(webhook("incident.acknowledged")) == Meant("acknowledge", arguments)


def test_who_resolves_it_there_has_taken_it_and_wants_no_news() -> None:
    assert meant(webhook("incident.resolved")).action == "dismiss"


@pytest.mark.parametrize(
    ("content", "action", "reason"),
    [
        ("false: the load test", "false", "the load test"),
        ("Undertow accept - shorter answers are meant", "accept", "shorter answers are meant"),
        ("FALSE", "false", ""),
    ],
)
def test_a_note_decides(content: str, action: str, reason: str) -> None:
    assert meant(note(content)) == Meant(action, {"id": HERE.id, "by": "Tenex Engineer", "reason": reason})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (note("falsely accused"), "a note that begins with neither"),
        (note("I accept"), "a note that begins with neither"),
        (webhook("incident.priority_updated"), "nothing follows from 'incident.priority_updated'"),
        (webhook("incident.resolved", agent=None), "not the act of a person"),
        (webhook("incident.acknowledged", agent=PERSON | {"type": "service_reference"}), "not the act of a person"),
        (webhook("incident.acknowledged", incident_key="another"), "about no incident"),
        (webhook("incident.acknowledged", incident_key=None), "about no incident"),
        (b"[]", "not a v3 webhook"),
        (b"\xff", "not a v3 webhook"),
    ],
)
def test_what_means_nothing_is_ignored_with_the_reason(body: bytes, why: str) -> None:
    found = meant(body)
    assert (found.action, found.ignored[: len(why)]) == ("", why)


def test_the_key_of_an_alert_that_a_graver_one_has_replaced_means_nothing() -> None:
    old = webhook("incident.acknowledged")
    assert meant_by_pagerduty(old, lambda: [incident(1, step=1)]).ignored == "about no incident that is open here"


def test_a_note_on_what_was_acknowledged_elsewhere_finds_it_by_address_alone() -> None:
    assert meant(note("false"), elsewhere="").ignored == "about no incident that is open here"
