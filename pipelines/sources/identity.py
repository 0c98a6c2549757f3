"""Which file this is: its inode and its first bytes, so that it is found again under another name."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from undertow.pipelines.sources.streams import BROKEN, open_stream

__all__ = ["HEAD_BYTES", "Identity", "newer_siblings", "siblings"]

HEAD_BYTES = 1024


class Identity:
    """The inode of a file and the checksum of its first bytes (uncompressed).

    A copy made by copytruncate has the same head under another inode; a new file may get the inode of a deleted one.

    Examples
    --------
    >>> Identity.parse("12:3:352441c2").text
    '12:3:352441c2'
    """

    def __init__(self, inode: int, length: int, checksum: int) -> None:
        self.inode = inode
        self.length = length
        self.checksum = checksum

    @property
    def text(self) -> str:
        """The identity as kept in positions."""
        return f"{self.inode}:{self.length}:{self.checksum:08x}"

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Return the identity that `text` stands for."""
        inode, length, checksum = text.split(":")
        return cls(int(inode), int(length), int(checksum, 16))

    @classmethod
    def of(cls, path: Path) -> Identity:
        """Return the identity of a file as it is now; OSError when it cannot be read."""
        return cls.of_head(path.stat().st_ino, _head(path, HEAD_BYTES))

    @classmethod
    def of_head(cls, inode: int, head: bytes) -> Identity:
        """Return the identity of the file with this inode and these first bytes."""
        return cls(inode, len(head), zlib.crc32(head))

    def has_head_of(self, path: Path) -> bool:
        """Tell whether the file begins with the bytes that this identity was taken from."""
        try:
            head = _head(path, self.length)
        except OSError:
            return False
        return self.length > 0 and len(head) == self.length and zlib.crc32(head) == self.checksum

    def find(self, path: Path) -> Path | None:
        """Return where the file is now: still at `path`, or under the name that a rotation gave it or its copy."""
        candidates = [candidate for candidate in (path, *siblings(path)) if self.has_head_of(candidate)]
        same = (candidate for candidate in candidates if _inode(candidate) == self.inode)
        return next(same, candidates[0] if candidates else None)


def siblings(path: Path) -> list[Path]:
    """Return the rotated files of `path`, oldest first: `app.log.2.gz`, `app.log.1`, `app.log-20260101`."""
    return [candidate for _, candidate in _by_age(path)]


def newer_siblings(path: Path, modified: float, inode: int) -> list[Path]:
    """Return the rotated files of `path` that were written after the one with this inode, oldest first."""
    return [candidate for status, candidate in _by_age(path) if status.st_mtime > modified and status.st_ino != inode]


def _by_age(path: Path) -> list[tuple[os.stat_result, Path]]:
    found = []
    for candidate in path.parent.iterdir() if path.parent.is_dir() else ():
        if candidate.name.startswith((f"{path.name}.", f"{path.name}-")):
            # One renamed on meanwhile is found under its new name.
            with contextlib.suppress(OSError):
                found.append((candidate.stat(), candidate))
    return sorted(found, key=lambda pair: (pair[0].st_mtime, pair[1].name))


def _head(path: Path, length: int) -> bytes:
    stream = open_stream(path)
    try:
        return stream.read(length)
    except BROKEN:
        return b""
    finally:
        stream.close()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1
