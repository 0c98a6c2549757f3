"""Whether what is live is what should be: versions side by side for too long, undeclared, missing."""

from __future__ import annotations

from collections.abc import Collection
from math import sqrt
from typing import Any

import msgspec

from undertow.drift.census import Census, Scope
from undertow.drift.declared import Declared
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.live import NOWHERE, Live, Value, by_region, events_of, shares

__all__ = ["Fleet", "FleetFinding"]

Findings = dict[tuple[str, ...], "FleetFinding"]

_PARTS = 6  # buckets in the grace time
_NOW = 2  # buckets that say what is live now
_LEAST_EVENTS = 20  # in them, to say anything
_SIGMAS = 3.0  # by so many standard errors a version must have lost to the newcomer
_SKEWED = ("prompt_version", "instructions", "tools", "response_model")
_PROVIDERS = "config.fingerprint"  # the provider rolls it out, in its own time


class FleetFinding(msgspec.Struct, frozen=True):
    """Something about what is live that nobody planned; a notice, not a page.

    Parameters
    ----------
    kind
        "skew": two versions have been live beside each other for longer than the grace time. "undeclared": live, and
        not in the declaration. "missing": declared, and not seen for the grace time.
    segment
        The operation it happens in, where there is one.
    values
        The version it is about; for a skew, after it the one that it was to replace.
    time, since
        Event time, seconds since the epoch: when it was told, and since when it has been so.
    over
        True when it has come to its end.
    """

    kind: str
    service: str
    environment: str
    segment: tuple[tuple[str, str], ...]
    dimension: str
    values: tuple[str, ...]
    reason: str
    time: float
    since: float
    over: bool = False


