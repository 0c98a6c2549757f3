"""The compacted topic of incidents: what is to be told, what has been told to whom, and who tells it.

The log is the outbox. A change is told when it has come back from the log, so it lies there safely; what a channel
took or refused is written behind it. Whoever takes over reads both, and repeats only what was sent and not recorded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from undertow.alerts.incident import Change

__all__ = ["Finished", "Lease", "Place", "Planned", "Record", "key_of", "read", "value_of"]


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
    """A sign of life of whoever tells; `begins` says that from here on it is this one and nobody before."""

    holder: str
    serial: int
    begins: bool = False


Record = Planned | Finished | Lease
_KINDS: dict[str, type[Record]] = {"change": Planned, "done": Finished, "lease": Lease}


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
    return b"lease/begins" if record.begins else b"lease/lasts"


def value_of(record: Record) -> bytes:
    """Return a record as bytes."""
    return msgspec.msgpack.encode(record)


def read(key: bytes | None, value: bytes | None) -> Record | None:
    """Return the record of a message; None for one that was deleted, or is about something else.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    kind: Any = _KINDS.get((key or b"").decode("utf-8", "replace").partition("/")[0])
    if kind is None or not value:
        return None
    try:
        record: Record = msgspec.msgpack.decode(value, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"the record {(key or b'').decode()} of undertow.incidents cannot be read: {error}") from error
    return record
