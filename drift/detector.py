"""The contract of a detector: closed windows of many series in, alarms out.

A detector is one file in `drift/detectors/`. It holds the state of all series of its family as a struct of arrays and
meets them by number. It must give the same alarms for the same windows whatever the batching or the restarts, must
refuse NaN before any state has changed, and must answer with return values, never with flags that are read between
calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["Alarm", "Detector", "Observation", "Progress", "SeriesSettings", "recovered"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SeriesSettings:
    """What a detector needs to know of a metric.

    Parameters
    ----------
    band
        ln(1+δ): benign wander on the link scale (log odds, log value).
    page_from
        Smallest effect worth a page, on the link scale.
    season
        Amplitude (link scale) that a daily cycle may have before it is known.
    harm
        "up", "down", "both" or "none": only a change in a harmful direction is a page.
    scale
        What the values are: "share" (0 or 1), "log" (logarithms of the metric), "standard" (standard scores).
    """

    band: float
    page_from: float
    season: float
    harm: str
    scale: str = "share"


@dataclass(frozen=True)
class Observation:
    """One closed window as a detector sees it; all arrays have one entry per series that was active in it.

    `series` are distinct series numbers; `events` how many values; `sums` and `squares` of the values (hits, for
    rates; clipped logs, for positive metrics; clipped standard scores, for scores); `raw` the sum of the values before
    clipping; `since` when the first of them was seen. `cells` (index into `series`, value, count) is there for
    detectors that need single values; of categories it holds their numbers and counts, of vectors coordinates and
    their sums, and `sums`, `squares` and `raw` are 0.
    """

    start: float
    end: float
    series: Ints
    events: Floats
    sums: Floats
    squares: Floats
    raw: Floats
    since: Floats
    cells: tuple[Ints, Floats, Ints]

    def __post_init__(self) -> None:
        if not all(np.all(np.isfinite(column)) for column in self.cells):
            raise ValueError(f"window {self.start}–{self.end}: cells must be finite numbers, got {self.cells!r}")
        for name in ("events", "sums", "squares", "raw", "since"):
            values = getattr(self, name)
            if len(values) != len(self.series) or not np.all(np.isfinite(values)):
                raise ValueError(
                    f"window {self.start}–{self.end}: {name} must be {len(self.series)} finite numbers, got {values!r}"
                )


@dataclass(frozen=True)
class Alarm:
    """A detector's finding about the series of that number; the fields are those of `Verdict`."""

    series: int
    kind: str
    direction: str
    changed_at: float
    changed_from: float
    changed_to: float
    before: Estimate
    after: Estimate
    events: int
    statistic: float
    threshold: float
    reason: str
    opened_at: float = 0.0  # recovered only: the `detected_at` of the alarm that it ends
    moved: tuple[tuple[int, float, float], ...] = ()  # categories: number, share before and after, largest change first


def recovered(
    series: int,
    at: float,
    opened: Iterable[float],
    levels: tuple[Estimate, Estimate],
    evidence: tuple[float, float],
    reason: str,
    direction: str = "shift",
    moved: tuple[tuple[int, float, float], ...] = (),
) -> list[Alarm]:
    """Return what ends the alarms raised at the times `opened`; levels before and now, evidence and its limit."""
    before, now = levels
    ended = Alarm(series, "recovered", direction, at, at, at, before, now, now.events, *evidence, reason, moved=moved)
    return [replace(ended, opened_at=opened_at) for opened_at in opened]


class Progress(NamedTuple):
    """How far a series is: which baseline it has and since when it stands changed."""

    learned: int
    strict_at: int
    pages_at: int
    level: Estimate
    changed_at: float | None


class Detector(Protocol):
    """Follows all series of one family."""

    name: str
    budgeted: bool  # its false pages stay within its share; the pages of others have a cap of their own

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; windows must come in order of time."""
        ...

    def pageable(self, since: float) -> Ints:
        """Return the series that may page and had events since a time: they share the budget."""
        ...

    def progress(self, series: int) -> Progress | None:
        """Return how far a series is, None if it was never seen."""
        ...

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level before and since a time, None if one of them is unknown."""
        ...

    def accept(self, series: int) -> None:
        """Take the level of a changed series as its normal one: nothing is left to recover from."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        ...
