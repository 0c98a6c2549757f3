"""The monitor: closed windows in, verdicts out; each series has its detector and its share of the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK, Share
from undertow.drift.detector import Alarm, Detector, Observation, Progress, SeriesSettings
from undertow.drift.detectors import DETECTORS
from undertow.drift.metrics import METRICS, Family, Metric, parent_of, resolve
from undertow.drift.scales import Scaled, Scales
from undertow.drift.segments import Group
from undertow.drift.verdict import Estimate, Series, Verdict, verdict_id
from undertow.drift.windows import SERIES_METRICS, ClosedWindow

__all__ = ["MEASURED", "SERIES_OF_A_GROUP", "Monitor", "MonitorConfig", "SeriesStatus"]

MEASURED: tuple[Metric, ...] = tuple(metric for metric in METRICS.values() if "." not in metric.name)
_NUMBERED: tuple[Metric, ...] = (*MEASURED, *(metric for metric in METRICS.values() if "." in metric.name))
SERIES_OF_A_GROUP = len(_NUMBERED)
_NUMBER = {metric.name: number for number, metric in enumerate(_NUMBERED)}
_DEFAULTS = {Family.RATE: "beta_binomial", Family.POSITIVE: "clipped_gaussian"}
_UNBUDGETED_PAGES_PER_WEEK = 10  # of detectors that are outside the budget; beyond it they are notices

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class MonitorConfig:
    """What the monitor is told.

    Parameters
    ----------
    false_pages_per_week
        The budget, for all series together.
    detectors
        Metric → name of a detector, where it is not the default of its family.
    bands, page_from
        Metric → benign wander δ, and smallest effect worth a page (a ratio), where they are not the metric's own.
    """

    false_pages_per_week: float = 1.0
    min_events: int = 2000
    strict_events: int = 200
    detectors: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)
    page_from: Mapping[str, float] = field(default_factory=dict)
    metrics_off: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in (*self.detectors, *self.bands, *self.page_from, *self.metrics_off):
            resolve(name)
        for metric, detector in self.detectors.items():
            if detector not in DETECTORS:
                raise ValueError(f"detector '{detector}' of metric '{metric}' is not one of {', '.join(DETECTORS)}")
        if self.strict_events > self.min_events:
            raise ValueError(f"strict_events = {self.strict_events} must not exceed min_events = {self.min_events}")


class SeriesStatus(NamedTuple):
    """Where one series stands: learning, watching, or changed."""

    series: Series
    state: str
    progress: Progress


class Monitor:
    """Follows every series of every group.

    Parameters
    ----------
    groups
        The groups by number; it may grow while the monitor runs.
    """

    def __init__(self, config: MonitorConfig, groups: Sequence[Group]) -> None:
        self._config, self._groups = config, groups
        self._scales = Scales(config.strict_events, config.min_events)
        off = set(config.metrics_off)  # a metric takes its tails along
        self._watched = np.array([off.isdisjoint({metric.name, parent_of(metric.name)}) for metric in _NUMBERED])
        self._positive = np.array([metric.family is Family.POSITIVE for metric in MEASURED])
        chosen = [config.detectors.get(metric.name, _DEFAULTS[metric.family]) for metric in _NUMBERED]
        settings = {number: _settings(metric, config) for number, metric in enumerate(_NUMBERED)}
        self._detectors: dict[str, Detector] = {
            name: DETECTORS[name](settings, config.min_events, config.strict_events) for name in sorted(set(chosen))
        }
        self._handled: dict[str, Bools] = {name: np.array([c == name for c in chosen]) for name in self._detectors}
        self._unbudgeted: list[float] = []
        self.last_closed = -np.inf

    def observe(self, window: ClosedWindow) -> list[Verdict]:
        """Take the next closed window; return what the detectors say, in the order of the series."""
        self.last_closed = window.end
        if not len(window.cells.keys):
            return []
        share = Share.of(self._config.false_pages_per_week, self.pageable())
        observed = self._observations(window)
        alarms = [
            (alarm, name)
            for name, detector in self._detectors.items()
            for observation in [_select(observed, self._handled[name] & self._watched)]
            if len(observation.series)
            for alarm in detector.observe(observation, share)
        ]
        verdicts = [self._verdict(alarm, name, window) for alarm, name in alarms]
        return sorted(verdicts, key=lambda verdict: (verdict.series, verdict.opened))

    def pageable(self) -> int:
        """Return how many series may page and so share the budget."""
        return sum(detector.pageable() for detector in self._detectors.values())

    def statuses(self) -> Iterator[SeriesStatus]:
        """Say of every series whether it is learning, watching or changed."""
        for group, _ in enumerate(self._groups):
            for number, metric in enumerate(_NUMBERED):
                progress = self._detector_of(number).progress(group * SERIES_METRICS + number)
                if progress is not None:
                    yield SeriesStatus(self._series(group, metric.name), _state(progress), progress)

    def levels(self, group: Group, metric: str, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level of a metric before and since a time, None if one of them is unknown."""
        number = _NUMBER[metric]
        if group not in self._groups:
            return None
        series = self._groups.index(group) * SERIES_METRICS + number
        return self._detector_of(number).levels(series, since)

    def accept(self, series: Series) -> None:
        """Take the level that a series has moved to as its normal one."""
        group = Group(series.service, series.environment, series.segment)
        number = _NUMBER[series.metric]
        if group in self._groups:
            self._detector_of(number).accept(self._groups.index(group) * SERIES_METRICS + number)

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        detectors = {name: detector.snapshot() for name, detector in self._detectors.items()}
        return {
            "metrics": [metric.name for metric in _NUMBERED],
            "detectors": detectors,
            "scales": self._scales.snapshot(),
            "unbudgeted": self._unbudgeted,
            "last_closed": self.last_closed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot that was made with the same metrics and detectors."""
        names = [metric.name for metric in _NUMBERED]
        if state["metrics"] != names or set(state["detectors"]) != set(self._detectors):
            raise ValueError(
                "the saved state follows other metrics or detectors than this configuration; go back, or move the "
                "state away to learn anew"
            )
        for name, detector in self._detectors.items():
            detector.restore(state["detectors"][name])
        self._scales.restore(state["scales"])
        self._unbudgeted, self.last_closed = list(state["unbudgeted"]), state["last_closed"]

    def _detector_of(self, number: int) -> Detector:
        return next(self._detectors[name] for name, handled in self._handled.items() if handled[number])

    def _observations(self, window: ClosedWindow) -> Observation:
        """Return the window of all series: rates, positive metrics, and the tails of those."""
        cells = window.cells
        positive = self._positive[cells.metrics]
        rates = _rates(cells.series[~positive], cells.bins[~positive], cells.counts[~positive])
        scaled = self._scales.apply(cells.series[positive], cells.bins[positive], cells.counts[positive], window.start)
        return _concatenate(window, [rates, _positives(scaled), *_tails(scaled)])

    def _series(self, group: int, metric: str) -> Series:
        where = self._groups[group]
        return Series(where.service, where.environment, where.segment, metric)

    def _verdict(self, alarm: Alarm, detector: str, window: ClosedWindow) -> Verdict:
        group, number = divmod(alarm.series, SERIES_METRICS)
        series = self._series(group, _NUMBERED[number].name)
        kind = self._capped(alarm.kind, window.end) if detector not in _DEFAULTS.values() else alarm.kind
        opened = verdict_id(series, alarm.opened_at, "alarm") if kind == "recovered" else ""
        return Verdict(
            id=verdict_id(series, alarm.opened_at if opened else window.end, "recovered" if opened else "alarm"),
            kind=kind,
            series=series,
            direction=alarm.direction,
            detected_at=window.end,
            changed_at=alarm.changed_at,
            changed_from=alarm.changed_from,
            changed_to=alarm.changed_to,
            before=alarm.before,
            after=alarm.after,
            events=alarm.events,
            statistic=alarm.statistic,
            threshold=alarm.threshold,
            detector=detector,
            reason=alarm.reason,
            opened=opened,
        )

    def _capped(self, kind: str, now: float) -> str:
        """Return "notice" for a page beyond the weekly cap of detectors that are outside the budget."""
        self._unbudgeted = [time for time in self._unbudgeted if time > now - WEEK]
        if kind != "page" or len(self._unbudgeted) >= _UNBUDGETED_PAGES_PER_WEEK:
            return "notice"
        self._unbudgeted.append(now)
        return kind


class _Part(NamedTuple):
    """One kind of series in a window: the columns of an observation."""

    series: Ints
    events: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    raw: NDArray[np.float64]
    since: NDArray[np.float64] | None
    cells: tuple[Ints, NDArray[np.float64], Ints]


def _settings(metric: Metric, config: MonitorConfig) -> SeriesSettings:
    band, page_from = config.bands.get(metric.name, metric.band), config.page_from.get(metric.name, metric.page_from)
    links = (float(np.log1p(band)), float(np.log(page_from)), float(np.log(metric.season)))
    return SeriesSettings(*links, metric.harm, metric.family is Family.POSITIVE)


def _state(progress: Progress) -> str:
    if progress.changed_at is not None:
        return "changed"
    if progress.learned < progress.strict_at:
        return "learning"
    return "strict" if progress.learned < progress.pages_at else "watching"


def _rates(series: Ints, bins: Ints, counts: Ints) -> _Part:
    found, first, index = np.unique(series, return_index=True, return_inverse=True)
    events = np.add.reduceat(counts, first).astype(np.float64) if len(first) else np.zeros(0)
    hits = np.add.reduceat(counts * bins, first).astype(np.float64) if len(first) else np.zeros(0)
    return _Part(found, events, hits, hits, hits, None, (index, bins.astype(np.float64), counts))


def _positives(scaled: Scaled) -> _Part:
    return _Part(scaled.series, scaled.events, scaled.sums, scaled.squares, scaled.raw, scaled.since, scaled.cells)


def _tails(scaled: Scaled) -> Iterator[_Part]:
    groups, metrics = np.divmod(scaled.series[scaled.tailed], SERIES_METRICS)
    events = scaled.events[scaled.tailed]
    for side, beyond in (("low", scaled.low), ("high", scaled.high)):
        numbers = np.array([_NUMBER.get(f"{metric.name}.{side}", -1) for metric in MEASURED])
        hits = beyond[scaled.tailed]
        index = np.arange(len(hits))
        cells = (
            np.concatenate([index, index]),
            np.repeat([1.0, 0.0], len(hits)),
            np.concatenate([hits, events - hits]).astype(np.int64),
        )
        yield _Part(groups * SERIES_METRICS + numbers[metrics], events, hits, hits, hits, None, cells)


def _concatenate(window: ClosedWindow, parts: Sequence[_Part]) -> Observation:
    offsets = np.cumsum([0, *(len(part.series) for part in parts)])
    since = [part.since if part.since is not None else np.full(len(part.series), window.start) for part in parts]
    cells = [(part.cells[0] + offset, *part.cells[1:]) for part, offset in zip(parts, offsets, strict=False)]
    return Observation(
        window.start,
        window.end,
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.squares for part in parts]),
        np.concatenate([part.raw for part in parts]),
        np.concatenate(since),
        (
            np.concatenate([c[0] for c in cells]),
            np.concatenate([c[1] for c in cells]),
            np.concatenate([c[2] for c in cells]),
        ),
    )


def _select(observed: Observation, metrics: Bools) -> Observation:
    """Return the part of the window that one detector handles."""
    mine = metrics[observed.series % SERIES_METRICS]
    index, values, counts = observed.cells
    kept = mine[index]
    renumbered = np.cumsum(mine) - 1
    return Observation(
        observed.start,
        observed.end,
        observed.series[mine],
        observed.events[mine],
        observed.sums[mine],
        observed.squares[mine],
        observed.raw[mine],
        observed.since[mine],
        (renumbered[index[kept]], values[kept], counts[kept]),
    )
