"""One incident as a report: what `undertow explain --html` writes, from the incident and the levels in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from undertow.alerts.incident import Incident
from undertow.alerts.links import Link
from undertow.alerts.ranking import measured, ranked
from undertow.alerts.text import slice_of
from undertow.dashboards.model import Chart, Example, Mark, Period, Point, Reference, Report, VersionView
from undertow.drift.metrics import FLEET, RULE, Family, described
from undertow.drift.verdict import Series
from undertow.pipelines.demo_queries import moment, seconds_of
from undertow.pipelines.engine import quoted
from undertow.pipelines.incident_view import changed, plain, point, view

__all__ = ["report"]

Answer = Callable[[str], Sequence[Sequence[Any]]]

_AROUND_S = 7200.0  # drawn before the change, and after it was found
_POINTS = 60  # of a chart
_CHARTS = 6
_ROWS = 12
_DRAWN = frozenset({Family.RATE, Family.POSITIVE, Family.SCORE})


def report(incident: Incident, answer: Answer, links: Iterable[Link] = ()) -> Report:
    """Return the report on an incident; `answer` takes a statement and returns its rows, `links` lead on from it."""
    rows = [one for one in ranked(incident.verdicts) if _has_level(one.series) or one.moved][:_ROWS]
    start, end = incident.changed_from - _AROUND_S, max(incident.opened_at, incident.changed_to) + _AROUND_S
    return Report(
        title="incident",
        generated_for=incident.id,
        period=Period(start, end),
        incidents=[view(incident, rows)],
        charts=list(_charts(incident, answer, start, end)),
        versions=[
            VersionView(one.dimension, one.value, one.service, one.first_seen, one.declared)
            for one in incident.versions
        ],
        examples=list(_examples(incident)),
        links=[Reference(link.text, link.href) for link in links],
    )


def _charts(incident: Incident, answer: Answer, start: float, end: float) -> Iterator[Chart]:
    """Yield the levels of what moved, the best first; tails have none in the store."""
    marks = [Mark(one.first_seen, f"{one.dimension} {one.value}") for one in incident.versions]
    drawn = [v for v in ranked(incident.verdicts) if _has_level(v.series) and "." not in v.series.metric]
    for verdict in drawn[:_CHARTS]:
        chart = plain(verdict.series, _points(verdict.series, answer, start, end))
        yield changed(chart, verdict, marks, incident.resolved_at if verdict.id in incident.recovered else None)


def _points(series: Series, answer: Answer, start: float, end: float) -> list[Point]:
    width_s = (end - start) / _POINTS
    slices = [f"segment[{quoted(dimension)}] = {quoted(value)}" for dimension, value in series.segment]
    conditions = [
        f"service = {quoted(series.service)}",
        f"environment = {quoted(series.environment)}",
        f"metric = {quoted(series.metric)}",
        f"length(segment) = {len(series.segment)}",
        *slices,
        f"window_start >= {moment(start)}",
        f"window_start < {moment(end)}",
    ]
    stretch = f"floor(({seconds_of('window_start')} - {start}) / {width_s})"
    sql = f"""SELECT {stretch} AS stretch, sum(windows.events) AS number,
        multiIf(any(family) = 'rate', sum(windows.hits) / number, any(family) = 'score',
                sum(mean * windows.events) / number, exp(sum(log_mean * windows.events) / number)) AS level,
        if(any(family) = 'rate', sum(windows.hits), NULL) AS hits
        FROM windows WHERE {" AND ".join(conditions)} GROUP BY stretch ORDER BY stretch"""  # noqa: S608 – values are quoted
    return [
        point(start + (float(stretch) + 0.5) * width_s, float(level), int(number), None if hits is None else int(hits))
        for stretch, number, level, hits in answer(sql)
    ]


def _examples(incident: Incident) -> Iterator[Example]:
    if not incident.verdicts:
        return
    where = slice_of(measured(incident.verdicts).series)
    for name, when in (("before", "before"), ("since", "after")):
        for call in incident.shown.get(name, []):
            yield Example(when=when, time=call["time"], where=where, input=call["input"], output=call["output"])


def _has_level(series: Series) -> bool:
    known = described(series.metric)
    return known is not None and known.family in _DRAWN and not series.metric.startswith((RULE, FLEET))
