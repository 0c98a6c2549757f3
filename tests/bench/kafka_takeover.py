"""How long nobody may page after kill -9 of the active pager: `python -m tests.bench.kafka_takeover`.

Two pagers; the active one is killed and started again, time after time. Counted is from the signal to the broker's time
of the other's first sign of life: with it the other's right to tell begins. Beside it stands how long before that the
right of the killed one had ended.
"""

import argparse
import statistics
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from installation import Installation
from outside import broker
from takeovers import reigns_apart, take_over


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    times = parser.parse_args().times
    sections: dict[str, dict[str, Any]] = {
        "kafka": {"series_partitions": 1, "event_partitions": 1},
        "alerts": {"console": False},
    }
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder) / "kafka") as addresses:
        prefix = f"t{uuid.uuid4().hex[:8]}"
        with Installation(Path(folder) / "roles", addresses.plaintext, prefix, sections) as installation:
            for name in ("1", "2"):
                installation.start("pager", name)
            took = [take_over(installation, installation.kill) for _ in range(times)]
            apart = reigns_apart(installation)
    print("| takeovers | median | longest | nobody's right before it, at least |\n|---|---|---|---|")  # noqa: T201
    print(f"| {times} | {statistics.median(took):.1f} s | {max(took):.1f} s | {min(apart):.1f} s |")  # noqa: T201


if __name__ == "__main__":
    main()
