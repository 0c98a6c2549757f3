"""Points of a line: thinned to what a chart can show, and cut into runs where there was no traffic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from statistics import median

from undertow.dashboards.model import Point

__all__ = ["LIMIT", "mean", "runs", "thin"]

LIMIT = 120  # points a chart draws; more windows are joined, each point then standing for several
_GAP = 2.5  # steps without a point that count as a gap


def thin(points: Sequence[Point], limit: int = LIMIT) -> list[Point]:
    """Return at most `limit` points in order of time, joining neighbours by their events.

    Examples
    --------
    >>> joined = thin([Point(float(t), 0.5, 0.4, 0.6, 10) for t in range(1000)], limit=100)
    >>> len(joined), joined[0].events
    (100, 100)
    """
    ordered = sorted(map(_checked, points), key=lambda point: point.t)
    if len(ordered) <= limit:
        return ordered
    first, width = ordered[0].t, (ordered[-1].t - ordered[0].t) / limit or 1.0
    slots = groupby(ordered, key=lambda point: min(limit - 1, int((point.t - first) / width)))
    return [mean(list(group)) for _, group in slots]


def _checked(point: Point) -> Point:
    if point.value is None or math.isfinite(point.value):
        return point
    return Point(point.t, None)


def mean(points: Sequence[Point]) -> Point:
    """Return the points as one: the level weighted by events, the interval as if windows were independent."""
    seen = [point for point in points if point.value is not None]
    middle = sum(point.t for point in points) / len(points)
    if not seen:
        return Point(middle, None)
    weights = [max(point.events, 1) for point in seen]
    total = sum(weights)
    shares = [weight / total for weight in weights]
    value = sum(share * (point.value or 0.0) for share, point in zip(shares, seen, strict=True))
    below = _spread([(share, point.value, point.low) for share, point in zip(shares, seen, strict=True)])
    above = _spread([(share, point.value, point.high) for share, point in zip(shares, seen, strict=True)])
    bounded = below is not None and above is not None
    low, high = (value - (below or 0.0), value + (above or 0.0)) if bounded else (None, None)
    return Point(middle, value, low, high, sum(point.events for point in seen))


def _spread(parts: list[tuple[float, float | None, float | None]]) -> float | None:
    """Return the half-width of a weighted mean; None when a part has no interval."""
    widths = [share * (value - bound) for share, value, bound in parts if value is not None and bound is not None]
    return math.hypot(*widths) if len(widths) == len(parts) else None


def runs(points: Sequence[Point]) -> list[list[Point]]:
    """Return the stretches with traffic: a missing value or a long silence ends one.

    Examples
    --------
    >>> [len(run) for run in runs([Point(0, 1.0), Point(1, 1.0), Point(2, None), Point(3, 1.0)])]
    [2, 1]
    """
    steps = [later.t - earlier.t for earlier, later in pairwise(points)]
    longest = _GAP * median(steps) if steps else math.inf
    found: list[list[Point]] = [[]]
    for point in points:
        if point.value is None or (found[-1] and point.t - found[-1][-1].t > longest):
            found.append([])
        if point.value is not None:
            found[-1].append(point)
    return [run for run in found if run]
