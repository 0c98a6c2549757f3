"""The monitor's own numbers: one status that the command line, the port and Prometheus read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["registry", "status_of_series"]

_COUNTERS = {
    "records": "Records taken from the sources",
    "events": "Events counted once",
    "rejected": "Records that could not be read (dead letters)",
    "duplicates": "Events left out because they had been counted",
    "conflicts": "Duplicates whose content differed",
    "late": "Events that came after their window had closed",
    "tasks": "Tasks closed",
    "windows": "Windows closed",
    "rows": "Rows written to the store",
    "overflowed": "Slices beyond the limits, counted as other",
    "refused_deliveries": "Incident changes that a channel refused for good: is its key right?",
    "unpriced": "Calls of models without a price",
    "unchecked": "Answers whose schema could not be applied",
}
_GAUGES = {
    "watermark": "Event time up to which everything is closed, seconds since the epoch",
    "lag_seconds": "Wall clock less watermark",
    "open_windows": "Windows still open",
    "open_tasks": "Tasks still open",
    "open_incidents": "Incidents that are not resolved",
    "pageable_series": "Series that may page and share the budget",
    "undelivered": "Incident changes that wait for a channel",
    "undelivered_seconds": "Age of the oldest of them",
    "conditions": "What is wrong with the watch itself or its input; `undertow status` says what",
    "silenced": "Incident changes that a silence holds back",
}


_PRACTICE = {
    "pages": "Urgent pages sent, of the last year",
    "outside": "Of them, those by rules or detectors outside the budget of false pages",
    "false": "Of them, those that somebody marked as false",
    "accepted": "Of them, those whose new level somebody accepted",
}


class _StatusCollector(Collector):
    def __init__(self, status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status

    def describe(self) -> Iterator[Metric]:
        """Say nothing beforehand: the status is read only when it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return the numbers of the moment."""
        status = self._status()
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"undertow_{name}", text, value=float(status.get(name, 0)))
        for name, text in _GAUGES.items():
            if status.get(name) is not None:
                yield GaugeMetricFamily(f"undertow_{name}", text, value=float(status[name]))
        states = GaugeMetricFamily("undertow_series", "Series by state", labels=["state"])
        for state, count in status.get("states", {}).items():
            states.add_metric([state], float(count))
        yield states
        for name, text in _PRACTICE.items():
            yield CounterMetricFamily(
                f"undertow_urgent_{name}", text, value=float(status.get("practice", {}).get(name, 0))
            )
        limits = CounterMetricFamily("undertow_limits", "What was left out at a limit", labels=["limit"])
        for limit, count in status.get("limits", {}).items():
            limits.add_metric([limit], float(count))
        yield limits


def registry(status: Callable[[], Mapping[str, Any]]) -> CollectorRegistry:
    """Return a registry that shows the status as `undertow_…` metrics.

    Examples
    --------
    >>> registry(lambda: {"events": 3}).get_sample_value("undertow_events_total")
    3.0
    """
    metrics = CollectorRegistry(auto_describe=False)
    metrics.register(_StatusCollector(status))
    return metrics


def status_of_series(statuses: Iterator[Any]) -> list[dict[str, Any]]:
    """Return what `undertow status` lists of each series, as plain values."""
    return [
        {
            "service": status.series.service,
            "environment": status.series.environment,
            "segment": dict(status.series.segment),
            "metric": status.series.metric,
            "state": status.state,
            "learned": status.progress.learned,
            "needed": status.progress.pages_at,
            "level": status.progress.level.value,
            "low": status.progress.level.low,
            "high": status.progress.level.high,
            "changed_at": status.progress.changed_at,
        }
        for status in statuses
    ]
