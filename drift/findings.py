"""What rules and the fleet have found, in the detectors' words, so that it goes the way of any verdict."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from undertow.drift.fleet import FleetFinding
from undertow.drift.metrics import FLEET, RULE
from undertow.drift.rule import RuleHit
from undertow.drift.verdict import Estimate, Series, Verdict, verdict_id

__all__ = ["Findings", "FindingsState", "verdict_of_finding", "verdict_of_hit"]

_REPEAT_S = 3600.0  # event time in which a breach is told once, however many partitions of the events have seen one
_QUIET_S = 7200.0  # event time without a further breach: then a rule is kept again; breaches are told once an hour
_NONE = Estimate(0.0, 0.0, 0.0, 0)


class FindingsState(msgspec.Struct):
    """Verdicts that wait for their window, the last breach of every rule that was broken, and open notices by id."""

    waiting: list[Verdict] = []
    broken: list[Verdict] = []
    open: list[str] = []


class Findings:
    """Hands the findings of rules and fleet over in event time, and says when a broken rule has been kept again.

    Where several have each seen a part of the events, all of them may have found the same: it is told once.

    Examples
    --------
    >>> findings = Findings()
    >>> findings.add([verdict_of_hit(RuleHit("residency", "s", "", (), "eu served by us-1", time=5.0, event="e1"))])
    >>> [verdict.kind for now in (4.0, 10.0, 10_000.0) for verdict in findings.due(now)]
    ['page', 'recovered']
    """

    def __init__(self, state: FindingsState | None = None) -> None:
        self._waiting = list(state.waiting) if state else []
        self._broken = {verdict.series: verdict for verdict in (state.broken if state else ())}
        self._open = dict.fromkeys(state.open if state else ())

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Take what was found."""
        self._waiting += verdicts

    def due(self, now: float) -> list[Verdict]:
        """Return what was found up to `now`, by time, and the recovery of each rule that was broken and is quiet."""
        ripe = sorted((v for v in self._waiting if v.detected_at <= now), key=lambda v: (v.detected_at, v.id))
        self._waiting = [verdict for verdict in self._waiting if verdict.detected_at > now]
        told = [verdict for verdict in ripe if self._is_news(verdict)]
        quiet = [verdict for verdict in self._broken.values() if verdict.detected_at + _QUIET_S <= now]
        for verdict in quiet:
            del self._broken[verdict.series]
        return told + [_kept_again(verdict) for verdict in quiet]

    def _is_news(self, verdict: Verdict) -> bool:
        """Remember what was found; return whether it has not been told yet."""
        if verdict.series.metric.startswith(RULE):
            last = self._broken.get(verdict.series)
            if last is None or verdict.detected_at >= last.detected_at + _REPEAT_S:
                self._broken[verdict.series] = verdict
                return True
            return False
        stands = verdict.opened or verdict.id
        news = (stands in self._open) == bool(verdict.opened)
        if verdict.opened:
            self._open.pop(stands, None)
        else:
            self._open[stands] = None
        return news

    def snapshot(self) -> FindingsState:
        """Return the state as plain data."""
        return FindingsState(list(self._waiting), list(self._broken.values()), list(self._open))


def _kept_again(verdict: Verdict) -> Verdict:
    at = verdict.detected_at + _QUIET_S
    return msgspec.structs.replace(
        verdict,
        id=verdict_id(verdict.series, at, "recovered"),
        kind="recovered",
        detected_at=at,
        before=verdict.after,
        after=_NONE,
        reason=f"not broken again for {_QUIET_S / 3600:.0f} h",
        opened="",
    )


def verdict_of_hit(hit: RuleHit) -> Verdict:
    """Return a page: `rule.<name>`, from no breach to so many.

    Examples
    --------
    >>> hit = RuleHit("residency", "s", "", (("region", "eu"),), "region=eu with serving_region=us-1", 60.0, "e1")
    >>> verdict = verdict_of_hit(hit)
    >>> verdict.kind, verdict.series.label, verdict.after.value
    ('page', 's region=eu rule.residency', 1.0)
    """
    series = Series(hit.service, hit.environment, tuple(sorted(hit.segment)), RULE + hit.rule)
    count = float(hit.events)
    return Verdict(
        id=verdict_id(series, hit.time, "page"),
        kind="page",
        series=series,
        direction="up",
        detected_at=hit.time,
        changed_at=hit.time,
        changed_from=hit.time,
        changed_to=hit.time,
        before=_NONE,
        after=Estimate(count, count, count, hit.events),
        events=hit.events,
        statistic=count,
        threshold=1.0,
        detector="rule",
        reason=hit.reason,
    )


def verdict_of_finding(finding: FleetFinding) -> Verdict:
    """Return a notice: `fleet.skew`, `fleet.undeclared` or `fleet.missing`; when it is over, the recovery that ends it.

    Examples
    --------
    >>> finding = FleetFinding("skew", "s", "", (), "prompt_version", ("v47", "v46"), "stuck", 90.0, 30.0)
    >>> verdict = verdict_of_finding(finding)
    >>> verdict.kind, verdict.series.label
    ('notice', 's prompt_version=v47 beside v46 fleet.skew')
    """
    about = (finding.dimension, " beside ".join(finding.values))
    segment = tuple(sorted((*finding.segment, about)))
    series = Series(finding.service, finding.environment, segment, FLEET + finding.kind)
    told, here = verdict_id(series, finding.since, "notice"), Estimate(1.0, 1.0, 1.0, 1)
    return Verdict(
        id=verdict_id(series, finding.time, "recovered") if finding.over else told,
        kind="recovered" if finding.over else "notice",
        series=series,
        direction="shift",
        detected_at=finding.time,
        changed_at=finding.since,
        changed_from=finding.since,
        changed_to=finding.since,
        before=here if finding.over else _NONE,
        after=_NONE if finding.over else here,
        events=1,
        statistic=1.0,
        threshold=1.0,
        detector="fleet",
        reason=finding.reason,
        opened=told if finding.over else "",
    )
