"""Which exemplars show a change: three to five since, each beside one from before that was asked the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, log

import msgspec

from undertow.drift.exemplars import Exemplar
from undertow.drift.metrics import Family
from undertow.drift.phrases import Phrase, terms_of

__all__ = ["Showcase", "answer_text", "question_text", "showcase"]

_MOST = 5
_NEAR = 3  # one of so many calls is near a level
_ALIKE = 0.7  # two exemplars whose words overlap as much say the same
_LEAST = 1e-9


class Showcase(msgspec.Struct, frozen=True):
    """Exemplars of before and since; the n-th of both were asked the like, as far as there are such."""

    before: tuple[Exemplar, ...] = ()
    after: tuple[Exemplar, ...] = ()


def answer_text(one: Exemplar) -> str:
    """Return what was answered."""
    return one.output


def question_text(one: Exemplar) -> str:
    """Return what was asked."""
    return one.input


def showcase(
    metric: str,
    family: Family,
    levels: tuple[float, float],
    before: Sequence[Exemplar],
    after: Sequence[Exemplar],
    phrases: Sequence[Phrase] = (),
    text: Callable[[Exemplar], str] = answer_text,
    limit: int = _MOST,
) -> Showcase:
    """Choose exemplars for a change of `metric` from the first level to the second; the same from the same pools.

    Of a rate that rose, calls since for which it is true and calls before for which it is not; of a value, calls near
    the level of their side; of all else, calls that hold the phrases that moved. Calls that say the same are shown
    once.

    Examples
    --------
    >>> def call(number, answer, refused):
    ...     return Exemplar(number, str(number), 0.0, {}, ("refusal_rate",) if refused else (), {}, "Why?", answer)
    >>> old, new = [call(1, "Because.", False)], [call(2, "So.", False), call(3, "I cannot say.", True)]
    >>> shown = showcase("refusal_rate", Family.RATE, (0.01, 0.4), old, new)
    >>> [one.output for one in shown.before], [one.output for one in shown.after]
    (['Because.'], ['I cannot say.'])
    """
    rose = levels[1] >= levels[0]
    since = _ranked(_fitting(metric, family, levels[1], after, wanted=rose), phrases, text, sign=1.0)
    until = _ranked(_fitting(metric, family, levels[0], before, wanted=not rose), phrases, text, sign=-1.0)
    chosen = _varied(since, limit)
    return Showcase(tuple(_partners(chosen, until, limit)), tuple(chosen))


def _fitting(metric: str, family: Family, level: float, pool: Sequence[Exemplar], wanted: bool) -> list[Exemplar]:
    """Return the calls that show their side of the change, the clearest first; all where none does."""
    if family is Family.RATE:
        fitting = [one for one in pool if (metric in one.true) == wanted]
        return fitting or list(pool)
    if family in {Family.POSITIVE, Family.SCORE}:
        near = sorted(pool, key=lambda one: (_off(one.values.get(metric), level, family), one.hash, one.id))
        return near[: max(len(near) // _NEAR, 2 * _MOST)]
    return list(pool)


def _off(value: float | None, level: float, family: Family) -> float:
    if value is None:
        return inf
    if family is Family.SCORE:
        return abs(value - level)
    return abs(log(max(value, _LEAST)) - log(max(level, _LEAST)))


def _ranked(
    pool: Sequence[Exemplar], phrases: Sequence[Phrase], text: Callable[[Exemplar], str], sign: float
) -> list[Exemplar]:
    """Put those first that hold more of what moved; the order of the others stays."""
    if not phrases:
        return list(pool)
    return sorted(pool, key=lambda one: -_telling(text(one), phrases, sign))


def _telling(text: str, phrases: Sequence[Phrase], sign: float) -> float:
    terms = terms_of(text)
    return sum(
        max(sign * phrase.z, 0.0)
        for phrase in phrases
        if (f"key {phrase.text}" if phrase.kind == "key" else phrase.text) in terms
    )


def _varied(pool: Sequence[Exemplar], limit: int) -> list[Exemplar]:
    """Return the first ones that do not say the same; those that do only where too few are left."""
    chosen: list[Exemplar] = []
    for one in pool:
        if len(chosen) < limit and all(_overlap(one.output, other.output) < _ALIKE for other in chosen):
            chosen.append(one)
    repeats = [one for one in pool if one not in chosen]
    return chosen + repeats[: max(min(3, limit) - len(chosen), 0)]


def _partners(chosen: Sequence[Exemplar], pool: Sequence[Exemplar], limit: int) -> list[Exemplar]:
    """Return for each chosen call the one of the pool that was asked the most alike, none twice."""
    left = list(pool)
    partners: list[Exemplar] = []
    for one in chosen:
        if left:
            best = max(left, key=lambda other: _overlap(one.input, other.input))  # the first of equals
            partners.append(best)
            left.remove(best)
    return partners or _varied(pool, limit)


def _overlap(one: str, other: str) -> float:
    """Return the share of the words of both that they share; 1 for two without words."""
    words, others = _words(one), _words(other)
    return len(words & others) / len(words | others) if words | others else 1.0


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())
