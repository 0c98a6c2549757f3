"""Fault runs of an installation on Kafka: every fault, so many seeds, with the figures that came of each.

python -m tests.bench.kafka_faults --seeds 20
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers that the tests share

from kafka_broker import Broker
from kafka_faults import FAULTS, Figures, mounted, play

EVENTS, TIMES = 20_000, 3


def main() -> None:
    """Play all faults, each in an installation and on a broker of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    asked = parser.parse_args()
    print("| " + " | ".join(Figures._fields) + " |\n" + "|---" * len(Figures._fields) + "|", flush=True)  # noqa: T201
    for name in (name for name in FAULTS if asked.only in name):
        for seed in range(1, asked.seeds + 1):
            print(_row(_played(name, seed)), flush=True)  # noqa: T201


def _played(name: str, seed: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder) / "broker"):
        broker = Broker(Path(folder) / "broker", session_ms=6_000)
        broker.start()
        try:
            return play(name, seed, Path(folder), broker.addresses.plaintext, broker, EVENTS, TIMES)
        finally:
            broker.stop()


def _row(figures: Figures) -> str:
    return "| " + " | ".join(f"{one:.0f}" if isinstance(one, float) else str(one) for one in figures) + " |"


if __name__ == "__main__":
    main()
