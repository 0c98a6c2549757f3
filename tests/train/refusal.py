"""Trains the refusal model: `python -m tests.train.refusal DATA` writes drift/models/refusal.json and its note.

It wants scikit-learn (`pip install scikit-learn`), which nothing else here needs, and the shared data sets, read in
place. One minute. Nothing is drawn from a clock: the same data and the same scikit-learn give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from undertow.drift.refusal_model import RefusalWeights, pack, phrases_in
from undertow.drift.refusal_ngrams import BUCKETS, excerpt, hashed
from undertow.drift.refusal_phrases import signature

from .refusal_sources import GRAMMAR, Example, examples

__all__ = ["GRAMMAR_TEXTS", "JUDGED", "Features", "features", "trained", "without"]

MODELS = Path(__file__).parents[2] / "drift" / "models"
VERSION = 1
GRAMMAR_TEXTS = 10_000
JUDGED = ("xstest", "chatgpt-refusals", "llmdrift")  # the sources with labels that people gave

# How much one answer of a source counts: those that people labelled more, those that repeat one problem less.
_WEIGHTS = {"xstest": 3.0, "chatgpt-refusals": 2.0, "llmdrift": 2.0, "llmdrift-problems": 0.3, "llm-drift-daily": 0.3,
            "react-hotpotqa": 0.3, "who-and-when": 0.5}  # fmt: skip
_STRENGTH = 0.05  # inverse of the L2 penalty
_PHRASE = 2.0  # the value of a phrase that is there: it is penalised less than an n-gram, whose value is 1
_INT8 = 127


class Features(NamedTuple):
    """Examples and what the model sees of them."""

    known: list[Example]
    matrix: Any  # csr_matrix: buckets, then phrases

    @property
    def sources(self) -> NDArray[np.str_]:
        return np.array([example.source for example in self.known], dtype=np.str_)

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([example.label for example in self.known])


_NOTE = """\
The refusal model
=================

refusal.json  two logistic regressions (refuses at all; refuses wholly) over {buckets:,} hashed n-grams and {phrases}
              phrases, weights int8, calibrated on the sources {judged}, each left out in turn

Made by tests/train/refusal.py with scikit-learn {sklearn}; the same data give the same bytes.

From       {texts:,} texts, of which {written:,} are drawn from sentences written for this
           (tests/train/refusal_texts.toml) and the others are labelled or plain answers of public data sets:
{sources}
Licence    the weights are part of this project, under its Apache License 2.0. They hold no text. The
           answers keep their own terms: XSTest CC BY 4.0 (Roettger et al., NAACL 2024) with completions
           under the vendors' terms, chatgpt-refusals, llm-drift-daily, tau-bench, react-hotpotqa (quotes
           CC BY-SA 4.0), who-and-when MIT, LLMDrift, Arena-Bench and M-IFEval Apache 2.0.

sha256
------
{checksum}  refusal.json
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.train.refusal", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the shared data sets")
    known = features(examples(GRAMMAR_TEXTS, parser.parse_args().data))
    everything = np.ones(len(known.known), dtype=np.bool_)
    weights = trained(known, everything, slopes(known))
    content = msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n"
    (MODELS / "refusal.json").write_bytes(content)
    (MODELS / "refusal.txt").write_text(note(known, content))
    print(f"{MODELS}/refusal.json: {len(known.known):,} texts, {len(content):,} bytes")  # noqa: T201


def note(known: Features, content: bytes) -> str:
    """Return what stands beside the model: how it was made, of what, under which terms, and its checksum."""
    names, counts = np.unique(known.sources, return_counts=True)
    numbers = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return _NOTE.format(
        buckets=BUCKETS,
        phrases=known.matrix.shape[1] - BUCKETS,
        judged=", ".join(JUDGED),
        sklearn=version("scikit-learn"),
        texts=len(known.known),
        written=numbers.pop(GRAMMAR),
        sources="\n".join(f"           {name:<18} {count:>5,}" for name, count in numbers.items()),
        checksum=hashlib.sha256(content).hexdigest(),
    )


def features(known: list[Example]) -> Features:
    """Return what the model sees of each example."""
    texts = [example.text for example in known]
    columns: list[NDArray[np.intp]] = []
    rows = [0]
    for buckets, begins in hashed([excerpt(text) for text in texts]):
        columns.append(buckets)
        rows += (rows[-1] + np.append(begins[1:], len(buckets))).tolist()
    flat = np.concatenate(columns)
    ngrams = csr_matrix(((flat > 0).astype(np.float32), flat, rows), shape=(len(texts), BUCKETS))
    phrases = csr_matrix(phrases_in(texts).astype(np.float32) * _PHRASE)
    return Features(known, hstack([ngrams, phrases]).tocsr())


def without(known: Features, source: str) -> NDArray[np.bool_]:
    """Return which examples may be learned from where that source is judged."""
    return np.array([example.source != source for example in known.known], dtype=np.bool_)


def trained(known: Features, chosen: NDArray[np.bool_], slope: tuple[float, float] = (1.0, 1.0)) -> RefusalWeights:
    """Return the model learned from the chosen examples; `slope` corrects the log-odds of its two sums."""
    packed = [_quantised(*_fitted(known, chosen & rows, labels)) for rows, labels in _tasks(known)]
    some, whole = packed
    return RefusalWeights(
        version=VERSION,
        phrases=signature(),
        bias=(some.bias, whole.bias),
        phrase_weights=(some.phrases, whole.phrases),
        ngram_weights=(some.ngrams, whole.ngrams),
        scale=(round(some.unit / slope[0], 4), round(whole.unit / slope[1], 4)),
    )


def slopes(known: Features) -> tuple[float, float]:
    """Return the factors that make the log-odds right for sources that were never learned from."""
    found = []
    for rows, labels in _tasks(known):
        odds, truth = [], []
        for source in JUDGED:
            weights, bias = _fitted(known, rows & without(known, source), labels)
            left_out = rows & ~without(known, source)
            odds.append(known.matrix[left_out] @ weights + bias)
            truth.append(labels[left_out])
        line = LogisticRegression(C=1e6, fit_intercept=False)
        line.fit(np.concatenate(odds)[:, None], np.concatenate(truth))
        found.append(float(line.coef_[0, 0]))
    return found[0], found[1]


def _tasks(known: Features) -> Iterable[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield the two questions: which examples it is put to, and the true answers."""
    yield np.ones(len(known.labels), dtype=np.bool_), known.labels > 0
    yield known.labels > 0, known.labels == 2


def _fitted(known: Features, chosen: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    importance = np.array([_WEIGHTS.get(source, 1.0) for source in known.sources[chosen]])
    line = LogisticRegression(C=_STRENGTH, solver="liblinear", random_state=0, max_iter=400)
    line.fit(known.matrix[chosen], truth[chosen], sample_weight=importance)
    return line.coef_[0], float(line.intercept_[0])


class _Quantised(NamedTuple):
    ngrams: str
    phrases: list[int]
    bias: int
    unit: float  # weight units in one unit of log-odds


def _quantised(weights: NDArray[np.float64], bias: float) -> _Quantised:
    ngrams, phrases = weights[:BUCKETS].copy(), weights[BUCKETS:] * _PHRASE
    ngrams[0] = 0.0  # the bucket of no n-gram
    unit = _INT8 / (float(np.abs(ngrams).max()) or 1.0)  # phrases alone have no n-grams to round
    rounded = np.round(ngrams * unit).astype(np.int8)
    return _Quantised(pack(rounded), np.round(phrases * unit).astype(int).tolist(), round(bias * unit), unit)


if __name__ == "__main__":
    main()
