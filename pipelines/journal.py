"""The journal: every decision that the log itself does not hold, with its place in the log.

When a run commits, when it lets the clock close windows, when somebody accepts an incident: each is written down, and
synced, before it takes effect. A restart reads the same records and takes the same decisions at the same places, so it
arrives where an uninterrupted run would be, and the blocks of rows that it writes again are the same blocks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

__all__ = ["Decision", "Journal"]


class Decision(msgspec.Struct, frozen=True):
    """One decision.

    Parameters
    ----------
    number
        Counts decisions from 1, over all restarts.
    after
        How many records had been taken when it took effect.
    positions
        The inbox's resume point at that place.
    """

    number: int
    kind: Literal["commit", "tick", "control", "finish"]
    after: int
    positions: dict[str, Any] = {}
    time: float = 0.0
    action: str = ""
    arguments: dict[str, Any] = {}


class Journal:
    """An append-only file of decisions, begun anew with each snapshot.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(Path(folder) / "journal")
    ...     decided = journal.append("tick", after=5, time=100.0)
    ...     [(decision.kind, decision.after) for decision in Journal(Path(folder) / "journal").since(0)]
    [('tick', 5)]
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decisions = _read(path)
        self._number = self._decisions[-1].number if self._decisions else 0

    def since(self, number: int) -> list[Decision]:
        """Return the decisions after that number, and count on from there."""
        self._number = max(self._number, number)
        return [decision for decision in self._decisions if decision.number > number]

    def append(self, kind: Literal["commit", "tick", "control", "finish"], after: int, **details: Any) -> Decision:
        """Write a decision down; it is on disk when this returns."""
        self._number += 1
        decision = Decision(number=self._number, kind=kind, after=after, **details)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(decision) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return decision

    def clear(self) -> None:
        """Forget what a snapshot now holds."""
        self._path.write_bytes(b"")


def _read(path: Path) -> list[Decision]:
    """Return the decisions in the file; a last line that a crash cut short was never acted upon."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    decisions = [msgspec.json.decode(line, type=Decision) for line in lines[:-1] if line]
    if lines and lines[-1]:
        path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
    return decisions
