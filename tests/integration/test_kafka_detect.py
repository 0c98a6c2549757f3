"""`undertow detect` on a real broker, by either runner: the verdicts of one process, byte by byte."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from installation import Installation
from kafka_broker import Addresses

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.verdict import Verdict
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka import partials
from undertow.pipelines.kafka.client import Consumer
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.detecting import Detect
from undertow.pipelines.kafka.lag import committed
from undertow.pipelines.kafka.running import run
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.wire.native import NativeDecoder

EVENTS, SOURCES, SERIES = 3_000, 2, 2
START, SPAN_S, WINDOW_S = 1_728_000_000.0, 15_000.0, 60.0
END = START + 2 * SPAN_S
PATIENCE_S = 240.0
SECTIONS: dict[str, dict[str, Any]] = {
    "ingest": {"window_s": WINDOW_S, "allowed_lateness_s": 30.0, "dedup_horizon_s": 120.0},
    "detection": {"dimensions": ["region"], "min_events": 100, "strict_events": 40},
    "budget": {"false_pages_per_week": 300.0},
    "embeddings": {"source": "off"},
    "kafka": {"event_partitions": SOURCES, "series_partitions": SERIES, "session_s": 6.0, "user_key": "secret"},
}


@cache
def _lines() -> list[bytes]:
    """Two services, one of which refuses for an hour."""
    draw = random.Random(5)
    return [msgspec.json.encode(_event(draw, number)) for number in range(EVENTS)]


def _event(draw: random.Random, number: int) -> Interaction:
    service, bad = draw.choice(["bank", "chat"]), EVENTS / 2 < number < EVENTS * 0.75
    return Interaction(
        id=str(number),
        time=START + number * SPAN_S / EVENTS,
        service=service,
        task=f"t{number // 4}",
        attributes={"region": draw.choice(["eu", "us"])},
        refused=draw.random() < (0.7 if bad and service == "bank" else 0.04),
        latency=draw.lognormvariate(0.0, 0.4),
        http_status=200,
    )


def _alone(settings: Settings) -> list[bytes]:
    """Return the verdicts of one process without Kafka."""
    processor, decoder = Processor(settings, PriceTable()), NativeDecoder()
    events = [event for event in map(decoder, _lines()) if isinstance(event, Interaction)]
    steps = [processor.step(events, [0] * len(events)), processor.tick(END)]
    return [msgspec.msgpack.encode(verdict) for step in steps for verdict in step.verdicts]


class Judged:
    """What has been said of each window by each series partition; what was said twice must be the same."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.windows: dict[tuple[int, float], bytes] = {}

    def until(self, windows: float) -> Callable[[], bool]:
        """Return a question: have so many windows of each partition been judged, or all?"""
        return _in_time(lambda: self._listen() >= windows)

    def verdicts(self) -> list[bytes]:
        """Return all verdicts, window by window."""
        found: dict[float, list[Verdict]] = {}
        for (_, start), content in self.windows.items():
            found.setdefault(start, []).extend(decode(content).verdicts)
        return [msgspec.msgpack.encode(one) for start in sorted(found) for one in in_order(found[start])]

    def _listen(self) -> float:
        for content in _new(self._consumer):
            said = decode(content)
            assert self.windows.setdefault((said.partition, said.start), content) == content, "a repeat differs"
        starts = [[start for partition, start in self.windows if partition == number] for number in range(SERIES)]
        if all(max(one, default=START) >= START + SPAN_S - WINDOW_S for one in starts):
            return float("inf")
        return min(map(len, starts))


def _new(consumer: Consumer) -> Iterator[bytes]:
    polled = consumer.poll(0.0, 10_000)
    for partition in polled.assigned:
        consumer.seek(partition, 0)
    yield from (one.value or b"" for messages in polled.messages.values() for one in messages)


def _in_time(done: Callable[[], bool]) -> Callable[[], bool]:
    until = time.monotonic() + PATIENCE_S

    def checked() -> bool:
        assert time.monotonic() < until
        return done()

    return checked


def _count(settings: Settings) -> None:
    """Let a worker tell everything of a stream that has ended."""
    client, names = client_of(settings.kafka), Names.of(settings.kafka)
    send(_lines(), client, NativeDecoder(), names.events, SOURCES)
    with closing(client.producer()) as producer:
        for number in range(SOURCES):
            producer.send(names.events, b"%f" % END, None, number, ((TICK, b""),))
        producer.flush(60.0)
    told = dict.fromkeys(range(SOURCES), 0)
    with closing(client.consumer([names.partials])) as consumer:

        def ended() -> bool:
            for partial in map(partials.decode, _new(consumer)):
                told[partial.source] += partial.open_from > START + SPAN_S
            return min(told.values()) >= SERIES

        run(settings, "worker", Worker, _in_time(ended))


@pytest.fixture
def installation(tmp_path: Path, kafka_addresses: Addresses) -> Iterator[Installation]:
    """One whose worker has counted all there is."""
    with Installation(tmp_path, kafka_addresses.plaintext, f"j{uuid.uuid4().hex[:8]}", SECTIONS) as made:
        _count(made.settings)
        yield made


@pytest.mark.parametrize("runners", [["plain"], ["faust"], ["plain", "faust", "plain"]], ids="-".join)
def test_the_verdicts_are_those_of_one_process(installation: Installation, runners: Sequence[str]) -> None:
    """Also when the runner changes in the midst: each goes on from the states of the other."""
    settings = installation.settings
    with closing(client_of(settings.kafka).consumer([Names.of(settings.kafka).verdicts])) as consumer:
        judged = Judged(consumer)
        for turn, runner in enumerate(runners, 1):
            enough = turn * SPAN_S / WINDOW_S / len(runners) if turn < len(runners) else float("inf")
            run(settings, "detect", Detect, judged.until(enough), runner)
    expected = _alone(settings)
    assert len(expected) > 5
    assert judged.verdicts() == expected


def test_a_process_under_faust_that_is_asked_to_end_does_so_and_says_nothing_else(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither Faust's logging nor its handling of signals."""
    settings = installation.settings
    monkeypatch.setenv("UNDERTOW_KAFKA__RUNNER", "faust")
    with closing(client_of(settings.kafka).consumer([Names.of(settings.kafka).verdicts])) as consumer:
        installation.start("detect")
        some = Judged(consumer).until(5)
        while not some():
            time.sleep(0.1)
        assert installation.stop("detect-1") == 0
    assert installation.said("detect-1").splitlines() == [
        f"detect: reading {Names.of(settings.kafka).partials}, from {settings.kafka.servers[0]}"
    ]


def test_what_faust_does_not_commit_is_committed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own commits are an hour away here."""
    monkeypatch.setenv("UNDERTOW_KAFKA__RUNNER", "faust")
    monkeypatch.setenv("UNDERTOW_KAFKA__COMMIT_S", "3600")
    kafka = msgspec.structs.replace(installation.settings.kafka, runner="faust")
    ends = installation.ends("detect")
    installation.start("detect")
    done = _in_time(lambda: committed(kafka)["detect"] == ends)
    while not done():
        time.sleep(0.2)
