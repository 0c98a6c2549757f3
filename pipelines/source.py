"""The contract of a source: lines with positions, from somewhere that may grow, rotate or end.

A source hands out whole lines in blocks. It reads ahead of what was taken; the position to resume from is that of the
last record taken, so it is the inbox that keeps it and hands it back when the source is opened again.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["BLOCK_BYTES", "MAX_LINE_BYTES", "Block", "Position", "Source", "SourceError"]

BLOCK_BYTES = 262_144  # read at a time
MAX_LINE_BYTES = 16_777_216  # a longer line is refused, and its bytes are not kept


class SourceError(OSError):
    """A source cannot be opened or read; the message names it and the reason."""


class Position(msgspec.Struct, frozen=True):
    """A place between two records: after line `line`, which ends before byte `offset` of the uncompressed stream.

    `file` identifies the file behind a followed path, which may be renamed while it is read; empty elsewhere.
    """

    line: int = 0
    offset: int = 0
    file: str = ""


class Block(msgspec.Struct):
    """Consecutive whole lines without their line ends; the first starts at `start`, and `end` lies behind all of them.

    `unreadable` tells of one more record before `end` that could not be read at all (too long, a broken archive).
    """

    lines: list[bytes]
    start: Position
    end: Position
    unreadable: str = ""


class Source(Protocol):
    """Something that lines come from. `read` never waits when the source follows something that grows."""

    name: str

    def read(self) -> Block | None:
        """Return the next lines; an empty block when there is nothing new yet, None when nothing will come any more."""
        ...

    def close(self) -> None:
        """Let go of files and descriptors; may be called twice."""
        ...
