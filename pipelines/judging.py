"""Step 5 of the path of a datum: closed windows and findings of rules in, verdicts out; for all services or for some.

Services know of one another only by what they claim of the budget (`undertow.drift.claims`), so the services of an
installation may be spread over several of these, and each verdict is the one that a single one would have said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from undertow.alerts.incident import Level, Version
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.claims import Claims
from undertow.drift.findings import Findings, FindingsState
from undertow.drift.monitor import Monitor, MonitorConfig
from undertow.drift.segments import Group
from undertow.drift.verdict import Series, Verdict
from undertow.drift.versions import SeenVersion
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.pins import accepted_pin
from undertow.pipelines.settings import Settings

__all__ = ["Judging", "in_order", "monitor_config", "suspects"]

_VERSION_SLACK = 3600.0  # seconds before and after the change interval in which a first-seen version is a suspect
_Seen = TypeVar("_Seen", SeenVersion, Version)


class Judging:
    """Lets the detectors see closed windows, and tells findings in event time.

    Parameters
    ----------
    groups, catalogue, categories
        What the numbers in windows stand for; they may grow.
    claims
        Of all partitions; without them there is one.

    Examples
    --------
    >>> from undertow.drift.windows import cells_of
    >>> judging = Judging(Settings(), [Group("s", "")], Catalogue(), Categories())
    >>> judging.judge(ClosedWindow(0.0, 10.0, cells_of([(0, [0, 1], [9, 1])])))
    []
    """

    def __init__(
        self,
        settings: Settings,
        groups: Sequence[Group],
        catalogue: Catalogue,
        categories: Categories,
        state: dict[str, Any] | None = None,
        claims: Claims | None = None,
    ) -> None:
        self.monitor = Monitor(monitor_config(settings), groups, catalogue, categories, claims)
        self._findings = Findings(msgspec.convert(state["findings"], FindingsState) if state else None)
        if state:
            self.monitor.restore(state["monitor"])

    def add(self, found: Iterable[Verdict]) -> None:
        """Take what rules and the fleet have found; it is told with the window of its time."""
        self._findings.add(found)

    def judge(self, window: ClosedWindow) -> list[Verdict]:
        """Take the next closed window, and return what is to be said by its end, in the order of the series."""
        found = [self.monitor.capped(verdict) for verdict in self._findings.due(window.end)]
        return in_order(self.monitor.observe(window) + found)

    def accept(self, verdicts: Iterable[Verdict], reason: str, by: str, now: float) -> None:
        """Take the levels that these verdicts tell of as the normal ones.

        Series that are compared with a pin are pinned anew, to the first whole week at the accepted level.
        """
        changed_to = {verdict.series: verdict.changed_to for verdict in verdicts}
        pinned = [series for series in sorted(changed_to) if self.monitor.accept(series)]
        if pinned:
            days, since = self.monitor.pinned, max(changed_to[series] for series in pinned)
            days.pin(accepted_pin(pinned, since, reason, by, now, days.last_day))

    def http_levels(self, service: str, environment: str, since: float) -> list[Level]:
        """Return what classic monitoring says of the service before and since a change."""
        group = Group(service, environment)
        levels = []
        for metric, name in (("error_rate", "error_rate"), ("latency", "latency_p50")):
            found = self.monitor.levels(group, metric, since)
            levels.append(Level(name, found[0].value, found[1].value) if found else Level(name, None, None))
        return levels

    def snapshot(self) -> dict[str, Any]:
        """Return the state: plain data and arrays by name."""
        return {"findings": self._findings.snapshot(), "monitor": self.monitor.snapshot()}


def in_order(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts of one window in their order, whoever has said them."""
    return sorted(verdicts, key=_order)


def _order(verdict: Verdict) -> tuple[Series, str, float]:
    return verdict.series, verdict.opened, verdict.detected_at


def suspects(
    verdicts: Iterable[Verdict], first_seen: Callable[[str, str, float, float], Iterable[_Seen]]
) -> list[_Seen]:
    """Return the versions first seen around the changes of these verdicts, in order.

    Parameters
    ----------
    first_seen
        Called with service, environment and the times between which a version was first seen.
    """
    spans = {
        (v.series.service, v.series.environment, v.changed_from - _VERSION_SLACK, v.changed_to + _VERSION_SLACK)
        for v in verdicts
    }
    return sorted({version for span in sorted(spans) for version in first_seen(*span)})


def monitor_config(settings: Settings) -> MonitorConfig:
    """Return what the settings tell the monitor."""
    detection = settings.detection
    return MonitorConfig(
        false_pages_per_week=settings.budget.false_pages_per_week,
        min_events=detection.min_events,
        strict_events=detection.strict_events,
        detectors=detection.detector,
        stated=detection.stated,
        weights=settings.budget.weight,
        bands=detection.band,
        page_from=detection.page_from,
        metrics_off=detection.metrics_off,
        parity=detection.parity,
    )
