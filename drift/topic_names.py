"""What clusters of questions are about, in their own words: those that tell their texts from those of all others.

Words are ranked by their log-odds ratio with a prior (`phrases`); one that stands in every text says nothing of any.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from undertow.drift.phrases import log_odds_z, terms_of

__all__ = ["words_of"]

_MOST = 3
_SHORTEST = 3  # letters
_LEAST_TEXTS = 3  # of a cluster
_CLEAR = 2.0  # standard errors
_MASK = re.compile(r"\[\w+\]")  # stands for what must not be told


def words_of(texts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return up to three words for each cluster, the most telling first; none for one that nothing sets apart.

    Examples
    --------
    >>> refunds = [f"Please refund invoice {n}." for n in range(20)]
    >>> logins = [f"I forgot my password, {n}." for n in range(20)]
    >>> words_of({"1": refunds, "2": logins})
    {'1': 'invoice, please, refund', '2': 'forgot, password'}
    """
    counts = {name: _counted(some) for name, some in texts.items()}
    both: Counter[str] = sum(counts.values(), Counter())
    total = sum(map(len, texts.values()))
    found = {name: _telling(counts[name], both, len(some), total) for name, some in texts.items()}
    return {name: ", ".join(words) for name, words in found.items() if words}


def _counted(texts: Sequence[str]) -> Counter[str]:
    """Return in how many texts each word stands."""
    terms = (terms_of(_MASK.sub(" ", text)) for text in texts)
    return Counter(word for some in terms for word in some if word.isalpha() and len(word) >= _SHORTEST)


def _telling(mine: Counter[str], both: Counter[str], texts: int, total: int) -> list[str]:
    sizes = total - texts, texts
    scores = {
        word: log_odds_z(both[word] - hits, hits, both[word], sizes)
        for word, hits in mine.items()
        if hits >= _LEAST_TEXTS
    }
    clear = [word for word, score in scores.items() if score >= _CLEAR]
    return sorted(clear, key=lambda word: (-round(scores[word], 6), word))[:_MOST]
