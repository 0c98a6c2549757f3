"""How likely each thing that changed is the cause, beside the possibility that none of them is.

A suspect has two kinds of evidence. *Time*: how much more likely it is to have appeared just then if it is the cause
than by chance, given how often such things appear in this service; a value that changes every minute explains nothing
by being new. *Fit*: how much better the levels agree with "only what ran on it moved" than with "what ran on it moved
like the rest". Both are log-likelihood ratios against coincidence, so they add up to odds, and the share of the odds
that no suspect has is the honest unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, erfc, exp, hypot, isnan, log, pi, sqrt

import msgspec

from undertow.drift.averages import Average, linked
from undertow.drift.contributions import Breakdown
from undertow.drift.metrics import Family

__all__ = ["ChangeTime", "Suspect", "Suspected", "fit_of_mix", "fit_of_version", "origin_of", "suspected"]

DAY = 86_400.0
_Z = 1.96
_SLACK = 1.5  # an interval of a change time is taken to be so many times wider than it says
_LEAST_SPREAD_S = 15.0
_LATE_SHARE = 0.05  # of causes show late for reasons that nobody sees (a cache, a queue) …
_LATE_S = 1800.0  # … by this much on average
_NO_ROLLOUT = 0.1  # standard errors: a shorter rollout is a step
_WANDER = 0.05  # of a level on the link scale that means nothing
_MOST = 20.0  # a single piece of evidence counts no more, in natural units
_TIE = log(4.0)  # suspects whose odds are within a factor of four are not told apart
_RAREST = 0.1  # a day: what has hardly been seen to appear may still do so

_PROVIDERS = frozenset({"response_model", "config.fingerprint", "config.system_fingerprint"})


class ChangeTime(msgspec.Struct, frozen=True):
    """When it changed, with its 95 % interval; event time, seconds since the epoch."""

    at: float
    since: float
    until: float


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """Something that appeared or changed its share around the time of a change.

    Parameters
    ----------
    dimension, value
        What it is: ("prompt_version", "v48"), ("price", "gpt-4o"), ("region", "eu").
    origin
        "yours", "provider" (nobody here changed it), or "mix" (what is asked, and where, moved).
    since, until
        Between which times it appeared and had grown to the share it has; the same time twice for a step.
    share_before, share_after
        Its share of the traffic.
    per_day
        How often something of this dimension appears in this service.
    fit
        Log-likelihood ratio of the levels: `fit_of_version`, `fit_of_mix`; 0 when they say nothing.
    declared
        The description, when somebody declared it.
    """

    dimension: str
    value: str
    origin: str
    since: float
    until: float
    share_before: float = 0.0
    share_after: float = 1.0
    per_day: float = 1.0
    fit: float = 0.0
    declared: str = ""


class Suspected(msgspec.Struct, frozen=True):
    """A suspect and what speaks for it.

    Parameters
    ----------
    suspect
        None for the unknown: none of the others is it.
    probability
        Its share of the odds.
    lead_s
        Seconds from its appearance to the change; negative if it came after.
    chance
        Of something of its kind appearing as close to the change without being its cause.
    inseparable
        The other suspects, (dimension, value), that explain it as well.
    """

    suspect: Suspect | None
    probability: float
    lead_s: float = 0.0
    chance: float = 1.0
    inseparable: tuple[tuple[str, str], ...] = ()


def suspected(suspects: Sequence[Suspect], change: ChangeTime) -> list[Suspected]:
    """Return the suspects and the unknown, the likeliest first; ties by how close they came, then by name.

    Examples
    --------
    >>> change = ChangeTime(1000.0, 940.0, 1060.0)
    >>> early = Suspect(dimension="prompt_version", value="v47", origin="yours", since=-9000.0, until=-9000.0)
    >>> close = Suspect(dimension="prompt_version", value="v48", origin="yours", since=990.0, until=990.0)
    >>> [(one.suspect and one.suspect.value, round(one.probability, 2)) for one in suspected([early, close], change)]
    [('v48', 1.0), (None, 0.0), ('v47', 0.0)]
    """
    scores = [_time_ratio(one, change) + _bounded(one.fit) + _reach(one) for one in suspects]
    odds = [exp(score) for score in scores]
    total = 1.0 + sum(odds)
    best = max(scores, default=0.0)
    tied = [one for one, score in zip(suspects, scores, strict=True) if score >= max(best - _TIE, 0.0)]
    found = [
        Suspected(one, share / total, _lead(one, change), _chance(one, change), _others(one, tied))
        for one, share in zip(suspects, odds, strict=True)
    ]
    return sorted([*found, Suspected(None, 1.0 / total)], key=_rank)


def fit_of_version(family: Family, on: Average, off: Average, before: Average) -> float:
    """Return how much better the levels fit a new version being the cause than its being a bystander.

    If it is the cause, calls without it are as they were before; if it is not, they are like those on it.

    Examples
    --------
    >>> from undertow.drift.averages import average_of
    >>> def rate(events, hits):
    ...     return average_of(Family.RATE, events, hits, hits)
    >>> round(fit_of_version(Family.RATE, rate(200, 20), rate(200, 2), rate(9000, 90)), 1)
    5.2
    >>> round(fit_of_version(Family.RATE, rate(200, 20), rate(200, 21), rate(9000, 90)), 1)
    -20.0
    """
    if not (on.events and off.events and before.events):
        return 0.0
    return _bounded((_distance(family, on, off) - _distance(family, off, before)) / 2)


def fit_of_mix(breakdown: Breakdown) -> float:
    """Return how much better the levels fit "only shares moved" than "levels moved" for the values of a dimension.

    That the levels inside the values cancel to nothing would be a coincidence as unlikely as the change is clear.
    """
    if not breakdown.rate_error > 0:
        return 0.0
    change = abs(breakdown.rate + breakdown.mix)
    misfit = breakdown.rate / hypot(breakdown.rate_error, _WANDER * change)
    return _bounded(log(max(change / breakdown.rate_error, 1.0)) - misfit**2 / 2)


def origin_of(dimension: str) -> str:
    """Return who moves a dimension: what answers is the provider's, all else that defines behaviour is yours.

    Examples
    --------
    >>> origin_of("response_model"), origin_of("prompt_version")
    ('provider', 'yours')
    """
    return "provider" if dimension in _PROVIDERS else "yours"


def _time_ratio(one: Suspect, change: ChangeTime) -> float:
    """Return ln of how much likelier it is to appear just then as the cause than by chance; 0 without a time."""
    if isnan(one.since):
        return 0.0
    spread = _spread(change)
    density = (1 - _LATE_SHARE) * _during(one, change, spread) + _LATE_SHARE * _late(change.at - one.since, spread)
    rate = max(one.per_day, _RAREST) / DAY
    return _bounded(log(max(density, 1e-300) / rate))


def _during(one: Suspect, change: ChangeTime, spread: float) -> float:
    """Return the density of a change at any time of a rollout, seen with this error."""
    early, late = (change.at - one.since) / spread, (change.at - one.until) / spread
    if early - late < _NO_ROLLOUT:
        return exp(-(early**2) / 2) / (spread * sqrt(2 * pi))
    return (erf(early / sqrt(2)) - erf(late / sqrt(2))) / (2 * (one.until - one.since))


def _late(lag: float, spread: float) -> float:
    """Return the density of a delay of `_LATE_S` on average, seen with this error (exponentially modified normal)."""
    if spread > 3 * _LATE_S:
        return exp(-((lag / spread) ** 2) / 2) / (spread * sqrt(2 * pi))
    late = exp(min(spread**2 / (2 * _LATE_S**2) - lag / _LATE_S, 700.0))
    return late / (2 * _LATE_S) * erfc((spread / _LATE_S - lag / spread) / sqrt(2))


def _spread(change: ChangeTime) -> float:
    """Return the standard error of the time of a change."""
    return max((change.until - change.since) / (2 * _Z) * _SLACK, _LEAST_SPREAD_S)


def _lead(one: Suspect, change: ChangeTime) -> float:
    return 0.0 if isnan(one.since) else change.at - one.since


def _chance(one: Suspect, change: ChangeTime) -> float:
    if isnan(one.since):
        return 1.0
    around = 2 * max(abs(_lead(one, change)), 2 * _spread(change))
    return 1 - exp(-max(one.per_day, _RAREST) / DAY * around)


def _reach(one: Suspect) -> float:
    """Return the handicap of something that hardly any traffic ran on: it would have to do much with little."""
    return 0.0 if one.origin == "mix" else log(max(abs(one.share_after - one.share_before), 1e-3)) / 2


def _others(one: Suspect, tied: Sequence[Suspect]) -> tuple[tuple[str, str], ...]:
    return tuple((other.dimension, other.value) for other in tied if other != one) if one in tied else ()


def _rank(one: Suspected) -> tuple[float, float, str, str]:
    name = (one.suspect.dimension, one.suspect.value) if one.suspect else ("", "")
    return -one.probability, abs(one.lead_s), *name


def _distance(family: Family, one: Average, other: Average) -> float:
    """Return the squared distance of two levels in standard errors, benign wander included."""
    (level, error), (other_level, other_error) = linked(family, one), linked(family, other)
    return (level - other_level) ** 2 / (error**2 + other_error**2 + _WANDER**2)


def _bounded(evidence: float) -> float:
    return min(max(evidence, -_MOST), _MOST)
