"""What single roles say of their work, as Prometheus metrics beside those of their loop.

What `undertow run` counts, too, has its name and meaning, so one board shows both.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from undertow.alerts.outbox import Counts

__all__ = ["CountMeter", "PagerMeter", "Totals"]

Totals = Mapping[str, int]

_COUNTED = {
    "events": "Events counted once",
    "rejected": "Records that could not be read (dead letters)",
    "duplicates": "Events left out because they had been counted",
    "conflicts": "Duplicates whose content differed",
    "late": "Events that came after their window had closed",
    "tasks": "Tasks closed",
    "windows": "Windows closed, those of each partition by themselves",
}


class CountMeter:
    """What a worker has counted; what a successor counts again is counted again.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> CountMeter(registry).grown({"events": 5}, {"events": 7})
    >>> registry.get_sample_value("undertow_events_total")
    2.0
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {name: Counter(f"undertow_{name}", text, registry=registry) for name, text in _COUNTED.items()}

    def grown(self, before: Totals, after: Totals) -> None:
        """Add what the totals of a partition have grown by."""
        for name, counter in self._counters.items():
            counter.inc(after.get(name, 0) - before.get(name, 0))


class PagerMeter:
    """Whether this process tells, and what waits to be told.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> PagerMeter(registry).show(Counts(pending=2), incidents=1, active=True)
    >>> registry.get_sample_value("undertow_undelivered"), registry.get_sample_value("undertow_pager_active")
    (2.0, 1.0)
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._active = Gauge("undertow_pager_active", "1 in the process that tells pages now", registry=registry)
        self._incidents = Gauge("undertow_open_incidents", "Incidents that are not resolved", registry=registry)
        self._waiting = Gauge("undertow_undelivered", "Incident changes that wait for a channel", registry=registry)
        self._age_s = Gauge("undertow_undelivered_seconds", "Age of the oldest of them", registry=registry)
        self._silenced = Gauge("undertow_silenced", "Incident changes that a silence holds back", registry=registry)
        self._refused = Counter(
            "undertow_refused_deliveries", "Incident changes that a channel refused for good", registry=registry
        )
        self._known_refused = 0

    def show(self, counts: Counts, incidents: int, *, active: bool) -> None:
        """Show what the process has before it whose partition the verdicts are."""
        self._active.set(active)
        self._incidents.set(incidents)
        self._waiting.set(counts.pending)
        self._age_s.set(counts.oldest_age_s)
        self._silenced.set(counts.silenced)
        self._refused.inc(max(counts.refused - self._known_refused, 0))
        self._known_refused = counts.refused

    def stand_by(self) -> None:
        """Show that another process tells, or nobody."""
        for gauge in (self._active, self._incidents, self._waiting, self._age_s, self._silenced):
            gauge.set(0)
