"""Plays a failure through the real path, from events to the incident with its causes, and says what is amiss."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from random import Random
from typing import Any

from scenarios.failures import Failure, applied
from scenarios.streams import CHANGE, Stream, calm, continued, fed, since

from undertow.alerts.incident import Change, ChangeKind, Incident
from undertow.alerts.life import standing
from undertow.alerts.ranking import lead
from undertow.alerts.text import page_text
from undertow.drift.interaction import Interaction
from undertow.drift.verdict import Verdict
from undertow.pipelines.settings import Settings

__all__ = ["Played", "Scenario", "play", "shortfalls"]

_SETTLED_S = 60.0  # after the page, in which further verdicts may join
_FIRST = 3  # places among which the right cause must be


@dataclass(frozen=True)
class Scenario:
    """A failure and what is expected to be told of it.

    Parameters
    ----------
    number, title
        The failure mode; 0 for one that every list has.
    stream, what
        The calm traffic, and what happens to it from the change on: failures, or an incident of the simulator.
    metric, segment, told
        What is told, in which slice (nothing: any), and as what: "page", or "notice" of what changes without harm.
    cause
        "dimension=value" that stands among the first causes; "unknown" where none is planted that an event carries.
    within
        Events of the stream since the change by which it is told.
    says
        What stands on the page, or in where the incident stands.
    pages
        At most so many.
    ends_after, then, later, recovers
        Events after which the failure ends, what is left of it, for how many events that is watched, and whether the
        incident is resolved by then.
    real
        The shared data set whose texts it uses.
    missed
        Why it falls short today.
    """

    number: int
    title: str
    stream: Stream
    what: Sequence[Failure] | str
    metric: str
    segment: tuple[str, str] | None = None
    told: str = "page"
    cause: str = "unknown"
    within: int = 0
    says: str = ""
    pages: int = 1
    ends_after: int = 0
    then: Sequence[Failure] = ()
    later: int = 0
    recovers: bool = False
    real: str = ""
    missed: str = ""

    @property
    def id(self) -> str:
        """Its name in the list of tests."""
        return f"{self.number}: {self.title}"


@dataclass
class Played:
    """What came of it.

    Parameters
    ----------
    learned, false_pages
        Events before the change, and what was paged then.
    times
        Of the events since the change, in order.
    verdicts
        Since the change, in the order in which they were told.
    incidents
        By id, each as it stood last.
    pages
        Ids of incidents, in the order in which they were paged.
    """

    learned: int
    false_pages: list[str]
    times: list[float]
    verdicts: list[Verdict] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    def first(self, scenario: Scenario) -> Verdict | None:
        """Return the verdict that told of what is expected."""
        return next(self._told(scenario), None)

    def delay(self, scenario: Scenario) -> tuple[int, float] | None:
        """Return the events and the seconds from the change until it was told."""
        first = self.first(scenario)
        return (bisect_right(self.times, first.detected_at), first.detected_at - CHANGE) if first else None

    def incident(self, scenario: Scenario) -> Incident | None:
        """Return the incident that tells of what is expected."""
        about = (self.incidents[key] for key in self.pages)
        return next((one for one in about if scenario.metric in {v.series.metric for v in one.verdicts}), None)

    def slices(self, scenario: Scenario) -> set[tuple[str, str]]:
        """Return the slices in which it was told, and those that carry it."""
        incident = self.incident(scenario)
        carried = incident.carried_by if incident else []
        return {pair for verdict in self._told(scenario) for pair in verdict.series.segment}.union(carried)

    def leads(self, scenario: Scenario) -> str:
        """Return the metric with which the page begins."""
        incident = self.incident(scenario)
        return lead(incident.verdicts).series.metric if incident else ""

    def rank(self, scenario: Scenario) -> int | None:
        """Return the place of the right cause on the page, 1 for the first."""
        incident = self.incident(scenario)
        named = [_names(cause) for cause in incident.causes] if incident else []
        return next((place for place, names in enumerate(named, start=1) if scenario.cause in names), None)

    def _told(self, scenario: Scenario) -> Iterator[Verdict]:
        return (v for v in self.verdicts if (v.series.metric, v.kind) == (scenario.metric, scenario.told))

    def page(self, scenario: Scenario) -> str:
        """Return all that the page says, and where the incident stands."""
        incident = self.incident(scenario)
        return f"{page_text(incident)}\n{standing(incident)}" if incident else ""


def play(scenario: Scenario, seed: int) -> Played:
    """Play a failure after what was learned of its stream: to its bound, or until its page is as expected."""
    learned = calm(scenario.stream, seed)
    events = _events(scenario, seed)
    played = Played(learned.events, [one.headline for one in learned.paged], [event.time for event in events])
    for step in fed(continued(scenario.stream, seed), events):
        played.verdicts += step.verdicts
        _note(played, step.changes)
        if not scenario.ends_after and _is_settled(scenario, played, step.events) and not shortfalls(scenario, played):
            break
    return played


def _is_settled(scenario: Scenario, played: Played, now: Sequence[Interaction]) -> bool:
    """Tell whether the page has been out for a while; of a notice, whether it has been told."""
    incident = played.incident(scenario)
    if scenario.told == "notice" or incident is None or incident.paged_at is None:
        return scenario.told == "notice"
    return now[-1].time > incident.paged_at + _SETTLED_S


def shortfalls(scenario: Scenario, played: Played) -> list[str]:
    """Return where that falls short of what is expected; nothing where it does not."""
    return [
        *_before(played),
        *_finding(scenario, played),
        *(_page(scenario, played) if scenario.told == "page" else ()),
    ]


def _before(played: Played) -> Iterator[str]:
    for headline in played.false_pages:
        yield f"paged before anything had changed: {headline}"


def _finding(scenario: Scenario, played: Played) -> Iterator[str]:
    delay, slices = played.delay(scenario), played.slices(scenario)
    if delay is None or delay[0] > scenario.within:
        told = sorted({f"{v.kind} {v.series.label}" for v in played.verdicts})
        yield f"{scenario.told} of {scenario.metric} within {scenario.within} events: {delay}; told were {told}"
    elif scenario.segment is not None and scenario.segment not in slices:
        yield f"{scenario.metric} was told in {sorted(slices)}, not in {scenario.segment}"


def _page(scenario: Scenario, played: Played) -> Iterator[str]:
    incident, rank = played.incident(scenario), played.rank(scenario)
    if incident is None:
        yield f"no incident was paged with {scenario.metric}"
        return
    if rank is None or rank > _FIRST:
        yield f"{scenario.cause} has place {rank} among {[cause['text'] for cause in incident.causes]}"
    if len(played.pages) > scenario.pages:
        yield f"{len(played.pages)} pages: {[played.incidents[key].headline for key in played.pages]}"
    if scenario.says not in played.page(scenario):
        yield f"the page does not say '{scenario.says}': {played.page(scenario)}"
    if scenario.recovers and incident.resolution != "recovered":
        yield f"not resolved {scenario.later} events after the end of the failure: {standing(incident)}"


def _events(scenario: Scenario, seed: int) -> list[Interaction]:
    """Return the events since the change, as the failure leaves them."""
    planted, failures = (scenario.what, ()) if isinstance(scenario.what, str) else ("", scenario.what)
    quiet, rng = since(scenario.stream, seed, planted), Random(seed)
    made = list(applied(failures, islice(quiet, scenario.ends_after or scenario.within), rng))
    if scenario.ends_after:
        failures = scenario.then
        made += applied(failures, islice(quiet, scenario.later), rng)
    closing = made[-1].time + _closing_s(scenario.stream.settings)
    made += applied(failures, takewhile(lambda event: event.time < closing, quiet), rng)
    return sorted(made, key=lambda event: event.time)


def _closing_s(settings: Settings) -> float:
    """Return the seconds after an event by which its window is closed and its page sent."""
    return settings.ingest.window_s + settings.ingest.allowed_lateness_s + settings.alerts.hold_s + 2 * _SETTLED_S


def _note(played: Played, changes: Iterable[Change]) -> None:
    for change in changes:
        played.incidents[change.incident.id] = change.incident
        if change.kind is ChangeKind.TRIGGER:
            played.pages.append(change.incident.id)


def _names(cause: dict[str, Any]) -> set[str]:
    if cause["kind"] == "unknown":
        return {"unknown"}
    return {f"{dimension}={value}" for dimension, value in [(cause["dimension"], cause["value"]), *cause["also"]]}
