"""Files as streams of uncompressed bytes; gzip and zstd are told by their magic bytes, not by their name."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import zstandard

from undertow.pipelines.source import BLOCK_BYTES, SourceError

__all__ = ["BROKEN", "Stream", "is_compressed", "open_stream", "unpacked"]

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # behind one byte 0x50 … 0x5f: what parallel compressors write first
PIECE_BYTES = 2_048  # of zstd at a time: one piece of a bomb unpacks to 64 MiB at most
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)


class Stream(Protocol):
    """What is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...

    def close(self) -> None:
        """Close the file below."""
        ...


def open_stream(path: Path, offset: int = 0) -> Stream:
    """Open a file at an offset of its uncompressed bytes (a compressed one is read up to there).

    Raises
    ------
    SourceError
        The file cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    stream = unpacked(raw)
    if stream is raw:
        raw.seek(offset)
    else:
        _discard(stream, offset)
    return stream


def unpacked(raw: BufferedReader) -> Stream:
    """Return the stream itself, or its uncompressed content."""
    head = raw.peek(4)[:4]
    if head.startswith(GZIP):
        return _Gzip(raw)
    if head == ZSTD or head[1:] == ZSTD_SKIPPABLE:
        return _Zstd(raw)
    return raw


def is_compressed(path: Path) -> bool:
    """Tell whether the file is gzip or zstd; an unreadable one is not."""
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
    except OSError:
        return False
    return head.startswith(GZIP) or head == ZSTD or head[1:] == ZSTD_SKIPPABLE


class _Gzip(gzip.GzipFile):
    """A gzip stream that closes the file below with itself."""

    def __init__(self, raw: BufferedReader) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw = raw

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Zstd:
    """A zstd stream of any number of frames; unlike the library's reader it tells when the last one is cut off."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False
        self._packed = b""
        self._plain = b""

    def read(self, size: int, /) -> bytes:
        pieces, have = [self._plain], len(self._plain)
        while have < size and (piece := self._packed or self._raw.read(PIECE_BYTES)):
            pieces.append(self._decompress(piece))
            have += len(pieces[-1])
        if self._inside and not have:
            raise EOFError("zstd frame is cut off")
        plain = b"".join(pieces)
        self._plain = plain[size:]
        return plain[:size]

    def close(self) -> None:
        self._raw.close()

    def _decompress(self, piece: bytes) -> bytes:
        plain = self._frame.decompress(piece)
        self._inside, self._packed = not self._frame.eof, b""
        if self._frame.eof:
            self._packed = self._frame.unused_data
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        return plain


def _discard(stream: Stream, offset: int) -> None:
    while offset > 0:
        try:
            piece = stream.read(min(offset, BLOCK_BYTES))
        except BROKEN:
            return  # told by the next read
        if not piece:
            return
        offset -= len(piece)
