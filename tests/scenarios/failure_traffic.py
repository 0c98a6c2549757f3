"""The calm traffic of the scenarios: a support assistant, simulated or with real answers, and weeks of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace as replaced
from functools import cache, partial
from random import Random
from typing import Any

from msgspec.structs import replace
from outside import needed_data
from scenarios.streams import CHANGE, DAY_S, Stream

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.pin import Pin
from undertow.pipelines.settings import parse
from undertow.pipelines.simulator import Planted, Scenario, events

__all__ = [
    "AIRLINE",
    "ASSISTANT",
    "PRICED",
    "QUERIES",
    "SUPPORT",
    "TOPICS",
    "TRIAGE",
    "WEEKS",
    "WORDLESS",
    "asked",
    "evaluated",
    "june",
    "real_refusal",
]

Answer = Callable[[Random], dict[str, Any]]

SERVING = {"eu": "eu-west-3", "us": "us-east-1", "ap-south": "ap-south-1"}
POWER, POWER_USERS = 0.2, 8
OLD, EVALUATED, SHADOWED = 0.15, 0.02, 0.3
SCORED = {"answer": 0.3, "refund": 1.0}  # share of the calls that somebody judges

_WATCHED = """
[ingest]
window_s = 20
task_idle_s = 120
[detection]
min_events = 600
dimensions = ["operation", "response_model", "prompt_version", "region", "agent", "variant", "cohort", "device", "key"]
parity = ["region", "environment"]
stated = { stop_sequence_rate = 0.0003 }
[embeddings]
source = "off"
[fleet]
grace_s = 900
[rules]
residency = { fields = ["region", "serving_region"], allowed = { eu = ["eu-*"] } }
card_number = { pattern = '\\b\\d{4} \\d{4} \\d{4} \\d{4}\\b' }
"""
_EMBEDDED = """
[ingest]
window_s = 30
[detection]
min_events = 600
dimensions = ["operation", "language"]
"""
_FOR_WEEKS = """
[ingest]
window_s = 7200
[detection]
dimensions = ["operation"]
[embeddings]
source = "off"
"""
_DEARER = """
[[prices.claude-haiku-4-5-20251001]]
input = 1.0
cached = 0.1
output = 5.0
[[prices.claude-haiku-4-5-20251001]]
input = 1.4
cached = 0.14
output = 7.0
since = 2026-03-03
"""


def dressed(event: Interaction, rng: Random) -> Iterator[Interaction]:
    """Yield an event of the simulator with what it leaves out: where it was served, on what, for whom, how good."""
    attributes = event.attributes or {}
    known = {
        "serving_region": SERVING[str(attributes["region"])],
        "device": "old" if rng.random() < OLD else "new",
        "key": "production",
    }
    user = f"power-{rng.randrange(POWER_USERS)}" if rng.random() < POWER else event.user
    ended = "end_turn" if (event.provider, event.finish_reason) == ("anthropic", "stop") else event.finish_reason
    event = replace(event, attributes=attributes | known, user=user, finish_reason=ended, cost=None)
    answered = event.kind is Kind.CALL and event.error is None
    yield replace(event, **evaluated(event)) if answered and rng.random() < EVALUATED else event
    if answered and rng.random() < SCORED.get(event.operation or "", 0.0):
        yield scored(event, rng)
    if event.label and rng.random() < SHADOWED:
        yield shadow(event, event.label)


def evaluated(event: Interaction) -> dict[str, Any]:
    """Return what makes a call one of an evaluation, which runs long inputs on a key of its own."""
    return {
        "input": f"{event.input} {event.input}" if event.input else None,
        "input_tokens": 3 * (event.input_tokens or 0),
        "task": None,
        "attributes": {**(event.attributes or {}), "key": "evaluation"},
    }


def scored(event: Interaction, rng: Random) -> Interaction:
    """Return what a judge and two evaluations say of a call, two seconds later."""
    return Interaction(
        id=f"{event.id}-score",
        time=event.time + 2.0,
        service=event.service,
        environment=event.environment,
        operation=event.operation,
        kind=Kind.SCORE,
        about=event.id,
        scores={
            "satisfaction": min(max(rng.gauss(0.8, 0.15), 0.0), 1.0),
            "passed": float(rng.random() < 0.91),
        },
    )


def shadow(event: Interaction, label: str) -> Interaction:
    """Return the call of a candidate that is tried in the shadow of a live one."""
    return replace(
        event, id=f"{event.id}-shadow", model="candidate", response_model="candidate-1", label=label, shadow_of=event.id
    )


def simulated(
    seed: int,
    start: float,
    end: float,
    incidents: tuple[Planted, ...],
    *,
    rate_per_s: float,
    operation: str = "",
    texts: bool = True,
) -> Iterator[Interaction]:
    """Yield the events of a simulated support assistant, or those of one of its operations."""
    rng, half = Random(f"{seed} {start}"), "calm" if start < CHANGE else "since"
    scenario = Scenario(
        seed=seed,
        start=start,
        duration_s=end - start,
        rate_per_s=rate_per_s,
        services=("support",),
        incidents=incidents,
        texts=texts,
    )
    for event in events(scenario):
        if operation in {"", event.operation}:
            parent, about = (known and f"{half}-{known}" for known in (event.parent, event.about))
            yield from dressed(replace(event, id=f"{half}-{event.id}", parent=parent, about=about), rng)


def answered(
    seed: int, start: float, end: float, incidents: tuple[Planted, ...], *, row: Answer
) -> Iterator[Interaction]:
    """Yield one call a second to an assistant whose words are real."""
    del incidents
    rng, half = Random(f"{seed} {start}"), "calm" if start < CHANGE else "since"
    for number in range(int(end - start)):
        yield Interaction(id=f"{half}-{number}", time=start + number, service="assistant", http_status=200, **row(rng))


def march(rng: Random) -> dict[str, Any]:
    """Return a sensitive question and what GPT-3.5 of March 2023 answered."""
    return versioned("gpt-3.5-turbo-0301", rng)


def june(rng: Random) -> dict[str, Any]:
    """Return a sensitive question and what GPT-3.5 of June 2023 answered."""
    return versioned("gpt-3.5-turbo-0613", rng)


def versioned(model: str, rng: Random) -> dict[str, Any]:
    row = rng.choice(real_rows("llmdrift/sensitiveq.jsonl", "model", (model,)))
    return {
        "model": "gpt-3.5-turbo",
        "input": row["query"],
        "output": row["answer"],
        "output_tokens": int(row["answer_token"]),
        "latency": row["latency"],
    }


def asked(rng: Random, domains: tuple[str, ...] = ("banking", "work", "small_talk", "home")) -> dict[str, Any]:
    """Return a query of one of these domains."""
    row = rng.choice(real_rows("clinc150/queries.jsonl.gz", "domain", domains))
    return {"input": row["text"], "label": row["intent"]}


def airline(seed: int, start: float, end: float, incidents: tuple[Planted, ...]) -> Iterator[Interaction]:
    """Yield an agent's runs, one after the other, a message a second: those that end well, then those that do not."""
    del incidents
    rng, half, number = Random(f"{seed} {start}"), "calm" if start < CHANGE else "since", 0
    chosen = real_rows("tau-bench/gpt-4o-airline.jsonl.gz", "reward", (1.0,) if start < CHANGE else (0.0,))
    while start + number < end:
        task = f"{half}-{number}"
        for message in rng.choice(chosen)["messages"]:
            if message["role"] in {"assistant", "tool"}:
                yield of_run(message, id=f"{half}-{number}", time=start + number, task=task)
                number += 1


