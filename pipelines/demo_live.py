"""The demo's live view: what the watch and its store know at this moment, as one frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from undertow.alerts.channels.console import RULE
from undertow.alerts.incident import ChangeKind, Incident, Level, State
from undertow.alerts.ranking import ranked
from undertow.alerts.text import http_is_green, slice_of
from undertow.dashboards.model import HttpStat, LivePage, LiveState, SeriesState, SeriesView, Tick
from undertow.dashboards.units import quantity, short
from undertow.drift.metrics import METRICS, parent_of
from undertow.drift.monitor import SeriesStatus
from undertow.drift.verdict import Estimate, Series, Verdict
from undertow.pipelines.app import App
from undertow.pipelines.demo_queries import HttpBucket, Queries, tail_of
from undertow.pipelines.demo_queries import Level as Bucket
from undertow.pipelines.simulation import purpose
from undertow.pipelines.simulator import Scenario

__all__ = ["Live", "Sent", "http_ok", "page_of", "sent_pages"]

SHOWN = 8  # series
_FEATURED = 5  # of them at most, changed ones
_BUCKETS = 24  # bars of a sparkline: the whole run
_P99_SLACK = 1.5  # a threshold alert on the 99th percentile would stand off so far
_QUIET = (
    *("refusal_rate", "schema_violation_rate", "output_length", "input_length", "cost_per_task", "calls_per_task"),
    *("truncation_rate", "output_tokens"),
)
AnyBucket = TypeVar("AnyBucket", Bucket, HttpBucket)
_PAGE = re.compile(rf"^{RULE} ({'|'.join(kind.upper() for kind in ChangeKind)}) \S+.* {RULE}$", re.MULTILINE)


class Sent(msgspec.Struct, frozen=True):
    """One message that the console channel wrote: its kind and its text."""

    kind: ChangeKind
    text: str

    @property
    def headline(self) -> str:
        """The page's first line, without its label."""
        return self.text.partition("\n")[0].partition(" ")[2].strip()


def sent_pages(path: Path) -> list[Sent]:
    """Return what the console channel has written into a file, oldest first."""
    _, *parts = _PAGE.split(path.read_text(encoding="utf-8"))
    return [
        Sent(ChangeKind(kind.lower()), text.strip("\n")) for kind, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def page_of(incident: Incident, sent: Sequence[Sent]) -> Sent | None:
    """Return the page as on-call got it, None if none was sent."""
    return next((each for each in sent if each.kind is ChangeKind.TRIGGER and incident.id in each.text), None)


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
        self._ticker = _Ticker(scenario)
        self._featured: dict[str, Series] = {}  # metric, whichever of its tails speaks → series
        self._calm_until = scenario.end

    def frame(self, *, done: bool = False) -> LiveState:
        """Return the frame of this moment."""
        totals = self._queries.totals()
        now = max(totals.last - self._app.settings.ingest.allowed_lateness_s, self._scenario.start)
        incidents = self._queries.incidents()
        sent = sent_pages(self._pages)
        self._feature(incidents)
        self._ticker.look(self._app, incidents, sent, now)
        return LiveState(
            title="a support assistant, live",
            clock=now,
            phase="done" if done else self._phase(incidents),
            progress=1.0 if done else min((now - self._scenario.start) / self._scenario.duration_s, 1.0),
            events=totals.events,
            http=self._http(now),
            series=self._series(incidents, now),
            ticker=self._ticker.ticks,
            page=_latest_page(sent, incidents),
            pages_sent=sum(each.kind is ChangeKind.TRIGGER for each in sent),
        )

    def _phase(self, incidents: Sequence[Incident]) -> str:
        if any(incident.state is State.PAGED for incident in incidents):
            return "paged"
        if any(incident.resolved_at is not None for incident in incidents):
            return "recovered"
        return "watching" if self._app.processor.monitor.pageable() else "learning"

    def _feature(self, incidents: Sequence[Incident]) -> None:
        """Give the series that speak for a page a place of their own, and let them keep it until the end.

        A metric takes the place of its tail once it has moved itself.
        """
        for incident in incidents:
            if incident.service != self._queries.service or incident.paged_at is None:
                continue
            self._calm_until = min(self._calm_until, incident.changed_from)
            for verdict in ranked(incident.verdicts):
                metric = parent_of(verdict.series.metric)
                shown = self._featured.get(metric)
                if (shown is None and len(self._featured) < _FEATURED) or (
                    shown and tail_of(shown) and not tail_of(verdict.series)
                ):
                    self._featured[metric] = verdict.series

    def _series(self, incidents: Sequence[Incident], now: float) -> list[SeriesView]:
        service, environment = self._queries.service, self._queries.environment
        quiet = [Series(service, environment, (), metric) for metric in _QUIET if metric not in self._featured]
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
            HttpStat("requests", "/s", latest.requests / self._width_s, ok["requests"],
                     [bucket.requests / self._width_s for bucket in buckets]),
            HttpStat("errors", "share of events", rates[-1] if rates else None, ok["errors"], list(rates)),
            HttpStat("latency p50", "seconds", latest.p50, ok["p50"], [bucket.p50 for bucket in buckets]),
            HttpStat("p99", "seconds", latest.p99, ok["p99"], [bucket.p99 for bucket in buckets]),
        ]  # fmt: skip

    def _whole(self, buckets: Sequence[AnyBucket], now: float) -> list[AnyBucket]:
        """Leave out the stretches of time that were begun in the middle or are not over."""
        return [bucket for bucket in buckets if self._scenario.start <= bucket.t and bucket.t + self._width_s <= now]


