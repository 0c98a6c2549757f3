"""The path of a datum inside one process: events in; rows, closed windows, verdicts and incident changes out.

Nothing here waits, writes or looks at a clock: the caller reads, stores, pages and commits. What comes out is a
function of the events in the order in which they were read, whatever the size of the batches and however often the
process was restarted in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.alerts.incident import Change, Context, Level, Version
from undertow.alerts.incidents import Incidents, IncidentsConfig, IncidentsState
from undertow.alerts.incidents import build as build_incidents
from undertow.alerts.practice import Practice, PracticeState
from undertow.drift.cards import Card
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories, CategoriesState
from undertow.drift.deduplication import Deduplication, DeduplicationState
from undertow.drift.findings import Findings, FindingsState
from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.drift.monitor import Monitor, MonitorConfig
from undertow.drift.prices import PriceTable
from undertow.drift.sampling import SamplingState
from undertow.drift.segments import Group, Segments, SegmentsState
from undertow.drift.spend import SpendRow
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Verdict
from undertow.drift.versions import SeenVersion, Versions
from undertow.drift.windows import ClosedWindow, Windows, WindowsState
from undertow.pipelines.evidence import Evidence
from undertow.pipelines.meter import Measures, Meter
from undertow.pipelines.pins import accepted_pin
from undertow.pipelines.redaction import Redactor, user_hash
from undertow.pipelines.settings import Settings
from undertow.pipelines.trackers import Figure, Trackers
from undertow.pipelines.vector_meter import build as build_vector_meter

__all__ = ["Counters", "Processor", "Step"]

Ints = NDArray[np.int32]
_Numbered = tuple[Figure, int]  # and the number of its metric

_VERSION_SLACK = 3600.0  # seconds before and after the change interval in which a first-seen version is a suspect
STATE_VERSION = 5


def _unkeyed(user: str) -> str:
    """Return the pseudonym of a run whose state is not kept."""
    return user_hash(user, b"")


class Counters(msgspec.Struct):
    """What happened to events, exactly."""

    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0
    tasks: int = 0
    windows: int = 0


class Step(msgspec.Struct):
    """What one batch of events led to.

    `events` are the new ones (late ones included), `measured` what they say; `late` marks those that came too late to
    be counted. `spent` are the hours of spending that closed, `versions` what defines behaviour and is new, `cards`
    what is by now known of versions that were new.
    """

    events: list[Interaction]
    measured: Measures
    late: NDArray[np.bool_]
    windows: list[ClosedWindow]
    verdicts: list[Verdict]
    changes: list[Change]
    spent: list[SpendRow] = []
    versions: list[Version] = []
    cards: list[Card] = []


class Processor:
    """Joins signals, windows, detectors and incidents.

    Examples
    --------
    >>> from undertow.pipelines.settings import Settings
    >>> processor = Processor(Settings(), PriceTable())
    >>> step = processor.step([Interaction(id="1", time=0.0, service="s", output="Hello")], [0])
    >>> len(step.events), len(step.windows), len(processor.finish().windows)
    (1, 0, 1)
    """

    def __init__(
        self,
        settings: Settings,
        prices: PriceTable,
        state: dict[str, Any] | None = None,
        pseudonym: Callable[[str], str] = _unkeyed,
    ) -> None:
        if state and state["version"] != STATE_VERSION:
            raise ValueError(
                f"the saved state has version {state['version']}, this Undertow reads {STATE_VERSION}; move it away to "
                "learn anew, or go back to the Undertow that wrote it"
            )
        ingest, detection = settings.ingest, settings.detection
        self.catalogue = Catalogue(
            [own.metric for own in settings.own_metrics], scores=state["scores"] if state else ()
        )
        self.vectors = build_vector_meter(
            settings, self.catalogue, msgspec.convert(state["sampling"], SamplingState | None) if state else None
        )
        self._fixed = {
            "window_s": ingest.window_s,
            "dimensions": list(detection.dimensions),
            "embedder": self.vectors.embedder,
        }
        for name, value in self._fixed.items():
            if state and state["fixed"][name] != value:
                raise ValueError(
                    f"{name} = {value} differs from {state['fixed'][name]}, with which the saved state was made; "
                    "go back, or move the state away to learn anew"
                )
        self._descriptions = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)
        self.categories = Categories(state=msgspec.convert(state["categories"], CategoriesState) if state else None)
        self.meter = Meter(settings, prices, self.catalogue, self.categories)
        segments = msgspec.convert(state["segments"], SegmentsState) if state else None
        self.segments = Segments(
            detection.dimensions, detection.values_per_dimension, _group_limit(settings, self.catalogue), segments
        )
        self.windows = Windows(
            self.catalogue,
            ingest.window_s,
            ingest.allowed_lateness_s,
            msgspec.convert(state["windows"], WindowsState) if state else None,
        )
        horizon = max(ingest.dedup_horizon_s, ingest.allowed_lateness_s + ingest.window_s)
        seen = msgspec.convert(state["deduplication"], DeduplicationState) if state else None
        self._deduplication = Deduplication(horizon, state=seen)
        self.trackers = Trackers(settings, pseudonym, state["trackers"] if state else None)
        self.evidence = Evidence(
            self.catalogue,
            detection.dimensions,
            self.segments.groups,
            self.versions,
            None if ingest.content == "none" else Redactor(ingest.content, ingest.redact).kept,
            self._descriptions.kept,
            detection.topic,
            prices,
            state["evidence"] if state else None,
        )
        self._findings = Findings(msgspec.convert(state["findings"], FindingsState) if state else None)
        self.monitor = Monitor(_monitor_config(settings), self.segments.groups, self.catalogue, self.categories)
        incidents = msgspec.convert(state["incidents"], IncidentsState) if state else None
        self._incidents_config = IncidentsConfig(
            hold_s=settings.alerts.hold_s,
            join_s=settings.alerts.join_s,
            pages_per_hour=settings.alerts.pages_per_hour,
            weights=settings.alerts.weight,
        )
        self.incidents: Incidents = build_incidents(self._incidents_config, incidents)
        self.practice = self._practice(msgspec.convert(state["practice"], PracticeState) if state else None)
        self._counters = msgspec.convert(state["counters"], Counters) if state else Counters()
        if state:
            self.monitor.restore(state["monitor"])

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Take the next events in the order in which they were read."""
        if not events:
            return self._close([], self.meter.nothing(0), np.zeros(0, bool))
        times = np.fromiter((event.time for event in events), np.float64, len(events))
        clock = np.maximum.accumulate(np.maximum(times, self.windows.latest))
        new = self._deduplication.admit(events, checksums, clock)
        late = self.windows.advance(times)[new]
        fresh = [event for event, is_new in zip(events, new.tolist(), strict=True) if is_new]
        for event in fresh:
            if event.kind is Kind.CHANGE:
                event.output = self._descriptions.text(text_of(event.output))  # it will stand in pages and in the store
        self._counters.events += len(fresh)
        self._counters.late += int(late.sum())
        measured = self.meter.measure(fresh)
        self._count(fresh, times[new], clock[new], late, measured)
        return self._close(fresh, measured, late)

    def tick(self, time: float) -> Step:
        """Let event time pass without an event: the source has been silent and says it is at least `time`."""
        self.windows.tick(time)
        return self.step([], [])

    def finish(self) -> Step:
        """Close everything that is still open: the input has ended."""
        self.trackers.close_all()
        return self._close([], self.meter.nothing(0), np.zeros(0, bool), everything=True)

    def acknowledge(self, incident: str, now: float, by: str = "", elsewhere: str = "", *, quiet: bool = False) -> Step:
        """Note that somebody has taken an incident.

        Raises
        ------
        undertow.alerts.incidents.IncidentsError
            No such incident is open.
        """
        step = self._close([], self.meter.nothing(0), np.zeros(0, bool))
        step.changes += self.incidents.acknowledge(incident, now, by, elsewhere, quiet=quiet)
        return step

    def decide(self, incident: str, resolution: str, now: float, by: str = "", reason: str = "") -> Step:
        """Close an incident because somebody said so: "accepted", which makes its levels the normal ones, or "false".

        Series that are compared with a pin are pinned anew, to the first whole week at the accepted level.

        Raises
        ------
        undertow.alerts.incidents.IncidentsError
            No such incident is open.
        """
        step = self._close([], self.meter.nothing(0), np.zeros(0, bool))
        decided = self.incidents.manual(incident, resolution, now, by, reason)
        if resolution == "accepted":
            self._accept([verdict for change in decided for verdict in change.incident.verdicts], reason, by, now)
        self.practice.take(decided, now)
        step.changes += decided
        return step

    def _accept(self, verdicts: Sequence[Verdict], reason: str, by: str, now: float) -> None:
        moved = sorted({verdict.series for verdict in verdicts})
        pinned = [series for series in moved if self.monitor.accept(series)]
        if pinned:
            since = max(verdict.changed_to for verdict in verdicts if verdict.series in pinned)
            days = self.monitor.pinned
            days.pin(accepted_pin(pinned, since, reason, by, now, days.last_day))

    def declare(self, change: Interaction) -> Step:
        """Take a change that somebody declared: a version seen, a row, and no word on what time it is."""
        change.output = self._descriptions.text(text_of(change.output))
        self.versions.observe([change])
        self._counters.events += 1
        return Step([change], self.meter.nothing(1), np.zeros(1, bool), [], [], [], versions=self._arrivals())

    def forget_incidents(self) -> None:
        """Start without incidents: those of the history that baselines were learned from are nobody's page."""
        self.incidents = build_incidents(self._incidents_config)
        self.practice = self._practice()

    def _practice(self, state: PracticeState | None = None) -> Practice:
        return Practice(("rule", "fleet", *self.monitor.unbudgeted), state)

    @property
    def versions(self) -> Versions:
        """What defines behaviour, and since when."""
        return self.trackers.versions

    @property
    def open_tasks(self) -> int:
        """How many tasks are still open."""
        return len(self.trackers.tasks)

    @property
    def counters(self) -> Counters:
        """What happened to the events so far."""
        return msgspec.structs.replace(
            self._counters,
            duplicates=self._deduplication.duplicates,
            conflicts=self._deduplication.conflicts,
            tasks=self.trackers.closed_tasks,
        )

    def limits(self) -> dict[str, int]:
        """Return how often each limit was hit, by name."""
        sampling = self.vectors.sampling
        return {
            **self.trackers.limits(),
            **self.evidence.limits(),
            "slices_as_other": self.segments.overflowed,
            "events_forgotten_early": self._deduplication.forgotten_early,
            "categories_forgotten": self.categories.forgotten,
            "scores_not_followed": self.catalogue.unfollowed_scores,
            "vectors_skipped": sum(self.vectors.skipped.values()),
            "texts_not_embedded": sampling.offered - sampling.taken if sampling else 0,
            "incidents_in_summary_only": self.incidents.counts()["suppressed"],
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state: plain data and arrays by name."""
        return {
            "version": STATE_VERSION,
            "fixed": self._fixed,
            "segments": msgspec.to_builtins(self.segments.snapshot()),
            "windows": self.windows.snapshot(),
            "deduplication": self._deduplication.snapshot(),
            "trackers": self.trackers.snapshot(),
            "evidence": self.evidence.snapshot(),
            "findings": self._findings.snapshot(),
            "sampling": self.vectors.sampling and self.vectors.sampling.snapshot(),
            "monitor": self.monitor.snapshot(),
            "incidents": self.incidents.snapshot(),
            "practice": self.practice.snapshot(),
            "scores": list(self.catalogue.scores),
            "categories": self.categories.snapshot(),
            "counters": self._counters,
        }

    # -- one step -----------------------------------------------------------------------------------------------------

    def _count(
        self,
        events: Sequence[Interaction],
        times: Floats,
        clock: Floats,
        late: NDArray[np.bool_],
        measured: Measures,
    ) -> None:
        """Add the events that are in time to windows and trackers; versions, rules and money count late ones too."""
        watermarks = (clock - self.windows.lateness).tolist()
        apart = late | np.array([event.kind is Kind.CHANGE for event in events], bool)
        self.versions.observe([events[i] for i in np.flatnonzero(~apart).tolist()])
        rows = np.flatnonzero(apart).tolist()
        self.evidence.note_in_turn([events[i] for i in rows], [watermarks[i] for i in rows])
        for event, charge, watermark in zip(events, measured.charges, watermarks, strict=True):
            self.trackers.arrive(event, charge, watermark)
        dims = [self.segments.dims(event) for event in events]
        in_time = np.flatnonzero(~late).tolist()
        live = np.array([i for i in in_time if events[i].shadow_of is None], np.int64)
        figures, groups, of_figures = self._follow(events, dims, in_time, measured, watermarks)
        counted, sliced = [events[i] for i in live.tolist()], [dims[i] for i in live.tolist()]
        values = measured.values[live]
        self.windows.add(times[live], groups, values)
        starts = self.windows.starts(times[live])
        numbers = self.evidence.numbers(counted)
        self.evidence.observe(counted, numbers, sliced, values, starts)
        for found in self.vectors.measure(counted, times[live], groups):
            self.windows.add_vectors(found.times, found.groups, found.number, found.vectors)
            self.evidence.observe_vectors(counted, numbers, values, starts, found)
        self._add_figures(figures, of_figures)

    def _follow(
        self,
        events: Sequence[Interaction],
        dims: Sequence[tuple[str | None, ...]],
        in_time: Sequence[int],
        measured: Measures,
        watermarks: Sequence[float],
    ) -> tuple[list[_Numbered], Ints, Ints]:
        """Let the trackers see the events in turn; return figures, and the groups of live events and of figures.

        Groups are met in the order of the events, whatever the batch: who comes first beyond a limit depends on it.
        """
        keys: list[tuple[Any, ...]] = []
        figures: list[_Numbered] = []
        of_events: list[int] = []
        for i in in_time:
            if events[i].shadow_of is None:
                of_events.append(len(keys))
                keys.append((events[i].service, events[i].environment, *dims[i]))
            said = self.trackers.observe(events[i], dims[i], measured.charges[i], watermarks[i])
            for metric, value in said.items():
                measured.values[i, self.catalogue.columns[metric]] = value
            found = self._numbered(self.trackers.figures())
            keys += [(f.service, f.environment, *f.dims) for f, _ in found]
            figures += found
        groups = self.segments.assign_dims(keys)
        mine = np.zeros(len(keys), bool)
        mine[of_events] = True
        return figures, groups[mine], groups[~mine]

    def _numbered(self, figures: Sequence[Figure]) -> list[_Numbered]:
        """Return figures with the numbers of their metrics, without those beyond the limit of scores."""
        numbered = [(figure, self.catalogue.number(figure.metric)) for figure in figures]
        return [(figure, number) for figure, number in numbered if number is not None]

    def _add_figures(self, figures: Sequence[_Numbered], groups: Ints) -> None:
        if figures:
            times, values = ([getattr(figure, name) for figure, _ in figures] for name in ("time", "value"))
            numbers = np.array([number for _, number in figures], np.int64)
            self.windows.add_figures(np.array(times), groups, numbers, np.array(values))

    def _close(
        self,
        events: list[Interaction],
        measured: Measures,
        late: NDArray[np.bool_],
        everything: bool = False,
    ) -> Step:
        """Close what the watermark has passed and let the detectors and the incidents see it, window by window."""
        self.trackers.expire(self.windows.watermark)
        figures = self._numbered(self.trackers.figures())
        keys = [(figure.service, figure.environment, *figure.dims) for figure, _ in figures]
        self._add_figures(figures, self.segments.assign_dims(keys))
        self._findings.add(self._told(verdict) for verdict in self.trackers.found())
        windows = self.windows.close(everything)
        verdicts: list[Verdict] = []
        changes: list[Change] = []
        cards: list[Card] = []
        for window in windows:
            cards += self.evidence.close(window)
            found = self.monitor.observe(window) + self._findings.due(window.end)
            verdicts += found
            changes += self.incidents.apply(found, self._context(found), window.end) if found else []
            changes += [] if found else self.incidents.tick(window.end, self._context(found))
        self.evidence.note_all()
        cards += self.evidence.last_cards() if everything else []
        self.practice.take(changes, self.windows.watermark)
        self._counters.windows += len(windows)
        spent, arrivals = self.trackers.spent(), self._arrivals()
        return Step(events, measured, late, windows, verdicts, changes, spent, arrivals, cards)

    def _told(self, verdict: Verdict) -> Verdict:
        """Return what a rule found as it may be told: within its cap, its values masked."""
        series = verdict.series
        segment = tuple((name, self._descriptions.text(value) or "") for name, value in series.segment)
        return msgspec.structs.replace(
            self.monitor.capped(verdict),
            series=msgspec.structs.replace(series, segment=segment),
            reason=self._descriptions.text(verdict.reason) or "",
        )

    def _context(self, verdicts: Sequence[Verdict]) -> Context:
        return Context(self._http_levels, self._suspects(verdicts), self.evidence.account)

    def _http_levels(self, service: str, environment: str, since: float) -> list[Level]:
        """Return what classic monitoring says of the service before and since the change."""
        group = Group(service, environment)
        levels = []
        for metric, name in (("error_rate", "error_rate"), ("latency", "latency_p50")):
            found = self.monitor.levels(group, metric, since)
            levels.append(Level(name, found[0].value, found[1].value) if found else Level(name, None, None))
        return levels

    def _suspects(self, verdicts: Sequence[Verdict]) -> list[Version]:
        """Return the versions first seen around the changes of these verdicts and of the open incidents."""
        spans = {
            (v.series.service, v.series.environment, v.changed_from - _VERSION_SLACK, v.changed_to + _VERSION_SLACK)
            for v in [*verdicts, *(v for incident in self.incidents.open for v in incident.verdicts)]
        }
        seen = {version for span in sorted(spans) for version in self.versions.first_seen_between(*span)}
        return [self._shown(version) for version in sorted(seen)]

    def _arrivals(self) -> list[Version]:
        return [self._shown(version) for version in self.versions.arrivals()]

    def _shown(self, seen: SeenVersion) -> Version:
        """Return a version as pages show it."""
        value = self._descriptions.text(seen.value) or ""
        return Version(seen.dimension, value, seen.first_seen, seen.service, seen.environment, seen.declared)


def _group_limit(settings: Settings, catalogue: Catalogue) -> int:
    series_of_a_group = sum(name != "" for name in catalogue.names)
    return max(settings.detection.series_limit // series_of_a_group, 1)


def _monitor_config(settings: Settings) -> MonitorConfig:
    detection = settings.detection
    return MonitorConfig(
        false_pages_per_week=settings.budget.false_pages_per_week,
        min_events=detection.min_events,
        strict_events=detection.strict_events,
        detectors=detection.detector,
        stated=detection.stated,
        weights=settings.budget.weight,
        bands=detection.band,
        page_from=detection.page_from,
        metrics_off=detection.metrics_off,
        parity=detection.parity,
    )
