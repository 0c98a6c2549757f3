"""A ClickHouse server for tests: the embedded engine behind its HTTP interface, in a process of its own, writable.

It can be killed and started again on the same folder and port. `UNDERTOW_TEST_CLICKHOUSE=url` names a true server for
the tests that stop nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import chdb
import uvicorn
from free_ports import free_port

from undertow.pipelines.clickhouse_http import WRITE_LIMIT_BYTES, ClickHouseInterface
from undertow.pipelines.engine import Engine

__all__ = ["ClickHouseServer", "served"]

_PATIENCE_S = 120.0


class ClickHouseServer:
    """A server below `folder`: `start` it, `kill` it as a crash would, start it again with the same rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, with the database that tests use."""
        return f"http://127.0.0.1:{self._port}/undertow"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._process = subprocess.Popen([sys.executable, __file__, str(self._folder), str(self._port)])
        until = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError("the engine behind HTTP did not come up")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
            return True
        return False


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Lend the URL of a server's database: of the named one, else of one started below `folder`."""
    if named := os.environ.get("UNDERTOW_TEST_CLICKHOUSE"):
        yield named
        return
    server = ClickHouseServer(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()


def _serve(folder: str, port: int) -> None:
    path = os.path.realpath(folder)
    keeper: Any = chdb.connect(path)  # type: ignore[no-untyped-call]  # the engine lives as long as one handle
    engine = Engine(path, "default", writable=True)
    uvicorn.run(ClickHouseInterface(engine, body_limit=WRITE_LIMIT_BYTES), port=port, log_level="warning")
    keeper.close()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
