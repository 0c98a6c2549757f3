"""The path of a datum inside one process: events in; rows, closed windows, verdicts and incident changes out.

Nothing here waits, writes or looks at a clock: the caller reads, stores, pages and commits. What comes out is a
function of the events in the order in which they were read, whatever the size of the batches and however often the
process was restarted in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.alerts.incident import Change, Context, Level, Version
from undertow.alerts.incidents import Incidents, IncidentsConfig, IncidentsState
from undertow.alerts.incidents import build as build_incidents
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories, CategoriesState
from undertow.drift.deduplication import Deduplication, DeduplicationState
from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.drift.monitor import Monitor, MonitorConfig
from undertow.drift.prices import PriceTable
from undertow.drift.segments import Group, Segments, SegmentsState
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals import SIGNALS
from undertow.drift.signals.schema_violation import SchemaViolation
from undertow.drift.statistics.proportions import Floats
from undertow.drift.tasks import Task, Tasks
from undertow.drift.verdict import Verdict
from undertow.drift.versions import Versions
from undertow.drift.windows import ClosedWindow, Windows, WindowsState
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.settings import Settings

__all__ = ["Counters", "Processor", "Step"]

_VERSION_SLACK = 3600.0  # seconds before and after the change interval in which a first-seen version is a suspect
STATE_VERSION = 2


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

    `events` are the new ones (late ones included), `measures` (events, metrics) their columns in the order of
    `Catalogue.columns`, with NaN where an event does not say; `late` marks those that came too late to be counted.
    """

    events: list[Interaction]
    measures: Floats
    costs: Floats
    late: NDArray[np.bool_]
    windows: list[ClosedWindow]
    verdicts: list[Verdict]
    changes: list[Change]


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

    def __init__(self, settings: Settings, prices: PriceTable, state: dict[str, Any] | None = None) -> None:
        if state and state["version"] != STATE_VERSION:
            raise ValueError(
                f"the saved state has version {state['version']}, this Undertow reads {STATE_VERSION}; move it away to "
                "learn anew, or go back to the Undertow that wrote it"
            )
        ingest, detection = settings.ingest, settings.detection
        self._fixed = {"window_s": ingest.window_s, "dimensions": list(detection.dimensions)}
        for name, value in self._fixed.items():
            if state and state["fixed"][name] != value:
                raise ValueError(
                    f"{name} = {value} differs from {state['fixed'][name]}, with which the saved state was made; "
                    "go back, or move the state away to learn anew"
                )
        self.prices = prices
        self._descriptions = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)
        self.signals = _build_signals(settings)
        self.catalogue = Catalogue(scores=state["scores"] if state else ())
        self.categories = Categories(state=msgspec.convert(state["categories"], CategoriesState) if state else None)
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
        bounds = (ingest.task_idle_s, ingest.task_limit_s, ingest.task_limit_calls, ingest.max_open_tasks)
        self._tasks = Tasks.build(*bounds, state["tasks"]) if state else Tasks(*bounds)
        self.versions = Versions.build(state["versions"]) if state else Versions()
        self.monitor = Monitor(_monitor_config(settings), self.segments.groups, self.catalogue, self.categories)
        incidents = msgspec.convert(state["incidents"], IncidentsState) if state else None
        self._incidents_config = IncidentsConfig(
            hold_s=settings.alerts.hold_s, join_s=settings.alerts.join_s, pages_per_hour=settings.alerts.pages_per_hour
        )
        self.incidents: Incidents = build_incidents(self._incidents_config, incidents)
        self._counters = msgspec.convert(state["counters"], Counters) if state else Counters()
        if state:
            self.monitor.restore(state["monitor"])

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Take the next events in the order in which they were read."""
        if not events:
            return self._close([], self._measures(0), np.zeros(0), np.zeros(0, bool))
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
        measures, costs = self._measure(fresh)
        self._count(fresh, times[new], clock[new], late, measures, costs)
        return self._close(fresh, measures, costs, late)

    def tick(self, time: float) -> Step:
        """Let event time pass without an event: the source has been silent and says it is at least `time`."""
        self.windows.tick(time)
        return self.step([], [])

    def finish(self) -> Step:
        """Close everything that is still open: the input has ended."""
        self._add_tasks(self._tasks.close_all())
        return self._close([], self._measures(0), np.zeros(0), np.zeros(0, bool), everything=True)

    def decide(self, incident: str, resolution: str, now: float) -> Step:
        """Close an incident because somebody said so: "accepted", which makes its levels the normal ones, or "false".

        Raises
        ------
        undertow.alerts.incidents.IncidentsError
            No such incident is open.
        """
        step = self._close([], self._measures(0), np.zeros(0), np.zeros(0, bool))
        decided = self.incidents.manual(incident, resolution, now)
        if resolution == "accepted":
            for series in {verdict.series for change in decided for verdict in change.incident.verdicts}:
                self.monitor.accept(series)
        step.changes += decided
        return step

    def declare(self, change: Interaction) -> Step:
        """Take a change that somebody declared: a version seen, a row, and no word on what time it is."""
        change.output = self._descriptions.text(text_of(change.output))
        self.versions.observe([change])
        self._counters.events += 1
        nothing = self._measures(1)
        return Step([change], nothing, np.full(1, np.nan), np.zeros(1, bool), [], [], [])

    def forget_incidents(self) -> None:
        """Start without incidents: those of the history that baselines were learned from are nobody's page."""
        self.incidents = build_incidents(self._incidents_config)

    @property
    def open_tasks(self) -> int:
        """How many tasks are still open."""
        return len(self._tasks)

    @property
    def counters(self) -> Counters:
        """What happened to the events so far."""
        return msgspec.structs.replace(
            self._counters,
            duplicates=self._deduplication.duplicates,
            conflicts=self._deduplication.conflicts,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state: plain data and arrays by name."""
        return {
            "version": STATE_VERSION,
            "fixed": self._fixed,
            "segments": msgspec.to_builtins(self.segments.snapshot()),
            "windows": self.windows.snapshot(),
            "deduplication": self._deduplication.snapshot(),
            "tasks": self._tasks.snapshot(),
            "versions": self.versions.snapshot(),
            "monitor": self.monitor.snapshot(),
            "incidents": self.incidents.snapshot(),
            "scores": list(self.catalogue.scores),
            "categories": self.categories.snapshot(),
            "counters": self._counters,
        }

    def _measures(self, rows: int) -> Floats:
        """Return measures in which no event says anything yet."""
        return np.full((rows, len(self.catalogue.columns)), np.nan)

    # -- one step -----------------------------------------------------------------------------------------------------

    def _measure(self, events: Sequence[Interaction]) -> tuple[Floats, Floats]:
        """Return the columns of all per-call metrics and the cost of each call; NaN for what is no call."""
        measures = self._measures(len(events))
        costs = np.full(len(events), np.nan)
        calls = np.flatnonzero([event.kind is Kind.CALL for event in events])
        batch = Batch([events[i] for i in calls.tolist()])
        for signal in self.signals:
            measures[calls, self.catalogue.columns[signal.metric]] = signal.measure(batch)
        costs[calls] = [np.nan if (cost := self.prices.cost(event)) is None else cost for event in batch.events]
        return measures, costs

    def _count(
        self,
        events: Sequence[Interaction],
        times: Floats,
        clock: Floats,
        late: NDArray[np.bool_],
        measures: Floats,
        costs: Floats,
    ) -> None:
        """Add the events that are in time to windows, tasks and versions."""
        self.versions.observe(events)
        live = np.array([event.shadow_of is None for event in events], bool) & ~late
        dims = [self.segments.dims(event) for event in events]
        keys = [(event.service, event.environment, *dim) for event, dim in zip(events, dims, strict=True)]
        groups = self.segments.assign_dims([keys[i] for i in np.flatnonzero(live).tolist()])
        if len(groups):
            self.windows.add(times[live], groups, measures[live])
        watermarks = (clock - self.windows.lateness).tolist()
        closed: list[Task] = []
        for i in np.flatnonzero(live).tolist():
            closed += self._tasks.observe(events[i], dims[i], float(costs[i]), watermarks[i])
        self._add_tasks(closed)

    def _add_tasks(self, tasks: Sequence[Task]) -> None:
        if not tasks:
            return
        measures = self._measures(len(tasks))
        measures[:, self.catalogue.columns["cost_per_task"]] = [task.cost for task in tasks]
        measures[:, self.catalogue.columns["calls_per_task"]] = [task.calls or np.nan for task in tasks]
        groups = self.segments.assign_dims([(task.service, task.environment, *task.dims) for task in tasks])
        self.windows.add(np.array([task.closed_at for task in tasks]), groups, measures)
        self._counters.tasks += len(tasks)

    def _close(
        self,
        events: list[Interaction],
        measures: Floats,
        costs: Floats,
        late: NDArray[np.bool_],
        everything: bool = False,
    ) -> Step:
        """Close what the watermark has passed and let the detectors and the incidents see it, window by window."""
        self._add_tasks(self._tasks.expire(self.windows.watermark))
        windows = self.windows.close(everything)
        verdicts: list[Verdict] = []
        changes: list[Change] = []
        for window in windows:
            found = self.monitor.observe(window)
            verdicts += found
            changes += self.incidents.apply(found, self._context(found), window.end) if found else []
            changes += [] if found else self.incidents.tick(window.end, self._context(found))
        self._counters.windows += len(windows)
        return Step(events, measures, costs, late, windows, verdicts, changes)

    def _context(self, verdicts: Sequence[Verdict]) -> Context:
        return Context(levels=self._http_levels, versions=self._suspects(verdicts))

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
        return [
            Version(
                v.dimension, self._descriptions.text(v.value) or "", v.first_seen, v.service, v.environment, v.declared
            )
            for v in sorted(seen)
        ]


def _build_signals(settings: Settings) -> list[Signal]:
    off = set(settings.detection.metrics_off)
    chosen = {name: signal for name, signal in SIGNALS.items() if name not in off}
    return [
        SchemaViolation(settings.ingest.schemas) if signal is SchemaViolation else signal()
        for signal in chosen.values()
    ]


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
        bands=detection.band,
        page_from=detection.page_from,
        metrics_off=detection.metrics_off,
    )
