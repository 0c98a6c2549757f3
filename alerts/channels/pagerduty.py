"""PagerDuty, Events API v2: one alert an incident, severity and routing key, with a dedup key of its own.

Acceptance is 202 and asynchronous. The service takes about 120 calls a minute for each integration key and forgets
what it answers with 429, so this channel stays below 100 of its own accord. A `trigger` under the key of an open
alert updates it and notifies nobody, so an incident that grows graver begins a new alert and ends the old one. After a
`resolve` the same key would open a new alert, so nothing is sent for an incident after its resolve. Versions are change
events.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from undertow.alerts.body import cut, fitted
from undertow.alerts.channel import Announcement, Delivery, Outcome
from undertow.alerts.formats import rfc3339, utc
from undertow.alerts.http import Poster, Timeouts, Transport
from undertow.alerts.incident import Change, ChangeKind, Incident, Version
from undertow.alerts.links import Links
from undertow.alerts.pace import Pace
from undertow.alerts.query import query
from undertow.alerts.ranking import lead
from undertow.alerts.services import beyond
from undertow.alerts.text import command, heading, http_line, moved, place, slice_of

__all__ = ["PagerDuty"]

KEY_LENGTH = 32
TEAM, TEAM_DIGITS = b"undertow", 8  # what is signed with the routing key, to name it without telling it
DEDUP_LIMIT = 255
SUMMARY_LIMIT = 1024
FIELD_LIMIT = 255  # source, component, group, class: ours, to keep them readable
BODY_LIMIT = 512_000  # bytes: the stricter reading of 512 KB
ROWS = 200  # lines in the table of what moved
CALLS, PER_S = 100, 60.0
SPARE = 50  # of them, calls that announcements leave to pages
ACTIONS = {ChangeKind.ACKNOWLEDGE: "acknowledge", ChangeKind.RESOLVE: "resolve"}  # all else is a trigger


class PagerDuty:
    """Sends incidents to one PagerDuty service.

    Parameters
    ----------
    routing_key
        The integration key, 32 characters; it is never shown.
    clock
        Wall clock in seconds since the epoch, for the rate limit.
    url
        The events host; another one for tests and service regions.
    links
        What to link to and show; PagerDuty's own machines fetch the pictures.
    timeouts, transport
        How long to wait, and a replacement of the network for tests.

    Raises
    ------
    ValueError
        The routing key does not have 32 characters, or the URL is none.

    Examples
    --------
    >>> PagerDuty("0123456789abcdef0123456789abcdef", clock=lambda: 0.0)
    PagerDuty('https://events.pagerduty.com', routing_key=***)
    """

    name = "pagerduty"

    def __init__(
        self,
        routing_key: str,
        clock: Callable[[], float],
        url: str = "https://events.pagerduty.com",
        links: Links | None = None,
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
    ) -> None:
        if len(routing_key) != KEY_LENGTH:
            raise ValueError(
                f"a PagerDuty routing key has {KEY_LENGTH} characters, this one has {len(routing_key)}; "
                "copy the integration key of an 'Events API V2' integration"
            )
        self._routing_key = routing_key
        self._team = hmac.new(routing_key.encode(), TEAM, "sha256").hexdigest()[:TEAM_DIGITS]
        self._clock = clock
        self._links = links or Links()
        self._pace = Pace(CALLS, PER_S)
        self._alerts, self._changes = (
            Poster(f"{url.rstrip('/')}{path}", lambda status: status == 202, [routing_key], timeouts, transport)
            for path in ("/v2/enqueue", "/v2/change/enqueue")
        )

    def __repr__(self) -> str:
        return f"PagerDuty('{self._alerts.host}', routing_key=***)"

    def send(self, change: Change) -> Delivery:
        """Make one attempt; DEFERRED when it would be the 101st call within a minute.

        An escalation is two calls, which may be repeated together: what the first one opened is only updated. An
        acknowledgement that was made at PagerDuty needs no call: that alert knows, and those of other teams are theirs.
        """
        if change.kind is ChangeKind.ACKNOWLEDGE and change.incident.elsewhere:
            return Delivery(Outcome.DELIVERED, "acknowledged there")
        answer = self._post(self._alerts, self._event(change))
        if change.kind is ChangeKind.ESCALATE and answer.outcome is Outcome.DELIVERED:
            for former in self._keys(change.incident)[-2:-1]:
                answer = self._post(self._alerts, self._bare("resolve", former))
        return answer

    def announce(self, announcement: Announcement) -> Delivery:
        """Make one attempt to put a first-seen version, or its card, on the service's timeline, as a change event.

        Announcements leave half of the calls to pages.
        """
        return self._post(self._changes, self._change_event(announcement), SPARE)

    def _post(self, poster: Poster, body: bytes, spare: int = 0) -> Delivery:
        now = self._clock()
        if wait := self._pace.wait_s(now, spare):
            return Delivery(Outcome.DEFERRED, f"own limit of {CALLS - spare} calls in {PER_S:.0f} s", wait)
        self._pace.note(now)
        return poster.post(body, {"Content-Type": "application/json"}, now)

    def _event(self, change: Change) -> bytes:
        key = self._keys(change.incident)[-1]
        if change.kind in ACTIONS:
            return self._bare(ACTIONS[change.kind], key)
        details = _details(change.incident)
        told = {"client": "Undertow", "payload": _payload(change, details), **self._attached(change.incident)}
        return fitted(self._addressed("trigger", key) | told, details, BODY_LIMIT)

    def _keys(self, incident: Incident) -> list[str]:
        """Return the dedup keys of the incident's alerts under this routing key: each team has its own to close."""
        return [f"undertow@{self._team}{key.removeprefix('undertow')}" for key in incident.keys]

    def _bare(self, action: str, key: str) -> bytes:
        return fitted(self._addressed(action, key), {}, BODY_LIMIT)

    def _addressed(self, action: str, key: str) -> dict[str, Any]:
        return {"routing_key": self._routing_key, "event_action": action, "dedup_key": key[:DEDUP_LIMIT]}

    def _attached(self, incident: Incident) -> dict[str, Any]:
        links = [{"href": link.href, "text": link.text} for link in self._links.of(incident)]
        images = [{"src": image.href, "alt": image.text} for image in self._links.images_of(incident)]
        return ({"links": links} if links else {}) | ({"images": images} if images else {})

    def _change_event(self, announcement: Announcement) -> bytes:
        version = announcement.version
        where = version.service + (f"/{version.environment}" if version.environment else "")
        summary = f"{where}: {_news(version)}"
        details: dict[str, Any] = {
            "dimension": version.dimension,
            "value": version.value,
            "declared": version.declared,
        }
        details |= {"card": list(version.card)} if version.card else {}
        payload: dict[str, Any] = {
            "summary": cut(summary, SUMMARY_LIMIT),
            "source": cut(where, FIELD_LIMIT),
            "custom_details": details,
        }
        if timestamp := rfc3339(version.first_seen):
            payload["timestamp"] = timestamp
        return fitted({"routing_key": self._routing_key, "payload": payload}, details, BODY_LIMIT)


