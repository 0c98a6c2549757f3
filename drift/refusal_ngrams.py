"""The words of answers as hashed n-grams, for many texts at once: what the refusal model weighs.

A token is a run of letters, digits and apostrophes, case folded; a Han character, a kana or a Hangul syllable is a
token by itself, since these scripts part no words. Hashes are plain arithmetic on UTF-8 bytes: the same on every
machine, in every process and whatever texts are hashed together. How an answer opens says most, so the words and
pairs of its opening are hashed once more, apart from the same words later on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUCKETS", "HEAD", "OPENING", "TAIL", "excerpt", "hashed"]

HEAD: Final = 400  # characters: a refusal says so at once …
TAIL: Final = 200  # … or takes leave with it
OPENING: Final = 16  # words
BITS: Final = 16
BUCKETS: Final = 1 << BITS

Hashes = NDArray[np.uint64]
Indexes = NDArray[np.intp]

_CHUNK = 1 << 16  # bytes hashed at a time: bounds the tables below, and the work stays in the processor's cache
_LONGEST = 12 * (HEAD + TAIL) + 16  # bytes of one excerpt: 4 a character, and lower case may make three of one
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF, _TOP = np.uint64(32), np.uint64(64 - BITS)
_PAIR, _TRIPLE = np.uint64(0xC4CEB9FE1A85EC53), np.uint64(0x2545F4914F6CDD1D)
_FIRST, _FIRST_PAIR = np.uint64(0x9FB21C651E98DF25), np.uint64(0xD6E8FEB86659FD93)

# Marks before the head (two, so that no trigram reaches back into the text before it) and between head and tail.
_START, _CUT = b"\x01\x01 ", "\n\x02\n"
_MARKS = 2  # tokens of the start


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, dtype=np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _is_letter(byte: int) -> bool:
    return byte in {0x01, 0x02} or byte >= 0x80 or chr(byte).isalnum() or chr(byte) == "'"


_LETTERS = np.array([byte if _is_letter(byte) else 0 for byte in range(256)], dtype=np.uint8)
_ALONE = np.array([byte in {0x01, 0x02} or 0xE3 <= byte <= 0xED for byte in range(256)])  # begin a token anywhere
_POWERS = _powers(_BASE, _CHUNK + _LONGEST)
_INVERSES = _powers(pow(_BASE, -1, 1 << 64), _CHUNK + _LONGEST)


def excerpt(text: str) -> tuple[str, str]:
    """Return the beginning and the end of the text that are judged; the end is empty where the text is short.

    Examples
    --------
    >>> excerpt("  Sorry, no. ")
    ('Sorry, no.', '')
    """
    if len(text) > 4 * (HEAD + TAIL):  # never copy a long text
        return text[: 2 * HEAD].lstrip()[:HEAD], text[-2 * TAIL :].rstrip()[-TAIL:]
    said = text.strip()
    return said[:HEAD], said[HEAD:][-TAIL:]


def hashed(excerpts: Sequence[tuple[str, str]]) -> Iterator[tuple[Indexes, Indexes]]:
    """Yield, for runs of excerpts in their order, the buckets of their n-grams and where each excerpt's begin.

    N-grams of one to three tokens, and the opening's of one and two; each bucket once an excerpt, ascending. Bucket 0
    stands for none and is in all.

    Examples
    --------
    >>> [(buckets, begins)] = hashed([("No, no.", ""), ("No", "")])
    >>> begins, len(buckets)
    (array([0, 9]), 15)
    >>> set(buckets[9:]) <= set(buckets[:9])
    True
    """
    parts: list[bytes] = []
    size = 0
    for head, tail in excerpts:
        part = _encoded(head, tail)
        parts.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield _ngrams(parts)
            parts, size = [], 0
    if parts:
        yield _ngrams(parts)


def _encoded(head: str, tail: str) -> bytes:
    text = (head + _CUT + tail if tail else head).lower()
    if not text.isascii():
        text = text.replace("’", "'")
    return _START + text.encode("utf-8", "replace")


def _ngrams(parts: list[bytes]) -> tuple[Indexes, Indexes]:
    lengths = np.array([len(part) for part in parts])
    words, starts = _words(np.frombuffer(b"".join(parts), dtype=np.uint8))
    firsts = np.searchsorted(starts, np.cumsum(lengths) - lengths)
    pairs, triples = words.copy(), words.copy()
    pairs[1:] += words[:-1] * _PAIR
    triples[2:] += pairs[1:-1] * _TRIPLE
    tokens = np.diff(firsts, append=len(words))
    texts = np.repeat(np.arange(len(parts), dtype=np.uint32), tokens)
    place = np.arange(len(words)) - np.repeat(firsts, tokens)  # within its text
    said = place >= _MARKS
    opening = said & (place < _MARKS + OPENING)
    features = ((words, said), (pairs * _PAIR, said), (triples * _TRIPLE, said),
                (words * _FIRST, opening), (pairs * _FIRST_PAIR, opening))  # fmt: skip
    return _once([_key(hashes[chosen], texts[chosen]) for hashes, chosen in features], len(parts))


def _words(text: NDArray[np.uint8]) -> tuple[Hashes, Indexes]:
    """Return each token's hash and where it begins: the letters as a polynomial, by differences of prefix sums."""
    letters = _LETTERS[text]
    within = letters != 0
    begins = within.copy()
    begins[1:] &= ~within[:-1] | _ALONE[text[1:]]
    starts = np.flatnonzero(begins)
    sums = np.zeros(len(text) + 1, dtype=np.uint64)
    np.cumsum(letters * _POWERS[: len(text)], out=sums[1:])
    ends = np.append(starts[1:], len(text))
    return (sums[ends] - sums[starts]) * _INVERSES[starts], starts


def _key(hashes: Hashes, texts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the bucket of each hash below the bits of the number of its text."""
    mixed = (hashes ^ (hashes >> _HALF)) * _MIX
    return (mixed >> _TOP).astype(np.uint32) | texts << np.uint32(BITS)


def _once(keys: list[NDArray[np.uint32]], count: int) -> tuple[Indexes, Indexes]:
    """Return each text's buckets without their repeats, ascending, and where each text's begin: with bucket 0."""
    texts = np.arange(count, dtype=np.uint32) << np.uint32(BITS)
    ordered = np.sort(np.concatenate([*keys, texts]))
    ordered = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return (ordered & np.uint32(BUCKETS - 1)).astype(np.intp), np.searchsorted(ordered, texts)
