"""Which words tell two sets of texts apart: phrases and JSON keys that rose or fell.

The log-odds ratio of a phrase with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008, Fightin' Words,
Political Analysis 16): the prior is what both sets say together, so that a rare phrase needs more to stand out. Texts
are counted, not occurrences: one text that says the same thing a hundred times is one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from math import log, sqrt
from typing import Any

import msgspec
from scipy.special import ndtri

from undertow.drift.answers import answer_of

__all__ = ["Phrase", "log_odds_z", "moved_phrases", "terms_of"]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE = re.compile(r"[.!?;:\n]+(?:\s+|$)")
_NUMBER = "#"
_LONGEST = 3  # words of a phrase
_SHORT = 3  # letters of a word that is not told by itself
_MOST_WORDS = 400  # of a text
_MOST_CHARACTERS = 8_000
_MOST_KEYS = 200  # of an answer
_DEPTH = 6
_MOST_TERMS = 200_000  # different ones, of both sets; further ones are left out
_PRIOR = 20.0  # texts that the prior weighs as much as
_CHANCE = 0.01  # of naming anything when nothing moved, over all terms that could be named
_LEAST_TEXTS = 3
_COVERED = 0.8  # share of a phrase's texts that hold a longer one, which then says it better
_KEY = "key "  # what the term of a JSON key begins with


class Phrase(msgspec.Struct, frozen=True):
    """A phrase, or the path of a JSON key, and in which share of the texts it stands.

    `z` is the log-odds ratio in standard errors, positive when it rose.
    """

    kind: str  # "phrase" or "key"
    text: str
    before: float
    after: float
    z: float


def _as_it_is(text: str) -> str:
    return text


def moved_phrases(
    before: Sequence[str], after: Sequence[str], limit: int = 8, redact: Callable[[str], str] = _as_it_is
) -> list[Phrase]:
    """Return what rose or fell most clearly from one set of texts to the other; nothing when nothing stands out.

    Phrases have up to three words of one sentence, numbers count as one. Of phrases inside one another the one that
    says most is kept.
    Texts are redacted before they are read, so that no phrase holds what must not be kept.

    Examples
    --------
    >>> old = ["Your refund is on its way."] * 40
    >>> new = ["I can't help with that. Your refund waits."] * 40
    >>> [(phrase.text, phrase.before, phrase.after) for phrase in moved_phrases(old, new, limit=3)]
    [('your refund waits', 0.0, 1.0), ("can't help with", 0.0, 1.0), ('your refund is', 1.0, 0.0)]
    """
    counts = _counted(before, redact), _counted(after, redact)
    sizes = len(before), len(after)
    both = counts[0] + counts[1]
    named = [term for term, texts in both.items() if texts >= _LEAST_TEXTS and not _says_little(term)]
    if not (named and all(sizes)):
        return []
    least = -float(ndtri(_CHANCE / (2 * len(named))))
    scores = {term: log_odds_z(counts[0][term], counts[1][term], both[term], sizes) for term in named}
    clear = sorted((term for term in named if abs(scores[term]) >= least), key=lambda term: _rank(term, scores))
    return [_phrase(term, counts, sizes, scores[term]) for term in islice(_distinct(clear, both, scores), limit)]


def terms_of(text: str) -> set[str]:
    """Return the phrases and JSON keys of a text; a key begins with "key ".

    Examples
    --------
    >>> sorted(terms_of('{"total": 7, "items": [{"id": 1}]}'))
    ['key items', 'key items[].id', 'key total']
    >>> sorted(terms_of("Total: 7.50"))
    ['#', 'total']
    """
    value = answer_of(text).value
    if value is not None:
        return {_KEY + path for path in islice(_paths(value, "", 0), _MOST_KEYS)}
    return {
        " ".join(words[i : i + size])
        for words in _sentences(text)
        for size in range(1, _LONGEST + 1)
        for i in range(len(words) - size + 1)
    }


def _sentences(text: str) -> Iterator[list[str]]:
    """Yield the words of each sentence in lower case; numbers that follow one another are one."""
    left = _MOST_WORDS
    for sentence in _SENTENCE.split(text[:_MOST_CHARACTERS]):
        words = [match.group().lower() for match in islice(_WORD.finditer(sentence), left)]
        left -= len(words)
        words = [_NUMBER if word[0].isdigit() else word for word in words]
        yield [word for word, last in zip(words, ["", *words], strict=False) if (word, last) != (_NUMBER, _NUMBER)]


def _paths(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{path}.{key}" if path else str(key)
            yield name
            yield from _paths(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in value[:_MOST_KEYS]:
            yield from _paths(inner, f"{path}[]", depth + 1)


def _counted(texts: Sequence[str], redact: Callable[[str], str]) -> Counter[str]:
    """Return in how many texts each term stands."""
    counts: Counter[str] = Counter()
    for text in texts:
        terms = terms_of(redact(text))
        counts.update(terms if len(counts) < _MOST_TERMS else terms & counts.keys())
    return counts


def log_odds_z(before: int, after: int, both: int, sizes: tuple[int, int]) -> float:
    """Return the log-odds ratio of a term, held by so many texts of two sets, with its prior, in standard errors."""
    share = (both + 0.5) / (sum(sizes) + 1)
    hit, miss = _PRIOR * share, _PRIOR * (1 - share)
    old, not_old = before + hit, sizes[0] - before + miss
    new, not_new = after + hit, sizes[1] - after + miss
    ratio = log(new / not_new) - log(old / not_old)
    return ratio / sqrt(1 / old + 1 / not_old + 1 / new + 1 / not_new)


def _rank(term: str, scores: Mapping[str, float]) -> tuple[float, int, str]:
    return -round(abs(scores[term]), 6), -len(term), term


def _says_little(term: str) -> bool:
    """Tell whether a term is one short word of Latin letters, which says something in a longer phrase alone."""
    return term.isascii() and term.isalpha() and len(term) <= _SHORT


def _distinct(ranked: Sequence[str], both: Mapping[str, int], scores: Mapping[str, float]) -> Iterator[str]:
    """Yield the terms of which no kept one is a part or a whole that stands in nearly the same texts."""
    kept: list[str] = []
    for term in ranked:
        if not any(_same(term, other, both) and scores[term] * scores[other] > 0 for other in kept):
            kept.append(term)
            yield term


def _same(one: str, other: str, both: Mapping[str, int]) -> bool:
    """Tell whether two terms are words of one saying: they share words, and nearly all their texts."""
    if one.startswith(_KEY) or other.startswith(_KEY):
        return one.startswith(other + ".") or one.startswith(other + "[")
    shared = set(one.split()) & set(other.split())
    return bool(shared) and min(both[one], both[other]) >= _COVERED * max(both[one], both[other])


def _phrase(term: str, counts: tuple[Counter[str], Counter[str]], sizes: tuple[int, int], z: float) -> Phrase:
    kind = "key" if term.startswith(_KEY) else "phrase"
    before, after = (count[term] / size for count, size in zip(counts, sizes, strict=True))
    return Phrase(kind, term.removeprefix(_KEY), before, after, z)
