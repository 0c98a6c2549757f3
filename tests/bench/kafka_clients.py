"""How fast the Kafka clients read and write on this machine, broker included: `python -m tests.bench.kafka_clients`."""

import argparse
import os
import sys
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from outside import broker

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.clients import CLIENTS, client_of
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

PARTITIONS = 8
BYTES = 600  # of a message, half of which does not compress


def _write(client: Client, topic: str, count: int) -> None:
    content = os.urandom(BYTES // 2)
    with closing(client.producer()) as producer:
        for number in range(count):
            producer.send(topic, content + b"%0300d" % number, b"%d" % number, number % PARTITIONS)
        producer.flush(120.0)


def _read(client: Client, topic: str, count: int) -> None:
    with closing(client.consumer([topic])) as consumer:
        seen = 0
        while seen < count:
            polled = consumer.poll(1.0, 10_000)
            for partition in polled.assigned:
                consumer.seek(partition, 0)
            seen += sum(map(len, polled.messages.values()))


def main() -> None:
    """Print messages a second and microseconds of this process's CPU a message, both ways, for each client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    count = parser.parse_args().messages
    print(f"{count} messages of {BYTES} bytes over {PARTITIONS} partitions\n")  # noqa: T201
    print("client           way       messages/s   CPU µs/message")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as addresses:
        for name in CLIENTS:
            settings = Kafka(servers=[addresses.plaintext], client=name)  # type: ignore[arg-type]
            topic = f"bench-{uuid.uuid4().hex[:8]}"
            with Admin(settings) as admin:
                admin.create({topic: TopicFacts(PARTITIONS, 1, {})})
            for way, move in (("produce", _write), ("consume", _read)):
                wall, busy = time.perf_counter(), time.process_time()
                move(client_of(settings), topic, count)
                wall, busy = time.perf_counter() - wall, time.process_time() - busy
                print(f"{name:16} {way:8} {count / wall:11,.0f} {busy / count * 1e6:16.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
