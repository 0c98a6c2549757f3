"""What the detect role tells the pager: of each window, what one series partition has to say, also when it is nothing.

So the pager knows when all of a window has been said, and sees a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from undertow.alerts.incident import Level, Version
from undertow.drift.cards import Card
from undertow.drift.causes import Question
from undertow.drift.verdict import Series, Verdict

__all__ = ["VERSION", "Asked", "Judged", "Levels", "decode", "encode", "joined"]

VERSION = 2
_VERDICTS = 2_000  # of one message: a window in which everything changes comes in parts
_ONCE: dict[str, list[Any]] = {"versions": [], "levels": [], "asked": [], "cards": []}  # told with the first part


class Levels(msgspec.Struct, array_like=True, frozen=True):
    """What classic monitoring says of a service before and since a change."""

    service: str
    environment: str
    since: float
    levels: list[Level]


class Asked(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a change: how many calls its slice had lately, all that explains it, cards of new versions."""

    verdict: str
    series: Series
    calls: int
    question: Question | None = None
    cards: list[Card] = []


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A window as judged by one series partition.

    Parameters
    ----------
    start, end
        Of the window, seconds since the epoch.
    previous
        Start of the window that this partition judged before; None for the first.
    versions
        What defines behaviour and was new.
    levels
        Of the services that something was said about lately.
    asked
        What is known of the changes of late.
    cards
        Of new versions, each once.
    part, parts
        Many verdicts come in several messages.
    version
        Of the message, always written. Fields are only ever added, with defaults, so that older messages can be read.
    """

    version: int
    partition: int
    start: float
    end: float
    previous: float | None
    verdicts: list[Verdict] = []
    versions: list[Version] = []
    levels: list[Levels] = []
    asked: list[Asked] = []
    cards: list[Card] = []
    part: int = 0
    parts: int = 1


def encode(judged: Judged) -> Iterator[bytes]:
    """Yield the messages of a window.

    Examples
    --------
    >>> judged = Judged(version=VERSION, partition=0, start=10.0, end=20.0, previous=None)
    >>> [decode(message) == judged for message in encode(judged)]
    [True]
    """
    firsts = range(0, max(len(judged.verdicts), 1), _VERDICTS)
    for part, first in enumerate(firsts):
        some = judged.verdicts[first : first + _VERDICTS]
        piece = msgspec.structs.replace(judged, verdicts=some, part=part, parts=len(firsts))
        yield msgspec.msgpack.encode(piece if not part else msgspec.structs.replace(piece, **_ONCE))


def decode(content: bytes) -> Judged:
    """Return the window of a message.

    Raises
    ------
    ValueError
        It is none, or was written by a newer Undertow.
    """
    try:
        judged = msgspec.msgpack.decode(content, type=Judged)
    except msgspec.DecodeError as error:
        raise ValueError(f"a message of undertow.verdicts is no judged window: {error}") from error
    if judged.version > VERSION:
        raise ValueError(
            f"a judged window has version {judged.version}, this Undertow reads up to {VERSION}: update the pager "
            "before detect"
        )
    return judged


def joined(parts: Sequence[Judged]) -> Judged:
    """Return the window whose parts these are, in their order."""
    return msgspec.structs.replace(parts[0], verdicts=[verdict for part in parts for verdict in part.verdicts])
