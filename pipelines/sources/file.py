"""A file that is read once, from a position to its end; gzip and zstd are unpacked."""

from __future__ import annotations

from pathlib import Path

from undertow.pipelines.source import BLOCK_BYTES, Block, Position
from undertow.pipelines.sources.lines import LineSplitter
from undertow.pipelines.sources.streams import BROKEN, open_stream

__all__ = ["FileSource"]


class FileSource:
    """Reads a finished file.

    Raises
    ------
    undertow.pipelines.source.SourceError
        The file cannot be opened.
    """

    def __init__(self, path: str, position: Position | None = None) -> None:
        self.name = path
        self._splitter = LineSplitter(position or Position())
        self._stream = open_stream(Path(path), position.offset if position else 0)
        self._ended = False

    def read(self) -> Block | None:
        """Return the next lines, None at the end; what an archive holds after a broken place is lost and said so."""
        if self._ended:
            return None
        try:
            data = self._stream.read(BLOCK_BYTES)
        except BROKEN as error:
            self._ended = True
            return self._splitter.broken(f"archive is broken: {type(error).__name__}")
        except OSError as error:
            self._ended = True
            return self._splitter.broken(f"file cannot be read: {error.strerror}")
        if data:
            return self._splitter.feed(data)
        self._ended = True
        return self._splitter.finish()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
