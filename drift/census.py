"""Which versions are seen in each operation and region, when, and how much of each: by stretches of event time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from undertow.drift.combinations import PER_CALL, Combinations
from undertow.drift.definition import DefinitionKey, defining, definition_key, scalar_text, shortened
from undertow.drift.interaction import Interaction
from undertow.drift.live import NOWHERE, Calls, Live, Place, Value, by_region, shares
from undertow.drift.segments import dimension_reader

__all__ = ["COMBINATION", "Census", "Scope"]

Scope = tuple[str, str, str]  # service, environment, operation
Pairs = tuple[tuple[str, str], ...]  # what a call ran on, as (dimension, value)
Key = tuple[Scope, Pairs]
Seen = dict[str, dict[str, "Calls"]]  # dimension → value → the calls of a bucket

_VERSION = 1
_LONGEST = 120  # characters of a value
_REMEMBERED = 1_024  # definitions that are not spelled out again …
_LONGEST_REMEMBERED = 32_768  # … that are no longer than so many characters
_MOST_DIMENSIONS = 64  # of one call, and of one operation; further ones are left out
COMBINATION = "combination"  # all dimensions together, under the name that `config_mix` gives it


class _State(msgspec.Struct):
    version: int
    dropped: int
    late: int
    folded: int
    places: list[tuple[Scope, Place]]
    buckets: list[tuple[int, list[tuple[Scope, Pairs, Calls]]]]


class Census:
    """Counts calls by what they ran on, in buckets of event time, and folds each into what is known of its operations.

    What is known does not depend on the order of the events inside a bucket.

    Costs 3 µs an event, 8 µs with 3 kB each of instructions and tools; 12 µs when no two calls ran on the same.

    Parameters
    ----------
    bucket_s
        Length of a bucket, seconds of event time.
    depth
        Buckets that are remembered one by one.
    min_share
        A version with less of an operation's traffic is not live: stragglers and single tests.
    ignore
        Dimensions not to follow, `config` entries by their key; `seed` is never followed.
    max_values, max_versions
        Values of one dimension in one operation, and of all together: beyond it those seen least recently go.
    max_definitions
        Combinations in a bucket; further ones are left out.

    Attributes
    ----------
    dropped
        Values and operations forgotten, and calls left out, because of a limit.
    oldest
        The oldest bucket that is still counted, None when there is none.

    Examples
    --------
    >>> census = Census(bucket_s=600.0, depth=6)
    >>> for n, version in enumerate(("v1", "v1", "v1", "v2")):
    ...     census.count(Interaction(id=str(n), time=n * 10.0, service="s", prompt_version=version))
    >>> census.fold(0)
    [('s', '', '')]
    >>> [(live.value, live.share) for live in census.live() if live.dimension == "prompt_version"]
    [('v1', 0.75), ('v2', 0.25)]
    """

    def __init__(
        self,
        bucket_s: float,
        depth: int,
        min_share: float = 0.02,
        ignore: Collection[str] = (),
        max_values: int = 50,
        max_versions: int = 20_000,
        max_definitions: int = 5000,
    ) -> None:
        self.bucket_s = bucket_s
        self.depth = depth
        self.min_share = min_share
        self.ignore = frozenset((*PER_CALL, *ignore))
        self.max_values, self.max_versions, self.max_definitions = max_values, max_versions, max_definitions
        self.dropped = self.late = 0
        self.folded = -1  # the last bucket that was folded
        self.places: dict[Scope, Place] = {}
        self._versions = 0  # values in all places
        self._region = dimension_reader("region")
        self._combinations = Combinations(ignore)
        self._keys: dict[tuple[str | None, DefinitionKey], Key] = {}
        self._buckets: dict[int, dict[Key, Calls]] = {}
        self.oldest: int | None = None  # bucket that is still counted

    def count(self, event: Interaction) -> None:
        """Count a call; one whose bucket has been folded already only in `late`."""
        bucket = int(event.time // self.bucket_s)
        if bucket <= self.folded:
            self.late += 1
            return
        counts = self._buckets.get(bucket)
        if counts is None:
            counts = self._buckets[bucket] = {}
            self.oldest = min(self._buckets)
        key = self._key(event)
        count = counts.get(key)
        if count is None:
            if len(counts) >= self.max_definitions:
                self.dropped += 1
                return
            count = counts[key] = Calls(event.time, event.time)
        count.add(event.time, event.time, self._where(event))

    def _key(self, event: Interaction) -> Key:
        """Return operation and what the call ran on, spelled out once for all calls that ran on the same."""
        ran_on = (event.operation, definition_key(event))
        key = self._keys.get(ran_on)
        if key is None:
            key = (_scope(event), self._pairs(event))
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            if sum(len(part) for part in (event.operation, *ran_on[1]) if part) <= _LONGEST_REMEMBERED:
                self._keys[ran_on] = key
        return key

    def _where(self, event: Interaction) -> str:
        region = self._region(event)
        return NOWHERE if region is None else scalar_text(region)[:_LONGEST]

    def _pairs(self, event: Interaction) -> Pairs:
        """Return what the call ran on, and the name of all that together."""
        found = [
            (dimension, shortened(value, _LONGEST))
            for dimension, value in defining(event)[: _MOST_DIMENSIONS - 1]
            if dimension.removeprefix("config.") not in self.ignore
        ]
        combination = self._combinations.name(event) if found else None
        return (*found, (COMBINATION, combination)) if combination else tuple(found)

    def fold(self, bucket: int) -> list[Scope]:
        """End a bucket and return the operations that were seen in it."""
        self.folded = bucket
        seen = _merged(self._buckets.pop(bucket))
        self.oldest = min(self._buckets, default=None)
        for scope in sorted(seen):
            self._learn(scope, bucket, seen[scope])
        return [scope for scope in sorted(seen) if scope in self.places]

    def _learn(self, scope: Scope, bucket: int, seen: Seen) -> None:
        """Add what a bucket showed of an operation."""
        place = self.places.setdefault(scope, Place(bucket, bucket))
        place.last = bucket
        for dimension, counts in seen.items():
            if dimension in place.dimensions or len(place.dimensions) < _MOST_DIMENSIONS:
                self._learn_values(place.dimensions.setdefault(dimension, {}), bucket, counts)
            else:
                self.dropped += 1
        if self._versions > self.max_versions:
            self._forget_places()

    def _learn_values(self, values: dict[str, Value], bucket: int, counts: dict[str, Calls]) -> None:
        before, sample = shares(values, bucket - self.depth, bucket - 1)
        live = {value: share for value, share in before.items() if share >= self.min_share}
        for value, count in sorted(counts.items()):
            known = values.get(value) or self._add(values, value, count)
            if value not in live:  # new, or back: what was live without it may have to make way
                known.born, known.sample, known.displaced = bucket, sample, live
            known.note(bucket, count)
        for known in values.values():
            known.recent = {part: regions for part, regions in known.recent.items() if part > bucket - self.depth}

    def _add(self, values: dict[str, Value], value: str, count: Calls) -> Value:
        if len(values) >= self.max_values:
            del values[min(values, key=lambda value: (values[value].last, value))]
            self.dropped += 1
        else:
            self._versions += 1
        known = values[value] = Value(count.first, count.last)
        return known

    def _forget_places(self) -> None:
        """Drop the quarter that was seen least recently: in one go, so that a flood of names stays cheap."""
        oldest = sorted(self.places, key=lambda scope: (self.places[scope].last, scope))
        for scope in oldest[: len(oldest) // 4 + 1]:
            self._versions -= self.places.pop(scope).size()
            self.dropped += 1

    def live(self) -> list[Live]:
        """Return every version known, with its share of the bucket that was folded last."""
        return sorted(self._live())

    def _live(self) -> Iterator[Live]:
        for scope, place in self.places.items():
            for dimension, values in place.dimensions.items():
                now, _ = shares(values, self.folded, self.folded)
                for value, known in values.items():
                    regions = by_region(values, value, self.folded, self.folded)
                    share = now.get(value, 0.0)
                    yield Live(*scope, dimension, value, known.first, known.last, known.events, share, regions)

    def snapshot(self) -> dict[str, Any]:
        """Return what is known as plain data: names and hashes, no instructions."""
        buckets = [
            (bucket, [(*key, count) for key, count in counts.items()]) for bucket, counts in self._buckets.items()
        ]
        state = _State(_VERSION, self.dropped, self.late, self.folded, list(self.places.items()), buckets)
        return dict(msgspec.to_builtins(state, str_keys=True))

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; ValueError if it has another version."""
        if state.get("version") != _VERSION:
            raise ValueError(f"census: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State, strict=False)
        self.dropped, self.late, self.folded = restored.dropped, restored.late, restored.folded
        self.places = dict(restored.places)
        self._versions = sum(place.size() for place in self.places.values())
        self._buckets = {
            bucket: {(scope, pairs): count for scope, pairs, count in counts} for bucket, counts in restored.buckets
        }
        self.oldest = min(self._buckets, default=None)


def _scope(event: Interaction) -> Scope:
    return (event.service, event.environment, shortened(event.operation or "", _LONGEST))


def _merged(counts: dict[Key, Calls]) -> dict[Scope, Seen]:
    """Return the counts of a bucket by scope, dimension and value."""
    merged: dict[Scope, Seen] = {}
    for (scope, pairs), count in counts.items():
        dimensions = merged.setdefault(scope, {})
        for dimension, value in pairs:
            whole = dimensions.setdefault(dimension, {}).setdefault(value, Calls(count.first, count.last))
            for region, calls in count.regions.items():
                whole.add(count.first, count.last, region, calls)
    return merged
