"""The compacted topic of incidents: what is to be told, what has been told to whom, who tells it, and what is silent.

The log is the outbox. A change is told when it has come back from the log, so it lies there safely; what a channel
took or refused is written behind it. Whoever takes over reads both, and repeats only what was sent and not recorded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from undertow.alerts.channel import announcement
from undertow.alerts.health import HealthState
from undertow.alerts.incident import Change, Version
from undertow.alerts.silences import Silence

__all__ = ["Announced", "Finished", "Lease", "Lifted", "Place", "Planned", "Record", "key_of", "read", "value_of"]


class Place(NamedTuple):
    """Where a change belongs: the start of the window that led to it, and its number there.

    A change that is written once more, after a takeover, may come to lie behind later ones.
    """

    window: float
    number: int


class Planned(msgspec.Struct, frozen=True):
    """A change that is to be told."""

    place: Place
    change: Change


class Finished(msgspec.Struct, frozen=True):
    """What became of a change at a channel, for good: "delivered" or "refused"."""

    change: str
    channel: str
    status: str
    detail: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A sign of life of whoever tells; `begins` says that from here on it is this one and nobody before.

    The holder is the name of its process, a slash, and what no other machine has.
    """

    holder: str
    serial: int
    begins: bool = False


class Announced(msgspec.Struct, frozen=True):
    """A first-seen version, or its card, for those who have a place for it."""

    version: Version


class Lifted(msgspec.Struct, frozen=True):
    """That a silence is no more: its record deleted."""

    id: str


Record = Planned | Finished | Lease | Announced | Silence | Lifted | HealthState
_KINDS: dict[str, type[Record]] = {
    "change": Planned,
    "done": Finished,
    "lease": Lease,
    "version": Announced,
    "silence": Silence,
    "health": HealthState,
}


def key_of(record: Record) -> bytes:
    """Return the key under which a record is kept.

    Examples
    --------
    >>> key_of(Finished("7.2", "slack", "delivered"))
    b'done/7.2/slack'
    """
    if isinstance(record, Planned):
        return f"change/{record.change.id}".encode()
    if isinstance(record, Finished):
        return f"done/{record.change}/{record.channel}".encode()
    if isinstance(record, Announced):
        return f"version/{announcement(record.version).id}".encode()
    if isinstance(record, Lease):
        return b"lease/begins" if record.begins else b"lease/lasts"
    if isinstance(record, HealthState):
        return b"health"
    return f"silence/{record.id}".encode()


def value_of(record: Record) -> bytes | None:
    """Return a record as bytes, None where it says that another is deleted."""
    return None if isinstance(record, Lifted) else msgspec.msgpack.encode(record)


def read(key: bytes | None, value: bytes | None) -> Record | None:
    """Return the record of a message; None for one that was deleted, or is about something else.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    name, _, rest = (key or b"").decode("utf-8", "replace").partition("/")
    kind: Any = _KINDS.get(name)
    if kind is Silence and not value:
        return Lifted(rest)
    if kind is None or not value:
        return None
    try:
        record: Record = msgspec.msgpack.decode(value, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"the record {(key or b'').decode()} of undertow.incidents cannot be read: {error}") from error
    return record
