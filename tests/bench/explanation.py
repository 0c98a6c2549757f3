"""What explanation costs of a replay: `python -m tests.bench.explanation [calls]`.

The same simulated calls, at 200 a second, go through a process that remembers what explains changes and through one
that does not, by turns; the best of five runs of each is told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from undertow.drift.cards import Card
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.evidence import Evidence
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Scenario, write
from undertow.pipelines.step import Sighting

RATE, BATCH, RUNS = 200.0, 4096, 5


class Forgetful(Evidence):
    """Remembers nothing."""

    def observe(self, seen: Sighting) -> None:
        """Let the calls pass."""

    def close(self, window: ClosedWindow) -> list[Card]:
        """Let the window pass."""
        return []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.explanation", description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=60_000)
    events = simulated(parser.parse_args().calls)
    runs = [(seconds(events, Evidence), seconds(events, Forgetful)) for _ in range(RUNS)]
    full, bare = (1e6 * min(times) / len(events) for times in zip(*runs, strict=True))
    print(f"{full:.1f} µs an event, {full - bare:.1f} of them for explanation: {(full - bare) / bare:.1%} on top")  # noqa: T201 – a report


def simulated(calls: int) -> list[Interaction]:
    """Return simulated traffic."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.jsonl"
        write(Scenario(seed=1, duration_s=calls / RATE, rate_per_s=RATE), path)
        return [msgspec.json.decode(line, type=Interaction) for line in path.read_bytes().splitlines()]


def seconds(events: Sequence[Interaction], kind: type[Evidence]) -> float:
    """Return the CPU time of one pass of all events."""
    processor = Processor(Settings(), PriceTable())
    processor.evidence.__class__ = kind
    began = time.process_time()
    for start in range(0, len(events), BATCH):
        batch = events[start : start + BATCH]
        processor.step(batch, range(start, start + len(batch)))
    return time.process_time() - began


if __name__ == "__main__":
    main()
