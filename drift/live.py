"""What is known of the versions of one operation: when each was seen, and how much of the traffic it has."""

from __future__ import annotations

from collections import Counter

import msgspec

from undertow.drift.segments import OTHER

__all__ = ["NOWHERE", "Calls", "Live", "Place", "Value", "by_region", "events_of", "shares"]

NOWHERE = ""  # events without a region
_MOST_REGIONS = 20  # told apart; the others together


class Live(msgspec.Struct, frozen=True, order=True):
    """One value of something that defines behaviour, in one operation: when and how much of it was seen.

    `share` is of the calls in the bucket that was folded last, by region in `regions`; times are event times. The
    dimension "combination" is all others together.
    """

    service: str
    environment: str
    operation: str
    dimension: str
    value: str
    first_seen: float
    last_seen: float
    events: int
    share: float
    regions: dict[str, float]


class Calls(msgspec.Struct, array_like=True):
    """Calls of one bucket and operation that ran on the same."""

    first: float
    last: float
    regions: dict[str, int] = {}

    def add(self, first: float, last: float, region: str, calls: int = 1) -> None:
        """Add calls of a region."""
        self.first, self.last = min(self.first, first), max(self.last, last)
        if region not in self.regions and len(self.regions) >= _MOST_REGIONS:
            region = OTHER
        self.regions[region] = self.regions.get(region, 0) + calls


class Value(msgspec.Struct, array_like=True):
    """What is known of one version in one operation."""

    first: float
    last: float
    events: int = 0
    recent: dict[int, dict[str, int]] = {}  # bucket → region → events
    born: int = 0  # bucket in which it last went live
    sample: int = 0  # events before that, and …
    displaced: dict[str, float] = {}  # … what was live among them → its share

    def note(self, bucket: int, count: Calls) -> None:
        """Add the calls of a bucket."""
        self.first, self.last = min(self.first, count.first), max(self.last, count.last)
        self.events += sum(count.regions.values())
        self.recent[bucket] = dict(count.regions)


class Place(msgspec.Struct, array_like=True):
    """One operation: dimension → value → what is known of it."""

    first: int  # bucket
    last: int
    dimensions: dict[str, dict[str, Value]] = {}

    def size(self) -> int:
        """Return how many values it holds."""
        return sum(map(len, self.dimensions.values()))


def events_of(known: Value, start: int, end: int) -> int:
    """Return the events of a version in these buckets."""
    return sum(sum(regions.values()) for bucket, regions in known.recent.items() if start <= bucket <= end)


def shares(values: dict[str, Value], start: int, end: int) -> tuple[dict[str, float], int]:
    """Return the share of each value in these buckets, and the events behind them."""
    events = {value: events_of(known, start, end) for value, known in values.items()}
    total = sum(events.values())
    return {value: count / total for value, count in events.items() if count}, total


def by_region(values: dict[str, Value], value: str, start: int, end: int) -> dict[str, float]:
    """Return the share of a value in each region."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, known in values.items():
        for bucket, regions in known.recent.items():
            if start <= bucket <= end:
                total.update(regions)
                own.update(regions if name == value else {})
    return {region: own[region] / total[region] for region in sorted(total)}
