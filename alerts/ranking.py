"""Which verdict of an incident speaks for it, and which way it hurts.

Effects are on one scale for all metrics: the natural logarithm of the odds ratio (rates) or of the ratio
(everything else) of the level since the change to the level before it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from undertow.drift.metrics import Family, described, parent_of
from undertow.drift.verdict import Estimate, Verdict

__all__ = ["about_inputs", "effect", "harmful", "is_rate", "lead", "measured", "ranked", "without_repeats"]

NEARLY_ALL = 0.9  # share of the events with which a slice is no slice
SLICE_ADVANTAGE = 1.5  # a slice speaks for its metric only with an effect so many times that of the whole service
SMALLEST = 1e-9  # stands in for zero where a metric declares no floor
LARGEST = 1e18


def is_rate(metric: str) -> bool:
    """Tell whether the metric is a share of events.

    Examples
    --------
    >>> is_rate("refusal_rate"), is_rate("latency"), is_rate("latency.high")
    (True, False, True)
    """
    known = described(metric)
    return known is not None and known.family in {Family.RATE, Family.CATEGORY}


def effect(verdict: Verdict) -> float:
    """Return how far the level moved: ln odds ratio for rates, ln ratio otherwise, positive upwards.

    Rates are smoothed by half an event and positive values cut at the metric's floor, so that the effect is always
    finite. A score that changes its sign has doubled or halved.
    """
    if is_rate(verdict.series.metric):
        return _log_odds(verdict.after) - _log_odds(verdict.before)
    before, after = _finite(verdict.before.value), _finite(verdict.after.value)
    if before < 0 and after < 0:
        return math.log(max(-before, SMALLEST)) - math.log(max(-after, SMALLEST))
    if min(before, after) < 0:
        return math.copysign(math.log(2.0), after - before)
    return _log_level(verdict.series.metric, verdict.after) - _log_level(verdict.series.metric, verdict.before)


def harmful(verdict: Verdict) -> bool:
    """Tell whether the change goes the way that hurts; a change of shape, or of a metric nobody declared, may."""
    metric = described(verdict.series.metric)
    if metric is None or metric.harm in {"both", "none"}:
        return metric is None or metric.harm == "both"
    return verdict.direction in {metric.harm, "shift"}


def ranked(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return one verdict per metric, the best first.

    What can be put in a number or a name comes before a direction of embeddings, harm before gain, a level before any
    tail, then evidence above the threshold, then breadth.
    The whole of the service speaks for its metric when the change is there; a slice does when its effect is
    `SLICE_ADVANTAGE` times larger, since the aggregate then only shows the slice diluted. Of several services the one
    with the clearest evidence speaks.
    """
    by_metric: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_metric[verdict.series.metric].append(verdict)
    chosen = [_speaker(group) for group in by_metric.values()]

    def order(verdict: Verdict) -> tuple[bool, bool, bool, float, int, str]:
        hurts, metric = harmful(verdict), verdict.series.metric
        tail = metric != parent_of(metric)
        known = described(metric)
        vague = known is not None and known.family is Family.VECTOR
        return (vague, not hurts, tail, verdict.threshold - verdict.statistic, len(verdict.series.segment), verdict.id)

    return sorted(chosen, key=order)


def without_repeats(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts without those of slices that are nearly all of the traffic and say what the whole says."""
    known = list(verdicts)
    whole = {_said(verdict): verdict.before.events for verdict in known if not verdict.series.segment}
    return [
        verdict
        for verdict in known
        if not verdict.series.segment or verdict.before.events < NEARLY_ALL * whole.get(_said(verdict), math.inf)
    ]


def lead(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that the headline tells: the best of those worth a page, else of all.

    Raises
    ------
    ValueError
        There are no verdicts.
    """
    known = list(verdicts)
    if not known:
        raise ValueError("an incident without verdicts has no lead; open it with one")
    return ranked([v for v in known if v.kind == "page"] or known)[0]


def measured(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict to be explained: the lead of those whose level is known best by slice, version and time.

    Best are numbers; then shares of categories, which are not known by version; not at all embeddings, and tails, which
    are counted against a baseline of each series.
    """
    known = list(verdicts)
    whole = [v for v in known if v.series.metric == parent_of(v.series.metric)]
    numbers = [v for v in whole if v.direction != "shift"]
    mixes = [v for v in whole if v.moved]
    return lead(numbers or mixes or whole or known)


def about_inputs(verdict: Verdict) -> bool:
    """Tell whether the verdict is about what is asked, not about what is answered."""
    return verdict.series.metric.startswith("input_")


def _said(verdict: Verdict) -> tuple[str, str, str, str]:
    series = verdict.series
    return series.service, series.environment, series.metric, verdict.direction


def _speaker(group: list[Verdict]) -> Verdict:
    surest = max(group, key=lambda verdict: (verdict.statistic - verdict.threshold, verdict.id)).series.service
    inside = [verdict for verdict in group if verdict.series.service == surest]
    whole = [verdict for verdict in inside if not verdict.series.segment]
    slices = [verdict for verdict in inside if verdict.series.segment]
    if not slices:
        return whole[0]
    loudest = min(slices, key=lambda v: (-abs(effect(v)), len(v.series.segment), v.id))
    diluted = whole and abs(effect(loudest)) >= SLICE_ADVANTAGE * abs(effect(whole[0]))
    return loudest if diluted or not whole else whole[0]


def _log_odds(estimate: Estimate) -> float:
    events = max(estimate.events, 1)
    share = min(max(_finite(estimate.value), 0.0), 1.0)
    return math.log((share * events + 0.5) / ((1.0 - share) * events + 0.5))


def _log_level(metric: str, estimate: Estimate) -> float:
    known = described(metric)
    floor = known.floor if known is not None and known.family is Family.POSITIVE else SMALLEST
    return math.log(min(max(_finite(estimate.value), floor), LARGEST))


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
