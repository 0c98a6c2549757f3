"""A stream of events for installations on Kafka, what one process says of it, and what an installation has said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import msgspec
from installation import Installation

from undertow.alerts.incident import Change, ChangeKind
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.signals import CATEGORIES, SIGNALS
from undertow.drift.verdict import Verdict
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.wire.native import NativeDecoder

__all__ = [
    "LATENESS_S",
    "SECTIONS",
    "SPAN_S",
    "START",
    "WINDOW_S",
    "Expected",
    "alone",
    "events_of",
    "judged_until",
    "let_time_pass",
    "verdicts_of",
]

START, SPAN_S = 1_728_000_000.0, 20_000.0
WINDOW_S, LATENESS_S = 200.0, 30.0
OFF = sorted({*SIGNALS, *CATEGORIES} - {"refusal_rate", "latency", "error_rate", "model_mix"})
WORSE = (("bank", 0.2, 0.3), ("chat", 0.35, 0.45), ("bank", 0.5, 0.6), ("chat", 0.65, 0.75))  # when
SECTIONS: dict[str, dict[str, Any]] = {  # settings that suit it
    "ingest": {"window_s": WINDOW_S, "allowed_lateness_s": LATENESS_S, "dedup_horizon_s": 120.0},
    "detection": {"dimensions": ["region"], "min_events": 1000, "strict_events": 100, "metrics_off": OFF},
    "budget": {"false_pages_per_week": 20.0},
    "embeddings": {"source": "off"},
}


class Expected(NamedTuple):
    """What one undisturbed process says: verdicts, and of which incidents people are told.

    Not which updates: one process also tells what explains a change, which is not known to the pager here.
    """

    verdicts: list[bytes]
    pages: list[tuple[str, str]]  # kind and incident


def events_of(draw: random.Random, count: int) -> list[bytes]:
    """Return events of two services that get worse for a while, in turn."""
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


def let_time_pass(settings: Settings, time_s: float) -> None:
    """Tell every partition how late it is."""
    with closing(client_of(settings.kafka).producer()) as producer:
        for number in range(settings.kafka.event_partitions):
            producer.send(settings.kafka.events, b"%f" % time_s, None, number, ((TICK, b""),))
        producer.flush(60.0)


def alone(settings: Settings, lines: Sequence[bytes]) -> Expected:
    """Return what one process makes of them."""
    processor, decoder = Processor(settings, PriceTable()), NativeDecoder()
    events = [event for event in map(decoder, lines) if isinstance(event, Interaction)]
    steps = [processor.step(events, [0] * len(events)), processor.tick(START + 2 * SPAN_S)]
    pages = [(change.kind.value, change.incident.id) for step in steps for change in step.changes if _is_page(change)]
    return Expected([msgspec.msgpack.encode(one) for step in steps for one in step.verdicts], pages)


def _is_page(change: Change) -> bool:
    return not change.silent and change.kind is not ChangeKind.UPDATE


def judged_until(installation: Installation) -> float:
    """Return the start of the last window that every series partition has judged, seconds since the epoch."""
    latest = dict.fromkeys(range(installation.settings.kafka.series_partitions), 0.0)
    for _, content in installation.messages(Names.of(installation.settings.kafka).verdicts):
        judged = decode(content or b"")
        latest[judged.partition] = max(latest[judged.partition], judged.start)
    return min(latest.values())


def verdicts_of(installation: Installation) -> list[bytes]:
    """Return what all series partitions have said, window by window; what was said twice must be the same."""
    found: dict[tuple[int, float], bytes] = {}
    for _, content in installation.messages(Names.of(installation.settings.kafka).verdicts):
        judged = decode(content or b"")
        assert found.setdefault((judged.partition, judged.start), content or b"") == content, "a repeat differs"
    windows: dict[float, list[Verdict]] = {}
    for (_, start), content in found.items():
        windows.setdefault(start, []).extend(decode(content).verdicts)
    return [msgspec.msgpack.encode(one) for start in sorted(windows) for one in in_order(windows[start])]
