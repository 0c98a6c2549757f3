"""Verdicts and levels of an incident as reports show them."""

from __future__ import annotations

import numpy as np

from undertow.alerts.incident import Level
from undertow.alerts.text import http_is_green, slice_of
from undertow.dashboards.model import ChangeMark, Chart, HttpLevel, Mark, Point, Row
from undertow.drift.metrics import resolve
from undertow.drift.statistics.proportions import wilson
from undertow.drift.verdict import Series, Verdict

__all__ = ["HTTP_LEVELS", "changed", "http_level", "plain", "point", "row"]

HTTP_LEVELS = {"error_rate": ("errors", "share of events"), "latency_p50": ("latency, median", "seconds")}
_Z95 = 1.96


def row(verdict: Verdict) -> Row:
    """Return a verdict as a row of the table of what moved."""
    metric = resolve(verdict.series.metric)
    return Row(
        title=metric.title,
        metric=metric.name,
        unit=metric.unit,
        where=slice_of(verdict.series),
        before=verdict.before,
        after=verdict.after,
        direction=verdict.direction,
        events=verdict.events,
        seconds=verdict.detected_at - verdict.changed_at,
    )


def http_level(level: Level) -> HttpLevel:
    """Return a metric of classic monitoring, with whether it stayed quiet."""
    title, unit = HTTP_LEVELS[level.metric]
    return HttpLevel(title, unit, level.before, level.after, http_is_green([level]) is not False)


def plain(series: Series, points: list[Point]) -> Chart:
    """Return the chart of a series."""
    metric = resolve(series.metric)
    where = slice_of(series) if series.segment else ""
    return Chart(
        title=metric.title, metric=metric.name, unit=metric.unit, service=series.service, segment=where, points=points
    )


def changed(chart: Chart, verdict: Verdict, versions: list[Mark], recovered_at: float | None) -> Chart:
    """Return the chart with the change that was found."""
    return Chart(
        title=chart.title,
        metric=chart.metric,
        unit=chart.unit,
        service=chart.service,
        segment=chart.segment,
        points=chart.points,
        baseline=verdict.before,
        change=ChangeMark(verdict.changed_at, verdict.changed_from, verdict.changed_to),
        after=verdict.after,
        detected_at=verdict.detected_at,
        recovered_at=recovered_at,
        versions=versions,
    )


def point(middle: float, value: float, events: int, hits: int | None) -> Point:
    """Return a level in the middle of a stretch of time; that of a rate with its interval."""
    if hits is None:
        return Point(middle, value, events=events)
    low, high = wilson(np.array([float(hits)]), np.array([float(events)]), _Z95)
    return Point(middle, value, float(low[0]), float(high[0]), events)
