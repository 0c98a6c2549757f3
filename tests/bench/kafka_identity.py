"""One file through one process, 1 worker + 1 detect, and 3 workers + 2 detects: how many verdicts are the same bytes.

python -m tests.bench.kafka_identity
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers that the tests share

from kafka_identity import Figures, compare
from outside import broker


def main() -> None:
    """Print what each installation came to; end with code 1 when a verdict is another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder) / "kafka") as addresses:
        found = compare(Path(folder), addresses.plaintext, asked.events)
    print("| " + " | ".join(Figures._fields) + " |\n" + "|---" * len(Figures._fields) + "|")  # noqa: T201
    for one in found:
        print(f"| {one.size} | {one.events:,} | {one.verdicts} | {one.identical} | {one.seconds:.0f} |")  # noqa: T201
    sys.exit(any(one.identical != one.verdicts for one in found))


if __name__ == "__main__":
    main()
