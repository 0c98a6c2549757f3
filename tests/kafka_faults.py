"""Faults of a distributed installation: how each begins, how it ends, and what it needs.

`kafka_plays` inflicts them in the middle of a stream of events and judges what came of it.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_server import ClickHouseServer
from installation import Installation
from kafka_broker import Broker
from kafka_stream import LATENESS_S

from undertow.pipelines.clickhouse import StoreError
from undertow.pipelines.engine import QueryError
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["FAULTS", "SESSION_S", "SOURCES", "Fault", "Midst", "mounted"]

SOURCES = 4  # partitions of the events
SESSION_S = 6.0  # the least that a broker allows
PATIENCE_S = 240.0
POISON = (b"{broken", b"\xff\xfe\x00", b'{"id": 1}', b"[" * 5000, b'{"id": "x", "time": 9e99, "service": "bank"}')


class Midst:
    """One installation in the middle of its stream, as a fault finds it."""

    def __init__(
        self, installation: Installation, server: ClickHouseServer, broker: Broker | None, draw: random.Random
    ) -> None:
        self.installation, self.server, self.draw = installation, server, draw
        self._broker = broker
        self.revived: Counter[str] = Counter()
        self.guests = 0

    @property
    def broker(self) -> Broker:
        """The broker, which is ours to kill."""
        if self._broker is None:
            raise ValueError("this fault needs a broker of its own")
        return self._broker

    def send(self, lines: Sequence[bytes]) -> None:
        """Write events; an application tries again until the broker has taken them all."""
        settings = self.installation.settings
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                send(lines, client_of(settings.kafka), NativeDecoder(), settings.kafka.events, SOURCES)
            except KafkaError:
                time.sleep(0.2)
            else:
                return
        raise TimeoutError("the broker takes no events")

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        """Wait, and start again what has ended by itself, as a supervisor does."""
        until = time.monotonic() + PATIENCE_S
        while not _asked(true):
            self.revived.update(self.installation.revive())
            if time.monotonic() > until:
                said = "\n".join(f"{f.name}: {f.read_text()[-1500:]}" for f in self.installation.folder.glob("*.log"))
                raise TimeoutError(f"not within {PATIENCE_S:g} s: {what}\n{said}")
            time.sleep(0.2)


def _asked(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except (KafkaError, StoreError, QueryError):  # whom we ask may be away, or just be back
        return False


class Fault(NamedTuple):
    """A fault: how it begins and ends, and what an installation must have for it.

    Parameters
    ----------
    lasts_s
        Between the two, seconds.
    roles
        How many processes of a role there are, where it is more than one.
    sections
        Settings on top of those of every play.
    own_broker
        Whether the broker must be the play's own.
    deliver
        How the events reach the topic.
    """

    begin: Callable[[Midst], object] = lambda _: None
    end: Callable[[Midst], object] = lambda _: None
    lasts_s: float = 0.0
    roles: Mapping[str, int] = {}  # never changed
    sections: Mapping[str, Mapping[str, Any]] = {}  # likewise
    own_broker: bool = False
    deliver: Callable[[list[bytes], random.Random], list[bytes]] = lambda lines, _: lines


def _killed(member: str) -> Fault:
    """Die, and be started again by a supervisor."""
    role = member.partition("-")[0]
    return Fault(
        lambda midst: midst.installation.kill(member),
        lambda midst: midst.installation.restart(member),
        roles={role: 2 if role in ("worker", "detect") else 1},
    )


def _frozen(member: str) -> Fault:
    """Stand still until others have taken over, then go on as if nothing had been."""

    def thaw(midst: Midst) -> None:
        midst.wait_until(lambda: _others(midst, member), f"others have taken over from {member}")
        midst.installation.thaw(member)

    return Fault(lambda midst: midst.installation.freeze(member), thaw, roles={member.partition("-")[0]: 2})


def _others(midst: Midst, member: str) -> bool:
    """Return whether a role's partitions are shared by others alone."""
    sharing = midst.installation.members(member.partition("-")[0])
    return bool(sharing) and member not in sharing


def _guest_comes(midst: Midst) -> None:
    midst.guests += 1  # each with a name of its own: the group remembers names for a session
    midst.installation.start("worker", f"guest{midst.guests}")


def _guest_leaves(midst: Midst) -> None:
    """Let a worker that came go again once it has a share of the partitions."""
    guest = f"worker-guest{midst.guests}"
    midst.wait_until(lambda: guest in midst.installation.members("worker"), "a guest has its share")
    code = midst.installation.stop(guest)
    assert code == 0, f"exit code {code} of {guest}: {midst.installation.said(guest)}"


def _broker_back(midst: Midst) -> None:
    midst.broker.kill()
    midst.broker.start()


def _filler(midst: Midst) -> Path:
    return midst.broker.disk / "filler"


def _fill(midst: Midst) -> None:
    """Leave no room in the file system of the broker's log."""
    with _filler(midst).open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()


def _make_room(midst: Midst) -> None:
    """Let the broker find out, then do what its operator must."""
    midst.wait_until(lambda: "No space left on device" in midst.broker.said(), "the broker finds its disk full")
    _filler(midst).unlink()
    _broker_back(midst)


def _twice_and_out_of_order(lines: list[bytes], draw: random.Random) -> list[bytes]:
    """Deliver one event in ten again, and each up to some seconds later than its turn."""
    repeated = [line for line in lines for _ in range(2 if draw.random() < 0.1 else 1)]
    turns = sorted(range(len(repeated)), key=lambda turn: turn + draw.uniform(0.0, LATENESS_S / 2))
    return [repeated[turn] for turn in turns]


def _away(seconds: float) -> Fault:
    return Fault(lambda midst: midst.server.kill(), lambda midst: midst.server.start(), seconds)


FAUST = {"kafka": {"runner": "faust"}}
FAULTS = {
    "kill -9 of a worker": _killed("worker-1"),
    "kill -9 of a detect": _killed("detect-1"),
    "kill -9 of the pager": _killed("pager-1"),
    "kill -9 of the store": _killed("store-1"),
    "kill -9 of the broker": Fault(_broker_back, own_broker=True),
    "SIGSTOP of a worker": _frozen("worker-1"),
    "SIGSTOP of a detect": _frozen("detect-1"),
    "a rebalance in mid-batch": Fault(_guest_comes, _guest_leaves),
    "ClickHouse away for a minute": _away(60.0),
    "ClickHouse away for five seconds": _away(5.0),
    "duplicated and reordered delivery": Fault(deliver=_twice_and_out_of_order),
    "poison messages": Fault(lambda midst: midst.send(POISON)),
    "a full disk under the broker": Fault(_fill, _make_room, own_broker=True),
    "kill -9 of a detect under Faust": _killed("detect-1")._replace(sections=FAUST),
    "SIGSTOP of a detect under Faust": _frozen("detect-1")._replace(sections=FAUST),
}


@contextmanager
def mounted(folder: Path, megabytes: int = 256) -> Iterator[bool]:
    """Lend a small file system of its own at `folder`, if this machine lets us; say whether it did."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)
