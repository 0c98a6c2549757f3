"""Slack, by an incoming webhook: a message of blocks with a small chart for each change of an incident.

An incoming webhook cannot carry an uploaded picture, and a picture block wants an address that Slack's own machines
can reach, which a monitor inside a network does not have. So the chart is drawn in letters. A webhook can neither
change nor thread what it has posted: news of an incident are messages of their own, which begin with its state and
end with its id. It answers 200 with the body `ok`, and takes about one message a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from undertow.alerts.body import cut
from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.chart import chart
from undertow.alerts.http import Poster, Timeouts, Transport
from undertow.alerts.incident import Change, ChangeKind, Incident, Severity
from undertow.alerts.links import Link, Links
from undertow.alerts.pace import Pace
from undertow.alerts.query import query
from undertow.alerts.services import beyond
from undertow.alerts.text import command, heading, http_line, place, standing

__all__ = ["Slack"]

TEXT_LIMIT = 3_000  # characters of a section
HEADER_LIMIT = 150  # of a header
FALLBACK_LIMIT = 4_000  # of the text for notifications and readers aloud
BLOCK_ID_LIMIT = 255
SUSPECTS = 3
SIGNS = {
    Severity.CRITICAL: ":red_circle:",
    Severity.ERROR: ":large_orange_circle:",
    Severity.WARNING: ":large_yellow_circle:",
    Severity.INFO: ":large_blue_circle:",
}
NEWS = {ChangeKind.UPDATE: ":pencil2:", ChangeKind.ACKNOWLEDGE: ":eyes:", ChangeKind.RESOLVE: ":large_green_circle:"}


class Slack:
    """Posts to one Slack channel.

    Parameters
    ----------
    webhook_url
        The address of the incoming webhook. It is a secret, so only its host is ever shown.
    clock
        Wall clock in seconds since the epoch, for the rate limit.
    links
        What to link to.
    timeouts, transport
        How long to wait, and a replacement of the network for tests.

    Raises
    ------
    ValueError
        The URL is not an http or https URL.

    Examples
    --------
    >>> Slack("https://hooks.slack.com/services/T000/B000/s3cret", clock=lambda: 0.0)
    Slack('https://hooks.slack.com')
    """

    name = "slack"

    def __init__(
        self,
        webhook_url: str,
        clock: Callable[[], float],
        links: Links | None = None,
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._clock = clock
        self._links = links or Links()
        self._pace = Pace(calls=1, per_s=1.0)
        self._poster = Poster(
            webhook_url, lambda status: status == 200, (), timeouts, transport, lambda body: body.strip() == b"ok"
        )

    def __repr__(self) -> str:
        return f"Slack('{self._poster.host}')"

    def send(self, change: Change) -> Delivery:
        """Make one attempt; DEFERRED when the last one was less than a second ago."""
        now = self._clock()
        if wait := self._pace.wait_s(now):
            return Delivery(Outcome.DEFERRED, "own limit of one message a second", wait)
        self._pace.note(now)
        body = msgspec.json.encode(_message(change, self._links.of(change.incident)))
        return self._poster.post(body, {"Content-Type": "application/json"}, now)


def _message(change: Change, links: Sequence[Link]) -> dict[str, Any]:
    incident = change.incident
    title = f"{change.kind.upper()}: {place(incident)}"
    if change.kind.notifies:
        title = f"{incident.severity.upper()}: {place(incident)}"
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(title, HEADER_LIMIT)}},
        _section(f"{_sign(change)} {escaped(incident.headline)}"),
        *(_whole(incident) if change.kind.notifies else []),
        *([_section(" · ".join(f"<{link.href}|{escaped(link.text)}>" for link in links))] if links else []),
        _context(change),
    ]
    return {"text": cut(escaped(f"{title}: {incident.headline}"), FALLBACK_LIMIT), "blocks": blocks}


def _sign(change: Change) -> str:
    return NEWS.get(change.kind) or SIGNS[change.incident.severity]


def _whole(incident: Incident) -> list[dict[str, Any]]:
    said = [str(cause["text"]) for cause in incident.causes[:SUSPECTS]]
    http = http_line(incident.http)
    parts = [
        _fenced(chart(incident)) if incident.verdicts else "",
        f"*HTTP* {escaped(http)}" if http else "",
        _listed(heading(incident), said) if said else "",
        *(_listed(name, lines) for name, lines in beyond(incident)),
        _fenced([query(incident)]) if incident.verdicts else "",
    ]
    return [_section(part) for part in parts if part]


def _listed(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"*{name.capitalize()}*", *(f"• {escaped(line)}" for line in lines)])


def _context(change: Change) -> dict[str, Any]:
    incident = change.incident
    text = cut(escaped(f"{standing(incident)} · {command(incident)}"), TEXT_LIMIT)
    return {
        "type": "context",
        "block_id": cut(change.id, BLOCK_ID_LIMIT),
        "elements": [{"type": "mrkdwn", "text": text}],
    }


def _fenced(lines: Sequence[str]) -> str:
    return f"```{cut(escaped(chr(10).join(lines)), TEXT_LIMIT - 6)}```"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, TEXT_LIMIT)}}


def escaped(text: str) -> str:
    """Return the text with the three signs replaced that Slack reads as markup, so that nobody is called by name.

    Examples
    --------
    >>> escaped("a < b & <!channel>")
    'a &lt; b &amp; &lt;!channel&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
