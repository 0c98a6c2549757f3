"""Fault runs of an installation on Kafka: every fault, so many seeds, with the figures that came of each.

python -m tests.bench.kafka_faults --seeds 20 --jobs 2
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers that the tests share

from kafka_broker import Broker
from kafka_faults import FAULTS, mounted
from kafka_plays import PLAYS, Figures, Groups, play

EVENTS, TIMES = 20_000, 1
SESSION_MS = 3_000  # of the broker: so long it stays away at least
LONGER = {"ClickHouse away for five seconds": "ClickHouse away for a minute"}  # than in the tests


def main() -> None:
    """Play all plays, each in an installation and on a broker of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="of the seeds")
    parser.add_argument("--times", type=int, default=TIMES, help="of each fault in a play")
    parser.add_argument("--jobs", type=int, default=1, help="plays at the same time: they mostly wait")
    parser.add_argument("--only", default="", help="plays whose name holds this, or else single faults")
    asked = parser.parse_args()
    plays = _plays(asked.only)
    print("| " + " | ".join(Figures._fields) + " |\n" + "|---" * len(Figures._fields) + "|", flush=True)  # noqa: T201
    with ThreadPoolExecutor(asked.jobs) as pool:
        wanted = [(name, seed) for seed in range(asked.first, asked.first + asked.seeds) for name in plays]
        for figures in pool.map(lambda one: _played(one[0], plays[one[0]], one[1], asked.times), wanted):
            print(_row(figures), flush=True)  # noqa: T201


def _plays(only: str) -> dict[str, Groups]:
    longer = {
        name: tuple(tuple(LONGER.get(fault, fault) for fault in group) for group in groups)
        for name, groups in PLAYS.items()
    }
    known = longer | {name: ((name,),) for name in FAULTS} if only else longer
    return {name: groups for name, groups in known.items() if only in name}


def _played(name: str, faults: Groups, seed: int, times: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder) / "broker" / "disk"):
        broker = Broker(Path(folder) / "broker", SESSION_MS)
        broker.start()
        try:
            return play(name, faults, seed, Path(folder), broker.addresses.plaintext, broker, EVENTS, times)
        finally:
            broker.stop()


def _row(figures: Figures) -> str:
    return "| " + " | ".join(f"{one:.0f}" if isinstance(one, float) else str(one) for one in figures) + " |"


if __name__ == "__main__":
    main()
