"""Faults of a distributed installation: each is inflicted several times in the middle of one stream of events.

Afterwards the store holds every event once, the verdicts are those of one undisturbed process, byte by byte, and every
page was told: at least once, never a trigger after its resolve.
"""

from __future__ import annotations

import http.server
import json
import random
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from clickhouse_server import ClickHouseServer
from installation import Installation
from kafka_broker import Broker

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.signals import CATEGORIES, SIGNALS
from undertow.drift.verdict import Verdict
from undertow.pipelines.clickhouse import Store, StoreError, ask_server
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.incident_log import Planned
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.settings import Store as StoreSettings
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["FAULTS", "Fault", "Figures", "Play", "mounted", "play"]

START, SPAN_S = 1_728_000_000.0, 20_000.0
SOURCES, SERIES = 4, 2
LATENESS_S = 30.0
PATIENCE_S = 240.0
FROZEN_S = 9.0  # longer than a session of six seconds
AWAY_S = 5.0
OFF = sorted({*SIGNALS, *CATEGORIES} - {"refusal_rate", "latency", "error_rate", "model_mix"})
POISON = (b"{broken", b"\xff\xfe\x00", b'{"id": 1}', b"[" * 5000, b'{"id": "x", "time": 9e99, "service": "bank"}')


class Figures(NamedTuple):
    """What a play came to."""

    fault: str
    seconds: float
    events: int
    stored: int
    verdicts: int
    calls: int
    repeats: int
    revived: int


class Play:
    """One installation in the middle of its stream, as a fault finds it."""

    def __init__(
        self, installation: Installation, server: ClickHouseServer, broker: Broker | None, draw: random.Random
    ) -> None:
        self.installation, self.server, self.broker, self.draw = installation, server, broker, draw
        self.revived: Counter[str] = Counter()
        self.poisoned = 0

    def send(self, lines: Sequence[bytes]) -> None:
        """Write events; an application tries again until the broker takes them."""
        settings = self.installation.settings
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                send(lines, client_of(settings.kafka), NativeDecoder(), settings.kafka.events, SOURCES)
            except KafkaError:
                time.sleep(0.5)
            else:
                return
        raise TimeoutError("the broker takes no events")

    def let_time_pass(self, time_s: float) -> None:
        """Tell every partition how late it is."""
        settings = self.installation.settings
        with closing(client_of(settings.kafka).producer()) as producer:
            for number in range(SOURCES):
                producer.send(settings.kafka.events, b"%f" % time_s, None, number, ((TICK, b""),))
            producer.flush(60.0)

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
    except (KafkaError, StoreError):  # whom we ask may be away
        return False


# -- faults -----------------------------------------------------------------------------------------------------------


class Fault(NamedTuple):
    """A fault: what is done, in an installation with so many processes of a role and such settings, on whose broker."""

    inflict: Callable[[Play], None]
    roles: Mapping[str, int] = {}  # never changed
    sections: Mapping[str, Mapping[str, Any]] = {}  # on top of the settings of every play; never changed
    own_broker: bool = False
    deliver: Callable[[list[bytes], random.Random], list[bytes]] = lambda lines, _: lines


def _killed(member: str) -> Callable[[Play], None]:
    def inflict(play: Play) -> None:
        time.sleep(play.draw.uniform(0.0, 1.0))
        play.installation.kill(member)
        role, _, name = member.partition("-")
        play.installation.start(role, name)

    return inflict


def _frozen(member: str) -> Callable[[Play], None]:
    """Stand still until others have taken over, then go on as if nothing had been."""

    def inflict(play: Play) -> None:
        play.installation.freeze(member)
        time.sleep(FROZEN_S)
        play.installation.thaw(member)

    return inflict


def _rebalance(play: Play) -> None:
    play.installation.start("worker", "guest")
    time.sleep(play.draw.uniform(2.0, 4.0))
    play.installation.stop("worker-guest")


def _broker_killed(play: Play) -> None:
    if play.broker is None:
        raise ValueError("this fault needs a broker of its own")
    time.sleep(play.draw.uniform(0.0, 1.0))
    play.broker.kill()
    play.broker.start()


def _disk_full(play: Play) -> None:
    """Fill the file system of the broker's log until it gives up, then make room and start it again."""
    if play.broker is None:
        raise ValueError("this fault needs a broker of its own")
    filler = play.broker.folder / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    with suppress(KafkaError):
        settings = play.installation.settings
        send([b"{}"] * 200, client_of(settings.kafka), NativeDecoder(), settings.kafka.events, SOURCES)
    play.poisoned += 200
    filler.unlink()
    play.broker.kill()
    play.broker.start()


