"""Which verdicts belong together: by service, by the time of the change, by the versions that were new just then.

A verdict about a service of the incident belongs to it when their change intervals are near. One about another service
of the same environment does when a version was new in both; or when both changed in the same minute and nothing speaks
against it. Versions do: where both services had new ones just then and none in common, there are two causes. That may
only be known later, so it is asked again, and a service that does not belong leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import msgspec

from undertow.alerts.incident import Incident, Version
from undertow.alerts.services import parts
from undertow.drift.metrics import FLEET, RULE
from undertow.drift.verdict import Series, Verdict

__all__ = ["Closeness", "Open", "Place", "Sightings", "absorb", "gap", "is_in", "release", "strangers"]

Place = tuple[str, str]  # service, environment
Name = tuple[str, str]  # dimension, value

NEAR_S = 60.0  # between two intervals that are of the same minute
SHARED_S = 3600.0  # a version that two services share may be so far ahead of what it does
OWN_S = 300.0  # one that speaks against a common cause, so far


class Open(msgspec.Struct):
    """An open incident, the change interval of the verdict that opened it, and the ids of all verdicts that joined."""

    incident: Incident
    anchor_from: float
    anchor_to: float
    ids: list[str]
    completed: bool = False


class Closeness(NamedTuple):
    """How close a verdict is to an incident; the smallest is the closest."""

    tier: int
    gap_s: float


class Sightings:
    """The versions first seen lately, by service, as evidence for and against a common cause.

    Examples
    --------
    >>> new = [Version("prompt_version", "v2", 100.0, name, "prod") for name in ("billing", "search")]
    >>> Sightings(new).since(("billing", "prod"), 50.0, 200.0)
    {('prompt_version', 'v2')}
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self._by_place: defaultdict[Place, list[Version]] = defaultdict(list)
        for version in versions:
            self._by_place[version.service, version.environment].append(version)

    def since(self, place: Place, start: float, end: float) -> set[Name]:
        """Return what a service saw for the first time in [start, end]."""
        known = self._by_place.get(place, ())
        return {(one.dimension, one.value) for one in known if start <= one.first_seen <= end}

    def share(self, some: Iterable[Verdict], others: Iterable[Verdict]) -> bool:
        """Tell whether a version was new in both."""
        return not self._new(some, SHARED_S).isdisjoint(self._new(others, SHARED_S))

    def part(self, some: Iterable[Verdict], others: Iterable[Verdict]) -> bool:
        """Tell whether each had versions of its own just then, and none in common."""
        return self.own(some) and self.own(others) and not self.share(some, others)

    def own(self, verdicts: Iterable[Verdict]) -> bool:
        """Tell whether a version was new just then."""
        return bool(self._new(verdicts, OWN_S))

    def closeness(self, entry: Open, verdict: Verdict, join_s: float) -> Closeness | None:
        """Return how close a verdict is to an open incident; None when it does not belong to it.

        The same minute in the same service or with the same version is closest, then the same minute alone, then
        what is up to `join_s` away.
        """
        apart, known = gap(entry, verdict), entry.incident.verdicts
        if apart > join_s or verdict.series.environment != entry.incident.environment:
            return None
        if is_in(entry, verdict.series) or (verdict.kind == "page" and self.share([verdict], known)):
            return Closeness(0 if apart <= NEAR_S else 2, apart)
        together = apart <= NEAR_S and _is_dated(verdict, join_s) and any(_is_dated(one, join_s) for one in known)
        return Closeness(1, apart) if together and not self.part([verdict], known) else None

    def _new(self, verdicts: Iterable[Verdict], ahead_s: float) -> set[Name]:
        spans = {(_place(one.series), one.changed_from - ahead_s, one.changed_to) for one in verdicts}
        return {name for place, start, end in spans for name in self.since(place, start, end)}


def is_in(entry: Open, series: Series) -> bool:
    """Tell whether the incident has verdicts about the service of a series."""
    incident, place = entry.incident, _place(series)
    return place in {(incident.service, incident.environment), *(_place(one.series) for one in incident.verdicts)}


def gap(entry: Open, verdict: Verdict) -> float:
    """Return the seconds between the verdict's change interval and that with which the incident was opened."""
    return max(0.0, entry.anchor_from - verdict.changed_to, verdict.changed_from - entry.anchor_to)


def absorb(entry: Open, verdict: Verdict) -> bool:
    """Take the verdict into the incident; False when it says nothing new."""
    if verdict.kind == "recovered":
        return _recover(entry, verdict)
    known = next((v for v in entry.incident.verdicts if v.series == verdict.series), None)
    if verdict.id in entry.ids or (known is not None and known.kind == "page" and verdict.kind == "notice"):
        return False
    if known is not None:
        entry.incident.verdicts.remove(known)
        entry.incident.recovered = [key for key in entry.incident.recovered if key != known.id]
    entry.incident.verdicts.append(verdict)
    entry.ids.append(verdict.id)
    return True


def strangers(entry: Open, sightings: Sightings) -> list[list[Verdict]]:
    """Return the verdicts that joined and do not belong, those of one cause together.

    Services with versions of their own fall into groups that share some. The group of the service that opened the
    incident stays, or the largest one if nothing was new there, and with it all services that had nothing new.
    """
    groups: list[list[Verdict]] = []
    for part in parts(entry.incident):
        if sightings.own(part.verdicts):
            alike = [group for group in groups if sightings.share(group, part.verdicts)]
            groups = [group for group in groups if group not in alike] + [[*chain(*alike), *part.verdicts]]
    if not groups:
        return []
    home = max(groups, key=lambda group: (entry.incident.service in _services(group), len(_services(group))))
    return [group for group in groups if group is not home]


def release(entry: Open, leaving: list[Verdict], into: Open) -> None:
    """Move verdicts into another incident, with what is known of their recovery."""
    incident, joined = entry.incident, into.incident
    gone = {verdict.id for verdict in leaving}
    incident.verdicts = [verdict for verdict in incident.verdicts if verdict.id not in gone]
    for verdict in leaving:
        absorb(into, verdict)
    taken = {verdict.id for verdict in joined.verdicts}
    joined.recovered += [key for key in incident.recovered if key in gone & taken]
    incident.recovered = [key for key in incident.recovered if key not in gone]
    into.ids = list(dict.fromkeys([*into.ids, *entry.ids]))  # a recovery may name a verdict that was replaced
    joined.parted_from = joined.parted_from or incident.id
    incident.parted = list(dict.fromkeys([*incident.parted, joined.id]))


def _recover(entry: Open, verdict: Verdict) -> bool:
    known = next((v for v in entry.incident.verdicts if v.series == verdict.series), None)
    if known is None or known.id in entry.incident.recovered or (verdict.opened and verdict.opened not in entry.ids):
        return False
    entry.incident.recovered.append(known.id)
    return True


def _services(verdicts: Iterable[Verdict]) -> set[str]:
    return {verdict.series.service for verdict in verdicts}


def _place(series: Series) -> Place:
    return series.service, series.environment


def _is_dated(verdict: Verdict, join_s: float) -> bool:
    """Tell whether it is a change of a level whose time is known well enough to say that two came together."""
    width = verdict.changed_to - verdict.changed_from
    return verdict.kind == "page" and width <= join_s and not verdict.series.metric.startswith((RULE, FLEET))
