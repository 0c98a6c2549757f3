"""Every metric that Undertow follows: its name, unit, direction of harm and the smallest change worth a page.

One definition each, in one place: detectors, pages, dashboards and documents read this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FLEET",
    "METRICS",
    "RULE",
    "SCORE",
    "Family",
    "Metric",
    "declare",
    "described",
    "own_metric",
    "parent_of",
    "resolve",
    "score_metric",
    "tails_of",
]

SCORE = "score."  # what the metrics of evaluation results begin with
RULE = "rule."  # what a broken rule is told as
FLEET = "fleet."  # what is told of versions that nobody planned


class Family(StrEnum):
    """How a metric is summarised and which detectors understand it."""

    RATE = "rate"  # each event is 0 or 1
    POSITIVE = "positive"  # each event is a number ≥ 0, heavy-tailed: followed on the log
    SCORE = "score"  # each event is any number: followed in standard deviations of the baseline
    CATEGORY = "category"  # each event is one of some names: their shares are followed
    VECTOR = "vector"  # each event is an embedding: their centroid is followed


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
        The benign wander δ that is never significant: odds ratio (rates, categories) or ratio (positive) within
        [1/(1+δ), 1+δ]; for scores and vectors, standard deviations.
    page_from
        The smallest effect worth a page, as odds ratio (rates), ratio (positive), share of the events that change
        category, or standard deviations of one event (scores, vectors); smaller ones are notices.
    season
        How far a daily cycle may move the level from its mean while it is not known yet, in the terms of `band`.
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


def _positive(name: str, unit: str, title: str, harm: str = "both", floor: float = 1.0, season: float = 1.22) -> Metric:
    return Metric(name, Family.POSITIVE, unit, harm, title, floor=floor, band=0.05, page_from=1.1, season=season)


def _score(name: str, unit: str, title: str, harm: str = "both") -> Metric:
    return Metric(name, Family.SCORE, unit, harm, title, band=0.1, page_from=0.25, season=0.5)


def _category(name: str, title: str, harm: str = "both") -> Metric:
    return Metric(name, Family.CATEGORY, "share of events", harm, title, band=0.1, page_from=0.03)


def _vector(name: str, title: str, harm: str) -> Metric:
    return Metric(name, Family.VECTOR, "cosine distance", harm, title, band=0.1, page_from=0.25, season=0.25)


_DECLARED = (
    _rate("refusal_rate", "answers that refuse", "both"),
    _rate("schema_violation_rate", "answers that break their JSON Schema"),
    _rate("partial_refusal_rate", "answers that refuse a part", "both"),
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
    _rate("tool_schema_violation_rate", "calls with tool arguments that break the tool's schema"),
    _rate("loop_rate", "calls and tools that repeat without anything new"),
    _rate("tool_error_rate", "tools that failed"),
    _rate("disagreement_rate", "shadow calls that differ from the live one", "both"),
    _positive("reasoning_tokens", "tokens", "reasoning tokens a call"),
    _positive("time_to_first_token", "seconds", "wait for the first token", "up", 1e-3, 1.3),
    _positive("tools_per_task", "tools", "tools a task runs", "up"),
    _positive("depth", "levels", "depth of a task's tree of calls", "up"),
    _positive("calls_so_far", "calls", "calls of a task by the time of a call", "up"),
    _rate("stop_sequence_rate", "answers that a stop sequence ended", "both"),
    _rate("fallback_rate", "answers by another model than was asked for"),
    _rate("empty_retrieval_rate", "retrievals that found nothing"),
    _positive("documents_retrieved", "documents", "documents a call was given"),
    _score("retrieval_score", "the retriever's own", "mean score of the documents retrieved"),
    _score("cached_token_share", "share of input tokens", "share of the input read from the cache", "down"),
    _category("output_structure", "keys and types of JSON answers"),
    _category("output_format", "form of answers"),
    _category("schema_violation", "what answers break of their schema"),
    _category("tool_schema_violation", "what tool arguments break"),
    _category("tool_mix", "tools that calls ask for"),
    _category("model_mix", "models that answered", "none"),
    _category("config_mix", "combinations of model, prompt, tools and configuration", "none"),
    _category("label_mix", "labels that were decided"),
    _vector("input_centroid", "what users ask about", "none"),
    _vector("output_centroid", "what answers are about", "both"),
)


def _tail(metric: Metric, side: str) -> Metric:
    """Return the rate of one tail: more of it hurts if moving there does."""
    which = "below the baseline's 1st" if side == "low" else "above the baseline's 99th"
    hurts = metric.harm in {"both", "down" if side == "low" else "up"}
    return _rate(f"{metric.name}.{side}", f"{metric.title} {which} percentile", "up" if hurts else "none")


def tails_of(metrics: Iterable[Metric]) -> list[Metric]:
    """Return the two tail rates of each positive metric."""
    return [_tail(metric, side) for metric in metrics if metric.family is Family.POSITIVE for side in ("low", "high")]


METRICS: dict[str, Metric] = {metric.name: metric for metric in [*_DECLARED, *tails_of(_DECLARED)]}
_OWN: dict[str, Metric] = {}  # what this process' configuration declares


def own_metric(name: str, family: Family, unit: str, title: str, harm: str) -> Metric:
    """Return a metric of the user's own, with the limits that are usual for its family.

    Raises
    ------
    ValueError
        The name is taken, or is not one word of letters, digits and underscores.
    """
    if not name.isidentifier() or name in METRICS:
        reason = "is one of Undertow's own" if name in METRICS else "must be letters, digits and underscores"
        raise ValueError(f"a metric of your own cannot be named '{name}': the name {reason}")
    made = {Family.RATE: _rate(name, title, harm), Family.POSITIVE: _positive(name, unit, title, harm)}
    return made.get(family) or _score(name, unit, title, harm)


def declare(own: Iterable[Metric]) -> None:
    """Make the user's own metrics known to everything that shows or tells levels; the configuration is read once."""
    _OWN.clear()
    _OWN.update({metric.name: metric for metric in own})
    _OWN.update({metric.name: metric for metric in tails_of(list(_OWN.values()))})


def score_metric(name: str) -> Metric:
    """Return the metric of an evaluation result by its name."""
    return _score(SCORE + name, "", f"{name.replace('_', ' ')} score")


def described(name: str) -> Metric | None:
    """Return what is known of a metric: Undertow's own, the user's, a score, a rule or a finding by its name.

    None for any other.

    Examples
    --------
    >>> described("score.helpful").family, described("nonsense")
    (<Family.SCORE: 'score'>, None)
    """
    if name.startswith(SCORE):
        return score_metric(name.removeprefix(SCORE))
    for prefix, unit, harm in ((RULE, "breaches", "up"), (FLEET, "findings", "both")):
        if name.startswith(prefix):
            title = f"{prefix.rstrip('.')} {name.removeprefix(prefix).replace('_', ' ')}"
            return Metric(name, Family.POSITIVE, unit, harm, title)
    return METRICS.get(name) or _OWN.get(name)


def resolve(name: str) -> Metric:
    """Return the metric of that name; KeyError names the nearest known one.

    Examples
    --------
    >>> resolve("latency.high").unit
    'share of events'
    """
    known = described(name)
    if known is not None:
        return known
    near = difflib.get_close_matches(name, [*METRICS, *_OWN], n=1)
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