def _away(play: Play) -> None:
    play.server.kill()
    time.sleep(AWAY_S)
    play.server.start()


def _poison(play: Play) -> None:
    play.send(POISON)


def _twice_and_out_of_order(lines: list[bytes], draw: random.Random) -> list[bytes]:
    """Deliver one event in ten again, and each up to some seconds later than its turn."""
    repeated = [line for line in lines for _ in range(2 if draw.random() < 0.1 else 1)]
    turns = sorted(range(len(repeated)), key=lambda turn: turn + draw.uniform(0.0, LATENESS_S / 2))
    return [repeated[turn] for turn in turns]


FAUST = {"kafka": {"runner": "faust"}}
FAULTS = {
    "kill -9 of a worker": Fault(_killed("worker-1"), {"worker": 2}),
    "kill -9 of a detect": Fault(_killed("detect-1"), {"detect": 2}),
    "kill -9 of the pager": Fault(_killed("pager-1")),
    "kill -9 of the store": Fault(_killed("store-1")),
    "kill -9 of the broker": Fault(_broker_killed, own_broker=True),
    "SIGSTOP of a worker": Fault(_frozen("worker-1"), {"worker": 2}),
    "SIGSTOP of a detect": Fault(_frozen("detect-1"), {"detect": 2}),
    "a rebalance in mid-batch": Fault(_rebalance),
    "ClickHouse away": Fault(_away),
    "duplicated and reordered delivery": Fault(lambda _: None, deliver=_twice_and_out_of_order),
    "poison messages": Fault(_poison),
    "a full disk under the broker": Fault(_disk_full, own_broker=True),
    "kill -9 of a detect under Faust": Fault(_killed("detect-1"), {"detect": 2}, FAUST),
    "SIGSTOP of a detect under Faust": Fault(_frozen("detect-1"), {"detect": 2}, FAUST),
}
ROLES = ("worker", "detect", "pager", "store")


# -- a play -----------------------------------------------------------------------------------------------------------


def play(name: str, seed: int, folder: Path, servers: str, broker: Broker | None, events: int, times: int) -> Figures:
    """Play a stream with a fault in it and judge what came of it; an AssertionError says what was wrong."""
    began, fault, draw = time.monotonic(), FAULTS[name], random.Random(seed)
    lines = _events(random.Random(seed), events)
    with ExitStack() as stack:
        calls: list[dict[str, Any]] = []
        port = stack.enter_context(_webhook(calls))
        server = ClickHouseServer(folder / "clickhouse")
        stack.callback(server.kill)
        server.start()
        installation = stack.enter_context(
            Installation(folder, servers, f"f{uuid.uuid4().hex[:8]}", _sections(server, port, fault.sections))
        )
        with Store.open(installation.settings.store, folder):
            pass  # makes the tables
        expected = _alone(installation.settings, lines)
        for role in ROLES:
            for number in range(fault.roles.get(role, 1)):
                installation.start(role, str(number + 1))
        now = Play(installation, server, broker, draw)
        delivered, piece = fault.deliver(lines, draw), events // (times + 1)
        for turn in range(times):
            now.send(delivered[turn * piece : (turn + 1) * piece])
            now.wait_until(lambda turn=turn: _verdicts_told(installation) > turn * 10, "the stream goes on")  # type: ignore[misc]
            fault.inflict(now)
        now.send(delivered[times * piece :])
        now.let_time_pass(START + 2 * SPAN_S)
        return _judged(now, name, lines, expected, calls, began)


def _judged(
    now: Play, name: str, lines: list[bytes], expected: list[bytes], calls: list[dict[str, Any]], began: float
) -> Figures:
    installation, where = now.installation, now.installation.settings.store
    now.wait_until(lambda: len(_verdicts(installation)) >= len(expected), "all verdicts")
    now.wait_until(lambda: {*_planned(installation)} <= {call["id"] for call in calls}, "every page")
    now.wait_until(lambda: _stored(where)[1] >= len(lines), "every event in the store")
    now.wait_until(lambda: _told(where)[1] >= len(expected), "every verdict in the store")
    verdicts = _verdicts(installation)
    assert verdicts == expected, f"{name}: {len(verdicts)} verdicts, {len(expected)} expected, not the same"
    assert _stored(where) == (len(lines), len(lines))
    assert _told(where) == (len(expected), len(expected))
    told = Counter(call["id"] for call in calls)
    _in_order(calls)
    revived = sum(now.revived.values())
    return Figures(
        name,
        time.monotonic() - began,
        len(lines),
        _stored(where)[0],
        len(verdicts),
        len(calls),
        len(calls) - len(told),
        revived,
    )


