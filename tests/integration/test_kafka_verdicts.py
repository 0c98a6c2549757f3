"""The distributed roles on a real broker: the verdicts of one process, and every page, through kill -9."""

import http.server
import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from installation import Installation, wait_until
from kafka_broker import Addresses

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.signals import CATEGORIES, SIGNALS
from undertow.drift.verdict import Verdict
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.incident_log import Planned
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.wire.native import NativeDecoder

EVENTS, SOURCES, SERIES = 20_000, 2, 2
START, END = 1_728_000_000.0, 1_728_020_000.0
LATER = END + 20_000.0
OFF = sorted({*SIGNALS, *CATEGORIES} - {"refusal_rate", "latency", "error_rate", "model_mix"})


def _events() -> list[bytes]:
    """Two services, of which one refuses and is slow for a while."""
    draw = random.Random(4)
    return [msgspec.json.encode(_event(draw, number)) for number in range(EVENTS)]


def _event(draw: random.Random, number: int) -> Interaction:
    service = draw.choice(["bank", "chat"])
    bad = 10_000 < number < 14_000 and service == "bank"
    return Interaction(
        id=str(number),
        time=START + number * (END - START) / EVENTS,
        service=service,
        task=f"t{number // 4}",
        attributes={"region": draw.choice(["eu", "us"])},
        refused=draw.random() < (0.4 if bad else 0.03),
        latency=draw.lognormvariate(0.4 if bad else 0.0, 0.4),
        http_status=200,
    )


class Listener(http.server.BaseHTTPRequestHandler):
    """A webhook that notes what it is called with."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.calls = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def installation(
    tmp_path: Path, kafka_addresses: Addresses, webhook: http.server.ThreadingHTTPServer
) -> Iterator[Installation]:
    sections: dict[str, dict[str, Any]] = {
        "ingest": {"window_s": 60.0, "allowed_lateness_s": 30.0, "dedup_horizon_s": 120.0},
        "detection": {"dimensions": ["region"], "min_events": 1000, "strict_events": 100, "metrics_off": OFF},
        "budget": {"false_pages_per_week": 20.0},
        "embeddings": {"source": "off"},
        "alerts.webhook": {"url": f"http://127.0.0.1:{webhook.server_port}/"},
        "kafka": {"event_partitions": SOURCES, "series_partitions": SERIES, "session_s": 6.0, "user_key": "secret"},
    }
    with Installation(tmp_path, kafka_addresses.plaintext, f"v{uuid.uuid4().hex[:8]}", sections) as made:
        yield made


def _alone(settings: Settings) -> list[bytes]:
    processor, decoder = Processor(settings, PriceTable()), NativeDecoder()
    events = [event for event in map(decoder, _events()) if isinstance(event, Interaction)]
    steps = [processor.step(events, [0] * EVENTS), processor.tick(LATER)]
    return [msgspec.msgpack.encode(verdict) for step in steps for verdict in step.verdicts]


def _verdicts(installation: Installation) -> list[bytes]:
    """Return what all series partitions have said, window by window; what was said twice must be the same."""
    found: dict[tuple[int, float], bytes] = {}
    for _, content in installation.messages(Names.of(installation.settings.kafka).verdicts):
        judged = decode(content or b"")
        assert found.setdefault((judged.partition, judged.start), content or b"") == content
    windows: dict[float, list[Verdict]] = {}
    for (_, start), content in found.items():
        windows.setdefault(start, []).extend(decode(content).verdicts)
    return [msgspec.msgpack.encode(one) for start in sorted(windows) for one in in_order(windows[start])]


def _planned(installation: Installation) -> list[str]:
    """Return the ids of the changes of which people are to be told."""
    changes = []
    for _, content in installation.messages(Names.of(installation.settings.kafka).incidents):
        with suppress(msgspec.ValidationError):
            changes.append(msgspec.msgpack.decode(content or b"", type=Planned).change)
    return sorted({one.id for one in changes if not one.silent and one.kind != "update"})


def test_detect_and_pager_are_killed_and_nothing_is_said_otherwise_or_left_untold(
    installation: Installation, webhook: http.server.ThreadingHTTPServer
) -> None:
    settings, names = installation.settings, Names.of(installation.settings.kafka)
    expected = _alone(settings)
    assert len(expected) > 3
    for role in ("worker", "detect", "pager"):
        installation.start(role)
    client, events = client_of(settings.kafka), _events()
    send(events[: EVENTS // 2], client, NativeDecoder(), names.events, SOURCES)
    wait_until(lambda: len(installation.messages(names.verdicts)) > 100, "half of the windows", _said(installation))
    installation.kill("detect-1")
    installation.start("detect")
    send(events[EVENTS // 2 :], client, NativeDecoder(), names.events, SOURCES)
    wait_until(lambda: len(_calls(webhook)) > 0, "the first page", _said(installation))
    for role in ("pager", "detect"):
        installation.kill(f"{role}-1")
        installation.start(role)
    with closing(client.producer()) as producer:
        for number in range(SOURCES):
            producer.send(names.events, b"%f" % LATER, None, number, ((TICK, b""),))
        producer.flush(60.0)
    wait_until(lambda: len(_verdicts(installation)) >= len(expected), "all verdicts", _said(installation))
    assert _verdicts(installation) == expected
    wait_until(lambda: {*_planned(installation)} <= {*_calls(webhook)}, "every page", _said(installation))
    calls = _calls(webhook)
    assert len(calls) <= len({*calls}) + 1, "only the page that was sent and not recorded is told twice"
    for incident in {call["incident"]["id"] for call in webhook.calls}:  # type: ignore[attr-defined]
        kinds = [call["kind"] for call in webhook.calls if call["incident"]["id"] == incident]  # type: ignore[attr-defined]
        assert kinds[0] == "trigger"
        assert "trigger" not in kinds[kinds.index("resolve") :] if "resolve" in kinds else True


def _calls(webhook: http.server.ThreadingHTTPServer) -> list[str]:
    return [call["id"] for call in webhook.calls]  # type: ignore[attr-defined]


def _said(installation: Installation) -> Callable[[], str]:
    return lambda: "\n".join(
        f"{file.name}: {file.read_text(errors='replace')[-2000:]}" for file in installation.folder.glob("*.log")
    )
