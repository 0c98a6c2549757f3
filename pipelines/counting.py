"""Steps 3 to 5 of the path of a datum: events in; closed windows, findings of rules and versions out.

Nothing here waits, writes or looks at a clock. What comes out is a function of the events in the order in which they
were read, whatever the size of the batches and however often the process was restarted in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.alerts.incident import Version
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories, CategoriesState
from undertow.drift.deduplication import Deduplication, DeduplicationState
from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.drift.prices import PriceTable
from undertow.drift.sampling import SamplingState
from undertow.drift.segments import Segments, SegmentsState
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Verdict
from undertow.drift.versions import SeenVersion, Versions
from undertow.drift.windows import Windows, WindowsState
from undertow.pipelines.meter import Measures, Meter
from undertow.pipelines.redaction import Redactor, user_hash
from undertow.pipelines.settings import Ingest, Settings
from undertow.pipelines.step import Sighting, Step
from undertow.pipelines.trackers import Figure, Trackers
from undertow.pipelines.vector_meter import build as build_vector_meter

__all__ = ["STATE_VERSION", "Counters", "Counting", "horizon_s", "part", "unkeyed"]

Ints = NDArray[np.int32]
_T = TypeVar("_T")
_Numbered = tuple[Figure, int]  # and the number of its metric

STATE_VERSION = 6


def unkeyed(user: str) -> str:
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


class Counting:
    """Counts each event once: signals, trackers, slices, windows.

    Examples
    --------
    >>> counting = Counting(Settings(), PriceTable())
    >>> step = counting.step([Interaction(id="1", time=0.0, service="s", output="Hello")], [0])
    >>> len(step.events), len(step.windows), len(counting.finish().windows)
    (1, 0, 1)
    """

    def __init__(
        self,
        settings: Settings,
        prices: PriceTable,
        state: dict[str, Any] | None = None,
        pseudonym: Callable[[str], str] = unkeyed,
    ) -> None:
        ingest, detection = settings.ingest, settings.detection
        state = state or {}
        self.catalogue = Catalogue([own.metric for own in settings.own_metrics], scores=state.get("scores", ()))
        self.vectors = build_vector_meter(settings, self.catalogue, part(state, "sampling", SamplingState))
        self._fixed = {
            "window_s": ingest.window_s,
            "dimensions": list(detection.dimensions),
            "embedder": self.vectors.embedder,
        }
        _check(state, self._fixed)
        self.descriptions = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)
        self.categories = Categories(state=part(state, "categories", CategoriesState))
        self.meter = Meter(settings, prices, self.catalogue, self.categories)
        self.segments = Segments(
            detection.dimensions,
            detection.values_per_dimension,
            _group_limit(settings, self.catalogue),
            part(state, "segments", SegmentsState),
        )
        self.windows = Windows(
            self.catalogue, ingest.window_s, ingest.allowed_lateness_s, part(state, "windows", WindowsState)
        )
        self._deduplication = Deduplication(horizon_s(ingest), state=part(state, "deduplication", DeduplicationState))
        self.trackers = Trackers(settings, pseudonym, state.get("trackers"))
        self._counters = part(state, "counters", Counters) or Counters()

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Take the next events in the order in which they were read."""
        if not events:
            return self._close(self.nothing())
        times = np.fromiter((event.time for event in events), np.float64, len(events))
        clock = np.maximum.accumulate(np.maximum(times, self.windows.latest))
        new = self._deduplication.admit(events, checksums, clock)
        late = self.windows.advance(times)[new]
        fresh = [event for event, is_new in zip(events, new.tolist(), strict=True) if is_new]
        for event in fresh:
            if event.kind is Kind.CHANGE:
                event.output = self.descriptions.text(text_of(event.output))  # it will stand in pages and in the store
        self._counters.events += len(fresh)
        self._counters.late += int(late.sum())
        measured = self.meter.measure(fresh)
        sighting = self._count(fresh, times[new], clock[new], late, measured)
        return self._close(Step(fresh, measured, late, [], sighting=sighting))

    def tick(self, time: float) -> Step:
        """Let event time pass without an event: the source has been silent and says it is at least `time`."""
        self.windows.tick(time)
        return self.step([], [])

    def finish(self) -> Step:
        """Close everything that is still open: the input has ended."""
        self.trackers.close_all()
        return self._close(self.nothing(), everything=True)

    def declare(self, change: Interaction) -> Step:
        """Take a change that somebody declared: a version seen, a row, and no word on what time it is."""
        change.output = self.descriptions.text(text_of(change.output))
        self.versions.observe([change])
        self._counters.events += 1
        return Step([change], self.meter.nothing(1), np.zeros(1, bool), [], versions=self._arrivals())

    def nothing(self) -> Step:
        """Return a step that no event has led to."""
        return Step([], self.meter.nothing(0), np.zeros(0, bool), [])

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
            "slices_as_other": self.segments.overflowed,
            "events_forgotten_early": self._deduplication.forgotten_early,
            "categories_forgotten": self.categories.forgotten,
            "scores_not_followed": self.catalogue.unfollowed_scores,
            "vectors_skipped": sum(self.vectors.skipped.values()),
            "texts_not_embedded": sampling.offered - sampling.taken if sampling else 0,
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
            "sampling": self.vectors.sampling and self.vectors.sampling.snapshot(),
            "scores": list(self.catalogue.scores),
            "categories": self.categories.snapshot(),
            "counters": self._counters,
        }

    def shown(self, seen: SeenVersion) -> Version:
        """Return a version as pages show it."""
        value = self.descriptions.text(seen.value) or ""
        return Version(seen.dimension, value, seen.first_seen, seen.service, seen.environment, seen.declared)

    # -- one step -----------------------------------------------------------------------------------------------------

    def _count(
        self,
        events: Sequence[Interaction],
        times: Floats,
        clock: Floats,
        late: NDArray[np.bool_],
        measured: Measures,
    ) -> Sighting:
        """Add the events that are in time to windows and trackers; versions, rules and money count late ones too."""
        watermarks = (clock - self.windows.lateness).tolist()
        apart = late | np.array([event.kind is Kind.CHANGE for event in events], bool)
        self.versions.observe([events[i] for i in np.flatnonzero(~apart).tolist()])
        in_turn = [(watermarks[i], events[i]) for i in np.flatnonzero(apart).tolist()]
        for event, charge, watermark in zip(events, measured.charges, watermarks, strict=True):
            self.trackers.arrive(event, charge, watermark)
        dims = [self.segments.dims(event) for event in events]
        in_time = np.flatnonzero(~late).tolist()
        live = np.array([i for i in in_time if events[i].shadow_of is None], np.int64)
        figures, groups, of_figures = self._follow(events, dims, in_time, measured, watermarks)
        counted, sliced = [events[i] for i in live.tolist()], [dims[i] for i in live.tolist()]
        values = measured.values[live]
        self.windows.add(times[live], groups, values)
        vectors = list(self.vectors.measure(counted, times[live], groups))
        for found in vectors:
            self.windows.add_vectors(found.times, found.groups, found.number, found.vectors)
        self._add_figures(figures, of_figures)
        return Sighting(counted, sliced, values, self.windows.starts(times[live]), vectors, in_turn)

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
            event = events[i]
            if event.shadow_of is None:
                of_events.append(len(keys))
                keys.append((event.service, event.environment, *dims[i]))
            said = self.trackers.observe(event, dims[i], measured.charges[i], watermarks[i])
            for metric, value in said.items():
                measured.values[i, self.catalogue.columns[metric]] = value
            for figure, number in self._numbered(self.trackers.figures()):
                keys.append((figure.service, figure.environment, *figure.dims))
                figures.append((figure, number))
        groups = self.segments.assign_dims(keys)
        mine = np.zeros(len(keys), bool)
        mine[of_events] = True
        return figures, groups[mine], groups[~mine]

    def _numbered(self, figures: Sequence[Figure]) -> Iterator[_Numbered]:
        """Yield figures with the numbers of their metrics, without those beyond the limit of scores."""
        for figure in figures:
            number = self.catalogue.number(figure.metric)
            if number is not None:
                yield figure, number

    def _add_figures(self, figures: Sequence[_Numbered], groups: Ints) -> None:
        if figures:
            times, values = ([getattr(figure, name) for figure, _ in figures] for name in ("time", "value"))
            numbers = np.array([number for _, number in figures], np.int64)
            self.windows.add_figures(np.array(times), groups, numbers, np.array(values))

    def _close(self, step: Step, everything: bool = False) -> Step:
        """Close what the watermark has passed, and add it to the step."""
        self.trackers.expire(self.windows.watermark)
        figures = list(self._numbered(self.trackers.figures()))
        keys = [(figure.service, figure.environment, *figure.dims) for figure, _ in figures]
        self._add_figures(figures, self.segments.assign_dims(keys))
        step.found = [self._told(verdict) for verdict in self.trackers.found()]
        step.windows = self.windows.close(everything)
        self._counters.windows += len(step.windows)
        step.spent, step.versions = self.trackers.spent(), self._arrivals()
        return step

    def _told(self, verdict: Verdict) -> Verdict:
        """Return what a rule found as it may be told: its values masked."""
        series = verdict.series
        segment = tuple((name, self.descriptions.text(value) or "") for name, value in series.segment)
        return msgspec.structs.replace(
            verdict,
            series=msgspec.structs.replace(series, segment=segment),
            reason=self.descriptions.text(verdict.reason) or "",
        )

    def _arrivals(self) -> list[Version]:
        return [self.shown(version) for version in self.versions.arrivals()]


def horizon_s(ingest: Ingest) -> float:
    """Return for how many seconds an id is known again, at least: while its window may be open."""
    return max(ingest.dedup_horizon_s, ingest.allowed_lateness_s + ingest.window_s)


def part(state: dict[str, Any], name: str, kind: type[_T]) -> _T | None:
    """Return a part of a saved state, None when there is none."""
    return msgspec.convert(state[name], kind | None) if state else None


def _check(state: dict[str, Any], fixed: dict[str, Any]) -> None:
    if state and state["version"] != STATE_VERSION:
        raise ValueError(
            f"the saved state has version {state['version']}, this Undertow reads {STATE_VERSION}; move it away to "
            "learn anew, or go back to the Undertow that wrote it"
        )
    for name, value in fixed.items():
        if state and state["fixed"][name] != value:
            raise ValueError(
                f"{name} = {value} differs from {state['fixed'][name]}, with which the saved state was made; "
                "go back, or move the state away to learn anew"
            )


def _group_limit(settings: Settings, catalogue: Catalogue) -> int:
    series_of_a_group = sum(name != "" for name in catalogue.names)
    return max(settings.detection.series_limit // series_of_a_group, 1)
