"""How long after an event its window is judged: `python -m tests.bench.kafka_delay --rate 2800 --seconds 120`.

Live traffic of the simulator, whose event time is the wall clock, goes into a topic. A worker and a detect, each a
process of its own, count and judge it; a reader of the verdicts notes when the last series partition has judged each
window. An event waits for the rest of its window and for the allowed lateness by definition: the rest is delay.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
import numpy as np
from installation import Installation
from outside import broker

from undertow.pipelines.kafka.client import Consumer, Message
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Scenario, live
from undertow.pipelines.wire.native import NativeDecoder

PARTITIONS = 8
WARM_S = 20.0  # of traffic that is not looked at: processes start, caches fill
ROLES = ("worker", "detect")


class Terms(NamedTuple):
    """What is asked: events a second on the daily average, seconds of traffic, window and lateness in seconds."""

    rate: float
    seconds: float
    window_s: float
    lateness_s: float


class _Sent(threading.Thread):
    """Sends live traffic and remembers the times of its events."""

    def __init__(self, settings: Settings, terms: Terms) -> None:
        super().__init__(daemon=True)
        self._settings, self._terms, self.times = settings, terms, list[float]()

    def run(self) -> None:
        topic = self._settings.kafka.events
        send(self._lines(), client_of(self._settings.kafka), NativeDecoder(), topic, PARTITIONS)

    def _lines(self) -> Iterator[bytes]:
        scenario = Scenario(start=time.time(), duration_s=self._terms.seconds, rate_per_s=self._terms.rate)
        read = msgspec.json.Decoder(_Time)
        for line in live(scenario):
            self.times.append(read.decode(line).time)
            yield line


class _Time(msgspec.Struct):
    time: float


def main() -> None:
    """Print how long events waited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2_800.0, help="events a second, on average over a day")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--window", type=float, default=10.0)
    parser.add_argument("--lateness", type=float, default=1.0)
    asked = parser.parse_args()
    terms = Terms(asked.rate, asked.seconds, asked.window, asked.lateness)
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder) / "kafka") as addresses:
        prefix = f"d{uuid.uuid4().hex[:8]}"
        with Installation(Path(folder) / "installation", addresses.plaintext, prefix, _sections(terms)) as installation:
            for role in ROLES:
                installation.start(role)
            times, judged = _played(installation, terms)
            _tell(terms, np.array(times), judged)
            for role in ROLES:
                print(f"{role}: {installation.cpu_s(f'{role}-1') / terms.seconds:.0%} of a core")  # noqa: T201


def _sections(terms: Terms) -> dict[str, dict[str, object]]:
    return {
        "ingest": {"window_s": terms.window_s, "allowed_lateness_s": terms.lateness_s},
        "embeddings": {"source": "off"},
        "kafka": {"event_partitions": PARTITIONS, "user_key": "secret"},
    }


def _played(installation: Installation, terms: Terms) -> tuple[list[float], dict[float, float]]:
    """Send the traffic; return the times of its events, and by each window's start when all of it was judged."""
    settings, sender = installation.settings, _Sent(installation.settings, terms)
    topic = Names.of(settings.kafka).verdicts
    heard: dict[float, list[float]] = {}
    with closing(client_of(settings.kafka).consumer([topic])) as reader:
        sender.start()
        while sender.is_alive():
            for message in _polled(reader):
                heard.setdefault(decode(message.value or b"").start, []).append(time.time())
    whole = settings.kafka.series_partitions
    return sender.times, {start: times[whole - 1] for start, times in heard.items() if len(times) >= whole}


def _polled(reader: Consumer) -> list[Message]:
    polled = reader.poll(0.02, 1_000)
    for partition in polled.assigned:
        reader.seek(partition, 0)
    return [message for messages in polled.messages.values() for message in messages]


def _tell(terms: Terms, times: np.ndarray, judged: dict[float, float]) -> None:
    starts = np.floor(times / terms.window_s) * terms.window_s
    complete = (starts >= times[0] + WARM_S) & np.isin(starts, list(judged))
    waited = np.array([judged[start] for start in starts[complete]]) - times[complete]
    behind = np.array([at - start - terms.window_s for start, at in judged.items() if start >= times[0] + WARM_S])
    print(  # noqa: T201
        f"{len(times):,} events, {len(times) / (times[-1] - times[0]):,.0f} a second; windows of {terms.window_s:g} s, "
        f"allowed lateness {terms.lateness_s:g} s; {len(behind)} windows looked at\n\n"
        f"event to verdict: median {np.median(waited):.2f} s, p99 {np.quantile(waited, 0.99):.2f} s, "
        f"most {waited.max():.2f} s\n"
        f"a window's end to its verdict: median {np.median(behind):.2f} s, p99 {np.quantile(behind, 0.99):.2f} s, "
        f"most {behind.max():.2f} s"
    )


if __name__ == "__main__":
    main()
