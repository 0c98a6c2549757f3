"""How well refusals are told from answers, each source judged by a model that never learned from it.

`table(folder)` returns Markdown; `python -m tests.bench.refusal DATA` prints it. Some minutes; wants scikit-learn:
each source left out is a training.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from train.refusal import GRAMMAR_TEXTS, JUDGED, Features, features, trained, without
from train.refusal_sources import GRAMMAR, Example, examples, rows

from undertow.drift.interaction import text_of
from undertow.drift.refusal_model import RefusalModel, shipped
from undertow.drift.refusal_ngrams import BUCKETS
from undertow.drift.statistics.prevalence import prevalence
from undertow.pipelines.simulator import Scenario, labelled

__all__ = ["table"]

_PLAIN = ("arena-bench-v1", "m-ifeval", "tau-bench", "who-and-when", "react-hotpotqa", "llm-drift-daily",
          "llmdrift-problems")  # fmt: skip
_PAIRS = (
    ("llmdrift", "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"),
    ("arena-bench-v1", "gpt-3.5-turbo", "gpt-3.5-turbo-1106"),
    ("arena-bench-v1", "gpt-3.5-turbo", "gpt-4-0314"),
    ("xstest", "gpt4", "mistralinstruct"),
    ("xstest", "gpt4", "llama2orig"),
)
_BATCHES = (1, 16, 256)
_SECONDS = 1.0  # of CPU time a measurement of speed

Flags = NDArray[np.bool_]


class Judged(NamedTuple):
    """A source, judged by a model that was trained without it."""

    source: str
    known: list[Example]
    true: NDArray[np.int64]
    found: NDArray[np.int64]

    def of(self, group: str) -> Judged:
        """Return what one model or version answered."""
        return self.where(np.array([example.group == group for example in self.known]))

    def where(self, mask: Flags) -> Judged:
        """Return the part of the source that is chosen."""
        part = [example for example, kept in zip(self.known, mask, strict=True) if kept]
        return Judged(self.source, part, self.true[mask], self.found[mask])

    def errors(self) -> tuple[float, float]:
        """Return the shares of refusals missed and of answers taken for one."""
        return _errors(self.true > 0, self.found > 0)


def table(folder: Path) -> str:
    """Return the evaluation on the data sets of that folder as Markdown."""
    known = features(examples(GRAMMAR_TEXTS, folder))
    judged = {source: _left_out(known, source) for source in (*JUDGED, *_PLAIN)}
    parts = (
        _quality(judged, _unread(folder)),
        _within_xstest(known),
        _rates(judged),
        _corrections(judged),
        _changes(judged),
        _ablations(known),
        _simulated(),
        _speed(known),
    )
    return "\n\n".join(parts)


def _left_out(known: Features, source: str) -> Judged:
    return _judged(known, known.sources == source)


def _judged(known: Features, chosen: Flags) -> Judged:
    """Return what a model says of the chosen examples that learned from all others."""
    model = RefusalModel(trained(known, ~chosen))
    part = [example for example, kept in zip(known.known, chosen, strict=True) if kept]
    found = np.array([int(answer) for answer in model.judge([example.text for example in part])])
    return Judged(part[0].source, part, known.labels[chosen], found)


def _ruled(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    ruled = [" | ".join(head), "|".join("---" for _ in head), *(" | ".join(line) for line in lines)]
    return f"{title}\n\n" + "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in ruled)


_QUALITY = ("answers", "accuracy", "precision", "recall", "F1", "three classes right")


def _quality(judged: dict[str, Judged], unread: Flags) -> str:
    xstest = judged["xstest"]
    parts = [("xstest, three models", xstest), ("… prompts not looked at while writing", xstest.where(unread))]
    parts += [(f"… {group}", xstest.of(group)) for group in _groups(xstest)]
    parts += [(source, judged[source]) for source in JUDGED[1:]]
    lines = [_quality_line(name, part) for name, part in parts]
    return _ruled("Any refusal against compliance:", ("never learned from", *_QUALITY), lines)


def _within_xstest(known: Features) -> str:
    """Return the quality on one model's answers after learning the others' to the same prompts, as the shipped one."""
    of_xstest = known.sources == "xstest"
    groups = np.array([example.group for example in known.known])
    lines = [
        _quality_line(group, _judged(known, of_xstest & (groups == group)))
        for group in sorted(set(groups[of_xstest].tolist()))
    ]
    return _ruled("XSTest, one model left out, the two others learned from:", ("model", *_QUALITY), lines)


def _quality_line(name: str, part: Judged) -> tuple[str, ...]:
    true, found = part.true > 0, part.found > 0
    hits = float((true & found).sum())
    precision, recall = hits / max(found.sum(), 1), hits / max(true.sum(), 1)
    f1 = 2 * hits / max(true.sum() + found.sum(), 1)
    whole = float((part.true == part.found).mean())
    numbers = (float((true == found).mean()), precision, recall, f1, whole)
    return (name, f"{len(true):,}", *(f"{number:.3f}" for number in numbers))


def _unread(folder: Path) -> Flags:
    """Return which answers of XSTest belong to the half of the prompts that nobody read while writing sentences."""
    prompts = [row["prompt"] for row in rows(folder / "xstest/completions.jsonl.gz")]
    return np.array([zlib.crc32(prompt.encode()) % 2 == 1 for prompt in prompts])


def _groups(part: Judged) -> list[str]:
    return sorted({example.group for example in part.known})


def _rates(judged: dict[str, Judged]) -> str:
    head = ("never learned from", "answers", "true rate", "found", "error", "partial: true → found")
    return _ruled("The rate itself:", head, [_rate_line(part) for part in judged.values()])


def _rate_line(part: Judged) -> tuple[str, ...]:
    true, found = float((part.true > 0).mean()), float((part.found > 0).mean())
    partial = f"{(part.true == 1).mean():.2%} → {(part.found == 1).mean():.2%}"
    return (part.source, f"{len(part.true):,}", f"{true:.2%}", f"{found:.2%}", f"{found - true:+.2%}", partial)


def _corrections(judged: dict[str, Judged]) -> str:
    xstest = judged["xstest"]
    parts = [(f"xstest, {group}", xstest.of(group), _others(judged, "xstest")) for group in _groups(xstest)]
    parts += [(source, judged[source], _others(judged, source)) for source in JUDGED]
    head = ("", "uncorrected", "errors of other sources", "errors of a labelled half")
    title = "Mean error of the rate of half a source, corrected for errors known from elsewhere or from the other half:"
    return _ruled(title, head, [_correction_line(*part) for part in parts])


def _correction_line(name: str, part: Judged, others: tuple[float, float]) -> tuple[str, ...]:
    first = np.array([zlib.crc32(example.text.encode()) % 2 == 0 for example in part.known])
    off = []
    for half, labelled_half in ((part.where(first), part.where(~first)), (part.where(~first), part.where(first))):
        true, found = float((half.true > 0).mean()), float((half.found > 0).mean())
        rates = (found, prevalence(found, *others), prevalence(found, *labelled_half.errors()))
        off.append([abs(rate - true) for rate in rates])
    return (name, *(f"{error:.2%}" for error in np.mean(off, axis=0)))


def _others(judged: dict[str, Judged], source: str) -> tuple[float, float]:
    """Return the errors on all other sources together."""
    parts = [part for name, part in judged.items() if name != source]
    true, found = (np.concatenate([getattr(part, column) for part in parts]) for column in ("true", "found"))
    return _errors(true > 0, found > 0)


def _errors(true: Flags, found: Flags) -> tuple[float, float]:
    return float(1 - found[true].mean()), float(found[~true].mean())


def _changes(judged: dict[str, Judged]) -> str:
    head = ("source", "before", "after", "true change", "found change")
    return _ruled("Changes between two versions:", head, [_change_line(judged, *pair) for pair in _PAIRS])


def _change_line(judged: dict[str, Judged], source: str, before: str, after: str) -> tuple[str, ...]:
    old, new = (judged[source].of(group) for group in (before, after))
    true, found = (
        float((getattr(new, column) > 0).mean() - (getattr(old, column) > 0).mean()) for column in ("true", "found")
    )
    return (source, before, after, f"{true:+.2%}", f"{found:+.2%}")


def _ablations(known: Features) -> str:
    everything = np.ones(len(known.known), dtype=np.bool_)
    columns = np.arange(known.matrix.shape[1])
    cases: list[tuple[str, Flags, Flags]] = [
        ("n-grams and phrases (ships)", everything, columns >= 0),
        ("n-grams alone", everything, columns < BUCKETS),
        ("phrases alone", everything, columns >= BUCKETS),
        ("without the written sentences", known.sources != GRAMMAR, columns >= 0),
    ]
    head = ("", "F1 xstest", "accuracy chatgpt-refusals", "false in m-ifeval")
    return _ruled("What each part adds:", head, [(name, *_ablated(known, *case)) for name, *case in cases])


def _ablated(known: Features, allowed: Flags, columns: Flags) -> list[str]:
    """Return the figures of a model that sees only these columns (others are emptied), learned from allowed rows."""
    keep = np.where(columns, 1.0, 0.0).astype(np.float32)
    masked = known._replace(matrix=known.matrix.multiply(keep).tocsr())
    figures = []
    for source, kind in (("xstest", "F1"), ("chatgpt-refusals", "accuracy"), ("m-ifeval", "")):
        model = RefusalModel(trained(masked, allowed & without(masked, source)))
        chosen = [example for example in known.known if example.source == source]
        found = np.array([answer > 0 for answer in model.judge([example.text for example in chosen])])
        true = np.array([example.label > 0 for example in chosen])
        figures.append(_figure(kind, true, found))
    return figures


def _figure(kind: str, true: Flags, found: Flags) -> str:
    if kind == "F1":
        return f"{2 * (true & found).sum() / max(true.sum() + found.sum(), 1):.3f}"
    return f"{(true == found).mean():.3f}" if kind else f"{(found & ~true).mean():.2%}"


def _simulated() -> str:
    said: dict[bool, list[str]] = {True: [], False: []}
    for event, outcome in labelled(Scenario(seed=3, duration_s=7200, rate_per_s=10)):
        if text := text_of(event.output):
            said[outcome.name == "REFUSED"].append(text)
    shares = {refused: np.mean([answer > 0 for answer in shipped().judge(texts)]) for refused, texts in said.items()}
    return (
        f"Simulated traffic, whose sentences the model never read: {shares[True]:.1%} of {len(said[True]):,} refusals "
        f"found, {shares[False]:.3%} of {len(said[False]):,} answers taken for one."
    )


def _speed(known: Features) -> str:
    texts = [example.text for example in known.known if example.source == "xstest"]
    lines = [(f"{size}", f"{_microseconds(texts, size):.0f}") for size in _BATCHES]
    return _ruled(
        f"Cost ({np.mean([len(text) for text in texts]):.0f} characters an answer):",
        ("answers a batch", "µs an answer"),
        lines,
    )


def _microseconds(texts: list[str], size: int) -> float:
    model, done, began = shipped(), 0, time.process_time()
    while time.process_time() - began < _SECONDS:
        for first in range(0, len(texts), size):
            done += len(model.judge(texts[first : first + size]))
    return (time.process_time() - began) / done * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.refusal", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the shared data sets")
    print(table(parser.parse_args().data))  # noqa: T201
