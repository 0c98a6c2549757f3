"""Which series tell an incident: one for each metric that moved, and the slices in which it moved most."""

from __future__ import annotations

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import effect, ranked, without_repeats
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Verdict
from undertow.pipelines.demo_queries import tail_of
from undertow.pipelines.settings import Detection

__all__ = ["slices_of", "speakers"]

_METRICS = 4  # of an incident that are told
_DIMENSIONS = {name: place for place, name in enumerate(Detection().dimensions)}  # the demo follows the default ones


def speakers(incident: Incident) -> list[Verdict]:
    """Return the verdicts that tell the incident, one a metric (or tail of it); first those that were on the page."""
    pages = ranked(verdict for verdict in incident.verdicts if verdict.kind == "page")
    found: dict[str, Verdict] = {}
    for verdict in sorted(
        pages, key=lambda v: (v.detected_at > (incident.paged_at or v.detected_at), bool(tail_of(v.series)))
    ):
        found.setdefault(parent_of(verdict.series.metric), verdict)
    return list(found.values())[:_METRICS]


def slices_of(incident: Incident, speaker: Verdict) -> list[Verdict]:
    """Return the slices in which the speaker's metric moved the same way, the largest effects first.

    Of slices that hold the same traffic, such as an operation and the model that it alone uses, one is enough.
    """
    others = [
        verdict
        for verdict in without_repeats(incident.verdicts)
        if verdict.kind == "page"
        and verdict.series.segment
        and (verdict.series.metric, verdict.direction) == (speaker.series.metric, speaker.direction)
    ]
    distinct: dict[tuple[float, int], Verdict] = {(speaker.before.value, speaker.before.events): speaker}
    for verdict in sorted(others, key=lambda v: (-abs(effect(v)), _DIMENSIONS[v.series.segment[0][0]])):
        distinct.setdefault((verdict.before.value, verdict.before.events), verdict)
    return list(distinct.values())[1:]
