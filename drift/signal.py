"""The contract of a signal: events in, one column of numbers per metric out.

A signal is one file in `drift/signals/`. It must be pure and fast, must not raise for any decoded event, and must say
NaN where an event lacks what it needs (the share of events that carried it is followed as coverage). A signal depends
on the event alone, never on its neighbours in the batch: the same event gives the same number in any batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.drift.finish import Finish, finish_of
from undertow.drift.interaction import Interaction, Message, text_of

__all__ = ["USERS", "Batch", "CategorySignal", "Column", "Signal", "VectorSignal", "Vectors", "column"]

Column = NDArray[np.float64]
Vectors = tuple[NDArray[np.int64], NDArray[np.int16]]

_FAILED = (Finish.ERROR, Finish.CANCELLED)
USERS = frozenset({"", "user", "human"})  # roles of messages that users wrote


class Batch:
    """Events of kind `call` in the order in which they were read, with what several signals share."""

    def __init__(self, events: Sequence[Interaction]) -> None:
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def inputs(self) -> list[str | None]:
        """What the users said, as plain texts: of a list of messages only those with the role `user`, or with none."""
        return [_users_text(event.input) for event in self.events]

    @cached_property
    def outputs(self) -> list[str | None]:
        """The model answers as plain texts, None where an event carries none."""
        return [text_of(event.output) for event in self.events]

    @cached_property
    def finishes(self) -> list[Finish | None]:
        """The normalised finish reasons, None where an event carries none."""
        return [finish_of(event.finish_reason) for event in self.events]

    @cached_property
    def failed(self) -> list[bool]:
        """Whether the call came to no answer: an error, a status of 400 or above, or stopped by an error or the caller.

        Metrics of answers leave these calls out; `error_rate` counts them.
        """
        return [
            bool(event.error) or (event.http_status is not None and event.http_status >= 400) or finish in _FAILED
            for event, finish in zip(self.events, self.finishes, strict=True)
        ]


class Signal(Protocol):
    """Measures the events of a batch.

    `metric` is a name in `undertow.drift.metrics.METRICS`. `measure` returns one float64 per event: 0 or 1 for rates, a
    finite number ≥ 0 for positive metrics, NaN for "this event does not say".
    """

    metric: str

    def measure(self, batch: Batch) -> Column:
        """Return one number per event of the batch."""
        ...


class CategorySignal(Protocol):
    """Says of each event which of some categories it belongs to.

    The names are readable, come from a bounded set for any one application and hold nothing of a user's data.
    """

    metric: str

    def classify(self, batch: Batch) -> list[str | None]:
        """Return one name per event of the batch, None where it does not say."""
        ...


class VectorSignal(Protocol):
    """Embeds something of each event."""

    metric: str

    def embed(self, batch: Batch) -> Vectors:
        """Return the indexes (k,) of the events that have a vector, and the unit vectors (k, 256) times 4096."""
        ...


def column(values: Sequence[float | bool | None]) -> Column:
    """Return the values as a column, with NaN for None.

    Examples
    --------
    >>> column([1, None, 2.5])
    array([1. , nan, 2.5])
    """
    return np.array(values, dtype=np.float64)  # numpy reads None as NaN


def _users_text(content: str | list[Message] | None) -> str | None:
    if not isinstance(content, list):
        return content
    return text_of([message for message in content if message.role.lower() in USERS])
