"""What signals and trackers cost beside decoding: `python -m tests.bench costs`.

`table()` returns Markdown: a row for each metric, with what its docstring says of it, and its CPU time. All steps run
over the same events in turn, in the batches in which a run judges them; each counts with its fastest round, since other
work on the machine only adds.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import math
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from undertow.drift.answers import answers
from undertow.drift.first_seen import FirstSeen
from undertow.drift.fleet import Fleet
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.loops import Loops
from undertow.drift.metrics import METRICS
from undertow.drift.prices import Charge, PriceTable
from undertow.drift.rules import Rules
from undertow.drift.scores import Scores
from undertow.drift.shadow import Shadow
from undertow.drift.signal import Batch
from undertow.drift.signals import CATEGORIES, SIGNALS, VECTORS
from undertow.drift.spend import Spend
from undertow.drift.tasks import Tasks
from undertow.drift.vectors import VectorSource
from undertow.drift.versions import Versions
from undertow.pipelines.embedders import static
from undertow.pipelines.prices import price_table
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Scenario, write
from undertow.pipelines.trackers import Trackers
from undertow.pipelines.watch import BATCH
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["hidden", "silent", "table"]

RATE_PER_S = 200.0
ROUNDS = 3
DECODING = "decoding"
SHARED = ("texts, finish reasons and failures, for all signals", "JSON in answers, for all signals")
TRACKERS: dict[str, tuple[type, str]] = {
    "prices": (PriceTable, "the cost of a call"),
    "tasks": (Tasks, "`cost_per_task`, `calls_per_task`, `tools_per_task`, `depth`, `calls_so_far`"),
    "loops": (Loops, "`loop_rate`"),
    "scores": (Scores, "`score.<name>`"),
    "shadow": (Shadow, "`disagreement_rate`"),
    "spend": (Spend, "the tables of `undertow spend`"),
    "rules": (Rules, "`rule.<name>`"),
    "first_seen": (FirstSeen, "`rule.first_destructive_tool`, new tools"),
    "fleet": (Fleet, "`fleet.<finding>`"),
    "versions": (Versions, "suspects: what was first seen when"),
}

# Metrics that say nothing where their twin says nothing.
_TWINS = {
    "partial_refusal_rate": "refusal_rate",
    "schema_violation": "schema_violation_rate",
    "tool_schema_violation": "tool_schema_violation_rate",
}
_SILENCE = re.compile(r"\b[Ss]ays? nothing\b(?! of)|\bgives? no vector\b")


class Part(NamedTuple):
    """Events that are judged together, as they are read and as they are handed on."""

    lines: list[bytes]
    events: list[Interaction]
    batch: Batch
    charges: list[Charge | None]
    watermarks: list[float]


Step = Callable[[Part], object]


def table(events: int) -> str:
    """Return what each signal and tracker is and costs over so many simulated events, as Markdown."""
    lines = traffic(events)
    taken = measured(lines)
    return "\n".join(_report(taken, len(lines), sum(map(len, lines)) / len(lines)))


def traffic(events: int) -> list[bytes]:
    """Return lines as the simulator writes them, texts included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.jsonl"
        write(Scenario(seed=1, duration_s=events / RATE_PER_S, rate_per_s=RATE_PER_S), path)
        return path.read_bytes().splitlines()


