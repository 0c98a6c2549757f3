"""Programs in Go that tests use: built from `tests/go`, with the versions of its go.sum, through Go's own cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from outside import program

__all__ = ["built"]

SOURCES = Path(__file__).parent / "go"
PATIENCE_S = 900.0


def built(name: str, folder: Path) -> Path:
    """Return the program, or end the test where there is no Go."""
    go = program("golang", "go")
    target = folder / name
    command = [go, "build", "-buildvcs=false", "-o", os.fspath(target), f"./{name}"]
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return target
