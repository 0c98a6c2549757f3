"""Structure and form on real answers: how many categories, how far versions lie apart, what it costs.

Run alone: `python -m tests.bench.structure [folder of the shared data]`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.shape_changes import moved_paths
from undertow.drift.signal import Batch
from undertow.drift.signals.output_format import OutputFormat
from undertow.drift.signals.output_structure import OutputStructure
from undertow.drift.signals.schema_violation_kind import SchemaViolationKind
from undertow.drift.signals.tool_schema_violation_kind import ToolSchemaViolationKind
from undertow.pipelines.simulator import Scenario, events

__all__ = ["table"]

MARCH, JUNE = "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"
TOP = 20  # categories that a detector follows by themselves
SPLITS = 200  # of all answers into two versions by chance: how far apart that puts them
RUNS = 5
Mix = Mapping[str, float]


def table(folder: Path) -> str:
    """Return the report as Markdown."""
    return "\n".join([*_categories(folder), *_versions(folder), *_rename(), *_costs(folder)])


def _categories(folder: Path) -> Iterator[str]:
    yield "| answers | n | structures | with JSON | forms | 20 most frequent forms |\n|---|---|---|---|---|---|"
    for name, texts in _sources(folder):
        structures, forms = _named(OutputStructure().classify, texts), _named(OutputFormat().classify, texts)
        told = structures.total()
        with_json = told - structures["text"]
        top = sum(count for _, count in forms.most_common(TOP)) / max(forms.total(), 1)
        yield f"| {name} | {told:,} | {len(structures)} | {with_json / told:.0%} | {len(forms)} | {top:.1%} |"


def _sources(folder: Path) -> Iterator[tuple[str, list[str]]]:
    prompts = {row["key"]: row for row in _rows(folder / "m-ifeval/prompts.jsonl")}
    asked = {key for key, row in prompts.items() if any("json" in one["id"] for one in row["instructions"])}
    rows = [row for row in _rows(folder / "m-ifeval/responses.jsonl.gz") if row["response"]]
    yield "M-IFEval, asked for JSON of any shape", [row["response"] for row in rows if row["key"] in asked]
    yield "M-IFEval, other prompts", [row["response"] for row in rows if row["key"] not in asked]
    runs = list(_rows(folder / "tau-bench/gpt-4o-airline.jsonl.gz"))
    messages = [message for run in runs for message in run["messages"] if message.get("content")]
    yield "tau-bench, agent to user", [m["content"] for m in messages if m["role"] == "assistant"]
    yield "tau-bench, tool results", [m["content"] for m in messages if m["role"] == "tool"]
    for task in ("leetcode_easy", "sensitiveq", "prime", "happy_number"):
        yield f"LLMDrift {task}", [row["answer"] for rows in _versions_of(folder, task).values() for row in rows]
    exchanges = _rows(folder / "trace-formats/provider-exchanges/exchanges.jsonl.gz")
    bodies = [json.dumps(row["response"]) for row in exchanges if isinstance(row.get("response"), dict)]
    yield "responses of providers' APIs, raw", bodies


def _versions(folder: Path) -> Iterator[str]:
    yield "\n| LLMDrift, March → June | TV of forms | by chance, 95 % below | what moved most |\n|---|---|---|---|"
    for task in ("leetcode_easy", "sensitiveq", "prime", "happy_number"):
        texts = {model: [row["answer"] for row in rows] for model, rows in _versions_of(folder, task).items()}
        forms = {model: _shares(_named(OutputFormat().classify, said)) for model, said in texts.items()}
        was, now = forms[MARCH], forms[JUNE]
        moved = max({*was, *now}, key=lambda form: abs(now.get(form, 0) - was.get(form, 0)))
        told = f"`{moved}` {was.get(moved, 0):.0%} → {now.get(moved, 0):.0%}"
        yield f"| {task} | {_distance(was, now):.2f} | {_by_chance(texts[MARCH], texts[JUNE]):.2f} | {told} |"


def _rename() -> Iterator[str]:
    """Show what a renamed key in three of ten answers does to the categories, and how it is told."""
    plain = [event for event in events(Scenario(seed=11, duration_s=300)) if event.operation == "summarize"]
    texts = [event.output for event in plain if isinstance(event.output, str)]
    rng = random.Random(11)
    renamed = [text.replace('"summary"', '"exec_summary"') if rng.random() < 0.3 else text for text in texts]
    was, now = (_shares(_named(OutputStructure().classify, said)) for said in (texts, renamed))
    moved = ", ".join(f"{path} {a:.0%} → {b:.0%}" for path, a, b in moved_paths(was, now, 2))
    yield f"\nsimulated `summary` → `exec_summary` in 30 % of {len(texts)}: TV {_distance(was, now):.2f}; {moved}"


def _costs(folder: Path) -> Iterator[str]:
    yield "\n| µs an event | prose | JSON | tool calls |\n|---|---|---|---|"
    calls = list(itertools.islice(events(Scenario(seed=1, duration_s=600)), 4_000))
    groups = {
        "prose": [event for event in calls if event.output and not event.response_schema],
        "JSON": [event for event in calls if event.output and event.response_schema],
        "tool calls": _tool_calls(folder),
    }
    for signal in (OutputStructure(), OutputFormat(), SchemaViolationKind(), ToolSchemaViolationKind()):
        cells = (f"{_cost(signal.classify, batch):.1f}" for batch in groups.values())
        yield f"| `{signal.metric}` | {' | '.join(cells)} |"


def _tool_calls(folder: Path) -> list[Interaction]:
    """Return real tool calls, with a definition for each of their tools that says what they have in common."""
    runs = _rows(folder / "tau-bench/gpt-4o-airline.jsonl.gz")
    made = [c for run in runs for message in run["messages"] for c in message.get("tool_calls") or ()]
    parameters: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in made:
        parameters[one["name"]] |= {key: {} for key in _arguments(one)}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": keys}}}
        for name, keys in sorted(parameters.items())
    ]
    return [
        Interaction(
            id=str(number), time=0.0, service="s", tools=tools, tool_calls=[ToolCall(one["name"], one["arguments"])]
        )
        for number, one in enumerate(made)
    ]


def _arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["arguments"]
    decoded: dict[str, Any] = json.loads(arguments) if isinstance(arguments, str) else arguments
    return decoded


def _named(classify: Callable[[Batch], Sequence[str | None]], texts: Iterable[str]) -> Counter[str]:
    calls = [Interaction(id=str(n), time=0.0, service="s", output=text) for n, text in enumerate(texts)]
    return Counter(name for name in classify(Batch(calls)) if name is not None)


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {name: count / counts.total() for name, count in counts.items()}


def _distance(one: Mix, other: Mix) -> float:
    """Return the total variation distance: the share of answers that would have to change category."""
    return 0.5 * math.fsum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other})


def _by_chance(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the 95th percentile of the distance when chance decides which version an answer is counted for."""
    rng = random.Random(1)
    calls = [Interaction(id="1", time=0.0, service="s", output=text) for text in [*one, *other]]
    forms = [form for form in OutputFormat().classify(Batch(calls)) if form is not None]
    distances = []
    for _ in range(SPLITS):
        rng.shuffle(forms)
        distances.append(_distance(_shares(Counter(forms[: len(one)])), _shares(Counter(forms[len(one) :]))))
    return sorted(distances)[int(0.95 * SPLITS)]


def _cost(classify: Callable[[Batch], Sequence[str | None]], calls: Sequence[Interaction]) -> float:
    taken = []
    for _ in range(RUNS):
        batch = Batch(calls)
        shared = batch.outputs, batch.failed
        began = time.process_time()
        classify(batch)
        taken.append((time.process_time() - began) / len(shared[0]) * 1e6)
    return min(taken)


def _versions_of(folder: Path, task: str) -> dict[str, list[dict[str, Any]]]:
    rows = list(_rows(next((folder / "llmdrift").glob(f"{task}.jsonl*"))))
    return {model: [row for row in rows if row["model"] == model] for model in (MARCH, JUNE)}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    shared = Path(__file__).parents[2].parent / "shared" / "data"
    print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else shared))  # noqa: T201
