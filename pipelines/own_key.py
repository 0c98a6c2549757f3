"""A key of this installation: made once, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["own_key"]

_BYTES = 32


def own_key(path: Path) -> bytes:
    """Return the key in the file, which is made when there is none.

    Raises
    ------
    OSError
        The file can be neither read nor made.
    """
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            os.fsync(file.fileno())
        fresh.replace(path)
    return path.read_bytes()
