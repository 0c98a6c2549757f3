"""The demo's live view: what the watch and its store know at this moment, as one frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from undertow.alerts.incident import Incident, Level
from undertow.alerts.text import http_is_green, slice_of
from undertow.dashboards.model import HttpStat, LivePage, LiveState, SeriesState, SeriesView
from undertow.drift.metrics import parent_of, resolve
from undertow.drift.monitor import SeriesStatus
from undertow.drift.verdict import Estimate, Series
from undertow.pipelines.app import App
from undertow.pipelines.demo_pages import Sent, page_of, sent_pages
from undertow.pipelines.demo_queries import HttpBucket, Queries, tail_of
from undertow.pipelines.demo_queries import Level as Bucket
from undertow.pipelines.demo_speakers import slices_of, speakers
from undertow.pipelines.demo_ticker import Ticker
from undertow.pipelines.simulator import Scenario

__all__ = ["Live", "http_ok"]

SHOWN = 8  # series
_FEATURED = 5  # of them at most, changed ones
_BUCKETS = 24  # bars of a sparkline: the whole run
_P99_SLACK = 1.5  # a threshold alert on the 99th percentile would stand off so far
_QUIET = (
    *("refusal_rate", "schema_violation_rate", "output_length", "input_length", "cost_per_task", "calls_per_task"),
    *("truncation_rate", "output_tokens"),
)
AnyBucket = TypeVar("AnyBucket", Bucket, HttpBucket)


def http_ok(before: Sequence[HttpBucket], after: Sequence[HttpBucket]) -> dict[str, bool]:
    """Tell of each metric of classic monitoring whether a threshold alert would have kept quiet."""
    errors, p50, p99 = ([_mean(side, name) for side in (before, after)] for name in ("errors", "p50", "p99"))
    return {
        "requests": True,  # more or less traffic is nobody's fault
        "errors": http_is_green([Level("error_rate", *errors)]) is not False,
        "p50": http_is_green([Level("latency_p50", *p50)]) is not False,
        "p99": p99[0] is None or p99[1] is None or p99[1] <= _P99_SLACK * p99[0],
    }


class Live:
    """Makes frames.

    Parameters
    ----------
    pages
        The file that the console channel writes to.
    """

    def __init__(self, scenario: Scenario, app: App, queries: Queries, pages: Path) -> None:
        self._scenario, self._app, self._queries, self._pages = scenario, app, queries, pages
        self._width_s = scenario.duration_s / _BUCKETS
        self._ticker = Ticker(scenario)
        self._measured: tuple[object, list[HttpStat], list[SeriesView]] = (None, [], [])
        self._featured: dict[tuple[str, bool], Series] = {}  # (metric, whether of a slice) → series
        self._calm_until = scenario.end

    def frame(self, *, done: bool = False) -> LiveState:
        """Return the frame of this moment."""
        totals = self._queries.totals()
        now = max(totals.last - self._app.settings.ingest.allowed_lateness_s, self._scenario.start)
        incidents = self._queries.incidents()
        sent = sent_pages(self._pages)
        self._feature(incidents)
        self._ticker.look(self._app, incidents, sent, now)
        http, series = self._levels(incidents, now)
        return LiveState(
            title="a support assistant, live",
            clock=now,
            phase="done" if done else self._phase(incidents),
            progress=1.0 if done else min((now - self._scenario.start) / self._scenario.duration_s, 1.0),
            events=totals.events,
            http=http,
            series=series,
            ticker=list(self._ticker.ticks),
            page=_latest_page(sent, incidents),
            pages_sent=sum(each.kind.notifies for each in sent),
        )

    def _phase(self, incidents: Sequence[Incident]) -> str:
        if any(incident.state.is_told for incident in incidents):
            return "paged"
        if any(incident.resolved_at is not None for incident in incidents):
            return "recovered"
        return "watching" if self._app.processor.monitor.pageable() else "learning"

    def _levels(self, incidents: Sequence[Incident], now: float) -> tuple[list[HttpStat], list[SeriesView]]:
        """Return what classic monitoring and the series show: asked anew when another stretch of time is whole."""
        key = (now // self._width_s, [(incident.id, incident.revision) for incident in incidents])
        if key != self._measured[0]:
            self._measured = (key, self._http(now), self._series(incidents, now))
        return self._measured[1:]

    def _feature(self, incidents: Sequence[Incident]) -> None:
        """Give the series that speak for a page a place of their own, and let them keep it until the end.

        A metric takes the place of its tail once it has moved itself.
        """
        for incident in incidents:
            if incident.service != self._queries.service or incident.paged_at is None:
                continue
            self._calm_until = min(self._calm_until, incident.changed_from)
            for speaker in speakers(incident):
                self._promote(speaker.series)
                if not speaker.series.segment and not tail_of(speaker.series):
                    for verdict in slices_of(incident, speaker)[:1]:
                        self._promote(verdict.series)

    def _promote(self, series: Series) -> None:
        place = (parent_of(series.metric), bool(series.segment))
        shown = self._featured.get(place)
        if (shown is None and len(self._featured) < _FEATURED) or (
            shown is not None and tail_of(shown) and not tail_of(series)
        ):
            self._featured[place] = series

    def _series(self, incidents: Sequence[Incident], now: float) -> list[SeriesView]:
        service, environment = self._queries.service, self._queries.environment
        told = {metric for metric, _ in self._featured}
        quiet = [Series(service, environment, (), metric) for metric in _QUIET if metric not in told]
        chosen = [*self._featured.values(), *quiet][:SHOWN]
        known = {status.series: status for status in self._app.processor.monitor.statuses()}
        before = {verdict.series: verdict.before for incident in incidents for verdict in incident.verdicts}
        levels = self._queries.levels(chosen, self._width_s, self._calm_until)
        return [
            _view(known[series], self._whole(buckets, now), before.get(series))
            for series, buckets in zip(chosen, levels, strict=True)
            if series in known
        ]

    def _http(self, now: float) -> list[HttpStat]:
        buckets = self._whole(self._queries.http(self._width_s), now)
        latest = buckets[-1] if buckets else HttpBucket(now, 0, 0, None, None)
        ok = http_ok(buckets[:-1], buckets[-1:])
        rates = [bucket.errors / bucket.requests for bucket in buckets]
        return [
            HttpStat("calls", "/s", latest.requests / self._width_s, ok["requests"],
                     [bucket.requests / self._width_s for bucket in buckets]),
            HttpStat("errors", "share of events", rates[-1] if rates else None, ok["errors"], list(rates)),
            HttpStat("p50", "seconds", latest.p50, ok["p50"], [bucket.p50 for bucket in buckets]),
            HttpStat("p99", "seconds", latest.p99, ok["p99"], [bucket.p99 for bucket in buckets]),
        ]  # fmt: skip

    def _whole(self, buckets: Sequence[AnyBucket], now: float) -> list[AnyBucket]:
        """Leave out the stretches of time that were begun in the middle or are not over."""
        return [bucket for bucket in buckets if self._scenario.start <= bucket.t and bucket.t + self._width_s <= now]


def _latest_page(sent: Sequence[Sent], incidents: Sequence[Incident]) -> LivePage | None:
    for incident in reversed(incidents):
        page = page_of(incident, sent)
        if page is not None:
            return LivePage(incident.paged_at or incident.opened_at, page.severity, page.headline, page.text)
    return None


def _view(status: SeriesStatus, buckets: Sequence[Bucket], before: Estimate | None) -> SeriesView:
    """Return the series as it stands; a changed one beside the level before the change, not the one it has now."""
    series, progress = status.series, status.progress
    metric = resolve(series.metric)
    return SeriesView(
        title=metric.title,
        metric=series.metric,
        unit=metric.unit,
        where=slice_of(series),
        state=SeriesState(status.state),
        learned=progress.learned,
        needed=progress.pages_at,
        baseline=_baseline(status, before),
        current=buckets[-1].value if buckets else None,
        changed_at=progress.changed_at,
        history=[bucket.value for bucket in buckets],
    )


def _baseline(status: SeriesStatus, before: Estimate | None) -> Estimate | None:
    if status.state == SeriesState.LEARNING:
        return None
    return before if status.state == SeriesState.CHANGED and before is not None else status.progress.level


def _mean(buckets: Sequence[HttpBucket], name: str) -> float | None:
    requests = sum(bucket.requests for bucket in buckets)
    if not requests:
        return None
    if name == "errors":
        return sum(bucket.errors for bucket in buckets) / requests
    return sum((getattr(bucket, name) or 0.0) * bucket.requests for bucket in buckets) / requests
