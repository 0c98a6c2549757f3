"""Who has the embedded store open: one process at a time, named to the others with the port where it serves the store.

The engine has a lock of its own, but its refusal names neither the process nor its port.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

__all__ = ["Holder", "StoreBusyError", "StoreLock", "holder"]


class Holder(msgspec.Struct, frozen=True):
    """Who has the store open: its process, and the URL where it serves the store, None when it does not."""

    pid: int
    url: str | None = None


class StoreBusyError(RuntimeError):
    """Another process has the embedded store open; `url` is where it serves the store, when it does."""

    def __init__(self, folder: Path, other: Holder) -> None:
        served = f"`undertow run` (process {other.pid}), which serves it at {other.url}"
        who = served if other.url else f"process {other.pid}"
        super().__init__(f"the store in {folder} is open in {who}; ask it there, or stop it")
        self.url = other.url


class StoreLock:
    """The lock of the store below `folder`, held until `release` or the end of the process.

    Raises
    ------
    StoreBusyError
        Somebody else holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = (folder / "store.lock").open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreBusyError(folder, _read(folder / "store.lock")) from None
        self.announce(None)

    def announce(self, url: str | None) -> None:
        """Write where this process serves the store."""
        self._file.truncate(0)
        self._file.write(msgspec.json.encode(Holder(os.getpid(), url)))
        self._file.flush()

    def release(self) -> None:
        """Let others open the store; idempotent."""
        self._file.close()


def holder(folder: Path) -> Holder | None:
    """Return who has the embedded store below `folder` open, None when nobody has.

    Examples
    --------
    >>> holder(Path("/nonexistent")) is None
    True
    """
    try:
        with (folder / "store.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read(folder / "store.lock")
    return None


def _read(path: Path) -> Holder:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except msgspec.DecodeError:  # between the truncation and the writing
        return Holder(pid=0)
