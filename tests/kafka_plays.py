"""Plays: one stream of events through all roles of an installation, with faults in its midst.

Afterwards the store holds every event once, the verdicts are those of one undisturbed process, byte by byte, and every
page of that process was told: at least once, never a trigger after its resolve.
"""

from __future__ import annotations

import http.server
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from clickhouse_server import ClickHouseServer
from installation import Installation
from kafka_broker import Broker
from kafka_faults import FAULTS, LATENESS_S, SESSION_S, SOURCES, Midst

from undertow.alerts.incident import Change, ChangeKind
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.signals import CATEGORIES, SIGNALS
from undertow.drift.verdict import Verdict
from undertow.pipelines.clickhouse import Store, ask_server
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["PLAYS", "Figures", "Groups", "play"]

START, SPAN_S = 1_728_000_000.0, 20_000.0
WINDOW_S, SERIES = 200.0, 2
MID_S = 0.6  # a fault begins at most so long after its events have begun to come: in their midst
OFF = sorted({*SIGNALS, *CATEGORIES} - {"refusal_rate", "latency", "error_rate", "model_mix"})
WORSE = (
    ("bank", 0.2, 0.3),
    ("chat", 0.35, 0.45),
    ("bank", 0.5, 0.6),
    ("chat", 0.65, 0.75),
)  # service, part of the span
ROLES = ("worker", "detect", "pager", "store")

Groups = tuple[tuple[str, ...], ...]  # faults that stand side by side are inflicted together
PLAYS: dict[str, Groups] = {
    "processes die": (
        (
            *(name for name in FAULTS if name.startswith("kill -9") and not FAULTS[name].own_broker),
            "a rebalance in mid-batch",
            "poison messages",
            "duplicated and reordered delivery",
        ),
    ),
    "processes stand still": (("SIGSTOP of a worker", "SIGSTOP of a detect", "ClickHouse away for five seconds"),),
    "the broker fails": (("kill -9 of the broker",), ("a full disk under the broker",)),
}


class Figures(NamedTuple):
    """What a play came to; what must be as it was without a fault has been judged."""

    play: str
    seed: int
    seconds: float
    events: int
    stored: int
    verdicts: int
    pages: int
    calls: int
    repeats: int
    revived: int


class Expected(NamedTuple):
    """What one undisturbed process says: verdicts, and of which incidents people are told.

    Not which updates: one process also tells what explains a change, which is not known to the pager here.
    """

    verdicts: list[bytes]
    pages: list[tuple[str, str]]  # kind and incident


def play(
    name: str,
    faults: Groups,
    seed: int,
    folder: Path,
    servers: str,
    broker: Broker | None,
    events: int,
    times: int,
) -> Figures:
    """Play a stream in which each group of faults is inflicted so many times; an AssertionError says what was wrong."""
    began, draw = time.monotonic(), random.Random(seed)
    found = [FAULTS[fault] for group in faults for fault in group]
    lines = _events(random.Random(seed), events)
    with ExitStack() as stack:
        calls: list[dict[str, Any]] = []
        port = stack.enter_context(_webhook(calls))
        server = ClickHouseServer(folder / "clickhouse")
        stack.callback(server.kill)
        server.start()
        sections = _sections(server, port, [fault.sections for fault in found])
        installation = stack.enter_context(Installation(folder, servers, f"f{uuid.uuid4().hex[:8]}", sections))
        with Store.open(installation.settings.store, folder):
            pass  # makes the tables
        for role in ROLES:
            for number in range(max(fault.roles.get(role, 1) for fault in found)):
                installation.start(role, str(number + 1))
        midst = Midst(installation, server, broker, draw)
        expected = _alone(installation.settings, lines)
        delivered = lines
        for fault in found:
            delivered = fault.deliver(delivered, draw)
        _disturb(midst, delivered, list(faults) * times)
        _judge(midst, name, expected, len(lines), calls)
        told = {call["id"] for call in calls}
        return Figures(
            name,
            seed,
            time.monotonic() - began,
            len(lines),
            _rows(installation, "interactions")[0],
            len(expected.verdicts),
            len(expected.pages),
            len(calls),
            len(calls) - len(told),
            midst.revived.total(),
        )


def _disturb(midst: Midst, lines: Sequence[bytes], turns: Sequence[Sequence[str]]) -> None:
    """Send the events in pieces, and inflict a group of faults in the midst of each but the first and the last."""
    piece, sent, before = len(lines) // (len(turns) + 2) + 1, 0, "the start"
    with ThreadPoolExecutor(1) as application:
        for names in ([], *turns, []):
            sending = application.submit(midst.send, lines[sent : sent + piece])
            _inflict(midst, names)
            sending.result()
            sent, before = sent + piece, " and ".join(names) or before
            until = START + min(sent / len(lines), 1.0) * SPAN_S - 3 * WINDOW_S
            midst.wait_until(lambda until=until: _judged_until(midst.installation) >= until, f"goes on after {before}")  # type: ignore[misc]
    _let_time_pass(midst.installation.settings, START + 2 * SPAN_S)


