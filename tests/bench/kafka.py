"""What a worker costs from Kafka to Kafka: `python -m tests.bench.kafka`.

Simulated traffic lies in a topic; a worker in this process counts all of it and tells partials and rows. Beside it
stand the client alone, which only reads, and decoding alone. Times are CPU seconds of this process with all its
threads: a busy machine changes them less than wall clock. The client's share is what reading alone costs of the whole.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
sys.path.insert(0, str(Path(__file__).parents[1]))

from outside import broker

from undertow.pipelines.garbage import rare_collections
from undertow.pipelines.kafka.blocks import Blocks
from undertow.pipelines.kafka.client import Client, Partition
from undertow.pipelines.kafka.clients import CLIENTS, client_of
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import STEPS, LoopMeter
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.setup import check_topics, set_up
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.settings import Embeddings, Kafka, Settings
from undertow.pipelines.simulator import Scenario, write
from undertow.pipelines.wire.native import NativeDecoder

PARTITIONS = 8
RATE_PER_S = 2_000.0  # of event time: with 20 events a window and partition, windows would cost more than events


def _settings(address: str, events: str, client: str) -> Settings:
    kafka = Kafka(
        servers=(address,),
        events=events,
        prefix=f"b{uuid.uuid4().hex[:8]}",
        client=client,  # type: ignore[arg-type]
        event_partitions=PARTITIONS,
        replication=1,
        user_key="secret",
        session_s=60.0,
    )
    return Settings(kafka=kafka, embeddings=Embeddings(source="off"))


def _read(client: Client, topic: str, count: int) -> None:
    """Read the topic once, and do nothing with it."""
    with closing(client.consumer([topic])) as consumer:
        seen = 0
        while seen < count:
            polled = consumer.poll(1.0, 10_000)
            for partition in polled.assigned:
                consumer.seek(partition, 0)
            seen += sum(map(len, polled.messages.values()))


def _decode(lines: list[bytes]) -> None:
    decode = NativeDecoder()
    for line in lines:
        decode(line)


def _count(settings: Settings, meter: LoopMeter) -> None:
    """Run a worker until nothing is left to count."""
    topics, client = check_topics(settings), client_of(settings.kafka)
    names = Names.of(settings.kafka)
    states = States(client, names.state, topics[names.state].partitions, "worker", settings.kafka.max_message_bytes)
    with closing(Worker(settings, topics, client, meter)) as worker:
        loop = Loop(settings.kafka, worker, client, PARTITIONS, states, meter)
        with closing(client.consumer([names.events])) as asking:
            every = [Partition(names.events, number) for number in range(PARTITIONS)]
            left = sum(end for _, end in asking.bounds(every).values())
        total = meter.registry.get_sample_value
        with rare_collections():  # as a role does
            loop.run(lambda: (total("undertow_loop_messages_total", {"role": "worker"}) or 0) >= left)


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the CPU seconds of this process and those of the clock."""
    busy, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - busy, time.perf_counter() - wall


def main() -> None:
    """Print the table, and where the time of a worker goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder) / "kafka") as addresses:
        path = Path(folder) / "traffic.jsonl"
        write(Scenario(seed=1, duration_s=events / RATE_PER_S, rate_per_s=RATE_PER_S), path)
        lines = path.read_bytes().splitlines()
        first = _settings(addresses.plaintext, f"b{uuid.uuid4().hex[:8]}.events", "kafka-python")
        list(itertools.chain(set_up(first)))
        send(lines, client_of(first.kafka), NativeDecoder(), first.kafka.events, PARTITIONS)
        size = sum(map(len, lines)) / len(lines)
        print(f"{len(lines):,} events of {size:,.0f} bytes, {PARTITIONS} partitions\n")  # noqa: T201
        Blocks(1_000_000).insert("dead_letters", {"source": ["a"]}, "")  # loads what is loaded once
        print("| what | CPU µs an event | events/s and core | events/s by the clock |\n|---|---|---|---|")  # noqa: T201
        _row("decoding alone", len(lines), *_timed(lambda: _decode(lines)))
        for name in CLIENTS:
            _client(name, first, len(lines))


def _client(name: str, first: Settings, count: int) -> None:
    settings = _settings(first.kafka.servers[0], first.kafka.events, name)
    list(set_up(settings))
    reading, wall = _timed(lambda: _read(client_of(settings.kafka), settings.kafka.events, count))
    _row(f"{name} alone, reading", count, reading, wall)
    meter = LoopMeter("worker")
    whole, wall = _timed(lambda: _count(settings, meter))
    _row(f"worker with {name}", count, whole, wall)
    value = meter.registry.get_sample_value
    spent = {step: value("undertow_loop_seconds_total", {"role": "worker", "step": step}) or 0.0 for step in STEPS}
    parts = ", ".join(f"{step} {seconds / count * 1e6:.1f}" for step, seconds in spent.items())
    print(f"\nReading alone is {reading / whole:.0%} of it. By the clock, µs an event: {parts}\n")  # noqa: T201


def _row(name: str, count: int, busy: float, wall: float) -> None:
    print(f"| {name} | {busy / count * 1e6:.1f} | {count / busy:,.0f} | {count / wall:,.0f} |")  # noqa: T201


if __name__ == "__main__":
    main()
