"""Each event counts once, however often it is delivered within the horizon."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from undertow.drift.interaction import Interaction
from undertow.drift.statistics.proportions import Floats

__all__ = ["Deduplication", "DeduplicationState"]


class DeduplicationState(msgspec.Struct):
    """Ids of this horizon and the one before (hash of service and id → checksum), and the counters."""

    epoch: float
    current: dict[int, int]
    previous: dict[int, int]
    duplicates: int
    conflicts: int
    forgotten_early: int


class Deduplication:
    """Remembers (service, id) for at least `horizon` seconds of event time since it was last seen, at most twice that.

    A repeat with the same bytes is a duplicate, one with others a conflict; both are counted and left out. Beyond
    `limit` ids the older half is forgotten early, which is counted too. What is remembered is a function of the events
    since the epoch before the present one began, so it can be learned again from them.

    Examples
    --------
    >>> import numpy as np
    >>> seen = Deduplication(horizon=600)
    >>> event = Interaction(id="1", time=0.0, service="s")
    >>> seen.admit([event, event], [7, 7], np.zeros(2))
    array([ True, False])
    """

    def __init__(self, horizon: float, limit: int = 4_000_000, state: DeduplicationState | None = None) -> None:
        self._horizon, self._half = horizon, max(limit // 2, 1)
        self._state = state or DeduplicationState(-np.inf, {}, {}, 0, 0, 0)

    @property
    def duplicates(self) -> int:
        """How many repeats were left out."""
        return self._state.duplicates

    @property
    def conflicts(self) -> int:
        """How many repeats had another content than the first."""
        return self._state.conflicts

    @property
    def forgotten_early(self) -> int:
        """How many ids were forgotten at the limit, before the horizon."""
        return self._state.forgotten_early

    def snapshot(self) -> DeduplicationState:
        """Return the state as plain data."""
        return self._state

    def admit(self, events: Sequence[Interaction], checksums: Sequence[int], clock: Floats) -> NDArray[np.bool_]:
        """Return which events are new; `clock` is the largest event time seen when each of them was read."""
        epochs = np.floor(clock / self._horizon).tolist()
        keys = [
            xxhash.xxh3_64_intdigest(f"{event.service}\x1f{event.id}".encode("utf-8", "replace")) for event in events
        ]
        return np.array([self._new(*entry) for entry in zip(keys, checksums, epochs, strict=True)], dtype=bool)

    def _new(self, key: int, checksum: int, epoch: float) -> bool:
        state = self._state
        if epoch != state.epoch or len(state.current) >= self._half:
            self._turn(epoch)
        known = state.current.get(key)
        if known is None:
            state.current[key] = checksum
            known = state.previous.pop(key, None)
        if known is None:
            return True
        state.duplicates += 1
        state.conflicts += known != checksum
        return False

    def _turn(self, epoch: float) -> None:
        state = self._state
        state.forgotten_early += len(state.previous) if epoch == state.epoch else 0
        state.previous = state.current if epoch <= state.epoch + 1 else {}
        state.current, state.epoch = {}, epoch
