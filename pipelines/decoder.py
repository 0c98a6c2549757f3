"""The contract of a decoder: the bytes of one record in, an event or the reason why not out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from undertow.drift.interaction import Interaction

__all__ = ["Decoder", "Reject"]


class Reject(msgspec.Struct, frozen=True):
    """Why a record is not an event.

    `reason` comes from a small vocabulary and never quotes the record: it is counted and shown. `field` is the dotted
    name of the offending field, empty when the record as a whole cannot be read; `at` is the offending byte, if known.
    """

    reason: str
    field: str = ""
    at: int | None = None


class Decoder(Protocol):
    """Reads one record; it never raises, whatever the bytes, and keeps no state that changes a result."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Fields that were left out of readable events because attributes are scalars: name → how often."""
        ...

    def __call__(self, line: bytes) -> Interaction | Reject:
        """Return the event, or why there is none. An event without a service is named after its source."""
        ...
