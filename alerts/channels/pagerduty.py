"""PagerDuty, Events API v2: one alert an incident, under one dedup key for its whole life.

Acceptance is 202 and asynchronous. The service takes about 120 calls a minute for each integration key and forgets
what it answers with 429, so this channel stays below 100 of its own accord. A `trigger` under the key of an open
alert updates it and notifies nobody; after a `resolve` the same key would open a new alert, so nothing is sent for
an incident after its resolve.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from undertow.alerts.body import cut, fitted
from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.formats import rfc3339
from undertow.alerts.http import Poster, Timeouts, Transport
from undertow.alerts.incident import Change, ChangeKind, Incident
from undertow.alerts.query import query
from undertow.alerts.ranking import lead
from undertow.alerts.text import http_line, moved, place, slice_of

__all__ = ["PagerDuty"]

KEY_LENGTH = 32
DEDUP_LIMIT = 255
SUMMARY_LIMIT = 1024
FIELD_LIMIT = 255  # source, component, group, class: ours, to keep them readable
BODY_LIMIT = 512_000  # bytes: the stricter reading of 512 KB
ROWS = 200  # lines in the table of what moved
CALLS, PER_S = 100, 60.0


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
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
    ) -> None:
        if len(routing_key) != KEY_LENGTH:
            raise ValueError(
                f"a PagerDuty routing key has {KEY_LENGTH} characters, this one has {len(routing_key)}; "
                "copy the integration key of an 'Events API V2' integration"
            )
        self._routing_key = routing_key
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=CALLS)
        endpoint = f"{url.rstrip('/')}/v2/enqueue"
        self._poster = Poster(endpoint, lambda status: status == 202, [routing_key], timeouts, transport)

    def __repr__(self) -> str:
        return f"PagerDuty('{self._poster.host}', routing_key=***)"

    def send(self, change: Change) -> Delivery:
        """Make one attempt; DEFERRED when it would be the 101st call within a minute."""
        now = self._clock()
        if wait := self._wait_s(now):
            return Delivery(Outcome.DEFERRED, f"own limit of {CALLS} calls in {PER_S:.0f} s", wait)
        self._sent.append(now)
        return self._poster.post(self._body(change), {"Content-Type": "application/json"}, now)

    def _wait_s(self, now: float) -> float:
        while self._sent and not now - PER_S < self._sent[0] <= now:  # too old, or of a clock that was put back
            self._sent.popleft()
        return self._sent[0] + PER_S - now if len(self._sent) >= CALLS else 0.0

    def _body(self, change: Change) -> bytes:
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": "resolve" if change.kind is ChangeKind.RESOLVE else "trigger",
            "dedup_key": f"undertow/{change.incident.id}"[:DEDUP_LIMIT],
        }
        if change.kind is ChangeKind.RESOLVE:
            return fitted(event, {}, BODY_LIMIT)
        details = _details(change.incident)
        event |= {"client": "Undertow", "payload": _payload(change, details)}
        return fitted(event, details, BODY_LIMIT)


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
        "explain": f"undertow explain {incident.id}",
        "changed_at": rfc3339(incident.changed_at),
        "changed_between": [rfc3339(incident.changed_from), rfc3339(incident.changed_to)],
        "suspects" if incident.verdicts else "listed": [str(cause["text"]) for cause in incident.causes],
    }
    if incident.verdicts:
        details |= {"moved": moved(incident, ROWS), "http": http_line(incident.http), "query": query(incident)}
        details["versions"] = {f"{v.dimension}={v.value}": rfc3339(v.first_seen) for v in incident.versions}
    return details
