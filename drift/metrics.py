"""Every metric that Undertow follows: its name, unit, direction of harm and the smallest change worth a page.

One definition each, in one place: detectors, pages, dashboards and documents read this table.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["METRICS", "Family", "Metric", "parent_of", "resolve"]


class Family(StrEnum):
    """How a metric is summarised and which detectors understand it."""

    RATE = "rate"  # each event is 0 or 1
    POSITIVE = "positive"  # each event is a number ≥ 0, heavy-tailed: followed on the log


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    harm
        "up" when a rise hurts, "down" when a fall hurts, "both" when either may, "none" when neither does.
    floor
        POSITIVE only: smallest value told apart from zero, in `unit`.
    band
        The benign wander δ that is never significant: odds ratio (rates) or ratio (positive) within [1/(1+δ), 1+δ].
    page_from
        The smallest effect worth a page, as odds ratio (rates) or ratio (positive); smaller ones are notices.
    season
        How far a daily cycle may move the level from its mean while it is not known yet, as a ratio like `page_from`.
    """

    name: str
    family: Family
    unit: str
    harm: str
    title: str
    floor: float = 1.0
    band: float = 0.1
    page_from: float = 1.25
    season: float = 1.75  # 1 ± 50 %: a trough lies by a factor of 3 below its peak


def _rate(name: str, title: str, harm: str = "up") -> Metric:
    return Metric(name, Family.RATE, "share of events", harm, title)


def _positive(name: str, unit: str, title: str, harm: str = "both", floor: float = 1.0, season: float = 1.15) -> Metric:
    return Metric(name, Family.POSITIVE, unit, harm, title, floor=floor, band=0.05, page_from=1.1, season=season)


_DECLARED = (
    _rate("refusal_rate", "answers that refuse", "both"),
    _rate("schema_violation_rate", "answers that break their JSON Schema"),
    _rate("truncation_rate", "answers cut off by a length limit"),
    _rate("empty_rate", "answers with no content"),
    _rate("error_rate", "calls that failed"),
    _positive("output_length", "characters", "length of answers"),
    _positive("input_length", "characters", "length of user inputs"),
    _positive("output_tokens", "tokens", "output tokens a call"),
    _positive("input_tokens", "tokens", "input tokens a call"),
    _positive("latency", "seconds", "latency of calls", "up", 1e-3, 1.3),
    _positive("cost_per_task", "US dollars", "cost of a task", "up", 1e-7),
    _positive("calls_per_task", "calls", "calls a task takes", "up"),
)


def _tail(metric: Metric, side: str) -> Metric:
    """Return the rate of one tail: more of it hurts if moving there does."""
    which = "below the baseline's 1st" if side == "low" else "above the baseline's 99th"
    hurts = metric.harm in {"both", "down" if side == "low" else "up"}
    return _rate(f"{metric.name}.{side}", f"{metric.title} {which} percentile", "up" if hurts else "none")


METRICS: dict[str, Metric] = {metric.name: metric for metric in _DECLARED}
METRICS |= {
    f"{metric.name}.{side}": _tail(metric, side)
    for metric in _DECLARED
    if metric.family is Family.POSITIVE
    for side in ("low", "high")
}


def resolve(name: str) -> Metric:
    """Return the metric of that name; KeyError names the nearest known one.

    Examples
    --------
    >>> resolve("latency.high").unit
    'share of events'
    """
    if name in METRICS:
        return METRICS[name]
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise KeyError(f"no metric named '{name}'{hint}")


def parent_of(name: str) -> str:
    """Return the metric that a tail rate belongs to, or the name itself.

    Examples
    --------
    >>> parent_of("latency.high"), parent_of("refusal_rate")
    ('latency', 'refusal_rate')
    """
    return name.removesuffix(".low").removesuffix(".high")
