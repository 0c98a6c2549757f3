"""`undertow plan`: how small a change each series of the user's own traffic would show, and how soon."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from undertow.dashboards.plan import Direction, Plan, SeriesPlan
from undertow.drift.budget import WEEK
from undertow.drift.metrics import Family, resolve
from undertow.drift.monitor import Monitor, SeriesStatus
from undertow.drift.planning import Prospects, chosen, delays, events_within, smallest
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Series
from undertow.pipelines.app import load_processor
from undertow.pipelines.processor import Processor
from undertow.pipelines.replay import replay
from undertow.pipelines.settings import Settings

__all__ = ["plan_of"]

_HORIZONS = {"hour": 3600.0, "day": 86_400.0, "week": WEEK}
_OTHERS = ((1.0, (1.0, 0.1, 10.0)), (0.1, (1.0,)), (10.0, (1.0,)))  # times the traffic, times the budget: as it is, …
_NAMES = ("budget ÷ 10", "budget × 10", "traffic ÷ 10", "traffic × 10")
_CURVE: list[float] = np.geomspace(60.0, 4 * WEEK, 40).tolist()  # seconds


def plan_of(
    settings: Settings, files: Sequence[str] = (), metrics: Sequence[str] = (), slices: Sequence[str] = ()
) -> Plan:
    """Return the plan of what a watch has learned, or of what these event files teach.

    Parameters
    ----------
    files
        Event files to learn from; without any, the last commit of the watch below the data folder counts.
    metrics, slices
        Only these metrics, and only these slices ("region=eu"; "all" is the whole of a service); empty for all.

    Raises
    ------
    ValueError
        Nothing has been learned yet, or a metric is not known.
    """
    wanted = {resolve(name).name for name in metrics}
    processor = _processor(settings, files)
    monitor = processor.monitor
    statuses = [
        status
        for status in monitor.statuses()
        if (not wanted or status.series.metric in wanted) and (not slices or _slice(status.series) in slices)
    ]
    planned = dict(_planned(monitor, settings.ingest.window_s, {status.series for status in statuses}))
    series = [planned.get(status.series) or _unplanned(status) for status in statuses]
    budget = settings.budget.false_pages_per_week
    return Plan(
        false_pages_per_week=budget, series_sharing=monitor.pageable(), until=monitor.last_closed, series=series
    )


def _processor(settings: Settings, files: Sequence[str]) -> Processor:
    processor = replay(settings, files).processor if files else load_processor(settings)[0]
    if not math.isfinite(processor.monitor.last_closed):
        raise ValueError(
            f"nothing has been learned below {settings.folder}: let `undertow run` or `undertow learn` see traffic "
            "first, or name event files, `undertow plan FILE`"
        )
    return processor


def _slice(series: Series) -> str:
    return " ".join(f"{name}={value}" for name, value in series.segment) or "all"


def _unplanned(status: SeriesStatus) -> SeriesPlan:
    progress = status.progress
    learning = progress.learned < progress.strict_at
    family = resolve(status.series.metric).family
    kind = {Family.CATEGORY: "a mix of categories", Family.VECTOR: "embeddings"}.get(family, "a detector of river")
    said = f"learning until {progress.strict_at:,} events" if learning else f"not planned, {kind}"
    return _series_plan(status.series, progress.level.value, progress.learned, reason=said)


def _planned(monitor: Monitor, window_s: float, wanted: AbstractSet[Series]) -> Iterator[tuple[Series, SeriesPlan]]:
    for found, every in monitor.prospects(window_s):
        names = [series for series in found if series in wanted]
        of = chosen(every, np.array([series in wanted for series in found]))
        rises, falls = _directions(monitor, of, rise=True), _directions(monitor, of, rise=False)
        usual = monitor.in_units(of, of.level[:, None])[:, 0]
        for i, series in enumerate(names):
            rate = resolve(series.metric).family is Family.RATE
            never = rate and usual[i] * of.learned[i] < 0.75  # half a hit is what a rate without any is taken for
            yield (
                series,
                _series_plan(
                    series,
                    0.0 if never else float(usual[i]),
                    int(of.learned[i]),
                    events_per_week=float(of.weekly[i]),
                    hidden_by=_hidden_by(of, i),
                    rise=rises[i],
                    fall=None if never else falls[i],
                ),
            )


def _hidden_by(of: Prospects, i: int) -> str:
    """Return what makes the band of a series as wide as it is."""
    if of.margin[i] > 0:
        return "young baseline"
    width = max(of.up[i], of.down[i])
    if of.season[i] >= width:
        return "daily cycle not known yet"
    return "wander from day to day" if of.wander[i] >= width else "band"


def _directions(monitor: Monitor, of: Prospects, *, rise: bool) -> list[Direction | None]:
    """Return what is found of a rise or of a fall, for each series; None where only the other way hurts."""
    told = (of.harm_up if rise else of.harm_down) | ~(of.harm_up | of.harm_down)
    some = _Side(monitor, chosen(of, told), rise)
    directions = iter(some.directions())
    return [next(directions) if one else None for one in told.tolist()]


class _Side:
    """One direction of change of some series; levels that are never found are NaN."""

    def __init__(self, monitor: Monitor, of: Prospects, rise: bool) -> None:
        self._monitor, self._of, self._rise = monitor, of, rise
        self._harm, self._band = (of.harm_up, of.up) if rise else (of.harm_down, of.down)
        self._least = np.where(self._harm, np.maximum(self._band, of.page_from), self._band)

    def directions(self) -> list[Direction]:
        now, *others = [levels for traffic, budgets in _OTHERS for levels in self._within(traffic, budgets)]
        seconds = list(_HORIZONS.values())
        edges, least = self._levels(self._band[:, None])[:, 0], self._levels(self._least[:, None])[:, 0]
        return [
            Direction(
                pages=bool(self._harm[i]),
                band=float(edges[i]),
                page_from=float(least[i]),
                within=_named(now[i, : len(seconds)]),
                other={name: _named(levels[i]) for name, levels in zip(_NAMES, others, strict=True)},
                curve=[
                    (s, at) for s, at in zip(_CURVE, now[i, len(seconds) :].tolist(), strict=True) if not np.isnan(at)
                ],
            )
            for i in range(len(self._of.series))
        ]

    def _within(self, traffic: float, budgets: Sequence[float]) -> Iterator[Floats]:
        """Yield for each budget the nearest levels (series, delays) that are told within the delays."""
        found = delays(self._of, rise=self._rise, budgets=budgets, traffic=traffic)
        for needed in found:
            within = events_within(self._of, [*_HORIZONS.values(), *_CURVE], traffic)
            shifts = np.stack([smallest(needed, events) for events in within.T], axis=1)
            yield self._levels(np.maximum(shifts, self._least[:, None]))

    def _levels(self, shifts: Floats) -> Floats:
        found = np.isfinite(shifts)
        moved = np.where(found, shifts, 0.0) * (1.0 if self._rise else -1.0)
        return np.where(found, self._monitor.in_units(self._of, self._of.level[:, None] + moved), np.nan)


def _named(levels: Floats) -> dict[str, float | None]:
    return {name: None if np.isnan(level) else level for name, level in zip(_HORIZONS, levels.tolist(), strict=False)}


def _series_plan(series: Series, level: float, learned: int, **more: object) -> SeriesPlan:
    return SeriesPlan(
        service=series.service,
        environment=series.environment,
        segment=dict(series.segment),
        metric=series.metric,
        unit=resolve(series.metric).unit,
        level=level,
        learned=learned,
        **more,  # type: ignore[arg-type]  # names and types of the fields agree
    )