def of_run(message: dict[str, Any], **place: Any) -> Interaction:
    """Return a message of a run as the event that a log has for it."""
    if message["role"] == "tool":
        ran = [ToolCall(message.get("name") or "tool", result=message.get("content"))]
        return Interaction(service="airline", kind=Kind.TOOL, agent="airline", tool_calls=ran, **place)
    wanted = [ToolCall(call["name"], call["arguments"]) for call in message.get("tool_calls") or ()] or None
    event = Interaction(service="airline", agent="airline", model="gpt-4o", http_status=200, **place)
    return replace(event, output=message.get("content"), tool_calls=wanted)


def real_refusal(rng: Random, event: Interaction) -> dict[str, Any]:
    """Return a question that GPT-4 refused to answer, and how, in place of those of the event."""
    del event
    refusals = real_rows("xstest/completions.jsonl.gz", "final_label", ("2_full_refusal",))
    row = rng.choice([row for row in refusals if row["model"] == "gpt4"])
    return {"input": row["prompt"], "output": row["completion"], "tool_calls": None}


@cache
def real_rows(name: str, column: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return rows of a file of the shared data sets by what stands in a column; ends the test where it is missing."""
    path = needed_data() / name
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [row for row in map(json.loads, text.splitlines()) if row[column] in values]


_FIRST_DAY = int(CHANGE // DAY_S) - 14
_CALM_WEEKS = Pin(
    id="calm",
    kind="days",
    source="the calm",
    service="support",
    first=_FIRST_DAY,
    last=_FIRST_DAY + 12,  # the last day is over when the first event after it is read
)
_assistant = partial(simulated, rate_per_s=5.0)
SUPPORT = Stream("support", _assistant, 2700.0, 3600.0, parse(_WATCHED))
WORDLESS = Stream(
    "support, without texts", partial(simulated, rate_per_s=5.0, texts=False), 2700.0, 3600.0, parse(_WATCHED)
)
PRICED = replaced(SUPPORT, name="support, prices declared", settings=parse(_WATCHED + _DEARER), learned=SUPPORT)
TRIAGE = Stream("triage", partial(simulated, rate_per_s=15.0, operation="triage"), 2400.0, 3600.0, parse(_WATCHED))
TOPICS = Stream("support, embedded", _assistant, 1800.0, 3600.0, parse(_EMBEDDED))
WEEKS = Stream(
    "weeks", partial(simulated, rate_per_s=400 / DAY_S), 14 * DAY_S, 42 * DAY_S, parse(_FOR_WEEKS), (_CALM_WEEKS,)
)
ASSISTANT = Stream("GPT-3.5 of March 2023", partial(answered, row=march), 4000.0, 2000.0, parse(_EMBEDDED))
AIRLINE = Stream("an airline's agent, runs that end well", airline, 9000.0, 6000.0, parse(_WATCHED))
QUERIES = Stream("clinc150", partial(answered, row=asked), 4000.0, 3000.0, parse(_EMBEDDED))
