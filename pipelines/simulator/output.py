"""Where simulated traffic goes: to a file or standard output as fast as it can, or paced like live traffic."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import zstandard

from undertow.pipelines.simulator.scenario import Scenario, ScenarioError
from undertow.pipelines.simulator.traffic import events, generate

__all__ = ["live", "write"]

_SHORTEST_SLEEP_S = 0.005  # shorter waits cost more than they pace


def live(
    scenario: Scenario,
    speed: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    r"""Yield the lines of `generate` when they are due: `speed` seconds of event time pass in one of `clock`.

    Event times are the scenario's own. A consumer that falls behind gets what is due without waiting, none is left out.

    Parameters
    ----------
    speed
        120 plays an hour in thirty seconds; 1 is real time.
    clock, sleep
        Where seconds come from and how they are waited for.

    Examples
    --------
    >>> waited = []
    >>> lines = list(live(Scenario(duration_s=60), speed=60, clock=lambda: sum(waited), sleep=waited.append))
    >>> len(lines) > 500, 0.9 < sum(waited) <= 1.0
    (True, True)
    """
    if not speed > 0:
        raise ScenarioError(f"speed = {speed} must be above 0: seconds of event time per second")
    encode = msgspec.json.Encoder().encode
    began = clock()
    for event in events(scenario):
        ahead_s = (event.time - scenario.start) / speed - (clock() - began)
        if ahead_s >= _SHORTEST_SLEEP_S:
            sleep(ahead_s)
        yield encode(event) + b"\n"


def write(scenario: Scenario, target: Path | str | BinaryIO) -> int:
    """Write the traffic to a file, `-` (standard output) or an open binary file; return the number of events.

    A name that ends in `.gz` or `.zst` is compressed; the same scenario gives the same file.
    """
    with _opened(target) as file:
        written = 0
        for line in generate(scenario):
            file.write(line)
            written += 1
        file.flush()
    return written


def _opened(target: Path | str | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if not isinstance(target, Path | str):
        return nullcontext(target)
    if str(target) == "-":
        return nullcontext(sys.stdout.buffer)
    path = Path(target)
    if path.suffix == ".gz":
        return cast(AbstractContextManager[BinaryIO], gzip.GzipFile(path, "wb", mtime=0))
    if path.suffix == ".zst":
        return cast(AbstractContextManager[BinaryIO], zstandard.open(path, "wb"))
    return path.open("wb")
