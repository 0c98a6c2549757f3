"""The contract of a channel: one way in which a page reaches a person or a machine.

A channel is one file in `alerts/channels/`. `send` makes exactly one attempt and reports what became of it; order,
repetition and patience belong to the pager. It must be safe to call twice with the same change (same dedup key), must
bound its own time, and must keep its secret out of every repr, log line and error.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec
import xxhash

from undertow.alerts.incident import Change, Version

__all__ = ["Announcement", "Announcer", "Channel", "Delivery", "Outcome", "Reminder", "announcement"]


class Outcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"  # not taken now: 429, 5xx, timeout, no connection
    REFUSED = "refused"  # will never be taken: malformed, or the key is wrong
    DEFERRED = "deferred"  # not attempted: the channel's own rate limit; come back after `retry_after_s`


class Delivery(msgspec.Struct, frozen=True):
    """The outcome of one attempt with a reason fit for a log, and the seconds the other side asked to wait."""

    outcome: Outcome
    detail: str = ""
    retry_after_s: float | None = None


class Channel(Protocol):
    """One way to tell people."""

    name: str

    def send(self, change: Change) -> Delivery:
        """Make one attempt to tell about the change."""
        ...


@runtime_checkable
class Reminder(Channel, Protocol):
    """A channel whose other side forgets an alert that it is not reminded of."""

    remind_every_s: float

    def remind(self, standing: Sequence[Change]) -> Delivery:
        """Make one attempt to tell again what was told last about each incident that is not resolved."""
        ...


class Announcement(msgspec.Struct, frozen=True):
    """A version seen for the first time, or its card: news for a timeline, and nobody's page."""

    id: str
    version: Version


@runtime_checkable
class Announcer(Channel, Protocol):
    """A channel that has a place for changes which wake nobody."""

    def announce(self, announcement: Announcement) -> Delivery:
        """Make one attempt to tell about a first-seen version, or what its card says."""
        ...


def announcement(version: Version) -> Announcement:
    """Return the announcement of a version, under the same id however often and whenever it is made.

    That it is there and what its card says are two.

    Examples
    --------
    >>> announcement(Version("prompt_version", "v48", 0.0, "support")).version.value
    'v48'
    """
    named = (version.service, version.environment, version.dimension, version.value)
    what = "card." if version.card else "version."
    return Announcement(what + xxhash.xxh3_64_hexdigest("\x1f".join(named).encode()), version)
