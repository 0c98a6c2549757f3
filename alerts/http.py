"""One POST with a bounded end: what came back, as a `Delivery`, and no secret in any of its words."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property

import httpx

from undertow.alerts.channel import Delivery, Outcome

__all__ = ["Poster", "Timeouts", "Transport", "no_web_page", "outcome_of", "post_all"]

Transport = httpx.AsyncBaseTransport  # what tests put in place of the network

LATER = frozenset({408, 425, 429})  # the three 4xx that mean "not now"
EXCERPT_BYTES = 500  # of an answer, kept as the reason
SECRET_LENGTH = 8  # parts of a path from so long on may be a secret


@dataclass(frozen=True)
class Timeouts:
    """Seconds for the connection, and for the whole exchange however slowly it drips.

    The name look-up counts into both, but a resolver that hangs is only left by its own timeout.
    """

    connect_s: float = 3.0
    total_s: float = 10.0


def outcome_of(status: int, accepted: Callable[[int], bool]) -> Outcome:
    """Return what an HTTP status means for a page.

    A status that is neither accepted nor a final 4xx is tried again: a proxy's redirect or odd success is not a
    delivery, and a repeat is harmless.

    Examples
    --------
    >>> [str(outcome_of(status, lambda s: s == 202)) for status in (202, 200, 302, 400, 429, 503)]
    ['delivered', 'retry', 'retry', 'refused', 'retry', 'retry']
    """
    if accepted(status):
        return Outcome.DELIVERED
    return Outcome.REFUSED if 400 <= status < 500 and status not in LATER else Outcome.RETRY


def no_web_page(body: bytes) -> bool:
    """Tell whether an answer may come from an interface: the log-in page of a proxy in between is no acceptance.

    Examples
    --------
    >>> no_web_page(b""), no_web_page(b'{"status":"success"}'), no_web_page(b" <!DOCTYPE html>")
    (True, True, False)
    """
    return not body.lstrip().startswith(b"<")


class Poster:
    """Posts JSON to one URL, one connection a call: pages are rare, and a stale connection is one more way to fail.

    Parameters
    ----------
    url
        http or https. It may hold a secret, so no message shows more of it than scheme and host.
    accepted
        Which statuses mean that the other side has it.
    secrets
        Texts to mask wherever the other side's words are repeated.
    transport
        Replaces the network, for tests.
    own_words
        Tells whether the first bytes of an accepting answer are the receiver's own; None believes the status.

    Raises
    ------
    ValueError
        The URL is not an http or https URL with a host.
    """

    def __init__(
        self,
        url: str,
        accepted: Callable[[int], bool],
        secrets: Iterable[str] = (),
        timeouts: Timeouts | None = None,
        transport: Transport | None = None,
        own_words: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._url = _checked(url)
        self._own_words = own_words
        self._accepted = accepted
        own = [self._url.query.decode(), self._url.password, *_long_parts(self._url.path)]
        self._secrets = [secret for secret in (*secrets, *own) if secret]
        self._timeouts = timeouts or Timeouts()
        self._transport = transport

    @property
    def host(self) -> str:
        """Scheme and host, which is all that may be shown of the URL."""
        return f"{self._url.scheme}://{self._url.host}"

    def post(self, content: bytes, headers: Mapping[str, str], now: float) -> Delivery:
        """Make one attempt; `now` is wall clock, for a Retry-After that is a date."""
        return asyncio.run(self._attempt(content, headers, now))

    async def _attempt(self, content: bytes, headers: Mapping[str, str], now: float) -> Delivery:
        try:
            return await self._exchange(content, headers, now)
        except (TimeoutError, httpx.TimeoutException):
            return Delivery(Outcome.RETRY, f"no answer from {self.host} within {self._timeouts.total_s:g} s")
        except (httpx.HTTPError, OSError) as error:
            return Delivery(Outcome.RETRY, self._masked(f"no answer from {self.host}: {type(error).__name__}: {error}"))

    async def _exchange(self, content: bytes, headers: Mapping[str, str], now: float) -> Delivery:
        timeout = httpx.Timeout(self._timeouts.total_s, connect=self._timeouts.connect_s)
        async with (
            asyncio.timeout(self._timeouts.total_s),  # httpx bounds each read, not their sum
            httpx.AsyncClient(timeout=timeout, verify=self._tls, transport=self._transport) as client,
            client.stream("POST", self._url, content=content, headers=dict(headers)) as response,
        ):
            outcome = outcome_of(response.status_code, self._accepted)
            if outcome is Outcome.DELIVERED and self._own_words is None:
                return Delivery(outcome)
            return self._judged(outcome, response, await _excerpt(response), now)

    def _judged(self, outcome: Outcome, response: httpx.Response, body: bytes, now: float) -> Delivery:
        if outcome is Outcome.DELIVERED:
            if self._own_words is not None and self._own_words(body):
                return Delivery(outcome)
            outcome = Outcome.RETRY  # somebody in between has answered
        said = self._masked(" ".join(body.decode(errors="replace").split()))
        detail = f"{self.host} answered {response.status_code}" + (f": {said}" if said else "")
        return Delivery(outcome, detail, _retry_after_s(response.headers.get("retry-after"), now))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def post_all(posters: Sequence[Poster], content: bytes, headers: Mapping[str, str], now: float) -> list[Delivery]:
    """Make one attempt with each of several posters, all at once: together they take no longer than one."""

    async def attempts() -> list[Delivery]:
        return await asyncio.gather(*(poster._attempt(content, headers, now) for poster in posters))  # noqa: SLF001 – this file's own

    return asyncio.run(attempts())


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the channel's URL cannot be read: {error}; write https://host/path") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(
            f"the channel's URL has scheme '{parsed.scheme}' and host '{parsed.host}'; write https://host/path"
        )
    return parsed


def _long_parts(path: str) -> list[str]:
    return [part for part in path.split("/") if len(part) >= SECRET_LENGTH]


async def _excerpt(response: httpx.Response) -> bytes:
    said = b""
    try:
        async for chunk in response.aiter_bytes(EXCERPT_BYTES):
            said += chunk
            if len(said) >= EXCERPT_BYTES:
                break
    except httpx.HTTPError:  # the status is what counts, the reason is a courtesy
        return b"<the answer broke off>"
    return said[:EXCERPT_BYTES]


def _retry_after_s(value: str | None, now: float) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
