"""One file through one process and through installations of several sizes: the verdicts must be the same bytes."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from installation import Installation, wait_until
from kafka_stream import SECTIONS, SPAN_S, START, alone, events_of, let_time_pass, verdicts_of

from undertow.pipelines.kafka.sending import lines_of, send_events

__all__ = ["SIZES", "Figures", "compare"]

SIZES = {"1 worker + 1 detect": (1, 1), "3 workers + 2 detects": (3, 2)}
PARTITIONS = 8
PATIENCE_S, SLOWEST_S = 180.0, 0.005  # for an event, on the busiest of machines


class Figures(NamedTuple):
    """What one installation has said of the file; `seconds` until its last verdict, beside the others."""

    size: str
    events: int
    verdicts: int
    identical: int
    seconds: float


def compare(folder: Path, servers: str, count: int) -> list[Figures]:
    """Send a file of so many events to a topic that all installations read, side by side."""
    path, events = folder / "events.jsonl", f"i{uuid.uuid4().hex[:8]}.events"
    path.write_bytes(b"\n".join(events_of(random.Random(1), count)) + b"\n")
    with ExitStack() as stack:
        installations = {
            size: stack.enter_context(_running(folder / str(workers), servers, events, workers, detects))
            for size, (workers, detects) in SIZES.items()
        }
        settings, began = next(iter(installations.values())).settings, time.monotonic()
        expected = alone(settings, list(lines_of([str(path)]))).verdicts
        send_events(settings, lines_of([str(path)]))
        let_time_pass(settings, START + 2 * SPAN_S)
        return [_figures(size, installation, expected, count, began) for size, installation in installations.items()]


@contextmanager
def _running(folder: Path, servers: str, events: str, workers: int, detects: int) -> Iterator[Installation]:
    kafka = {"events": events, "event_partitions": PARTITIONS, "series_partitions": PARTITIONS, "user_key": "key"}
    with Installation(folder, servers, f"i{uuid.uuid4().hex[:8]}", {**SECTIONS, "kafka": kafka}) as installation:
        for number in range(workers):
            installation.start("worker", str(number + 1))
        for number in range(detects):
            installation.start("detect", str(number + 1))
        yield installation


def _figures(size: str, installation: Installation, expected: list[bytes], count: int, began: float) -> Figures:
    wait_until(
        lambda: len(verdicts_of(installation)) >= len(expected),
        f"{size}: all verdicts",
        pause_s=1.0,
        patience_s=PATIENCE_S + count * SLOWEST_S,
    )
    for role in ("worker", "detect"):
        wait_until(partial(installation.has_read, role, installation.ends(role)), f"{size}: {role} has read everything")
    found = verdicts_of(installation)
    same = sum(one == other for one, other in zip(found, expected, strict=False))
    return Figures(size, count, len(found), same if len(found) == len(expected) else 0, time.monotonic() - began)