class Fleet:
    """Follows which versions are live in each operation and region, and tells what nobody planned.

    Time is cut into sixths of the grace time; each is judged once the watermark has passed it.

    *Skew.* A version that appears where others were live takes traffic from some of them. When, a grace time later,
    such a one has lost a part of its share (by three standard errors) and both are still live (`min_share` of the last
    third), the rollout is stuck. Versions that have always stood side by side, and a new one beside an old one that
    lost nothing (two prompts of one operation, one of them changed), are no skew. Followed are `prompt_version`, a hash
    of the instructions, of the tools, `response_model` and every entry of `config` that is not ignored, but for the
    provider's own `fingerprint`.

    *Declared.* With a declaration, every value of a declared dimension that is live (`min_share`) without being in it
    is told, and every declared one that is not seen for the grace time although the dimension is.

    Costs 3 µs an event, 8 µs with 3 kB each of instructions and tools; 12 µs when no two calls ran on the same.

    It cannot see a difference that no event carries, nor whether a skew is meant: an experiment looks the same, and
    is left out by its name.

    Parameters
    ----------
    grace_s
        Seconds of event time that two versions may live side by side.
    min_share
        A version with less of an operation's traffic is not live: stragglers and single tests.
    ignore
        Dimensions not to follow, `config` entries by their key; `seed` is never followed.
    max_values, max_versions, max_definitions
        Limits of the census (see `Census`).

    Examples
    --------
    >>> fleet = Fleet(grace_s=3600.0)
    >>> found = []
    >>> for n, version in enumerate(["v46"] * 200 + ["v47", "v46"] * 200):  # a rollout that stops half way
    ...     call = Interaction(id=str(n), time=n * 30.0, service="s", prompt_version=version)
    ...     found += fleet.observe(call, watermark=n * 30.0 - 60.0)
    >>> [(finding.kind, finding.values, finding.reason) for finding in found]
    [('skew', ('v47', 'v46'), 'prompt_version v47 has stood beside v46 for 70 min and now has 50 % of the calls')]
    """

    def __init__(
        self,
        grace_s: float = 3600.0,
        min_share: float = 0.02,
        declared: Declared | None = None,
        ignore: Collection[str] = (),
        max_values: int = 50,
        max_versions: int = 20_000,
        max_definitions: int = 5000,
    ) -> None:
        for name, value in (("grace_s", grace_s), ("max_values", max_values), ("max_versions", max_versions)):
            if not value > 0:
                raise ValueError(f"{name} = {value} leaves nothing to follow; give a positive number")
        if not 0 < min_share < 0.5:
            raise ValueError(f"min_share = {min_share} tells no version from another; give a share below 0.5")
        self.grace_s = grace_s
        self.declared = declared or {}
        self.census = Census(grace_s / _PARTS, _PARTS, min_share, ignore, max_values, max_versions, max_definitions)
        self._open: Findings = {}

    def observe(self, event: Interaction, watermark: float) -> list[FleetFinding]:
        """Take note of what a call ran on, and return what the time until the watermark has shown."""
        found = self.expire(watermark)
        if event.kind is Kind.CALL and event.shadow_of is None:
            self.census.count(event)
        return found

    def expire(self, watermark: float) -> list[FleetFinding]:
        """Judge every stretch of time that the watermark has passed, and return what it showed."""
        found: list[FleetFinding] = []
        while (bucket := self.census.oldest) is not None and self._end(bucket) <= watermark:
            found += self._judge(bucket)
        return found

    def _judge(self, bucket: int) -> list[FleetFinding]:
        found: list[FleetFinding] = []
        seen = self.census.fold(bucket)
        for scope in seen:
            found += self._changed(self._skews(scope, bucket), ("skew", *scope), bucket)
        for service, environment in sorted({scope[:2] for scope in seen}):
            for kind, current in self._against_declared(service, environment, bucket).items():
                found += self._changed(current, (kind, service, environment, ""), bucket)
        for prefix in self._forgotten():
            found += self._changed({}, prefix, bucket)
        return found

    def _forgotten(self) -> list[tuple[str, ...]]:
        """Return below what keys something is open although the census has forgotten the operation or service."""
        services = {scope[:2] for scope in self.census.places}
        return sorted(
            {
                key[:4]
                for key in self._open
                if (key[1:4] not in self.census.places if key[0] == "skew" else key[1:3] not in services)
            }
        )

    def _end(self, bucket: int) -> float:
        return (bucket + 1) * self.census.bucket_s

    def _skews(self, scope: Scope, bucket: int) -> Findings:
        """Return the skews of an operation by key."""
        found: Findings = {}
        opened = self._opened("skew", *scope)
        for dimension, values in self.census.places[scope].dimensions.items():
            if not _may_skew(dimension):
                continue
            now, events = shares(values, bucket - _NOW + 1, bucket)
            for key, finding in opened.items():  # ends when one of the two is gone, not when traffic is thin
                if key[4] == dimension and (events < _LEAST_EVENTS or set(key[5:]) <= now.keys()):
                    found[key] = finding
            for value, old in self._stuck(values, bucket) if events >= _LEAST_EVENTS else ():
                key = ("skew", *scope, dimension, value, old)
                newcomer = values[value]
                if key not in found and _lost(newcomer.displaced[old], newcomer.sample, now[old], events):
                    reason = self._beside(values, dimension, value, old, bucket)
                    found[key] = self._finding(key, bucket, newcomer.born, reason)
        return found

    def _opened(self, *prefix: str) -> Findings:
        """Return the open findings below a key."""
        return {key: finding for key, finding in self._open.items() if key[: len(prefix)] == prefix}

    def _stuck(self, values: dict[str, Value], bucket: int) -> list[tuple[str, str]]:
        """Return the versions that are live a grace time after they came, each with one that was there before them."""
        now, _ = shares(values, bucket, bucket)
        live = sorted(value for value, share in now.items() if share >= self.census.min_share)
        return [
            (value, old)
            for value in live
            if bucket - values[value].born >= _PARTS
            for old in live
            if old in values[value].displaced and values[old].born < values[value].born
        ]

    def _beside(self, values: dict[str, Value], dimension: str, value: str, old: str, bucket: int) -> str:
        start = bucket - _NOW + 1
        share = shares(values, start, bucket)[0][value]
        minutes = (bucket + 1 - values[value].born) * self.census.bucket_s / 60
        regions = by_region(values, value, start, bucket)
        where = ", ".join(f"{region} {_percent(part)}" for region, part in regions.items() if region != NOWHERE)
        reason = f"{dimension} {value} has stood beside {old} for {minutes:.0f} min"
        return f"{reason} and now has {_percent(share)} of the calls" + (f" ({where})" if where else "")

    def _against_declared(self, service: str, environment: str, bucket: int) -> dict[str, Findings]:
        found: dict[str, Findings] = {"undeclared": {}, "missing": {}}
        declared = self.declared.get(f"{service}/{environment}") or self.declared.get(service) or {}
        for dimension, expected in sorted(declared.items()):
            now, events = self._across(service, environment, dimension, bucket - _NOW + 1, bucket)
            for value in sorted(now.keys() - expected):
                key = ("undeclared", service, environment, "", dimension, value)
                if key in self._open or (events >= _LEAST_EVENTS and now[value] >= self.census.min_share):
                    reason = f"{dimension} {value} is live and not declared; declared: {', '.join(sorted(expected))}"
                    found["undeclared"][key] = self._finding(key, bucket, bucket, reason)
            past, events = self._across(service, environment, dimension, bucket - _PARTS + 1, bucket)
            settled = bucket - self._first(service, environment) >= _PARTS and events >= _LEAST_EVENTS
            for value in sorted(expected - past.keys()) if settled else ():
                key = ("missing", service, environment, "", dimension, value)
                reason = f"{dimension} {value} is declared and has not been seen; live: {', '.join(sorted(past))}"
                found["missing"][key] = self._finding(key, bucket, bucket - _PARTS + 1, reason)
        return found

    def _across(
        self, service: str, environment: str, dimension: str, start: int, end: int
    ) -> tuple[dict[str, float], int]:
        """Return the shares of a dimension's values over all operations of a service."""
        events: dict[str, int] = {}
        for scope, place in self.census.places.items():
            if scope[:2] == (service, environment):
                for value, known in place.dimensions.get(dimension, {}).items():
                    events[value] = events.get(value, 0) + events_of(known, start, end)
        total = sum(events.values())
        return {value: count / total for value, count in events.items() if count}, total

    def _first(self, service: str, environment: str) -> int:
        return min(place.first for scope, place in self.census.places.items() if scope[:2] == (service, environment))

    def _finding(self, key: tuple[str, ...], bucket: int, since: int, reason: str) -> FleetFinding:
        kind, service, environment, operation, dimension, *values = key
        segment = (("operation", operation),) if operation else ()
        end, begin = self._end(bucket), self._end(since - 1)
        return FleetFinding(kind, service, environment, segment, dimension, tuple(values), reason, end, begin)

    def _changed(self, current: Findings, prefix: tuple[str, ...], bucket: int) -> list[FleetFinding]:
        """Return what is new among the findings below a key, and those that are over."""
        told = [finding for key, finding in current.items() if key not in self._open]
        gone = self._opened(*prefix).keys() - current.keys()
        over = [msgspec.structs.replace(self._open.pop(key), time=self._end(bucket), over=True) for key in sorted(gone)]
        self._open.update({key: finding for key, finding in current.items() if key not in self._open})
        return told + over

    @property
    def open(self) -> list[FleetFinding]:
        """What nobody planned and is still so."""
        return list(self._open.values())

    def live(self) -> list[Live]:
        """Return every version known, with its share of what was judged last."""
        return self.census.live()

    def snapshot(self) -> dict[str, Any]:
        """Return what is known as plain data: names and hashes, no instructions."""
        return {"grace_s": self.grace_s, "census": self.census.snapshot(), "open": msgspec.to_builtins(self.open)}

    @classmethod
    def build(
        cls,
        grace_s: float = 3600.0,
        min_share: float = 0.02,
        declared: Declared | None = None,
        ignore: Collection[str] = (),
        state: dict[str, Any] | None = None,
    ) -> Fleet:
        """Return a fleet that goes on from a snapshot, or begins. Another grace time begins anew: time is cut by it."""
        fleet = cls(grace_s, min_share, declared, ignore)
        if state is not None and state["grace_s"] == grace_s:
            fleet.census.restore(state["census"])
            found = msgspec.convert(state["open"], list[FleetFinding])
            fleet._open = {_key_of(finding): finding for finding in found}
        return fleet


def _key_of(finding: FleetFinding) -> tuple[str, ...]:
    operation = finding.segment[0][1] if finding.segment else ""
    return (finding.kind, finding.service, finding.environment, operation, finding.dimension, *finding.values)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _may_skew(dimension: str) -> bool:
    return dimension in _SKEWED or (dimension.startswith("config.") and dimension != _PROVIDERS)


def _lost(before: float, sample: int, now: float, events: int) -> bool:
    """Return whether a share has fallen by more than chance allows."""
    pooled = (before * sample + now * events) / (sample + events)
    return before - now > _SIGMAS * sqrt(pooled * (1 - pooled) * (1 / sample + 1 / events))
