"""Snapshots: the state of a run as plain data in one file, replaced as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

__all__ = ["SnapshotError", "decode", "encode", "read", "write"]

FORMAT = 1
_ARRAY = 1  # MessagePack extension: dtype, shape and bytes of an array


class SnapshotError(ValueError):
    """The snapshot cannot be used; the message says why and the way out."""


class _Stored(msgspec.Struct):
    format: int
    state: dict[str, Any]


def write(path: Path, state: dict[str, Any]) -> int:
    """Replace the snapshot at `path`; after a crash either the old or the new one is there. Return its size in bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = write(Path(folder) / "s", {"x": np.arange(3)})
    ...     read(Path(folder) / "s")["x"]
    array([0, 1, 2])
    """
    content = encode(state)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)
    return len(content)


def read(path: Path) -> dict[str, Any] | None:
    """Return the state of the snapshot at `path`, None when there is none.

    Raises
    ------
    SnapshotError
        The file is not a snapshot, or was written by a newer Undertow.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode(content, str(path))


def encode(state: dict[str, Any]) -> bytes:
    """Return a state as bytes."""
    return msgspec.msgpack.encode(_Stored(FORMAT, state), enc_hook=_encode)


def decode(content: bytes, name: str = "the state") -> dict[str, Any]:
    """Return the state of `encode`; `name` tells whose it is.

    Raises
    ------
    SnapshotError
        It is none, or was written by a newer Undertow.
    """
    try:
        stored = msgspec.msgpack.decode(content, type=_Stored, ext_hook=_decode)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise SnapshotError(f"{name} is damaged ({error}); move it away to learn anew") from error
    if stored.format != FORMAT:
        reason = f"{name} has format {stored.format}, this Undertow reads {FORMAT}"
        raise SnapshotError(f"{reason}; move it away, or go back to the Undertow that wrote it")
    return stored.state


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        header = [value.dtype.str, list(value.shape), np.ascontiguousarray(value).tobytes()]
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(header))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a snapshot")


def _decode(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    dtype, shape, content = msgspec.msgpack.decode(data, type=tuple[str, list[int], bytes])
    return np.frombuffer(content, dtype=dtype).reshape(shape).copy()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
