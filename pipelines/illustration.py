"""What calls show of a change: the words that moved, and calls of before and since; from wherever calls are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import exp
from typing import NamedTuple

from undertow.drift.averages import Average
from undertow.drift.exemplars import ALL, Exemplar
from undertow.drift.metrics import Family, Metric, parent_of, resolve
from undertow.drift.phrases import Phrase, moved_phrases
from undertow.drift.showcase import Showcase, answer_text, question_text, showcase
from undertow.drift.verdict import Verdict

__all__ = ["Calls", "Illustration", "illustrated", "spans"]

_BEFORE_S, _SINCE_S = 6 * 3600.0, 3600.0  # from which calls are taken
_FAR = 1e15  # stands for the level of a tail: its calls are those furthest out

Span = tuple[float, float]
Calls = Callable[[Span, str | None], Iterable[Exemplar]]  # of the slice of a verdict: between two times, of a sample


class Illustration(NamedTuple):
    """Words that moved, and calls."""

    phrases: Sequence[Phrase]
    shown: Showcase


def illustrated(verdict: Verdict, calls: Calls, usual: Callable[[str, float], Average]) -> Illustration:
    """Return what calls show of a change.

    Parameters
    ----------
    calls
        Returns those between two times of one sample (`drift/exemplars.py`), of all samples for None.
    usual
        Returns the level that a metric had in the service before a time.
    """
    metric = resolve(verdict.series.metric)
    text = question_text if metric.name.startswith("input_") else answer_text
    before, since = (list(calls(span, _sample(verdict, metric, span))) for span in spans(verdict))
    phrases = moved_phrases([text(one) for one in before], [text(one) for one in since])
    parent = resolve(parent_of(metric.name))
    old, new = (list(calls(span, None)) for span in spans(verdict))
    levels = _levels(verdict, metric, parent, usual)
    return Illustration(phrases, showcase(parent.name, parent.family, levels, old, new, phrases, text))


def spans(verdict: Verdict) -> tuple[Span, Span]:
    """Return the times before a change and since from which calls are taken, seconds since the epoch."""
    since = verdict.changed_to if verdict.changed_to < verdict.detected_at else verdict.changed_at
    return (
        (verdict.changed_from - _BEFORE_S, verdict.changed_from),
        (since, verdict.detected_at + _SINCE_S),
    )


def _sample(verdict: Verdict, metric: Metric, span: Span) -> str:
    """Return the sample whose words are compared: of a rate the calls of which it is true, on the side with more."""
    more = span[0] >= verdict.changed_at if verdict.direction == "up" else span[1] <= verdict.changed_at
    own = metric.family is Family.RATE and metric.name == parent_of(metric.name)
    return metric.name if own and more else ALL


def _levels(
    verdict: Verdict, metric: Metric, parent: Metric, usual: Callable[[str, float], Average]
) -> tuple[float, float]:
    """Return the levels near which calls show the change; of a tail those far out against the usual one."""
    if metric == parent:
        return verdict.before.value, verdict.after.value
    level = usual(parent.name, verdict.changed_from)
    far = _FAR if metric.name.endswith(".high") else 1 / _FAR
    levels = exp(level.mean) if level.events else 1.0, far
    return levels if verdict.direction == "up" else levels[::-1]
