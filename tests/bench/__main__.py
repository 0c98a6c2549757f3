"""Speed, memory and cost: `python -m tests.bench [speed|memory|signals|scaling]`, by default the first three.

`signals` measures every block of docs/signals.md and writes it there; one alone goes by its name, such as `costs`.
`scaling` measures what an installation of many machines costs, and writes it into docs/scaling.md.
Times are CPU seconds of this process: a busy machine changes them less than wall clock.
"""

from __future__ import annotations

import argparse
import io
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import scaling
from bench.blocks import BLOCKS, rewrite
from undertow.pipelines.app import opened
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Scenario, write
from undertow.pipelines.wire.native import NativeDecoder

RATE_PER_S = 200.0
RUNS = 3
SAMPLES = 20
PARTS = ("speed", "memory", "signals", "scaling", *BLOCKS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--events", type=int, help="default: 300,000 for speed, 1,000,000 for memory, 60,000 for costs")
    asked = parser.parse_args()
    if unknown := [name for name in asked.what if name not in PARTS]:
        parser.error(f"no benchmark named '{unknown[0]}'; known: {', '.join(PARTS)}")
    what = asked.what or ["speed", "memory", "signals"]
    with tempfile.TemporaryDirectory() as folder:
        if "speed" in what:
            speed(Path(folder), asked.events or 300_000)
        if "memory" in what:
            memory(Path(folder), asked.events or 1_000_000)
    if "scaling" in what:
        scaling.rewrite(asked.events or 60_000, print)
    rewrite([name for name in BLOCKS if name in what or "signals" in what], asked.events or 60_000, print)


def speed(folder: Path, events: int) -> None:
    """Print events a second end to end, embedded store included, beside decoding alone."""
    path = folder / "traffic.jsonl"
    count = write(Scenario(seed=1, duration_s=events / RATE_PER_S, rate_per_s=RATE_PER_S), path)
    size = path.stat().st_size / count
    _warm_up(folder)
    decoding = _median(lambda _: _decode(path))
    whole = _median(lambda run: _watch(folder / f"data-{run}", path))
    print(f"\n{count:,} events of {size:,.0f} bytes at {RATE_PER_S:.0f} a second of event time, one core\n")  # noqa: T201
    print("| step | µs an event | events/s | multiple of decoding |\n|---|---|---|---|")  # noqa: T201
    for name, seconds in (("decode", decoding), ("end to end, embedded store", whole)):
        row = f"| {name} | {seconds / count * 1e6:.1f} | {count / seconds:,.0f} | {seconds / decoding:.1f} |"
        print(row)  # noqa: T201


def _median(run: Callable[[int], None]) -> float:
    taken = []
    for number in range(RUNS):
        began = time.process_time()
        run(number)
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def _warm_up(folder: Path) -> None:
    """Load what is loaded once: the engine, Arrow."""
    path = folder / "few.jsonl"
    write(Scenario(seed=1, duration_s=60), path)
    _watch(folder / "warm", path)


def _decode(path: Path) -> None:
    decode = NativeDecoder()
    with path.open("rb") as file:
        for line in file:
            decode(line)


def _watch(data: Path, path: Path) -> None:
    with opened(Settings(data=str(data)), [str(path)], follow=False, console=io.StringIO(), serve=False) as app:
        app.run()


def memory(folder: Path, events: int) -> None:
    """Print the resident memory of `undertow run` while so many simulated events stream through it."""
    config = folder / "undertow.toml"
    config.write_text(f'data = "{folder}/stream"\n[store]\nlisten = "127.0.0.1:0"\n')
    cli = [sys.executable, "-m", "undertow.pipelines.cli"]
    hours = str(events / RATE_PER_S / 3600)
    traffic = subprocess.Popen(
        [*cli, "simulate", "-", "--hours", hours, "--rate", str(RATE_PER_S)], stdout=subprocess.PIPE
    )
    running = subprocess.Popen(
        [*cli, "run", "--once", "-c", str(config), "-"], stdin=traffic.stdout, stderr=subprocess.DEVNULL
    )
    began, curve = time.monotonic(), []
    try:
        while running.poll() is None:
            time.sleep(1.0)
            curve.append((time.monotonic() - began, _resident_mb(running.pid)))
    finally:
        for process in (running, traffic):
            process.kill()
            process.wait()
    seconds = curve[-1][0]
    print(f"\nabout {events:,} events in {seconds:,.0f} s\n\n| share of the run | resident MB |\n|---|---|")  # noqa: T201
    for at, resident in itertools.islice(curve, 0, None, max(len(curve) // SAMPLES, 1)):
        print(f"| {at / seconds:.0%} | {resident:.0f} |")  # noqa: T201


def _resident_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


if __name__ == "__main__":
    main()
