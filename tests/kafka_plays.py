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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_server import ClickHouseServer
from installation import READS, Installation
from kafka_broker import Broker
from kafka_faults import FAULTS, SESSION_S, SOURCES, Fault, Midst
from kafka_stream import (
    SECTIONS,
    SPAN_S,
    START,
    WINDOW_S,
    Expected,
    alone,
    events_of,
    judged_until,
    let_time_pass,
    verdicts_of,
)

from undertow.pipelines.clickhouse import Store, ask_server

__all__ = ["PLAYS", "Figures", "Groups", "play"]

MID_S = 0.6  # a fault begins at most so long after its events have begun to come: in their midst
ROLES = ("worker", "detect", "pager", "store")

Groups = tuple[tuple[str, ...], ...]  # faults that stand side by side are inflicted together
PLAYS: dict[str, Groups] = {
    "processes die": (
        (
            "kill -9 of a worker",
            "kill -9 of a detect",
            "kill -9 of the pager",
            "kill -9 of the store",
            "a rebalance in mid-batch",
            "poison messages",
            "duplicated and reordered delivery",
        ),
    ),
    "processes stand still": (("SIGSTOP of a worker", "SIGSTOP of a detect", "ClickHouse away for five seconds"),),
    "detect under Faust": (("kill -9 of a detect under Faust",), ("SIGSTOP of a detect under Faust",)),
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
    pagers_revived: int


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
    lines = events_of(random.Random(seed), events)
    with ExitStack() as stack:
        calls: list[dict[str, Any]] = []
        port = stack.enter_context(_webhook(calls))
        server = ClickHouseServer(folder / "clickhouse")
        stack.callback(server.kill)
        server.start()
        sections = _sections(server, port, found)
        installation = stack.enter_context(Installation(folder, servers, f"f{uuid.uuid4().hex[:8]}", sections))
        with Store.open(installation.settings.store, folder):
            pass  # makes the tables
        for role in ROLES:
            for number in range(max(fault.roles.get(role, 1) for fault in found)):
                installation.start(role, str(number + 1))
        midst = Midst(installation, server, broker, draw)
        expected = alone(installation.settings, lines)
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
            midst.revived["pager-1"],
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
            midst.wait_until(lambda until=until: judged_until(midst.installation) >= until, f"goes on after {before}")  # type: ignore[misc]
    let_time_pass(midst.installation.settings, START + 2 * SPAN_S)


def _inflict(midst: Midst, names: Sequence[str]) -> None:
    faults = [FAULTS[name] for name in names]
    for fault in faults:
        time.sleep(midst.draw.uniform(0.0, MID_S / len(faults)))
        fault.begin(midst)
    time.sleep(max((fault.lasts_s for fault in faults), default=0.0))
    for fault in faults:
        fault.end(midst)


def _sections(server: ClickHouseServer, port: int, faults: Sequence[Fault]) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {
        "alerts": {"console": False},
        "alerts.health": {"lag_s": 1e9},  # event time runs a hundredfold here: nobody stands still because one is ahead
        "alerts.webhook": {"url": f"http://127.0.0.1:{port}/"},
        "store": {"url": server.url},
        "kafka": {"event_partitions": SOURCES, "series_partitions": 2, "session_s": SESSION_S, "user_key": "key"},
    }
    sections: dict[str, dict[str, Any]] = {}
    for some in (SECTIONS, own, *(fault.sections for fault in faults)):
        for section, values in some.items():
            sections[section] = {**sections.get(section, {}), **values}
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
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


# -- what came of it --------------------------------------------------------------------------------------------------


def _judge(midst: Midst, name: str, expected: Expected, events: int, calls: list[dict[str, Any]]) -> None:
    here, judged = midst.installation, len(expected.verdicts)
    midst.wait_until(lambda: len(verdicts_of(here)) >= judged, "all verdicts")
    midst.wait_until(lambda: {*expected.pages} <= {*map(_told, calls)}, "every page")
    midst.wait_until(lambda: _rows(here, "interactions")[1] >= events, "every event in the store")
    midst.wait_until(lambda: _rows(here, "verdicts")[1] >= judged, "every verdict in the store")
    _let_finish(midst)
    verdicts = verdicts_of(here)
    assert verdicts == expected.verdicts, f"{name}: {len(verdicts)} verdicts, {judged} expected, not the same"
    assert _rows(here, "interactions") == (events, events), f"{name}: events in the store, and different ones"
    assert _rows(here, "verdicts") == (judged, judged), f"{name}: verdicts in the store, and different ones"
    resolved: set[str] = set()
    for kind, incident in map(_told, calls):
        assert kind == "update" or (kind, incident) in expected.pages, f"{name}: {kind} of {incident} is one too many"
        assert kind == "resolve" or incident not in resolved, f"{name}: {kind} of {incident} after its resolve"
        if kind == "resolve":
            resolved.add(incident)


def _let_finish(midst: Midst) -> None:
    """Wait until nobody has anything left to read or to say: what is one too many comes late."""
    here = midst.installation
    for role in READS:
        midst.wait_until(partial(here.has_read, role, here.ends(role)), f"{role} has read everything")
    assert here.stop("pager-1") == 0, here.said("pager-1")


def _told(call: dict[str, Any]) -> tuple[str, str]:
    return call["kind"], call["incident"]["id"]


def _rows(installation: Installation, table: str) -> tuple[int, ...]:
    """Return how many rows a table has, and how many ids."""
    return tuple(ask_server(installation.settings.store, f"SELECT count(), uniqExact(id) FROM {table}").rows[0])  # noqa: S608