class _Ticker:
    """Lines for what has happened, each once, in the order in which it became known."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._known: set[str] = set()
        self.ticks: list[Tick] = []

    def look(self, app: App, incidents: Sequence[Incident], sent: Sequence[Sent], now: float) -> None:
        """Add what is new."""
        new = [
            *self._planted(now),
            *self._learnt(app, now),
            *self._versions(app, now),
            *(line for incident in incidents for line in self._incident(incident, sent)),
        ]
        for key, tick in sorted(new, key=lambda line: line[1].t):
            if key not in self._known:
                self._known.add(key)
                self.ticks.append(tick)

    def _planted(self, now: float) -> Iterable[tuple[str, Tick]]:
        for planted in self._scenario.incidents:
            if planted.at <= now:
                yield f"at {planted.name}", Tick(planted.at, f"planted: {purpose(planted.incident)}")
            if planted.until is not None and planted.until <= now:
                yield f"until {planted.name}", Tick(planted.until, f"planted: {planted.name} is rolled back")

    def _learnt(self, app: App, now: float) -> Iterable[tuple[str, Tick]]:
        count = app.processor.monitor.pageable()
        if count:
            yield "learnt", Tick(now, f"{count} series have a baseline and may page, the others go on learning")

    def _versions(self, app: App, now: float) -> Iterable[tuple[str, Tick]]:
        for service in self._scenario.services:
            span = (self._scenario.start, now)
            for seen in app.processor.versions.first_seen_between(service, _environment(app, service), *span):
                text = f"first seen: {seen.dimension}={seen.value} ({seen.service})"
                yield text, Tick(seen.first_seen, text, accent=True)

    def _incident(self, incident: Incident, sent: Sequence[Sent]) -> Iterable[tuple[str, Tick]]:
        for verdict in ranked(verdict for verdict in incident.verdicts if verdict.kind == "page"):
            yield f"{incident.id} {verdict.series.metric}", Tick(verdict.detected_at, _moved(verdict), accent=True)
        page = page_of(incident, sent)
        if page is not None and incident.paged_at is not None:
            yield f"{incident.id} paged", Tick(incident.paged_at, f"paged: {page.headline}", accent=True)
        if incident.resolved_at is not None:
            text = f"resolved ({incident.resolution}): incident {incident.id}"
            yield f"{incident.id} resolved", Tick(incident.resolved_at, text)


def _environment(app: App, service: str) -> str:
    return next((group.environment for group in app.processor.segments.groups if group.service == service), "")


def _moved(verdict: Verdict) -> str:
    metric = METRICS[verdict.series.metric]
    was, now = short(verdict.before.value, metric.unit), quantity(verdict.after.value, metric.unit)
    return f"found: {metric.title} {was} → {now} [{slice_of(verdict.series)}], {verdict.events:,} events"


def _latest_page(sent: Sequence[Sent], incidents: Sequence[Incident]) -> LivePage | None:
    for incident in reversed(incidents):
        page = page_of(incident, sent)
        if page is not None:
            return LivePage(incident.paged_at or incident.opened_at, incident.severity, page.headline, page.text)
    return None


def _view(status: SeriesStatus, buckets: Sequence[Bucket], before: Estimate | None) -> SeriesView:
    """Return the series as it stands; a changed one beside the level before the change, not the one it has now."""
    series, progress = status.series, status.progress
    metric = METRICS[series.metric]
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