def _news(version: Version) -> str:
    if version.card:
        return "; ".join(version.card)
    declared = f": {version.declared}" if version.declared else ""
    return f"{version.dimension}={version.value} first seen {utc(version.first_seen)}{declared}"


def _payload(change: Change, details: dict[str, Any]) -> dict[str, Any]:
    incident = change.incident
    payload: dict[str, Any] = {
        "summary": cut(incident.headline, SUMMARY_LIMIT),
        "source": cut(place(incident), FIELD_LIMIT),
        "severity": str(incident.severity),
        "custom_details": details,
    }
    if timestamp := rfc3339(change.at):
        payload["timestamp"] = timestamp
    if incident.verdicts:
        series = lead(incident.verdicts).series
        payload |= {"component": cut(slice_of(series), FIELD_LIMIT), "class": cut(series.metric, FIELD_LIMIT)}
    return payload


def _details(incident: Incident) -> dict[str, Any]:
    details: dict[str, Any] = {
        "incident": incident.id,
        "explain": command(incident),
        "changed_at": rfc3339(incident.changed_at),
        "changed_between": [rfc3339(incident.changed_from), rfc3339(incident.changed_to)],
        heading(incident): [str(cause["text"]) for cause in incident.causes],
    }
    details |= dict(beyond(incident))
    if incident.verdicts:
        details |= {"moved": moved(incident, ROWS), "http": http_line(incident.http), "query": query(incident)}
        details["versions"] = {f"{v.dimension}={v.value}": rfc3339(v.first_seen) for v in incident.versions}
    return details
