"""What was planted against what was paged: found or missed, how fast, and what was paged without a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from undertow.alerts.incident import Incident
from undertow.alerts.text import slice_of
from undertow.dashboards.units import clock, duration
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Series, Verdict
from undertow.pipelines.simulation import purpose
from undertow.pipelines.simulator import Planted

__all__ = ["Finding", "Judgement", "judge", "told"]


class Finding(msgspec.Struct, frozen=True):
    """The page that a planted incident led to.

    `delay_s` and `events` (of the slice that showed it) count from the moment it was planted to the detection; `by` is
    the verdict that showed it first, `declared` whether its metric is one that the incident is declared to move
    (otherwise it is one that follows).
    """

    incident: Incident
    by: Verdict
    declared: bool
    delay_s: float
    events: int


class Judgement(msgspec.Struct, frozen=True):
    """How the run went. `before` are the pages from before the change, `others` later ones beside the finding's."""

    planted: Planted
    finding: Finding | None
    before: list[Incident]
    others: list[Incident]

    @property
    def passed(self) -> bool:
        """Nothing was paged before the change; and the change was, unless it is a null, which nothing may page."""
        expected = self.finding is not None if self.planted.incident.metrics else not self.others
        return expected and not self.before


def judge(
    planted: Planted,
    incidents: Sequence[Incident],
    verdicts: Sequence[Verdict],
    events_between: Callable[[Series, float, float], int],
) -> Judgement:
    """Hold the incidents that were paged against what was planted.

    Parameters
    ----------
    verdicts
        All that the detectors said, in order of time.
    events_between
        Called with (series, start, end): how many of its events happened between.
    """
    paged = [incident for incident in incidents if incident.paged_at is not None]
    before = [incident for incident in paged if incident.opened_at <= planted.at]
    after = [incident for incident in paged if incident.opened_at > planted.at]
    for incident in after:
        by = _shown(planted, incident, verdicts)
        if by is not None:
            others = [other for other in after if other is not incident]
            return Judgement(planted, _finding(planted, incident, by, events_between), before, others)
    return Judgement(planted, None, before, after)


def told(judgement: Judgement, budget: float, headlines: Mapping[str, str]) -> str:
    """Return the judgement in words, a line each: planted, paged, resolved, false pages, the conclusion.

    Parameters
    ----------
    headlines
        Incident's id → first line of its page as sent; where there is none, the incident's own.
    """
    lines = [("planted", _planted(judgement.planted)), *_found(judgement, headlines)]
    lines += [("other page", _page(incident, headlines)) for incident in judgement.others]
    lines += [("false page", _page(incident, headlines)) for incident in judgement.before]
    count = len(judgement.before)
    lines += [("false pages", f"{count} before the change; the budget is {budget:g} a week over all series")]
    return "\n".join(f"{name:<12} {text}" for name, text in [*lines, ("result", _result(judgement))])


def _shown(planted: Planted, incident: Incident, verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the first verdict on the page that is an effect of what was planted, a declared one if possible."""
    page = [
        verdict
        for verdict in verdicts
        if verdict.kind == "page"
        and (verdict.series.service, verdict.series.environment) == (incident.service, incident.environment)
        and verdict.series.service in planted.incident.services
        and incident.opened_at <= verdict.detected_at <= (incident.paged_at or incident.opened_at)
    ]
    effects = [verdict for verdict in page if _is_declared(planted, verdict) or _follows(planted, verdict)]
    return min(effects, key=lambda verdict: not _is_declared(planted, verdict), default=None)


def _is_declared(planted: Planted, verdict: Verdict) -> bool:
    return any(
        parent_of(name) == parent_of(verdict.series.metric) and direction in {_way(verdict), "shift"}
        for name, direction in planted.incident.metrics.items()
    )


def _follows(planted: Planted, verdict: Verdict) -> bool:
    return parent_of(verdict.series.metric) in planted.incident.may_move


def _way(verdict: Verdict) -> str:
    """Return which way the values moved: more of them in the low tail is down."""
    if not verdict.series.metric.endswith(".low"):
        return verdict.direction
    return {"up": "down", "down": "up"}.get(verdict.direction, verdict.direction)


def _finding(
    planted: Planted, incident: Incident, by: Verdict, events_between: Callable[[Series, float, float], int]
) -> Finding:
    seen = incident.opened_at
    count = events_between(by.series, planted.at, seen)
    return Finding(incident, by, _is_declared(planted, by), seen - planted.at, count)


def _planted(planted: Planted) -> str:
    over = f", rolled back at {clock(planted.until)}" if planted.until is not None else ""
    where = ", ".join(f"{dimension}={value}" for dimension, value in planted.incident.segment.items()) or "all traffic"
    return f"{planted.name} at {clock(planted.at)}{over}, in {where}: {purpose(planted.incident)}"


def _found(judgement: Judgement, headlines: Mapping[str, str]) -> list[tuple[str, str]]:
    finding = judgement.finding
    if finding is None:
        nothing = "nothing that shows it" if judgement.planted.incident.metrics else "nothing, as it should be"
        return [("paged", nothing)] if not judgement.others else []
    how = "" if finding.declared else ", a side effect of what was planted"
    shown = f"{finding.by.series.metric} [{slice_of(finding.by.series)}]"
    detected = f"{duration(finding.delay_s)} and {finding.events:,} events after the change, by {shown}{how}"
    return [("paged", _page(finding.incident, headlines)), ("detected", detected), ("resolved", _resolved(judgement))]


def _page(incident: Incident, headlines: Mapping[str, str]) -> str:
    return f"{clock(incident.paged_at or incident.opened_at)}  {headlines.get(incident.id, incident.headline)}"


def _resolved(judgement: Judgement) -> str:
    finding, until = judgement.finding, judgement.planted.until
    if finding is None or finding.incident.resolved_at is None:
        return "not yet: still open when the traffic ended"
    resolved = finding.incident.resolved_at
    after = f", {duration(resolved - until)} after the rollback" if until is not None and resolved > until else ""
    return f"{clock(resolved)} ({finding.incident.resolution}){after}"


def _result(judgement: Judgement) -> str:
    if judgement.passed:
        return "found" if judgement.finding is not None else "quiet, as it should be"
    if judgement.planted.incident.metrics and judgement.finding is None:
        return "MISSED: what was planted was not paged"
    return "FALSE PAGES: somebody was woken for nothing"
