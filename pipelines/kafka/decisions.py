"""What people decide, as records of the logs: a decision lies among the verdicts, what detect does of it in partials.

So each is a message that a machine reads in its turn, with a position among all else that the machine reads, and takes
effect at the same place for whoever reads the log again. The pager decides about incidents; a `Ruling` is what it hands
on to those who judge series.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from undertow.drift.verdict import Verdict

__all__ = ["RULING", "Decision", "Ruling", "decision_of", "key_of", "ruling_of"]

_DECISION = b"decision/"
RULING = b"ruling"  # key of a message of the partials that is no partial


class Decision(msgspec.Struct, frozen=True):
    """What somebody has decided.

    Parameters
    ----------
    id
        Of this decision: a repeat is the same.
    action, arguments
        Of the control API.
    at
        When, by the clock of the machine where it was made, seconds since the epoch.
    """

    id: str
    action: str
    arguments: dict[str, str]
    at: float


class Ruling(msgspec.Struct, frozen=True):
    """What follows from a decision for those who judge the series of one partition.

    Parameters
    ----------
    position
        Of the decision in the verdicts: rulings come in this order, and one not later than the last is a repeat.
    at
        Event time, seconds since the epoch.
    verdicts
        Whose new levels are accepted.
    """

    position: int
    action: Literal["accept", "pin", "unpin", "deploy"]
    arguments: dict[str, str]
    at: float
    verdicts: list[Verdict] = []


def key_of(decision: Decision) -> bytes:
    """Return the key of a decision's message.

    Examples
    --------
    >>> key_of(Decision("7f", "accept", {"id": "3"}, 0.0))
    b'decision/7f'
    """
    return _DECISION + decision.id.encode()


def decision_of(key: bytes | None, value: bytes | None) -> Decision | None:
    """Return the decision of a message of the verdicts; None when it is a judged window.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    if key is None or not key.startswith(_DECISION):
        return None
    try:
        return msgspec.msgpack.decode(value or b"", type=Decision)
    except msgspec.DecodeError as error:
        raise ValueError(f"the message {key.decode()} of undertow.verdicts is no decision: {error}") from error


def ruling_of(value: bytes | None) -> Ruling:
    """Return the ruling of a message of the partials whose key says that it is one.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    try:
        return msgspec.msgpack.decode(value or b"", type=Ruling)
    except msgspec.DecodeError as error:
        raise ValueError(f"a message of undertow.partials is no ruling: {error}") from error
