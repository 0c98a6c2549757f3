"""A file that grows: read as it is written, through restarts and rotation by renaming or by copying and truncating."""

from __future__ import annotations

import os
from pathlib import Path

from undertow.pipelines.source import BLOCK_BYTES, Block, Position, SourceError
from undertow.pipelines.sources.file import FileSource
from undertow.pipelines.sources.identity import HEAD_BYTES, Identity, newer_siblings, siblings
from undertow.pipelines.sources.lines import LineSplitter

__all__ = ["FollowedSource"]


class FollowedSource:
    """Follows a path as `tail -F` does, without losing what was written before a rotation.

    A line that has no end yet is waited for. The old file is finished before the new one is begun: a renamed one
    through its open descriptor, a truncated one from the copy, if the copy stands beside it (`app.log.1`,
    `app.log-…`, also packed). After a restart the file is looked for by its identity, and files rotated meanwhile are
    read in their order. A path that does not exist yet is waited for.
    """

    def __init__(self, path: str, position: Position | None = None) -> None:
        self.name = path
        self._path = Path(path)
        self._descriptor = -1
        self._identity = Identity(0, 0, 0)
        self._splitter = LineSplitter(Position())
        self._at_end = False
        self._rotated: list[FileSource] = []
        if position is not None and position.file:
            self._resume(position)

    def read(self) -> Block | None:
        """Return what has been written since; never None, for more may always come."""
        if self._rotated:
            return self._read_rotated()
        if self._descriptor < 0 and not self._open():
            return self._splitter.feed(b"")
        if self._at_end and self._was_truncated():
            return self._begin_again()
        data = os.read(self._descriptor, BLOCK_BYTES)
        self._at_end = not data
        if data:
            return self._grown(data)
        return self._next_file() if self._was_renamed() else self._splitter.feed(b"")

    def close(self) -> None:
        """Close what is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        for rotated in self._rotated:
            rotated.close()
        self._rotated = []

    def _open(self, position: Position | None = None) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from error
        self._take_identity()
        self._splitter = LineSplitter(position or Position(0, 0, self._identity.text))
        os.lseek(self._descriptor, position.offset if position else 0, os.SEEK_SET)
        self._at_end = False
        return True

    def _take_identity(self) -> None:
        head = os.pread(self._descriptor, HEAD_BYTES, 0)
        self._identity = Identity.of_head(os.fstat(self._descriptor).st_ino, head)

    def _grown(self, data: bytes) -> Block:
        if self._identity.length < HEAD_BYTES:
            self._take_identity()
            self._splitter.rename(self._identity.text)
        return self._splitter.feed(data)

    def _was_truncated(self) -> bool:
        """Tell whether the file was cut, even if it has grown past the old end: its first bytes are others then."""
        size = os.fstat(self._descriptor).st_size
        if size < os.lseek(self._descriptor, 0, os.SEEK_CUR):
            return True
        head = os.pread(self._descriptor, self._identity.length, 0)
        return Identity.of_head(self._identity.inode, head).text != self._identity.text

    def _begin_again(self) -> Block:
        """Read the rest of what was truncated from its copy, then the file from its start."""
        old, position = self._identity, self._splitter.position
        copy = next((path for path in siblings(self._path) if old.has_head_of(path)), None)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._take_identity()
        self._at_end = False
        last = None if copy else self._splitter.finish()
        self._splitter = LineSplitter(Position(0, 0, self._identity.text))
        if copy:
            self._rotated = [FileSource(str(copy), position)]
        return last or Block([], position, position)

    def _was_renamed(self) -> bool:
        """Tell whether another file that has content already stands at the path."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        return now.st_size > 0 and now.st_ino != os.fstat(self._descriptor).st_ino

    def _next_file(self) -> Block:
        data = os.read(self._descriptor, BLOCK_BYTES)  # written between the last read and the look at the path
        if data:
            return self._splitter.feed(data)
        inode, modified = self._identity.inode, os.fstat(self._descriptor).st_mtime
        last, position = self._splitter.finish(), self._splitter.position
        self.close()
        self._rotated = [FileSource(str(path), _start(path)) for path in newer_siblings(self._path, modified, inode)]
        self._splitter = LineSplitter(Position())
        return last or Block([], position, position)

    def _read_rotated(self) -> Block:
        block = self._rotated[0].read()
        if block is not None:
            return block
        self._rotated.pop(0).close()
        return Block([], self._splitter.position, self._splitter.position)

    def _resume(self, position: Position) -> None:
        identity = Identity.parse(position.file)
        found = identity.find(self._path)
        if found is None:
            return  # what was not read is gone; the path is read from its start
        if found == self._path:
            self._open(position)
            return
        status = found.stat()
        later = newer_siblings(self._path, status.st_mtime, status.st_ino)
        self._rotated = [FileSource(str(found), position)]
        self._rotated += [FileSource(str(path), _start(path)) for path in later]


def _start(path: Path) -> Position:
    return Position(0, 0, Identity.of(path).text)