def _in_order(calls: list[dict[str, Any]]) -> None:
    """No incident is opened again after its resolve."""
    resolved: set[str] = set()
    for call in calls:
        incident = call["incident"]["id"]
        assert call["kind"] == "resolve" or incident not in resolved, f"{call['kind']} after the resolve of {incident}"
        if call["kind"] == "resolve":
            resolved.add(incident)


def _sections(
    server: ClickHouseServer, port: int, changed: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    known: dict[str, dict[str, Any]] = {
        "ingest": {"window_s": 200.0, "allowed_lateness_s": LATENESS_S, "dedup_horizon_s": 120.0},
        "detection": {"dimensions": ["region"], "min_events": 1000, "strict_events": 100, "metrics_off": OFF},
        "budget": {"false_pages_per_week": 20.0},
        "embeddings": {"source": "off"},
        "alerts": {"console": False},
        "alerts.webhook": {"url": f"http://127.0.0.1:{port}/"},
        "store": {"url": server.url},
        "kafka": {"event_partitions": SOURCES, "series_partitions": SERIES, "session_s": 6.0, "user_key": "secret"},
    }
    return {section: {**known.get(section, {}), **changed.get(section, {})} for section in {**known, **changed}}


def _events(draw: random.Random, count: int) -> list[bytes]:
    """Two services, of which one refuses and is slow for a while."""
    return [msgspec.json.encode(_event(draw, number, count)) for number in range(count)]


def _event(draw: random.Random, number: int, count: int) -> Interaction:
    service = draw.choice(["bank", "chat"])
    bad = 0.5 < number / count < 0.7 and service == "bank"
    return Interaction(
        id=str(number),
        time=START + number * SPAN_S / count,
        service=service,
        task=f"t{number // 4}",
        attributes={"region": draw.choice(["eu", "us"])},
        refused=draw.random() < (0.4 if bad else 0.03),
        latency=draw.lognormvariate(0.4 if bad else 0.0, 0.4),
        http_status=200,
    )


def _alone(settings: Settings, lines: list[bytes]) -> list[bytes]:
    """Return the verdicts of one undisturbed process."""
    processor, decoder = Processor(settings, PriceTable()), NativeDecoder()
    events = [event for event in map(decoder, lines) if isinstance(event, Interaction)]
    steps = [processor.step(events, [0] * len(events)), processor.tick(START + 2 * SPAN_S)]
    return [msgspec.msgpack.encode(verdict) for step in steps for verdict in step.verdicts]


# -- what came out ----------------------------------------------------------------------------------------------------


def _verdicts_told(installation: Installation) -> int:
    return len(installation.messages(Names.of(installation.settings.kafka).verdicts))


def _verdicts(installation: Installation) -> list[bytes]:
    """Return what all series partitions have said, window by window; what was said twice must be the same."""
    found: dict[tuple[int, float], bytes] = {}
    for _, content in installation.messages(Names.of(installation.settings.kafka).verdicts):
        judged = decode(content or b"")
        assert found.setdefault((judged.partition, judged.start), content or b"") == content, "a repeat differs"
    windows: dict[float, list[Verdict]] = {}
    for (_, start), content in found.items():
        windows.setdefault(start, []).extend(decode(content).verdicts)
    return [msgspec.msgpack.encode(one) for start in sorted(windows) for one in in_order(windows[start])]


def _planned(installation: Installation) -> list[str]:
    """Return the ids of the changes of which people are to be told."""
    changes = []
    for _, content in installation.messages(Names.of(installation.settings.kafka).incidents):
        with suppress(msgspec.ValidationError, msgspec.DecodeError):
            changes.append(msgspec.msgpack.decode(content or b"", type=Planned).change)
    return sorted({one.id for one in changes if not one.silent and one.kind != "update"})


def _stored(where: StoreSettings) -> tuple[int, ...]:
    return tuple(ask_server(where, "SELECT count(), uniqExact(id) FROM interactions").rows[0])


def _told(where: StoreSettings) -> tuple[int, ...]:
    return tuple(ask_server(where, "SELECT count(), uniqExact(id) FROM verdicts").rows[0])


@contextmanager
def _webhook(calls: list[dict[str, Any]]) -> Iterator[int]:
    """Note every call as it comes."""

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def mounted(folder: Path, megabytes: int = 256) -> Iterator[bool]:
    """Lend a small file system of its own at `folder`, if this machine lets us; say whether it did."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    yield done.returncode == 0
    if done.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=True)