def _inflict(midst: Midst, names: Sequence[str]) -> None:
    faults = [FAULTS[name] for name in names]
    for fault in faults:
        time.sleep(midst.draw.uniform(0.0, MID_S / len(faults)))
        fault.begin(midst)
    time.sleep(max((fault.lasts_s for fault in faults), default=0.0))
    for fault in faults:
        fault.end(midst)


# -- the stream -------------------------------------------------------------------------------------------------------


def _events(draw: random.Random, count: int) -> list[bytes]:
    """Two services that get worse for a while, in turn."""
    return [msgspec.json.encode(_event(draw, number, count)) for number in range(count)]


def _event(draw: random.Random, number: int, count: int) -> Interaction:
    service = draw.choice(["bank", "chat"])
    bad = any(service == worse and begin < number / count < end for worse, begin, end in WORSE)
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


def _let_time_pass(settings: Settings, time_s: float) -> None:
    """Tell every partition how late it is."""
    with closing(client_of(settings.kafka).producer()) as producer:
        for number in range(SOURCES):
            producer.send(settings.kafka.events, b"%f" % time_s, None, number, ((TICK, b""),))
        producer.flush(60.0)


def _alone(settings: Settings, lines: list[bytes]) -> Expected:
    processor, decoder = Processor(settings, PriceTable()), NativeDecoder()
    events = [event for event in map(decoder, lines) if isinstance(event, Interaction)]
    steps = [processor.step(events, [0] * len(events)), processor.tick(START + 2 * SPAN_S)]
    pages = [(change.kind.value, change.incident.id) for step in steps for change in step.changes if _is_page(change)]
    return Expected([msgspec.msgpack.encode(one) for step in steps for one in step.verdicts], pages)


def _is_page(change: Change) -> bool:
    return not change.silent and change.kind is not ChangeKind.UPDATE


def _sections(
    server: ClickHouseServer, port: int, changed: Sequence[Mapping[str, Mapping[str, Any]]]
) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {
        "ingest": {"window_s": WINDOW_S, "allowed_lateness_s": LATENESS_S, "dedup_horizon_s": 120.0},
        "detection": {"dimensions": ["region"], "min_events": 1000, "strict_events": 100, "metrics_off": OFF},
        "budget": {"false_pages_per_week": 20.0},
        "embeddings": {"source": "off"},
        "alerts": {"console": False},
        "alerts.webhook": {"url": f"http://127.0.0.1:{port}/"},
        "store": {"url": server.url},
        "kafka": {"event_partitions": SOURCES, "series_partitions": SERIES, "session_s": SESSION_S, "user_key": "key"},
    }
    for section, values in (item for one in changed for item in one.items()):
        sections.setdefault(section, {}).update(values)
    return sections


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


# -- what came of it --------------------------------------------------------------------------------------------------


def _judge(midst: Midst, name: str, expected: Expected, events: int, calls: list[dict[str, Any]]) -> None:
    here, judged = midst.installation, len(expected.verdicts)
    midst.wait_until(lambda: len(_verdicts(here)) >= judged, "all verdicts")
    midst.wait_until(lambda: {*expected.pages} <= {*map(_told, calls)}, "every page")
    midst.wait_until(lambda: _rows(here, "interactions")[1] >= events, "every event in the store")
    midst.wait_until(lambda: _rows(here, "verdicts")[1] >= judged, "every verdict in the store")
    verdicts = _verdicts(here)
    assert verdicts == expected.verdicts, f"{name}: {len(verdicts)} verdicts, {judged} expected, not the same"
    assert _rows(here, "interactions") == (events, events), f"{name}: events in the store, and different ones"
    assert _rows(here, "verdicts") == (judged, judged), f"{name}: verdicts in the store, and different ones"
    resolved: set[str] = set()
    for kind, incident in map(_told, calls):
        assert kind == "update" or (kind, incident) in expected.pages, f"{name}: {kind} of {incident} is one too many"
        assert kind == "resolve" or incident not in resolved, f"{name}: {kind} of {incident} after its resolve"
        if kind == "resolve":
            resolved.add(incident)


def _told(call: dict[str, Any]) -> tuple[str, str]:
    return call["kind"], call["incident"]["id"]


def _judged_until(installation: Installation) -> float:
    """Return the start of the last window that every series partition has judged, seconds since the epoch."""
    latest = dict.fromkeys(range(SERIES), 0.0)
    for _, content in installation.messages(Names.of(installation.settings.kafka).verdicts):
        judged = decode(content or b"")
        latest[judged.partition] = max(latest[judged.partition], judged.start)
    return min(latest.values())


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


def _rows(installation: Installation, table: str) -> tuple[int, ...]:
    """Return how many rows a table has, and how many ids."""
    return tuple(ask_server(installation.settings.store, f"SELECT count(), uniqExact(id) FROM {table}").rows[0])  # noqa: S608
