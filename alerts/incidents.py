"""From verdicts to incidents: what belongs together is told once, grows, recovers or expires, in event time alone.

Configuration, logic and state are three types: `build(config, state)` joins them and `Incidents.snapshot()` parts
them again. The changes depend on the verdicts and their times, not on how often `apply` and `tick` are called or
how many verdicts arrive at once: a run resumed from a snapshot says the same things under the same ids, and the
outbox knows them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec
import xxhash

from undertow.alerts.incident import Change, ChangeKind, Context, Incident, Severity, State, tell
from undertow.alerts.joining import Open, Sightings, absorb, is_in, release, strangers
from undertow.alerts.life import acknowledge, close, is_back, news, state_of
from undertow.alerts.ranking import about_inputs, lead, measured
from undertow.alerts.reasons import explained
from undertow.alerts.recovery import share_back
from undertow.alerts.severity import severity
from undertow.alerts.storm import Storm, StormState
from undertow.alerts.suspects import around
from undertow.alerts.text import headline
from undertow.drift.verdict import Series, Verdict

__all__ = ["Incidents", "IncidentsConfig", "IncidentsError", "IncidentsState", "build"]

STATE_VERSION = 1
OPEN_LIMIT = 1000  # incidents open at once; the oldest gives way, resolved as expired and counted
KINDS = ("page", "notice", "recovered")
RESOLUTIONS = ("accepted", "false")
SEVERITIES = list(Severity)


class IncidentsError(ValueError):
    """An incident cannot be built, resumed or closed as asked; the message names what, why and the way out."""


@dataclass(frozen=True)
class IncidentsConfig:
    """How verdicts are grouped.

    Parameters
    ----------
    hold_s
        Seconds of event time between the first verdict and the page, in which related verdicts join.
    join_s
        A verdict may join an incident when its change interval lies within so many seconds of the interval of the
        verdict that opened the incident. The opening interval stays the measure, so a chain of changes cannot grow
        one incident for ever. What else it takes, `undertow.alerts.joining` says.
    pages_per_hour
        Pages an hour of event time; the rest is told by one summary page.
    complete_s
        Seconds of event time after the page at which it is completed by an update: by then there are more calls since
        the change to say where it is, what the words say, and what a new version does.
    expiry_s
        An incident that has not recovered so long after it opened is closed as expired: the new level is the normal
        one now.
    weights
        Metric → how much it hurts, for the severity; 1 where nothing is said.
    """

    hold_s: float = 30.0
    join_s: float = 1800.0
    pages_per_hour: int = 10
    complete_s: float = 120.0
    expiry_s: float = 14 * 86_400.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least_of = {"hold_s": 0.0, "join_s": 0.0, "pages_per_hour": 1, "complete_s": 0.0, "expiry_s": self.hold_s}
        for name, least in least_of.items():
            if not getattr(self, name) >= least:
                raise IncidentsError(f"{name} = {getattr(self, name)} is too small; it must be at least {least:g}")


class IncidentsState(msgspec.Struct):
    """What `Incidents` remembers; plain data, versioned."""

    version: int = STATE_VERSION
    open: dict[str, Open] = {}
    storm: StormState = msgspec.field(default_factory=StormState)
    opened: int = 0
    resolved: dict[str, int] = {}  # by resolution


def build(config: IncidentsConfig, state: IncidentsState | None = None) -> Incidents:
    """Return the logic, resumed from a snapshot when one is given.

    Raises
    ------
    IncidentsError
        The snapshot is of another version.
    """
    return Incidents(config, state)


class Incidents:
    """Joins verdicts into incidents and says what to tell about them; every time is event time and an argument."""

    def __init__(self, config: IncidentsConfig, state: IncidentsState | None = None) -> None:
        if state is not None and state.version != STATE_VERSION:
            raise IncidentsError(
                f"the incidents' snapshot has version {state.version}, this program reads {STATE_VERSION}; "
                "resume with the program that wrote it, or remove the snapshot to start afresh"
            )
        self._config = config
        self._state = copy.deepcopy(state or IncidentsState())
        self._storm = Storm(config.pages_per_hour, self._state.storm)

    def apply(self, verdicts: Iterable[Verdict], context: Context, now: float) -> list[Change]:
        """Take in the verdicts that became known up to `now` and return what is to be told, in order.

        A "page" verdict joins the closest incident, of its service or of others that changed with it, else opens one.
        A "notice" joins as supporting evidence and never replaces a "page" of its series. "recovered" ends the
        series' verdict that it names; when all page verdicts of an incident have recovered, it is resolved. Each
        incident changes at most once per detection time; a service that by later evidence does not belong to it
        leaves for an incident of its own.
        """
        changes: list[Change] = []
        for at, group in groupby(sorted(verdicts, key=_order), key=lambda verdict: verdict.detected_at):
            changes += self._advance(at, context, including=False)
            changes += self._take(group, context, at)
        return changes + self.tick(now, context)

    def tick(self, now: float, context: Context | None = None) -> list[Change]:
        """Let event time pass: page what was held long enough, close what expired.

        With a context the page tells what HTTP metrics and versions say now, not when the last verdict joined.
        """
        return self._advance(now, context, including=True)

    def acknowledge(
        self, incident_id: str, now: float, by: str = "", elsewhere: str = "", *, quiet: bool = False
    ) -> list[Change]:
        """Note that somebody has taken an incident of which people were told; a second time it says nothing new.

        With `quiet` its news are for the store alone until it grows graver or is over.

        Raises
        ------
        IncidentsError
            No such incident is open.
        """
        changes = self.tick(now)
        incident = self._known(incident_id).incident
        if not incident.state.is_told or not acknowledge(incident, by, now, elsewhere, quiet=quiet):
            return changes
        return [*changes, tell(incident, ChangeKind.ACKNOWLEDGE, now, silent=bool(incident.summary))]

    def manual(self, incident_id: str, resolution: str, now: float, by: str = "", reason: str = "") -> list[Change]:
        """Close an incident by hand, as the new normal ("accepted") or as a false page ("false").

        An incident still in its hold time is closed silently: nobody had been told.

        Raises
        ------
        IncidentsError
            No such incident is open, or the resolution is neither of the two.
        """
        if resolution not in RESOLUTIONS:
            raise IncidentsError(f"resolution '{resolution}' is not known; use one of {', '.join(RESOLUTIONS)}")
        changes = self.tick(now)
        return changes + self._resolve(self._known(incident_id), resolution, now, by, reason)

    @property
    def open(self) -> Sequence[Incident]:
        """The incidents that are not resolved, oldest first."""
        return [entry.incident for entry in self._state.open.values()]

    def counts(self) -> dict[str, int]:
        """Return how many incidents were opened, are open, were resolved, by resolution, and told by summary only."""
        resolved = {f"resolved_{resolution}": count for resolution, count in sorted(self._state.resolved.items())}
        now_open = len(self._state.open)
        return {"opened": self._state.opened, "open": now_open, "suppressed": self._storm.suppressed, **resolved}

    def snapshot(self) -> IncidentsState:
        """Return the state as plain data of its own."""
        return copy.deepcopy(msgspec.structs.replace(self._state, storm=self._storm.snapshot()))

    def _known(self, incident_id: str) -> Open:
        if incident_id not in self._state.open:
            raise IncidentsError(
                f"no incident '{incident_id}' is open at that time; `undertow incidents` lists those that are "
                "(a summary page resolves by itself, with the incidents on it)"
            )
        return self._state.open[incident_id]

    def _advance(self, until: float, context: Context | None, *, including: bool) -> list[Change]:
        changes: list[Change] = []
        while (entry := self._next_due(until, including=including)) is not None:
            if entry.incident.state is State.OPEN:
                changes += self._page(entry, self._due(entry), context)
            elif not entry.completed:
                changes += self._complete(entry, self._due(entry), context)
            else:
                changes += self._resolve(entry, "expired", self._due(entry))
        return changes + self._storm.close(until)

    def _next_due(self, until: float, *, including: bool) -> Open | None:
        soonest = min(self._state.open.values(), key=lambda entry: (self._due(entry), entry.incident.id), default=None)
        if soonest is None:
            return None
        due = self._due(soonest)
        return soonest if due < until or (including and due == until) else None

    def _due(self, entry: Open) -> float:
        incident = entry.incident
        if incident.paged_at is None:
            return incident.opened_at + self._config.hold_s
        if not entry.completed:
            return incident.paged_at + self._config.complete_s
        return incident.opened_at + self._config.expiry_s

    def _complete(self, entry: Open, at: float, context: Context | None) -> list[Change]:
        """Tell once more, silently to people, what could not yet be known when the page left."""
        entry.completed, incident = True, entry.incident
        if context is None:
            return []
        if joined := self._part(entry, Sightings(context.versions), at):
            return [change for one in [*joined, entry] for change in self._tell(one, context, at)]
        explained = _refresh(incident, context, self._outputs_moved(incident))
        return [tell(incident, ChangeKind.UPDATE, at, silent=bool(incident.summary))] if explained else []

    def _take(self, group: Iterable[Verdict], context: Context, at: float) -> list[Change]:
        touched: dict[str, Open] = {}
        changes: list[Change] = []
        sightings = Sightings(context.versions)
        for verdict in group:
            if verdict.kind == "page" and self._closest(verdict, sightings) is None:
                changes += self._make_room(at)
                self._open(verdict, verdict.detected_at)
            concerned = self._concerned(verdict, sightings)
            touched |= {entry.incident.id: entry for entry in concerned if absorb(entry, verdict)}
        joined = {into.incident.id: into for entry in touched.values() for into in self._part(entry, sightings, at)}
        for entry in (joined | touched).values():
            changes += self._tell(entry, context, at)
        return changes

    def _concerned(self, verdict: Verdict, sightings: Sightings) -> list[Open]:
        if verdict.kind == "recovered":
            return self._beside(verdict.series)
        closest = self._closest(verdict, sightings)
        return [] if closest is None else [closest]

    def _closest(self, verdict: Verdict, sightings: Sightings, but: Open | None = None) -> Open | None:
        close = [
            (closeness, entry.incident.opened_at, entry.incident.id)
            for entry in self._state.open.values()
            if entry is not but and (closeness := sightings.closeness(entry, verdict, self._config.join_s)) is not None
        ]
        return self._state.open[min(close)[2]] if close else None

    def _beside(self, series: Series) -> list[Open]:
        return [entry for entry in self._state.open.values() if is_in(entry, series)]

    def _part(self, entry: Open, sightings: Sightings, at: float) -> list[Open]:
        """Let services leave which, as is known by now, changed for another reason; return what they have joined."""
        joined = []
        for leaving in strangers(entry, sightings):
            first = min((verdict for verdict in leaving if verdict.kind == "page"), key=_order)
            joined.append(self._closest(first, sightings, but=entry) or self._open(first, at))
            release(entry, leaving, joined[-1])
        return joined

    def _open(self, verdict: Verdict, at: float) -> Open:
        incident = Incident(
            id=xxhash.xxh3_64_hexdigest(f"incident\x1f{verdict.id}".encode()),
            service=verdict.series.service,
            environment=verdict.series.environment,
            state=State.OPEN,
            severity=Severity.INFO,
            opened_at=at,
            changed_at=verdict.changed_at,
            changed_from=verdict.changed_from,
            changed_to=verdict.changed_to,
            headline="",
            verdicts=[],
        )
        self._state.open[incident.id] = Open(incident, verdict.changed_from, verdict.changed_to, [])
        self._state.opened += 1
        return self._state.open[incident.id]

    def _make_room(self, at: float) -> list[Change]:
        if len(self._state.open) < OPEN_LIMIT:
            return []
        oldest = next(iter(self._state.open.values()))
        paged = self._page(oldest, at, None) if oldest.incident.state is State.OPEN else []
        return paged + (self._resolve(oldest, "expired", at) if oldest.incident.state.is_told else [])

    def _tell(self, entry: Open, context: Context, at: float) -> list[Change]:
        before = entry.incident.severity
        self._refresh(entry.incident, context)
        if entry.incident.state is State.OPEN:
            return []
        if is_back(entry.incident):
            return self._resolve(entry, "recovered", at)
        return self._news(entry.incident, before, at)

    def _news(self, incident: Incident, before: Severity, at: float) -> list[Change]:
        if incident.summary:
            incident.state = state_of(incident)
            return [tell(incident, ChangeKind.UPDATE, at, silent=True), *self._storm.grow(incident, at)]
        kind = news(incident, before)
        if kind is ChangeKind.ESCALATE:
            self._storm.count(at)
        return [tell(incident, kind, at, silent=incident.quiet)]

    def _refresh(self, incident: Incident, context: Context) -> None:
        _refresh(incident, context, self._outputs_moved(incident))
        graver = severity(incident.verdicts, self._config.weights)
        incident.severity = max(incident.severity, graver, key=SEVERITIES.index)

    def _page(self, entry: Open, at: float, context: Context | None) -> list[Change]:
        incident = entry.incident
        if context is not None:
            self._refresh(incident, context)
        incident.state, incident.paged_at = State.PAGED, at
        back = is_back(incident)
        if back:  # over before anybody was told: told in order all the same, but nobody is woken for it
            incident.severity = Severity.WARNING
        changes = self._trigger(incident, at)
        return changes + (self._resolve(entry, "recovered", at) if back else [])

    def _outputs_moved(self, incident: Incident) -> float | None:
        """Return when the last incident before this one began that is still open and about what was answered."""
        beside = [entry.incident for entry in self._beside(lead(incident.verdicts).series)]
        begun = [one.changed_at for one in beside if one is not incident and not about_inputs(lead(one.verdicts))]
        return max((time for time in begun if time < incident.changed_at), default=None)

    def _trigger(self, incident: Incident, at: float) -> list[Change]:
        if self._storm.admits(at):
            return [tell(incident, ChangeKind.TRIGGER, at)]
        summary = self._storm.add(incident, at)
        return [tell(incident, ChangeKind.TRIGGER, at, silent=True), summary]

    def _resolve(self, entry: Open, resolution: str, at: float, by: str = "", reason: str = "") -> list[Change]:
        incident = self._state.open.pop(entry.incident.id).incident
        silent = incident.state is State.OPEN or bool(incident.summary)
        close(incident, resolution, at, by, reason)
        self._storm.settle(incident)
        self._state.resolved[resolution] = self._state.resolved.get(resolution, 0) + 1
        return [tell(incident, ChangeKind.RESOLVE, at, silent=silent)]


def _order(verdict: Verdict) -> tuple[float, int, float, str]:
    if verdict.kind not in KINDS:
        raise IncidentsError(f"verdict {verdict.id} has the unknown kind '{verdict.kind}'; known: {', '.join(KINDS)}")
    return verdict.detected_at, KINDS.index(verdict.kind), verdict.threshold - verdict.statistic, verdict.id


def _refresh(incident: Incident, context: Context, outputs_moved: float | None) -> bool:
    """Bring the incident up to date; return whether something could be said of why it came about."""
    first = lead(incident.verdicts)
    incident.changed_at, incident.changed_from, incident.changed_to = (
        first.changed_at,
        first.changed_from,
        first.changed_to,
    )
    incident.http = context.levels(first.series.service, first.series.environment, incident.changed_at)
    incident.versions = around(incident, context.versions)
    incident.back = share_back(incident, context.calls) if incident.recovered else None
    about = measured(incident.verdicts)
    account = context.account(about, _inputs_moved(incident), outputs_moved)
    if account is not None:
        explained(incident, about, account)
    incident.headline = headline(incident)
    return account is not None


def _inputs_moved(incident: Incident) -> float | None:
    """Return when the inputs changed, by the clearest verdict about them, if they did and are not back."""
    about = [v for v in incident.verdicts if about_inputs(v) and v.id not in incident.recovered]
    clearest = max(about, key=lambda verdict: (verdict.statistic - verdict.threshold, verdict.id), default=None)
    return None if clearest is None else clearest.changed_at