def measured(lines: Sequence[bytes], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the CPU seconds of each step over all lines, by name: those of its fastest round."""
    signals, prices, best = _signal_steps(), price_table({}), defaultdict[str, float](lambda: math.inf)
    gc.disable()  # as a run does while it judges
    try:
        for _ in range(rounds):
            steps = {DECODING: _decode, **signals, **_tracker_steps(prices)}
            for name, seconds in _round(steps, lines, prices).items():
                best[name] = min(best[name], seconds)
    finally:
        gc.enable()
    return best


def _round(steps: Mapping[str, Step], lines: Sequence[bytes], prices: PriceTable) -> dict[str, float]:
    taken = dict.fromkeys(steps, 0.0)
    for part in _parts(lines, prices):
        for name, step in steps.items():
            began = time.process_time()
            step(part)
            taken[name] += time.process_time() - began
    return taken


def _parts(lines: Sequence[bytes], prices: PriceTable) -> Iterator[Part]:
    decode, latest, lateness = NativeDecoder(), -math.inf, Settings().ingest.allowed_lateness_s
    for first in range(0, len(lines), BATCH):
        chosen = list(lines[first : first + BATCH])
        events = [event for event in map(decode, chosen) if isinstance(event, Interaction)]
        clock = list(itertools.accumulate((event.time for event in events), max, initial=latest))[1:]
        latest = clock[-1]
        calls = Batch([event for event in events if event.kind is Kind.CALL])
        charges = [prices.charge(event) if event.kind is Kind.CALL else None for event in events]
        yield Part(chosen, events, calls, charges, [at - lateness for at in clock])


def _decode(part: Part) -> None:
    decode = NativeDecoder()
    for line in part.lines:
        decode(line)


# -- signals ----------------------------------------------------------------------------------------------------------


def _signal_steps() -> dict[str, Step]:
    """Return what all signals share, then the signals as the processor runs them; shared models are loaded."""
    texts, json = SHARED
    source = VectorSource(static())
    steps: dict[str, Step] = {texts: _texts, json: lambda part: answers(part.batch)}
    for name, scalar in SIGNALS.items():
        steps[name] = _on_calls(scalar().measure)
    for name, category in CATEGORIES.items():
        steps[name] = _on_calls(category().classify)
    for name, vector in VECTORS.items():
        steps[name] = _on_calls(vector(source).embed)
    return steps


def _on_calls(measure: Callable[[Batch], object]) -> Step:
    return lambda part: measure(part.batch)


def _texts(part: Part) -> object:
    batch = part.batch
    return batch.inputs, batch.outputs, batch.finishes, batch.failed


# -- trackers ---------------------------------------------------------------------------------------------------------


def _tracker_steps(prices: PriceTable) -> dict[str, Step]:
    """Return the trackers as the processor shows them events, without memories."""
    held = Trackers(Settings(), str)
    each = itertools.repeat
    return {
        "prices": lambda part: [prices.charge(event) for event in part.batch.events],
        "tasks": lambda part: _tasks(held.tasks, part),
        "loops": lambda part: list(map(held.loops.observe, part.events, part.watermarks)),
        "scores": lambda part: list(map(held.scores.observe, part.events, each(()), part.watermarks)),
        "shadow": lambda part: list(map(held.shadow.observe, part.events, each(()), part.watermarks)),
        "spend": lambda part: list(map(held.spend.observe, part.events, part.charges, part.watermarks)),
        "rules": lambda part: list(map(held.rules.observe, part.events)),
        "first_seen": lambda part: list(map(held.first_seen.observe, part.events)),
        "fleet": lambda part: list(map(held.fleet.observe, part.events, part.watermarks)),
        "versions": lambda part: held.versions.observe(part.events),
    }


def _tasks(tasks: Tasks, part: Part) -> None:
    for event, charge, watermark in zip(part.events, part.charges, part.watermarks, strict=True):
        tasks.observe(event, (), math.nan if charge is None else charge.total, watermark)
        tasks.calls_so_far(event)


# -- the report -------------------------------------------------------------------------------------------------------


def _report(taken: Mapping[str, float], events: int, size: float) -> Iterator[str]:
    def cells(*names: str) -> str:
        seconds = sum(taken[name] for name in names)
        return f"{seconds / events * 1e6:.2f} | {seconds / taken[DECODING]:.2f} |"

    yield f"{events:,} simulated events of {size:,.0f} bytes with their texts, in batches of {BATCH:,}, one core.\n"
    yield "| metric | unit | harm | when it says nothing | it cannot | µs an event | × decoding |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| *decoding* | | | | | {cells(DECODING)}"
    for name in SHARED:
        yield f"| *{name}* | | | | | {cells(name)}"
    for title, signals in (("scalar signals", SIGNALS), ("categories", CATEGORIES), ("embeddings", VECTORS)):
        for name, signal in signals.items():
            metric = METRICS[name]
            said = f"{metric.unit} | {metric.harm} | {_cell(silent(name))} | {_cell(hidden(signal))}"
            yield f"| `{name}` | {said} | {cells(name)}"
        shared = SHARED if signals is SIGNALS else ()
        yield f"| **{title} together** | | | | | {cells(*shared, *signals)}"
    yield "\n| tracker | gives | it cannot | µs an event | × decoding |\n|---|---|---|---|---|"
    for name, (tracker, given) in TRACKERS.items():
        file = tracker.__module__.removeprefix("undertow.").replace(".", "/")
        yield f"| `{file}.py` | {given} | {_cell(hidden(tracker))} | {cells(name)}"
    yield f"| **trackers together** | | | {cells(*TRACKERS)}"


def silent(metric: str) -> str:
    """Return what the docstring of a signal says of events that say nothing."""
    kinds: dict[str, object] = {**SIGNALS, **CATEGORIES, **VECTORS}
    said = (sentence for part in _paragraphs(kinds[_TWINS.get(metric, metric)]) for sentence in _sentences(part))
    return " ".join(sentence for sentence in said if _SILENCE.search(sentence)) or "never"


def hidden(kind: object) -> str:
    """Return what a docstring says cannot be seen, in its first sentence on that; nothing where it says nothing."""
    told = next((part for part in _paragraphs(kind) if part.startswith("It cannot ")), "")
    return _sentences(told)[0].removeprefix("It cannot ").removesuffix(".")


def _paragraphs(kind: object) -> list[str]:
    return [" ".join(part.split()) for part in (inspect.getdoc(kind) or "").split("\n\n")]


def _sentences(paragraph: str) -> list[str]:
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
