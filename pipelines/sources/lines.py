"""Bytes as they come → whole lines with positions."""

from __future__ import annotations

from undertow.pipelines.source import MAX_LINE_BYTES, Block, Position

__all__ = ["LineSplitter"]

TOO_LONG = f"line is longer than {MAX_LINE_BYTES // 2**20} MiB"


class LineSplitter:
    r"""Cuts a stream into lines; a line that has not ended yet waits for its rest.

    Examples
    --------
    >>> splitter = LineSplitter(Position())
    >>> splitter.feed(b"one\ntw").lines, splitter.feed(b"o\n").lines, splitter.finish()
    ([b'one'], [b'two'], None)
    """

    def __init__(self, position: Position) -> None:
        self._position = position
        self._rest = b""
        self._skipped = 0  # bytes of an overlong line that were let go

    @property
    def position(self) -> Position:
        """The place behind the last line handed out."""
        return self._position

    def rename(self, file: str) -> None:
        """Let positions from here on name the file so: its identity grows with its first bytes."""
        self._position = Position(self._position.line, self._position.offset, file)

    def feed(self, data: bytes) -> Block:
        """Return the lines that end within `data`."""
        if self._skipped:
            return self._skip(data)
        lines = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        self._rest = lines.pop()
        block = self._block(lines)
        if len(self._rest) > MAX_LINE_BYTES:
            self._skipped, self._rest = len(self._rest), b""
        return block

    def finish(self) -> Block | None:
        """Return the last line of a stream that ended without a line end, None when there is none."""
        if self._skipped:
            return self._overlong(0)
        rest, self._rest = self._rest, b""
        return self._block(rest.removesuffix(b"\n").split(b"\n")) if rest else None

    def broken(self, reason: str) -> Block:
        """Return a block that says why nothing more can be read; the unfinished line is part of what is lost."""
        self._rest, self._skipped = b"", 0
        start = self._position
        self._position = Position(start.line + 1, start.offset, start.file)
        return Block([], start, self._position, reason)

    def _block(self, lines: list[bytes]) -> Block:
        start = self._position
        size = sum(map(len, lines)) + len(lines)
        self._position = Position(start.line + len(lines), start.offset + size, start.file)
        return Block(lines, start, self._position)

    def _skip(self, data: bytes) -> Block:
        head, newline, tail = data.partition(b"\n")
        if not newline:
            self._skipped += len(data)
            return Block([], self._position, self._position)
        # The lines behind come with the next feed, so that a block holds one unreadable record, at its end.
        block = self._overlong(len(head) + 1)
        self._rest = tail
        return block

    def _overlong(self, more: int) -> Block:
        start = self._position
        self._position = Position(start.line + 1, start.offset + self._skipped + more, start.file)
        self._skipped = 0
        return Block([], start, self._position, TOO_LONG)
