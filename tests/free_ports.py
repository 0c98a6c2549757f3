"""Ports for servers that tests start a moment later.

They lie below those that the system lends to outgoing connections, each process of a test run has a range of its own,
and lends none twice: so nobody takes a port between its choice and the start of its server.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
from contextlib import suppress

__all__ = ["free_port"]

_FIRST, _RANGE, _RANGES = 15_000, 2_000, 8  # 32,768 is the first that Linux lends, 15,000 is above what services use
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _RANGES
_START = random.randrange(_RANGE)  # another run on this machine may have the same range
_turns = itertools.count(_START)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens; each call returns another."""
    for turn in itertools.islice(_turns, _RANGE):
        port = _FIRST + _WORKER * _RANGE + turn % _RANGE
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"none of {_RANGE} ports from {_FIRST + _WORKER * _RANGE} on is free")
