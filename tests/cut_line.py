"""A line to a broker that a test can cut and mend: clients see it go away and come back, and nobody else does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from free_ports import free_port

__all__ = ["CutLine"]


class CutLine:
    """Passes on what clients and a broker say, over a port of its own; a context manager.

    Clients go on at the address that the broker gives them for itself, so in what it says that is made the line's: the
    host stays, as does the length.

    Parameters
    ----------
    server
        Where the broker listens, `host:port`; the host is a name of this machine.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._there = host, int(port)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._port = free_port()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self.server = f"{host}:{self._port}"
        self._theirs, self._ours = (host.encode() + struct.pack(">i", one) for one in (int(port), self._port))

    def __enter__(self) -> Self:
        self._run(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """End all connections, and take no more."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def mend(self) -> None:
        """Take connections again, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._run(self._listen)

    def _run(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _listen(self) -> None:
        listener = self._listener
        with suppress(OSError):  # it was cut
            while True:
                client, _ = listener.accept()
                broker = socket.create_connection(self._there)
                self._open += [client, broker]
                self._run(lambda one=client, other=broker: self._pass_on(one, other))  # type: ignore[misc]
                self._run(lambda one=broker, other=client: self._pass_on(one, other))  # type: ignore[misc]

    def _pass_on(self, source: socket.socket, to: socket.socket) -> None:
        """Pass on whole messages: four bytes of length, and so many more."""
        with suppress(OSError), source.makefile("rb") as said, to:
            while head := said.read(4):
                content = said.read(struct.unpack(">i", head)[0])
                to.sendall(head + content.replace(self._theirs, self._ours))
