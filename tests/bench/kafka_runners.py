"""The two runners of `undertow detect` side by side: `python -m tests.bench.kafka_runners`.

A worker counts simulated traffic of many groups once; then each runner judges all of it, in this process, from the same
partials. Times are CPU seconds of this process with all its threads, unless they are named otherwise. `updates` are
groups in windows: what a runner that keeps a record of each group would have to write. A start is timed by the clock,
from nothing until the state of every partition has been read and its first message has been asked for.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from outside import broker

from undertow.drift.interaction import Interaction
from undertow.pipelines.kafka import partials
from undertow.pipelines.kafka.client import Client, Partition
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.detecting import Detect
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.runners import RUNNERS, runner_of
from undertow.pipelines.kafka.running import Build
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.setup import check_topics, set_up
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.settings import Detection, Embeddings, Kafka, Settings
from undertow.pipelines.wire.native import NativeDecoder

SOURCES, SERIES, GROUPS = 4, 4, 256
EVENTS_A_WINDOW = 2 * GROUPS
FIGURES = (
    "runner",
    "partials",
    "CPU ms a partial",
    "updates/s of CPU",
    "by the clock",
    "states",
    "their MB",
    "start s",
)
START, WINDOW_S = 1_728_000_000.0, 10.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=120)
    windows = parser.parse_args().windows
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder) / "kafka") as addresses:
        print(f"| {' | '.join(FIGURES)} |\n{'|---' * len(FIGURES)}|", flush=True)  # noqa: T201
        for name in RUNNERS:
            settings = _settings(addresses.plaintext, folder)
            list(set_up(settings))
            names, client = Names.of(settings.kafka), client_of(settings.kafka)
            send(_lines(windows), client, NativeDecoder(), names.events, SOURCES)
            _run(settings, "worker", Worker, "plain", _sum(_ends(client, names.events, SOURCES)))
            print(_row(name, settings, client, names), flush=True)  # noqa: T201


def _settings(address: str, folder: str) -> Settings:
    prefix = f"b{uuid.uuid4().hex[:8]}"
    kafka = Kafka(
        servers=(address,),
        events=f"{prefix}.events",
        prefix=prefix,
        event_partitions=SOURCES,
        series_partitions=SERIES,
        replication=1,
        user_key="secret",
    )
    return Settings(
        data=folder, kafka=kafka, embeddings=Embeddings(source="off"), detection=Detection(dimensions=("customer",))
    )


def _lines(windows: int) -> list[bytes]:
    """Two events of each group in each window."""
    draw = random.Random(1)
    return [msgspec.json.encode(_event(draw, number)) for number in range(windows * EVENTS_A_WINDOW)]


def _event(draw: random.Random, number: int) -> Interaction:
    group = number % GROUPS
    return Interaction(
        id=str(number),
        time=START + number * WINDOW_S / EVENTS_A_WINDOW,
        service=f"service-{group % 16}",
        attributes={"customer": f"customer-{group // 16}"},
        latency=draw.lognormvariate(0.0, 0.4),
        refused=draw.random() < 0.03,
        http_status=200,
    )


def _row(name: str, settings: Settings, client: Client, names: Names) -> str:
    left = _sum(_ends(client, names.partials, SERIES))
    busy, wall = time.process_time(), time.perf_counter()
    _run(settings, "detect", Detect, name, left)
    busy, wall = time.process_time() - busy, time.perf_counter() - wall
    updates = sum(_groups(content) for content in _values(client, names.partials))
    states = [*_values(client, names.series)]
    started = _started(settings, name)
    figures = (
        f"{left} | {busy / left * 1e3:.2f} | {updates / busy:,.0f} | {updates / wall:,.0f} | {len(states)} | "
        f"{sum(map(len, states)) / 1e6:.1f} | {started:.1f}"
    )
    return f"| {name} | {figures} |"


def _groups(content: bytes) -> int:
    return len(partials.decode(content).groups)


def _run(settings: Settings, role: str, build: Build, runner: str, messages: int) -> None:
    """Run until so many messages have been taken."""
    meter = LoopMeter(role)
    value, labels = meter.registry.get_sample_value, {"role": role}
    done: Callable[[], bool] = lambda: (value("undertow_loop_messages_total", labels) or 0) >= messages  # noqa: E731
    _go(settings, role, build, runner, meter, done)


def _started(settings: Settings, runner: str) -> float:
    """Return the seconds until all partitions are ours and begun."""
    meter, began = LoopMeter("detect"), time.perf_counter()
    value = meter.registry.get_sample_value
    ours: Callable[[], bool] = lambda: value("undertow_loop_assigned", {"role": "detect"}) == SERIES  # noqa: E731
    _go(settings, "detect", Detect, runner, meter, ours)
    return time.perf_counter() - began


def _go(
    settings: Settings, role: str, build: Build, runner: str, meter: LoopMeter, stopped: Callable[[], bool]
) -> None:
    topics, client, kafka = check_topics(settings), client_of(settings.kafka), settings.kafka
    kept = Names.of(kafka).states(role)
    states = States(client, kept, topics[kept].partitions, role, kafka.max_message_bytes)
    with closing(build(settings, topics, client, meter)) as made:
        runner_of(runner)(kafka, made, client, topics[made.topic].partitions, states, meter).run(stopped)


def _ends(client: Client, topic: str, partitions: int) -> Mapping[Any, int]:
    with closing(client.consumer([topic])) as consumer:
        every = [Partition(topic, number) for number in range(partitions)]
        return {one: end for one, (_, end) in consumer.bounds(every).items()}


def _values(client: Client, topic: str) -> list[bytes]:
    """Return all values of a topic."""
    found: list[bytes] = []
    with closing(client.consumer([topic])) as consumer:
        left: int | None = None
        while left is None or len(found) < left:
            polled = consumer.poll(1.0, 10_000)
            for partition in polled.assigned:
                consumer.seek(partition, 0)
            if polled.assigned:
                left = _sum({one: end for one, (_, end) in consumer.bounds(polled.assigned).items()})
            found += [one.value or b"" for messages in polled.messages.values() for one in messages]
    return found


def _sum(ends: Mapping[Any, int]) -> int:
    return sum(ends.values())


if __name__ == "__main__":
    main()
