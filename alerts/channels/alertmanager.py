"""Alertmanager, API v2: one alert an incident, sent to every replica and sent again while it lasts.

An alert is its set of labels, so these hold only what does not change in an incident's life, and its severity: when
that grows, a new alert begins (and notifies again, also those who have acknowledged the old one) and the old one ends.
Alertmanager forgets an alert that it is not reminded of: each sending carries the end that `resolve_timeout_s` gives
it, and the pager sends again five times as often. A resolve is the same labels with an end that has come.

Replicas share what they have notified, not their alerts, so each is told everything. A change is delivered when one
replica has taken it; one that was down hears of it with the next reminder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from undertow.alerts.body import cut
from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.formats import rfc3339
from undertow.alerts.http import Poster, Timeouts, Transport, no_web_page, post_all
from undertow.alerts.incident import Change, ChangeKind, Incident, Severity
from undertow.alerts.links import Links
from undertow.alerts.query import query
from undertow.alerts.text import command, page_text

__all__ = ["Alertmanager"]

ALERTNAME = "UndertowBehaviourShift"
OWN, WATCHDOG = "UndertowHealth", "UndertowWatchdog"  # about the watch itself
DESCRIPTION_LIMIT = 8_000  # characters; Alertmanager has no limit of its own, what it notifies has
BATCH = 100  # alerts in one call
SKEW_S = 60.0  # an end lies so far back, as a clock behind ours would take it for a time to come
REMINDERS = 5  # within the resolve timeout: four of them may fail
SEVERITIES = list(Severity)


class Alertmanager:
    """Sends incidents to one Alertmanager, or to all replicas of one.

    Parameters
    ----------
    urls
        One for each replica, up to the path prefix: `http://alertmanager:9093`.
    clock
        Wall clock in seconds since the epoch, for the ends of alerts.
    resolve_timeout_s
        Seconds after which Alertmanager is to take an alert for resolved that it is not reminded of.
    links
        The first becomes the alert's generator URL.
    timeouts, transport
        How long to wait, and a replacement of the network for tests.

    Raises
    ------
    ValueError
        There is no URL, or one is none.

    Examples
    --------
    >>> Alertmanager(["http://am-0:9093", "http://am-1:9093"], clock=lambda: 0.0)
    Alertmanager('http://am-0', 'http://am-1')
    """

    name = "alertmanager"

    def __init__(
        self,
        urls: Sequence[str],
        clock: Callable[[], float],
        resolve_timeout_s: float = 300.0,
        links: Links | None = None,
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
    ) -> None:
        if not urls:
            raise ValueError("an Alertmanager channel needs at least one URL; name every replica in `urls`")
        self._clock = clock
        self._timeout_s = resolve_timeout_s
        self._links = links or Links()
        self.remind_every_s = resolve_timeout_s / REMINDERS
        self._replicas = [
            Poster(f"{url.rstrip('/')}/api/v2/alerts", lambda s: s == 200, (), timeouts, transport, no_web_page)
            for url in urls
        ]

    def __repr__(self) -> str:
        return f"Alertmanager({', '.join(repr(replica.host) for replica in self._replicas)})"

    def send(self, change: Change) -> Delivery:
        """Make one attempt with every replica at once."""
        return self._post(self._alerts(change))

    def remind(self, standing: Sequence[Change]) -> Delivery:
        """Send all alerts that stand again; the first call that no replica takes ends the attempt."""
        for start in range(0, len(standing), BATCH):
            answer = self._post([alert for c in standing[start : start + BATCH] for alert in self._alerts(c)])
            if answer.outcome is not Outcome.DELIVERED:
                return answer
        return Delivery(Outcome.DELIVERED)

    def live(self, name: str, for_s: float) -> Delivery:
        """Make one attempt to hold up the alert that always fires, for `for_s` seconds from now.

        When nobody renews it, it ends; what Alertmanager does then is the alarm.
        """
        now = self._clock()
        labels = {"alertname": WATCHDOG, "instance": name, "severity": "none"}
        said = {"summary": f"Undertow '{name}' lives; an alarm is due when this alert ends"}
        alert = {"labels": labels, "annotations": said, "endsAt": rfc3339(now + for_s)}
        return self._post([alert])

    def _post(self, alerts: list[dict[str, Any]]) -> Delivery:
        headers = {"Content-Type": "application/json"}
        return _joined(post_all(self._replicas, msgspec.json.encode(alerts), headers, self._clock()))

    def _alerts(self, change: Change) -> list[dict[str, Any]]:
        """Return the alert of the incident, and the ends of those of its lower severities.

        An end of an alert that never was notifies nobody, so what was sent before need not be remembered.
        """
        incident, now = change.incident, self._clock()
        over = change.kind is ChangeKind.RESOLVE
        ended = now - SKEW_S
        starts = min(incident.opened_at, ended - 1.0)
        alert = {"startsAt": rfc3339(starts), "annotations": self._annotations(incident), **self._generator(incident)}
        return [
            alert | {"labels": _labels(incident, severity), "endsAt": rfc3339(ended if ends else now + self._timeout_s)}
            for severity, ends in _severities(incident.severity, over)
        ]

    def _annotations(self, incident: Incident) -> dict[str, str]:
        said = {
            "summary": incident.headline,
            "description": cut(page_text(incident), DESCRIPTION_LIMIT),
            "explain": command(incident),
        }
        if incident.verdicts:
            said["query"] = query(incident)
        return said | {link.text: link.href for link in self._links.of(incident)}

    def _generator(self, incident: Incident) -> dict[str, str]:
        links = self._links.of(incident)
        return {"generatorURL": links[0].href} if links else {}


def _labels(incident: Incident, severity: Severity) -> dict[str, str]:
    labels = {
        "alertname": OWN if incident.about else ALERTNAME,
        "incident": incident.id,
        "service": incident.service,
        "environment": incident.environment,
        "severity": str(severity),
    }
    return {name: value for name, value in labels.items() if value}  # an empty label is no label


def _severities(now: Severity, over: bool) -> Iterator[tuple[Severity, bool]]:
    yield now, over
    if over:  # the last word may be lower than what was told before
        yield from ((severity, True) for severity in SEVERITIES if severity is not now)
    else:
        yield from ((severity, True) for severity in SEVERITIES[: SEVERITIES.index(now)])


def _joined(answers: Sequence[Delivery]) -> Delivery:
    """Return one outcome for all replicas: the best, with what the others said."""
    order = (Outcome.DELIVERED, Outcome.RETRY, Outcome.REFUSED)
    best = min((answer.outcome for answer in answers), key=order.index)
    said = "; ".join(answer.detail for answer in answers if answer.detail)
    waits = [answer.retry_after_s for answer in answers if answer.retry_after_s is not None]
    return Delivery(best, said, max(waits, default=None))
