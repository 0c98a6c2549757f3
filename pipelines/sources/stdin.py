"""Standard input: a pipe or a redirected file; it cannot be resumed, so a restart goes on with whatever comes."""

from __future__ import annotations

import os
import select
import sys
from io import BufferedReader

from undertow.pipelines.source import BLOCK_BYTES, Block, Position
from undertow.pipelines.sources.lines import LineSplitter
from undertow.pipelines.sources.streams import BROKEN, unpacked

__all__ = ["StandardInput"]


class StandardInput:
    """Reads a descriptor.

    Parameters
    ----------
    follow
        Return at once with what is there instead of waiting for more; such input is not unpacked.
    descriptor
        Instead of the process's standard input; it is duplicated, so the caller's own stays open.
    """

    def __init__(self, *, follow: bool = False, descriptor: int | None = None) -> None:
        self.name = "-"
        self._descriptor = os.dup(sys.stdin.fileno() if descriptor is None else descriptor)
        self._raw = os.fdopen(self._descriptor, "rb")
        self._follow = follow
        self._stream = self._raw if follow or not isinstance(self._raw, BufferedReader) else unpacked(self._raw)
        self._splitter = LineSplitter(Position())
        self._ended = False

    def read(self) -> Block | None:
        """Return the next lines, None when the writer has closed its end."""
        if self._ended:
            return None
        try:
            data = self._piece()
        except BROKEN as error:
            self._ended = True
            return self._splitter.broken(f"archive is broken: {type(error).__name__}")
        if data is None:
            return self._splitter.feed(b"")
        if data:
            return self._splitter.feed(data)
        self._ended = True
        return self._splitter.finish()

    def close(self) -> None:
        """Close the descriptor."""
        self._stream.close()
        self._raw.close()

    def _piece(self) -> bytes | None:
        """Return bytes, none at the end, None when nothing is there yet."""
        if not self._follow:
            return self._stream.read(BLOCK_BYTES)
        ready, _, _ = select.select([self._descriptor], [], [], 0)
        return os.read(self._descriptor, BLOCK_BYTES) if ready else None
