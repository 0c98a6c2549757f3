"""How loudly to tell: how far it moved × how many it reaches × how much the metric hurts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log

from undertow.alerts.incident import Severity
from undertow.alerts.ranking import effect, harmful, is_rate
from undertow.drift.metrics import RULE, parent_of
from undertow.drift.verdict import Verdict

__all__ = ["reach", "severity", "size", "weight"]

LARGE_RATE = log(4.0)  # ln odds ratio: four times as often
LARGE_LEVEL = log(2.0)  # ln ratio: twice as much
BREACH = 0.5  # of a rule
SIZE_LIMIT = 2.0  # a thousandfold rise is not worth a hundred doublings
BUSY_PER_HOUR = 60.0  # affected events an hour from which traffic no longer matters
CRITICAL_FROM, ERROR_FROM = 1.0, 0.1


def size(verdict: Verdict) -> float:
    """Return how far it moved, where 1 is large: four times the odds of a rate, twice or half of any other level.

    What a rule forbids has no level to move from: each breach counts for half.
    """
    if verdict.series.metric.startswith(RULE):
        return min(BREACH * verdict.events, SIZE_LIMIT)
    return min(abs(effect(verdict)) / (LARGE_RATE if is_rate(verdict.series.metric) else LARGE_LEVEL), SIZE_LIMIT)


def reach(verdict: Verdict) -> float:
    """Return how much of the traffic of a busy service it reaches, 0 to 1, from the events since the change.

    A change of a rate reaches the events by which it moved, any other change all events.
    """
    hours = max(verdict.detected_at - verdict.changed_at, 1.0) / 3600.0
    moved = abs(verdict.after.value - verdict.before.value) if is_rate(verdict.series.metric) else 1.0
    affected = moved * verdict.events / hours
    return min(affected / BUSY_PER_HOUR, 1.0) if affected >= 0 else 1.0  # a level that is no number hides nothing


def weight(verdict: Verdict, weights: Mapping[str, float]) -> float:
    """Return size × reach × harm, where harm is 0 in the direction that does not hurt, else the metric's weight."""
    if not harmful(verdict):
        return 0.0
    metric = verdict.series.metric
    return size(verdict) * reach(verdict) * weights.get(metric, weights.get(parent_of(metric), 1.0))


def severity(verdicts: Iterable[Verdict], weights: Mapping[str, float] | None = None) -> Severity:
    """Return how loudly to tell about these verdicts; only those of kind "page" count.

    The weights of the metrics that moved are added up, each metric by its heaviest verdict, a tail with its metric:
    from 1 on it is critical (one large change on busy traffic, or several smaller ones), from 0.1 on an error, below
    it a warning.

    Parameters
    ----------
    weights
        How much a metric hurts, 1 where nothing is said; 0 makes it a warning at most.
    """
    heaviest: dict[str, float] = {}
    for verdict in verdicts:
        if verdict.kind == "page":
            metric = parent_of(verdict.series.metric)
            heaviest[metric] = max(heaviest.get(metric, 0.0), weight(verdict, weights or {}))
    total = sum(heaviest.values())
    if total >= CRITICAL_FROM:
        return Severity.CRITICAL
    return Severity.ERROR if total >= ERROR_FROM else Severity.WARNING
