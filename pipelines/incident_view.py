"""Verdicts and levels of an incident as reports show them."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np

from undertow.alerts.incident import Incident, Level
from undertow.alerts.query import query
from undertow.alerts.text import http_is_green, page_text, slice_of
from undertow.dashboards.model import ChangeMark, Chart, HttpLevel, IncidentView, Mark, Point, Row
from undertow.drift.metrics import resolve
from undertow.drift.statistics.proportions import wilson
from undertow.drift.verdict import Estimate, Series, Verdict

__all__ = ["HTTP_LEVELS", "changed", "http_level", "plain", "point", "row", "view"]

HTTP_LEVELS = {"error_rate": ("errors", "share of events"), "latency_p50": ("latency, median", "seconds")}
_Z95 = 1.96


def view(incident: Incident, rows: Sequence[Verdict], headline: str = "", text: str = "") -> IncidentView:
    """Return an incident with these rows; `headline` and `text` are its page's as it was sent, else as it is now."""
    return IncidentView(
        id=incident.id,
        headline=headline or incident.headline,
        severity=incident.severity,
        service=incident.service,
        opened_at=incident.opened_at,
        changed_at=incident.changed_at,
        changed_from=incident.changed_from,
        changed_to=incident.changed_to,
        paged_at=incident.paged_at,
        resolved_at=incident.resolved_at,
        resolution=incident.resolution,
        rows=[row(verdict) for verdict in rows],
        http=[http_level(level) for level in incident.http if level.metric in HTTP_LEVELS],
        causes=[str(cause["text"]) for cause in incident.causes],
        account=[told for told in (incident.place, incident.moved_by, *incident.words) if told],
        cards=incident.cards,
        query=query(incident) if incident.verdicts else "",
        page_text=text or page_text(incident),
    )


def row(verdict: Verdict) -> Row:
    """Return a verdict as a row of the table of what moved."""
    metric = resolve(verdict.series.metric)
    name, before, after = (metric.name, verdict.before, verdict.after)
    if verdict.moved:  # of categories, the one that moved most
        name, *shares = verdict.moved[0]
        before, after = (
            Estimate(share, nan, nan, whole.events) for share, whole in zip(shares, (before, after), strict=True)
        )
    return Row(
        title=metric.title,
        metric=name,
        unit=metric.unit,
        where=slice_of(verdict.series),
        before=before,
        after=after,
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
