"""A signed webhook: the incident as JSON to any URL.

The body is `{"id", "kind", "at", "dedup_key", "supersedes", "text", "links", "incident"}`. With a secret each request
carries `X-Undertow-Signature: t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`: the receiver computes it
anew, compares in constant time and turns away a `t` that is minutes old. `id` is the same when a change is sent again,
`dedup_key` for all changes of an incident until its severity grows: an `escalate` has a new one, and `supersedes` lists
those before it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from undertow.alerts.body import fitted
from undertow.alerts.channel import Delivery
from undertow.alerts.http import Poster, Timeouts, Transport
from undertow.alerts.incident import Change
from undertow.alerts.links import Link, Links
from undertow.alerts.text import page_text

__all__ = ["Webhook", "signature"]

BODY_LIMIT = 1_000_000  # bytes: what common receivers take
SIGNATURE = "X-Undertow-Signature"


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the value of the signature header; receivers check theirs against it.

    Examples
    --------
    >>> signature("s3cret", 1_700_000_000, b"{}")
    't=1700000000,v1=...'
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return f"t={at},v1={digest}"


class Webhook:
    """Posts each change to one URL; any 2xx means that it was taken.

    Parameters
    ----------
    url
        Where to; only its scheme and host are ever shown.
    clock
        Wall clock in seconds since the epoch, for the signature.
    secret
        Signs the requests when it is not empty.
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
    >>> Webhook("https://example.org/hooks/t0ken", clock=lambda: 0.0, secret="s3cret")
    Webhook('https://example.org', signed)
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        clock: Callable[[], float],
        secret: str = "",
        links: Links | None = None,
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._clock = clock
        self._secret = secret
        self._links = links or Links()
        self._poster = Poster(url, lambda status: 200 <= status < 300, [secret], timeouts, transport)

    def __repr__(self) -> str:
        return f"Webhook('{self._poster.host}', {'signed' if self._secret else 'unsigned'})"

    def send(self, change: Change) -> Delivery:
        """Make one attempt."""
        now = self._clock()
        body = _body(change, self._links.of(change.incident))
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, int(now), body)
        return self._poster.post(body, headers, now)


def _body(change: Change, links: Sequence[Link]) -> bytes:
    incident: dict[str, Any] = msgspec.to_builtins(change.incident)
    message = {
        "id": change.id,
        "kind": str(change.kind),
        "at": change.at,
        "dedup_key": change.incident.keys[-1],
        "supersedes": change.incident.keys[:-1],
        "text": page_text(change.incident),
        "links": {link.text: link.href for link in links},
        "incident": incident,
    }
    return fitted(message, incident, BODY_LIMIT)
