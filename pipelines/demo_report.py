"""The demo's report: what happened, put together from the store when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from undertow.alerts.incident import Incident
from undertow.dashboards.model import (
    ChangeMark,
    Chart,
    Example,
    IncidentView,
    Mark,
    Number,
    Period,
    Point,
    Report,
    VersionView,
)
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Series, Verdict
from undertow.pipelines.demo_examples import examples
from undertow.pipelines.demo_live import http_ok
from undertow.pipelines.demo_pages import Sent, page_of
from undertow.pipelines.demo_queries import HttpBucket, Queries, Totals
from undertow.pipelines.demo_queries import Level as Bucket
from undertow.pipelines.demo_speakers import slices_of, speakers
from undertow.pipelines.incident_view import changed, plain, point, view

__all__ = ["Story", "compose"]

_POINTS = 60  # of a chart
_ROWS_EACH = 3  # of a metric in an incident's table: the whole service and the slices that moved most
_EXPLAINED = 2  # metrics with examples
_ROWS = 8  # in all
_BEGINNING_S = 600.0  # versions first seen so early were there from the start
_STEADY = ("refusal_rate", "schema_violation_rate", "truncation_rate", "output_length", "input_length", "cost_per_task")
_HTTP = {  # what classic monitoring shows: title, unit
    "requests": ("requests", "/s"),
    "errors": ("errors", "share of events"),
    "p99": ("latency, 99th percentile", "seconds"),
}


class Story(msgspec.Struct, frozen=True):
    """What the store does not know: how the run is called, its headline numbers and remarks, the pages as sent."""

    title: str
    subject: str
    numbers: list[Number]
    notes: list[str]
    sent: list[Sent]
    budget: float


def compose(queries: Queries, story: Story) -> Report:
    """Return the report on everything that the store holds of the service."""
    totals = queries.totals()
    incidents = [each for each in queries.incidents() if each.paged_at is not None]
    recovered = {each.opened: each.detected_at for each in queries.verdicts() if each.kind == "recovered"}
    versions = queries.versions(totals.first + _BEGINNING_S)
    mine = [each for each in incidents if each.service == queries.service]
    return Report(
        title=story.title,
        generated_for=story.subject,
        period=Period(totals.first, totals.last),
        headline_numbers=story.numbers,
        incidents=[_view(incident, story.sent) for incident in incidents],
        charts=_charts(queries, mine, recovered, versions, totals),
        http=_http(queries, mine, totals),
        versions=versions,
        examples=_examples(queries, mine, recovered, totals),
        false_page_budget=story.budget,
        notes=story.notes,
    )


# -- incidents --------------------------------------------------------------------------------------------------------


def _view(latest: Incident, sent: Sequence[Sent]) -> IncidentView:
    page, incident = page_of(latest, sent), _as_paged(latest)
    rows = _table(incident)[:_ROWS]
    return view(incident, rows) if page is None else view(incident, rows, page.headline, page.text)


def _as_paged(incident: Incident) -> Incident:
    """Return the incident with the change time that its page told: what joined later may have changed at another."""
    first = next(iter(speakers(incident)), None)
    if first is None:
        return incident
    times = {name: getattr(first, name) for name in ("changed_at", "changed_from", "changed_to")}
    return msgspec.structs.replace(incident, **times)


def _table(incident: Incident) -> list[Verdict]:
    """Return the verdicts for the table: metric by metric, the speaker first, then the slices that moved most."""
    found: list[Verdict] = []
    for speaker in speakers(incident):
        found += [speaker, *slices_of(incident, speaker)[: _ROWS_EACH - 1]]
    return found


# -- charts -----------------------------------------------------------------------------------------------------------


def _charts(
    queries: Queries,
    incidents: Sequence[Incident],
    recovered: Mapping[str, float],
    versions: Sequence[VersionView],
    totals: Totals,
) -> list[Chart]:
    """Return the charts of what moved, one a metric and incident, and of what stayed as it was in the whole service."""
    moved = [
        verdict
        for incident in incidents
        for speaker in speakers(incident)
        for verdict in (speaker, *slices_of(incident, speaker)[:1])
    ]
    told = {parent_of(verdict.series.metric) for incident in incidents for verdict in incident.verdicts}
    steady = [Series(queries.service, queries.environment, (), metric) for metric in _STEADY if metric not in told]
    width_s = _width(totals)
    calm_until = min((incident.changed_from for incident in incidents), default=totals.last)
    levels = queries.levels([*(verdict.series for verdict in moved), *steady], width_s, calm_until)
    charts = [
        plain(series, _points(buckets, width_s))
        for series, buckets in zip([v.series for v in moved] + steady, levels, strict=True)
    ]
    marks = [
        Mark(each.first_seen, f"{each.dimension} {each.value}") for each in versions if each.service == queries.service
    ]
    return [
        *(
            changed(chart, verdict, marks, recovered.get(verdict.id))
            for chart, verdict in zip(charts, moved, strict=False)
        ),
        *charts[len(moved) :],
    ]


def _points(buckets: Sequence[Bucket], width_s: float) -> list[Point]:
    return [point(each.t + width_s / 2, each.value, each.events, each.hits) for each in buckets]


def _width(totals: Totals) -> float:
    return max(totals.last - totals.first, 1.0) / _POINTS


# -- what classic monitoring saw ---------------------------------------------------------------------------------------


def _http(queries: Queries, incidents: Sequence[Incident], totals: Totals) -> list[Chart]:
    width_s = _width(totals)
    buckets = queries.http(width_s)[1:-1]  # the first and the last stretch are not whole
    ok = dict.fromkeys(_HTTP, True)
    for incident in incidents:
        until = incident.resolved_at or totals.last
        before = [bucket for bucket in buckets if bucket.t + width_s <= incident.changed_at]
        after = [bucket for bucket in buckets if incident.changed_at <= bucket.t <= until]
        fine = http_ok(before, after)
        ok = {
            "requests": ok["requests"] and fine["requests"],
            "errors": ok["errors"] and fine["errors"],
            "p99": ok["p99"] and fine["p50"] and fine["p99"],
        }
    changed = incidents[0] if incidents else None
    return [_http_chart(queries.service, name, buckets, width_s, None if ok[name] else changed) for name in _HTTP]


def _http_chart(
    service: str, name: str, buckets: Sequence[HttpBucket], width_s: float, changed: Incident | None
) -> Chart:
    title, unit = _HTTP[name]
    change = ChangeMark(changed.changed_at, changed.changed_from, changed.changed_to) if changed else None
    points = [Point(bucket.t + width_s / 2, _read(bucket, name, width_s), events=bucket.requests) for bucket in buckets]
    return Chart(title=title, metric=name, unit=unit, service=service, points=points, change=change)


def _read(bucket: HttpBucket, name: str, width_s: float) -> float | None:
    match name:
        case "requests":
            return bucket.requests / width_s
        case "errors":
            return bucket.errors / bucket.requests
        case _:
            return bucket.p99


# -- examples ---------------------------------------------------------------------------------------------------------


def _examples(
    queries: Queries, incidents: Sequence[Incident], recovered: Mapping[str, float], totals: Totals
) -> list[Example]:
    """Return exchanges for the metrics that tell the incidents best and can be seen in a text.

    Tokens are left to the lengths beside them: they would show the same.
    """
    found: dict[str, list[Example]] = {}
    for incident in incidents:
        for verdict in speakers(incident):
            subject = parent_of(verdict.series.metric).removesuffix("_tokens").removesuffix("_length")
            if subject not in found and len(found) < _EXPLAINED:
                known = {(example.time, example.input) for pairs in found.values() for example in pairs}
                clearest = verdict if verdict.series.segment else next(iter(slices_of(incident, verdict)), verdict)
                over = recovered.get(clearest.id, incident.resolved_at or totals.last)
                pairs = examples(queries, clearest, over)
                if pairs and not known & {(example.time, example.input) for example in pairs}:
                    found[subject] = pairs
    return [example for pairs in found.values() for example in pairs]
