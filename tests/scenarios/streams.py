"""Streams that failures are played into: calm traffic, how it is watched, and what was learned of it.

Every failure begins at `CHANGE`. What is learned before is the same for all failures of a stream, so it is learned
once: each run takes up the saved state, as a restart does, and goes on with the events since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from undertow.alerts.incident import ChangeKind, Incident
from undertow.drift.interaction import Interaction
from undertow.drift.pin import Pin
from undertow.pipelines import snapshot
from undertow.pipelines.prices import price_table
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Planted
from undertow.pipelines.step import Step

__all__ = ["CHANGE", "DAY_S", "Calm", "Stream", "calm", "continued", "fed", "since"]

CHANGE = 1_772_496_000.0  # Tuesday, 3 March 2026, 00:00 UTC: prices are declared by the day
DAY_S = 86_400.0
_BATCH = 500

Make = Callable[[int, float, float, tuple[Planted, ...]], Iterator[Interaction]]


@dataclass(frozen=True)
class Stream:
    """Traffic around `CHANGE` and the settings under which it is watched.

    `make` takes a seed, the times between which events are wanted, and incidents of the simulator; ids are the
    stream's own in the time before the change and in that after it.
    """

    name: str
    make: Make
    calm_s: float
    lasts_s: float
    settings: Settings = field(hash=False)
    pins: tuple[Pin, ...] = ()  # set after the calm
    learned: Stream | None = None  # under other settings, up to the change


@dataclass(frozen=True)
class Calm:
    """What there was before the change: how many events, what was paged, and what was learned."""

    events: int
    paged: list[Incident]
    state: bytes = field(repr=False)


@cache
def calm(stream: Stream, seed: int) -> Calm:
    """Learn the stream up to the change."""
    if stream.learned is not None:
        return calm(stream.learned, seed)
    processor = Processor(stream.settings, price_table(stream.settings.prices))
    before = list(stream.make(seed, CHANGE - stream.calm_s, CHANGE, ()))
    changes = [change for step in fed(processor, before) for change in step.changes]
    paged = [change.incident for change in changes if change.kind is ChangeKind.TRIGGER]
    for pin in stream.pins:
        processor.monitor.pinned.pin(pin)
    with TemporaryDirectory() as folder:
        snapshot.write(Path(folder) / "state", processor.snapshot())
        return Calm(len(before), paged, (Path(folder) / "state").read_bytes())


def continued(stream: Stream, seed: int) -> Processor:
    """Return a processor that goes on from what was learned."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "state").write_bytes(calm(stream, seed).state)
        state = snapshot.read(Path(folder) / "state")
    return Processor(stream.settings, price_table(stream.settings.prices), state)


def since(stream: Stream, seed: int, planted: str = "") -> Iterator[Interaction]:
    """Yield the events since the change, with an incident of the simulator if one is named."""
    incidents = (Planted(planted, CHANGE),) if planted else ()
    return stream.make(seed, CHANGE, CHANGE + stream.lasts_s, incidents)


def fed(processor: Processor, made: Iterable[Interaction]) -> Iterator[Step]:
    """Yield what each batch of events led to."""
    rest = iter(made)
    while part := list(islice(rest, _BATCH)):
        yield processor.step(part, [0] * len(part))
