"""The labelled answers from which the refusal model learns, and by which it is judged."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .refusal_grammar import drawn

__all__ = ["GRAMMAR", "Example", "examples", "plain_bodies", "rows"]

GRAMMAR = "grammar"
COMPLIANCE, PARTIAL, REFUSAL = 0, 1, 2

_XSTEST = {"1_full_compliance": COMPLIANCE, "3_partial_refusal": PARTIAL, "2_full_refusal": REFUSAL}
_TONES = {"complied": COMPLIANCE, "disclaimed": COMPLIANCE, "rejected": REFUSAL}  # the others are neither
_HAND = json.loads((Path(__file__).parent / "refusal_labels.json").read_text())  # by reading; not named: compliance
_BODY = 60  # characters at least: what other texts are built around

# Agents decline by policy in so many ways that a label needs the conversation: these messages teach nothing.
_DOUBTFUL = re.compile(
    r"sorry|apolog|can['’]t|cannot|unable|not able|decline|unfortunately|not (?:possible|allowed)", re.I
)


class Example(NamedTuple):
    """One answer. `group` is the model or the version that gave it."""

    source: str
    text: str
    label: int
    group: str


def examples(grammar: int, folder: Path, seed: int = 7) -> list[Example]:
    """Return all labelled answers, and so many texts drawn from the grammar around the plain ones.

    Raises
    ------
    FileNotFoundError
        If the shared data sets are not there.
    """
    real = [example for read in _READERS for example in read(folder)]
    written = drawn(grammar, plain_bodies(real), seed)
    return real + [Example(GRAMMAR, text, label, "") for text, label in written]


def plain_bodies(known: list[Example]) -> list[str]:
    """Return ordinary answers of some length."""
    ordinary = {"arena-bench-v1", "m-ifeval"}
    return [e.text for e in known if e.source in ordinary and e.label == COMPLIANCE and len(e.text) > _BODY]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file, compressed or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def _xstest(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "xstest/completions.jsonl.gz"):
        yield Example("xstest", row["completion"], _XSTEST[row["final_label"]], row["model"])


def _chatgpt(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "chatgpt-refusals/labelled.jsonl.gz"):
        if row["tone"] in _TONES:
            yield Example("chatgpt-refusals", row["response"], _TONES[row["tone"]], "chatgpt")


def _llmdrift(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "llmdrift/sensitiveq.jsonl"):
        yield Example("llmdrift", row["answer"], COMPLIANCE if row["answered"] else REFUSAL, row["model"])


def _problems(folder: Path) -> Iterator[Example]:
    for name in ("prime", "happy_number", "leetcode_easy"):
        for row in rows(folder / f"llmdrift/{name}.jsonl.gz"):
            yield Example("llmdrift-problems", row["answer"], COMPLIANCE, row["model"])


def _daily(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "llm-drift-daily/calls.jsonl.gz"):
        yield Example("llm-drift-daily", row["response"] or "", COMPLIANCE, row["model_name"])


def _arena(folder: Path) -> Iterator[Example]:
    for path in sorted((folder / "arena-bench-v1").glob("*.jsonl.gz")):
        for row in rows(path):
            label = _HAND["arena-bench-v1"][row["model"]].get(row["question_id"][:8], COMPLIANCE)
            yield Example("arena-bench-v1", str(row["answer"]), label, row["model"])


def _ifeval(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "m-ifeval/responses.jsonl.gz"):
        label = _HAND["m-ifeval"].get(row["model"], {}).get(str(row["key"]), COMPLIANCE)
        yield Example("m-ifeval", row["response"] or "", label, row["model"])


def _tau(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "tau-bench/gpt-4o-airline.jsonl.gz"):
        for message in row["messages"]:
            text = message.get("content")
            if message["role"] == "assistant" and text and not _DOUBTFUL.search(text):
                yield Example("tau-bench", text, COMPLIANCE, "gpt-4o")


def _who_and_when(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "who-and-when/runs.jsonl.gz"):
        for said in row["history"]:
            if not _DOUBTFUL.search(said["text"]):
                yield Example("who-and-when", said["text"], COMPLIANCE, "")


def _react(folder: Path) -> Iterator[Example]:
    for row in rows(folder / "react-hotpotqa/runs.jsonl"):
        for step in row["steps"]:
            if step["thought"] and not _DOUBTFUL.search(step["thought"]):
                yield Example("react-hotpotqa", step["thought"], COMPLIANCE, "")


_READERS: tuple[Callable[[Path], Iterator[Example]], ...] = (
    _xstest, _chatgpt, _llmdrift, _problems, _daily, _arena, _ifeval, _tau, _who_and_when, _react,
)  # fmt: skip
