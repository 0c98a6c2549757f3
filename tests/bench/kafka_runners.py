"""The two runners of `undertow detect` side by side: `python -m tests.bench.kafka_runners`.

A worker counts simulated traffic of many groups once; then each runner judges all of it, in this process, from the same
partials. Times are CPU seconds of this process with all its threads, unless they are named otherwise. `updates` are
groups in windows: what a runner that keeps a record of each group would have to write. A start is timed by the clock
until the states of all partitions have been read; a takeover from kill -9 of one of two processes (session six seconds)
until the other says that it has all partitions, which it does every two seconds, under Faust every second.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import msgspec
from free_ports import free_port
from installation import Installation, wait_until
from outside import broker

from undertow.drift.interaction import Interaction
from undertow.pipelines.kafka import partials
from undertow.pipelines.kafka.client import Client
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
LAST_CLOSED = "undertow_last_closed_window_seconds"
FIGURES = (
    "runner",
    "partials",
    "CPU ms a partial",
    "updates/s of CPU",
    "by the clock",
    "states",
    "their MB",
    "start s",
    "takeover s",
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
            counted = _over("undertow_loop_messages_total", {"role": "worker"}, windows * EVENTS_A_WINDOW)
            _go(settings, "worker", Worker, "plain", counted)
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
    told = [partials.decode(content) for content in _values(client, names.partials)]
    updates = sum(len(partial.groups) for partial in told)
    passed = {source: max(one.open_from for one in told if one.source == source) for source in range(SOURCES)}
    judged = _over(LAST_CLOSED, {}, min(passed.values()))
    busy, wall = time.process_time(), time.perf_counter()
    _go(settings, "detect", Detect, name, judged)
    busy, wall = time.process_time() - busy, time.perf_counter() - wall
    states = [*_values(client, names.series)]
    began = time.perf_counter()
    _go(settings, "detect", Detect, name, _over("undertow_loop_assigned", {"role": "detect"}, SERIES))
    started = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        taken_over = _taken_over(name, settings, Path(folder))
    figures = (
        f"{len(told)} | {busy / len(told) * 1e3:.2f} | {updates / busy:,.0f} | {updates / wall:,.0f} | "
        f"{len(states)} | {sum(map(len, states)) / 1e6:.1f} | {started:.1f} | {taken_over:.1f}"
    )
    return f"| {name} | {figures} |"


def _taken_over(runner: str, settings: Settings, folder: Path) -> float:
    """Return the seconds from kill -9 of one of two processes until the other has all partitions."""
    port = free_port()
    kafka: dict[str, Any] = {
        "series_partitions": SERIES,
        "event_partitions": SOURCES,
        "user_key": "secret",
        "runner": runner,
    }
    sections: dict[str, dict[str, Any]] = {
        "detection": {"dimensions": ["customer"]},
        "embeddings": {"source": "off"},
        "kafka": kafka,
    }
    with Installation(folder, settings.kafka.servers[0], settings.kafka.prefix, sections) as installation:
        installation.start("detect", "1")
        os.environ["UNDERTOW_KAFKA__METRICS"] = f"127.0.0.1:{port}"
        installation.start("detect", "2")
        del os.environ["UNDERTOW_KAFKA__METRICS"]
        wait_until(lambda: _assigned(port) == SERIES / 2, "two processes share the partitions", pause_s=0.05)
        installation.kill("detect-1")
        began = time.perf_counter()
        wait_until(lambda: _assigned(port) == SERIES, "one has them all", pause_s=0.05)
        return time.perf_counter() - began


def _assigned(port: int) -> float:
    with suppress(httpx.TransportError):
        for line in httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines():
            if line.startswith("undertow_loop_assigned{"):
                return float(line.split()[-1])
    return 0.0


def _over(metric: str, labels: dict[str, str], value: float) -> Callable[[LoopMeter], bool]:
    """Return a question: has a metric come so far?"""
    return lambda meter: (meter.registry.get_sample_value(metric, labels) or 0.0) >= value


def _go(settings: Settings, role: str, build: Build, runner: str, enough: Callable[[LoopMeter], bool]) -> None:
    topics, client, kafka, meter = check_topics(settings), client_of(settings.kafka), settings.kafka, LoopMeter(role)
    kept = Names.of(kafka).states(role)
    states = States(client, kept, topics[kept].partitions, role, kafka.max_message_bytes)
    with closing(build(settings, topics, client, meter)) as made:
        running = runner_of(runner)(kafka, made, client, topics[made.topic].partitions, states, meter)
        running.run(lambda: enough(meter))


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
                left = sum(end for _, end in consumer.bounds(polled.assigned).values())
            found += [one.value or b"" for messages in polled.messages.values() for one in messages]
    return found


if __name__ == "__main__":
    main()
