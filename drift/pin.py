"""A pin: a reference that somebody chose, for whom, when and why; it does not learn."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec
import xxhash

from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Series

__all__ = ["FEWEST_DAYS", "MOST_DAYS", "Pin", "ReferencePart", "Segment", "date_of", "day_number", "pin_id"]

FEWEST_DAYS = 7  # a week has all its weekdays, and days differ: fewer say little of a level
MOST_DAYS = 28

_EPOCH = date(1970, 1, 1).toordinal()

Segment = tuple[tuple[str, str], ...]


class ReferencePart(msgspec.Struct, frozen=True):
    """What a file says of one metric of one slice: bins and how many values fell into each, as in a closed window."""

    segment: Segment
    metric: str
    bins: list[int]
    counts: list[int]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What is pinned and where it comes from.

    Parameters
    ----------
    kind
        "days": what the series themselves did in a period of whole days; "version": what a slice did while it was
        seen; "reference": what a file of events says.
    source
        What it is, as people write it: "2026-03-02..2026-03-08", "prompt_version=v47", "evals.jsonl".
    service, environment, metric, segment
        Which series are compared with it; None or an empty metric for any. A metric takes its tails along.
    series
        When not empty, exactly these.
    first, last
        Days since the epoch of a period.
    at
        Event time at which it was made, seconds since the epoch.

    Examples
    --------
    >>> pin = Pin(id="1", kind="days", source="", service="s", metric="latency", first=0, last=6)
    >>> [pin.covers(Series("s", "prod", (), name)) for name in ("latency", "latency.high", "cost_per_task")]
    [True, True, False]
    """

    id: str
    kind: Literal["days", "version", "reference"]
    source: str
    service: str
    environment: str | None = None
    metric: str = ""
    segment: Segment | None = None
    series: tuple[Series, ...] = ()
    first: int = 0
    last: int = 0
    version: tuple[str, str] | None = None
    reference: tuple[ReferencePart, ...] = ()
    reason: str = ""
    by: str = ""
    at: float = 0.0

    def covers(self, series: Series) -> bool:
        """Return whether the series is compared with this pin."""
        if self.series:
            return series in self.series
        return self.covers_group(series.service, series.environment, series.segment) and self.covers_metric(
            series.metric
        )

    def covers_group(self, service: str, environment: str, segment: Segment) -> bool:
        """Return whether series of that slice can be meant; a version is compared with its service and its like."""
        if service != self.service or (self.environment is not None and environment != self.environment):
            return False
        if self.segment is not None:
            return segment == self.segment
        return self.version is None or not segment or segment[0][0] == self.version[0]

    def covers_metric(self, metric: str) -> bool:
        """Return whether series of that metric can be meant."""
        return not self.metric or self.metric in {metric, parent_of(metric)}

    @property
    def scope(self) -> str:
        """Which series it is for, as people read it."""
        if self.series:
            return ", ".join(series.label for series in self.series)
        where = self.service + (f"/{self.environment}" if self.environment else "")
        inside = [f"{name}={value}" for name, value in self.segment or ()]
        return " ".join([where, *inside, self.metric or "all metrics"])


def date_of(day: int) -> str:
    """Return a day since the epoch as people write it.

    Examples
    --------
    >>> date_of(20_514)
    '2026-03-02'
    """
    return date.fromordinal(_EPOCH + day).isoformat()


def day_number(text: str) -> int:
    """Return the days since the epoch of a day that people wrote; ValueError when it is none.

    Examples
    --------
    >>> day_number("2026-03-02")
    20514
    """
    return date.fromisoformat(text).toordinal() - _EPOCH


def pin_id(*parts: object) -> str:
    """Return a short id that is the same wherever and whenever it is computed from the same parts.

    Examples
    --------
    >>> len(pin_id("support", 20_000))
    8
    """
    return xxhash.xxh3_64_hexdigest("\x1f".join(repr(part) for part in parts).encode())[:8]
