"""What comes back from outside, and what may be believed of it: PagerDuty's webhooks, deployments declared by webhook.

PagerDuty (v3) signs the body with HMAC-SHA256 and sends `X-PagerDuty-Signature: v1=<hex>[,v1=<hex>]`, several while a
secret is changed. It repeats what was not answered with 2xx within five seconds and gives up the whole subscription
after a few refusals, so whatever is signed is taken, and what it does not mean is said in the answer.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from undertow.alerts.channels.webhook import signature
from undertow.alerts.incident import Incident
from undertow.pipelines.section import Secret

__all__ = ["Meant", "is_ours", "is_pagerdutys", "meant_by_pagerduty"]

FRESH_S = 300.0  # between the signing of a deployment and its arrival, either way
_NOTE = re.compile(r"\s*(?:undertow\s+)?(accept|false)\b[\s:,.–-]*(.*)", re.IGNORECASE | re.DOTALL)
_TEAM = re.compile(r"^undertow@[0-9a-f]+")
_LONGEST = 500  # characters of a reason


class Meant(msgspec.Struct, frozen=True):
    """What somebody outside wants: an action of the control API and its arguments; no action with the reason why."""

    action: str = ""
    arguments: dict[str, str] = {}
    ignored: str = ""


class _Reference(msgspec.Struct):
    type: str = ""
    summary: str = ""
    html_url: str = ""


class _Data(msgspec.Struct):
    incident_key: str | None = ""
    html_url: str | None = ""
    incident: _Reference | None = None
    content: str | None = ""


class _Event(msgspec.Struct):
    event_type: str
    agent: _Reference | None = None
    data: _Data = msgspec.field(default_factory=_Data)


class _Delivery(msgspec.Struct):
    event: _Event


def is_pagerdutys(header: str, body: bytes, secrets: Iterable[Secret]) -> bool:
    """Tell whether one of the signatures in the header is right for one of our subscriptions."""
    given = [part.strip().encode() for part in header.split(",")]
    wanted = [b"v1=" + hmac.new(s.reveal().encode(), body, "sha256").hexdigest().encode() for s in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def is_ours(header: str, body: bytes, secret: Secret, now: float) -> bool:
    """Tell whether the signature is one of our own kind, `t=<unix seconds>,v1=<hex>`, and fresh.

    Examples
    --------
    >>> header = signature("s3cret", 1_700_000_000, b"{}")
    >>> is_ours(header, b"{}", Secret("s3cret"), 1_700_000_060), is_ours(header, b"{}", Secret("s3cret"), 1_700_009_000)
    (True, False)
    """
    stated = re.match(r"t=(\d{1,12}),", header)
    if stated is None or abs(now - int(stated[1])) > FRESH_S:
        return False
    return hmac.compare_digest(signature(secret.reveal(), int(stated[1]), body).encode(), header.encode())


def meant_by_pagerduty(body: bytes, incidents: Callable[[], Sequence[Incident]]) -> Meant:
    """Return what a webhook of PagerDuty means for one of the open incidents.

    An acknowledgement by a person is one. A person who resolves it there has taken it too, and wants no news. A note
    that begins with `accept` or `false` decides; the rest of it is the reason.
    """
    try:
        event = msgspec.json.decode(body, type=_Delivery).event
    except msgspec.DecodeError as error:
        return Meant(ignored=f"not a v3 webhook: {error}")
    if event.event_type not in _MEANING:
        return Meant(ignored=f"nothing follows from '{event.event_type}'")
    if event.agent is None or event.agent.type != "user_reference":
        return Meant(ignored="not the act of a person")
    incident = _concerned(event.data, incidents())
    if incident is None:
        return Meant(ignored="about no incident that is open here")
    return _MEANING[event.event_type](event, {"id": incident.id, "by": event.agent.summary[:_LONGEST]})


def _concerned(data: _Data, incidents: Sequence[Incident]) -> Incident | None:
    """Return the incident by the key of its present alert, or by the address under which it was acknowledged."""
    address = data.incident.html_url if data.incident else ""
    key = _TEAM.sub("undertow", data.incident_key or "")  # whichever team's alert it is
    return next((one for one in incidents if one.keys[-1] == key or (address and one.elsewhere == address)), None)


def _taken(event: _Event, arguments: dict[str, str]) -> Meant:
    return Meant("acknowledge", arguments | {"elsewhere": event.data.html_url or ""})


def _closed(event: _Event, arguments: dict[str, str]) -> Meant:
    return Meant("dismiss", arguments | {"elsewhere": event.data.html_url or ""})


def _noted(event: _Event, arguments: dict[str, str]) -> Meant:
    said = _NOTE.fullmatch(event.data.content or "")
    if said is None:
        return Meant(ignored="a note that begins with neither 'accept' nor 'false'")
    return Meant(said[1].lower(), arguments | {"reason": said[2].strip()[:_LONGEST]})


_MEANING: dict[str, Callable[[_Event, dict[str, str]], Meant]] = {
    "incident.acknowledged": _taken,
    "incident.resolved": _closed,
    "incident.annotated": _noted,
}
