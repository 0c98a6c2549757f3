"""The demo's ticker: what happened, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import ranked
from undertow.alerts.text import slice_of
from undertow.dashboards.model import Tick
from undertow.dashboards.units import quantity, short
from undertow.drift.metrics import resolve
from undertow.drift.verdict import Verdict
from undertow.pipelines.app import App
from undertow.pipelines.demo_pages import Sent, page_of
from undertow.pipelines.simulation import purpose
from undertow.pipelines.simulator import Scenario

__all__ = ["Ticker"]


class Ticker:
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
        if app.processor.monitor.pageable():
            yield "learnt", Tick(now, "the first series have a baseline and may page, the others go on learning")

    def _versions(self, app: App, now: float) -> Iterable[tuple[str, Tick]]:
        for service in self._scenario.services:
            span = (self._scenario.start, now)
            for seen in app.processor.counting.versions.first_seen_between(service, _environment(app, service), *span):
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
    return next((group.environment for group in app.processor.counting.segments.groups if group.service == service), "")


def _moved(verdict: Verdict) -> str:
    metric = resolve(verdict.series.metric)
    was, now = short(verdict.before.value, metric.unit), quantity(verdict.after.value, metric.unit)
    return f"found: {metric.title} {was} → {now} [{slice_of(verdict.series)}], {verdict.events:,} events"
