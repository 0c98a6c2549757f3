"""The text classifier of refusals: a linear model over hashed n-grams and phrases, in whole numbers.

Two logistic regressions share one set of features: whether the text refuses at all, and, if it does, whether wholly.
Weights are int8 and their sums exact, so a text has the same score in any batch, on any machine. The weights ship as
plain data (models/refusal.json), written by `python -m tests.train.refusal DATA`.
"""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from importlib.resources import files

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.refusal_ngrams import BUCKETS, excerpt, hashed
from undertow.drift.refusal_phrases import PHRASES, matcher, signature

__all__ = ["Answer", "RefusalModel", "RefusalWeights", "pack", "phrases_in", "shipped", "unpack"]

Scores = NDArray[np.float64]


class Answer(IntEnum):
    """What an answer is to what was asked."""

    COMPLIANCE = 0
    PARTIAL = 1
    REFUSAL = 2


class RefusalWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trained model as it is stored.

    Parameters
    ----------
    version
        Of the weights; another one gives other numbers.
    phrases
        Hash of the phrases that the weights belong to.
    bias
        Of the two sums: refuses at all, refuses wholly.
    phrase_weights
        One for each phrase, for each of the two sums.
    ngram_weights
        int8, one for each bucket, for each of the two sums: zlib, base 85.
    scale
        Weight units in one unit of log-odds, calibrated on sources that were left out of the training.
    """

    version: int
    phrases: str
    bias: tuple[int, int]
    phrase_weights: tuple[list[int], list[int]]
    ngram_weights: tuple[str, str]
    scale: tuple[float, float]


class RefusalModel:
    """Judges texts.

    Raises
    ------
    ValueError
        If the weights belong to other phrases or have another number of buckets.

    Examples
    --------
    >>> model = shipped()
    >>> model.judge(["I'm sorry, but I can't help with that.", "Paris is the capital of France."])
    [<Answer.REFUSAL: 2>, <Answer.COMPLIANCE: 0>]
    >>> bool(model.probabilities(["I'm sorry, but I can't help with that."])[0] > 0.9)
    True
    """

    def __init__(self, weights: RefusalWeights) -> None:
        if weights.phrases != signature():
            raise ValueError(
                f"refusal weights belong to the phrases {weights.phrases}, these are {signature()}: "
                "train again with 'python -m tests.train.refusal DATA'"
            )
        self.version = weights.version
        self._scale = np.array(weights.scale)
        self._bias = np.array(weights.bias, dtype=np.int64)
        self._of_phrases = weights.phrase_weights
        # int32: an excerpt adds up below 2**20, and two small tables stay in the processor's cache
        self._of_ngrams = [unpack(packed).astype(np.int32) for packed in weights.ngram_weights]
        self._phrases = matcher()

    def judge(self, texts: Sequence[str]) -> list[Answer]:
        """Return what each text is: a refusal, an answer to a part, or compliance."""
        any_, whole = self._sums(texts)
        return [
            Answer.COMPLIANCE if some <= 0 else Answer.REFUSAL if full > 0 else Answer.PARTIAL
            for some, full in zip(any_.tolist(), whole.tolist(), strict=True)
        ]

    def probabilities(self, texts: Sequence[str]) -> Scores:
        """Return the calibrated probability that each text refuses, wholly or in part."""
        odds: Scores = np.clip(self._sums(texts)[0] / self._scale[0], -50, 50)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))

    def _sums(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return both sums of each text's weights, shape (2, texts)."""
        excerpts = [excerpt(text) for text in texts]
        sums = np.repeat(self._bias[:, None], len(texts), axis=1)
        done = 0
        for buckets, begins in hashed(excerpts):
            upto = done + len(begins)
            for total, weights in zip(sums, self._of_ngrams, strict=True):
                total[done:upto] += np.add.reduceat(weights[buckets], begins)
            done = upto
        for index, (head, _) in enumerate(excerpts):
            for phrase in self._phrases.Match(head.encode("utf-8", "replace")) or ():
                sums[0, index] += self._of_phrases[0][phrase]
                sums[1, index] += self._of_phrases[1][phrase]
        return sums


def phrases_in(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which phrases each text has, shape (texts, phrases): features for training."""
    found = np.zeros((len(texts), len(PHRASES)), dtype=np.bool_)
    patterns = matcher()
    for row, text in zip(found, texts, strict=True):
        row[patterns.Match(excerpt(text)[0].encode("utf-8", "replace")) or []] = True
    return found


@cache
def shipped() -> RefusalModel:
    """Return the model that comes with the package, read once."""
    content = files("undertow.drift").joinpath("models", "refusal.json").read_bytes()
    return RefusalModel(msgspec.json.decode(content, type=RefusalWeights))


def pack(weights: NDArray[np.int8]) -> str:
    """Return the weights as text.

    Examples
    --------
    >>> unpack(pack(np.zeros(BUCKETS, np.int8))).shape
    (65536,)
    """
    return b85encode(zlib.compress(weights.tobytes(), 9)).decode("ascii")


def unpack(packed: str) -> NDArray[np.int8]:
    """Return the weights of such a text; ValueError if they are not one for each bucket."""
    weights = np.frombuffer(zlib.decompress(b85decode(packed)), dtype=np.int8)
    if len(weights) != BUCKETS:
        raise ValueError(f"refusal weights for {len(weights)} buckets, needed are {BUCKETS}: train again")
    return weights
