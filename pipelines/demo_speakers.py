"""Which series tell an incident: one for each metric that moved, and the slices in which it moved most."""

from __future__ import annotations

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import effect, ranked, without_repeats
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Verdict
from undertow.pipelines.demo_queries import can_be_drawn, tail_of
from undertow.pipelines.settings import Detection

__all__ = ["slices_of", "speakers"]

_METRICS = 4  # of an incident that are told
_DIMENSIONS = {name: place for place, name in enumerate(Detection().dimensions)}  # the demo follows the default ones


def speakers(incident: Incident) -> list[Verdict]:
    """Return the verdicts that tell the incident, one a metric (or tail) that has a level; those of the page first."""
    pages = [verdict for verdict in incident.verdicts if verdict.kind == "page" and can_be_drawn(verdict.series)]
    at_once = ranked(verdict for verdict in pages if not _joined_later(incident, verdict))
    later = ranked(verdict for verdict in pages if _joined_later(incident, verdict))
    found: dict[str, Verdict] = {}
    for group in (at_once, later):
        for verdict in sorted(group, key=lambda v: bool(tail_of(v.series))):
            found.setdefault(parent_of(verdict.series.metric), verdict)
    return list(found.values())[:_METRICS]


def slices_of(incident: Incident, speaker: Verdict) -> list[Verdict]:
    """Return the slices in which the speaker's metric moved the same way: those on the page, then the largest effects.

    Of slices that hold the same traffic, such as an operation and the model that it alone uses, one is enough.
    """
    others = [
        verdict
        for verdict in without_repeats(incident.verdicts)
        if verdict.kind == "page"
        and verdict.series.segment
        and (verdict.series.metric, verdict.direction) == (speaker.series.metric, speaker.direction)
    ]
    distinct = {_traffic(speaker): speaker}
    for verdict in sorted(others, key=lambda v: (_joined_later(incident, v), -abs(effect(v)), _place(v))):
        distinct.setdefault(_traffic(verdict), verdict)
    return list(distinct.values())[1:]


def _joined_later(incident: Incident, verdict: Verdict) -> bool:
    """Tell whether the page had left when the verdict came."""
    return incident.paged_at is not None and verdict.detected_at > incident.paged_at


def _traffic(verdict: Verdict) -> tuple[float, int]:
    return verdict.before.value, verdict.before.events


def _place(verdict: Verdict) -> int:
    return _DIMENSIONS[verdict.series.segment[0][0]]
