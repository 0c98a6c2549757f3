"""The contract of a channel: one way in which a page reaches a person or a machine.

A channel is one file in `alerts/channels/`. `send` makes exactly one attempt and reports what became of it; order,
repetition and patience belong to the pager. It must be safe to call twice with the same change (same dedup key), must
bound its own time, and must keep its secret out of every repr, log line and error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from undertow.alerts.incident import Change

__all__ = ["Channel", "Delivery", "Outcome"]


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
