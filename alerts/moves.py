"""What happened to a series, in words: by its family, since a share, a set of categories and a direction read apart."""

from __future__ import annotations

from undertow.alerts.formats import format_estimate, format_level, format_move, relative, title
from undertow.alerts.ranking import is_rate
from undertow.drift.metrics import FLEET, RULE, Family, described
from undertow.drift.verdict import Verdict

__all__ = ["briefly", "in_full", "told"]

_MOST_CATEGORIES = 2  # of a headline
_LONGEST_CATEGORY = 80  # characters of a name


def told(verdict: Verdict) -> str:
    """Return the series' metric and how it moved, as a headline says it.

    Examples
    --------
    >>> from undertow.drift.findings import verdict_of_hit
    >>> from undertow.drift.rule import RuleHit
    >>> told(verdict_of_hit(RuleHit("residency", "s", "", (), "region=eu with serving_region=us-1", 60.0, "e1")))
    'rule residency: region=eu with serving_region=us-1'
    """
    name = title(verdict.series.metric)
    if verdict.series.metric.startswith((RULE, FLEET)):
        return f"{name}: {verdict.reason}"
    if verdict.moved:
        return f"{name}: {', '.join(_category(*one) for one in verdict.moved[:_MOST_CATEGORIES])}"
    if _is_vector(verdict):
        return f"{name} {_displaced(verdict)}"
    return f"{name} {format_move(verdict.series.metric, verdict.before.value, verdict.after.value)}"


def briefly(verdict: Verdict) -> str:
    """Return the metric and how it moved, as one of several in a headline."""
    name, before, after = title(verdict.series.metric), verdict.before.value, verdict.after.value
    if verdict.series.metric.startswith((RULE, FLEET)) or _is_vector(verdict):
        return name
    if verdict.moved:
        return f"{name} ({_category(*verdict.moved[0])})"
    share = is_rate(verdict.series.metric)
    return f"{name} {format_move(verdict.series.metric, before, after) if share else relative(before, after)}"


def in_full(verdict: Verdict) -> str:
    """Return how the series moved with its intervals, or the categories that did."""
    if verdict.series.metric.startswith((RULE, FLEET)):
        return verdict.reason
    if verdict.moved:
        return ", ".join(_category(*one) for one in verdict.moved)
    if _is_vector(verdict):
        return _displaced(verdict)
    before, after = (format_estimate(verdict.series.metric, level) for level in (verdict.before, verdict.after))
    return f"{before} → {after}"


def _category(name: str, before: float, after: float) -> str:
    short = name if len(name) <= _LONGEST_CATEGORY else f"{name[: _LONGEST_CATEGORY - 1]}…"
    return f"{short} {format_level('refusal_rate', before)} → {format_level('refusal_rate', after)}"


def _displaced(verdict: Verdict) -> str:
    times = verdict.after.value / verdict.before.value if verdict.before.value > 0 else 0.0
    return f"moved {times:.2g} times as far as it wanders" if times > 1 else "moved"


def _is_vector(verdict: Verdict) -> bool:
    known = described(verdict.series.metric)
    return known is not None and known.family is Family.VECTOR
