"""How well loops are told from work on recorded agents: real runs, and runs made to loop.

`table(folder)` returns Markdown; `python -m tests.bench.agents DATA` prints it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from undertow.drift.interaction import Interaction, Kind, Message, ToolCall
from undertow.drift.loops import Loops

__all__ = ["table"]

Run = list[Interaction]
Rows = list[dict[str, Any]]

_STEP_S = 2.0


@dataclass
class Found:
    """What was said of the runs of one set."""

    runs: int = 0
    labelled: int = 0
    flagged: int = 0
    hits: int = 0
    events: int = 0
    looping: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> str:
        """Return the row of the table."""
        precision = f"{self.hits / self.flagged:.2f}" if self.flagged and self.labelled else "–"
        recall = f"{self.hits / self.labelled:.2f}" if self.labelled else "–"
        said = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common()) or "–"
        counts = f"{self.runs} | {self.labelled} | {self.flagged} | {precision} | {recall}"
        return f"| {name} | {counts} | {self.looping / max(self.events, 1):.4f} | {said} |"


def table(folder: Path) -> str:
    """Return the evaluation as Markdown."""
    lines = [
        "| runs of | runs | with a loop | flagged | precision | recall | events flagged | why (events) |",
        "|---|---|---|---|---|---|---|---|",
        *(judge(runs, labels).row(name) for name, runs, labels in _sets(folder)),
        "",
        _cost(folder),
    ]
    return "\n".join(lines)


def judge(runs: Iterable[Run], labels: Iterable[bool]) -> Found:
    """Return what loops are found in runs of which some are known to loop; each run is seen by a memory of its own."""
    found = Found()
    for run, label in zip(runs, labels, strict=True):
        loops = Loops()
        said = [seen for event in run if (seen := loops.observe(event, event.time)) is not None]
        reasons = Counter(seen.reason for seen in said if seen.looping)
        found.runs += 1
        found.labelled += label
        found.flagged += bool(reasons)
        found.hits += label and bool(reasons)
        found.events += len(said)
        found.looping += reasons.total()
        found.reasons += reasons
    return found


def _sets(data: Path) -> Iterator[tuple[str, list[Run], list[bool]]]:
    react = _lines(data / "react-hotpotqa" / "runs.jsonl")
    runs = [_react(row) for row in react]
    yield "ReAct; an action three times word for word", runs, [_most_repeated(row) >= 3 for row in react]
    yield "ReAct; an action twice word for word", runs, [_most_repeated(row) >= 2 for row in react]
    tau = _lines(data / "tau-bench" / "gpt-4o-airline.jsonl.gz")
    for name, run in (
        ("tau-bench; as tools with results", _tau_tools),
        ("tau-bench; as calls whose inputs hold the results", _tau_calls),
        ("tau-bench; as calls alone, no results", _tau_bare),
        ("tau-bench; no arguments, no results", _tau_nameless),
    ):
        yield name, [run(row) for row in tau], [False] * len(tau)
    who = _lines(data / "who-and-when" / "runs.jsonl.gz")
    yield "who-and-when; one agent says the same thrice", [_hops(row) for row in who], [_echo(row) for row in who]
    for name, change in CHANGES.items():
        yield f"tau-bench made to loop: {name}", [change(_tau_tools(row)) for row in tau], [True] * len(tau)
    for name, change in HARMLESS.items():
        yield f"tau-bench, which {name}", [change(_tau_tools(row)) for row in tau], [False] * len(tau)


def _react(row: dict[str, Any]) -> Run:
    """Return the run as tools; the observation is known by the hash of its whole text."""
    run = []
    for number, step in enumerate(row["steps"]):
        name, _, rest = step["action"].partition("[")
        result = f"{(step['observation'] or '')[:60]} {step['observation_sha256']}"
        run.append(_event(number, Kind.TOOL, tool_calls=[ToolCall(name, {"text": rest.removesuffix("]")}, result)]))
    return run


def _most_repeated(row: dict[str, Any]) -> int:
    return max(Counter(step["action"] for step in row["steps"]).values(), default=0)


def _tau_tools(row: dict[str, Any]) -> Run:
    run: Run = []
    asked: list[ToolCall] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            asked = _asked(message)
            run.append(_event(len(run), Kind.CALL, output=message.get("content"), tool_calls=asked or None))
        elif message["role"] == "tool" and asked:
            one = ToolCall(asked[0].name, asked[0].arguments, message["content"])
            run.append(_event(len(run), Kind.TOOL, tool_calls=[one], parent=run[-1].id))
    return run


def _tau_calls(row: dict[str, Any]) -> Run:
    run: Run = []
    said: list[Message] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            event = _event(len(run), Kind.CALL, input=list(said), output=message.get("content"))
            event.tool_calls = _asked(message) or None
            run.append(event)
        said.append(Message(message["role"], message.get("content")))
    return run


def _tau_bare(row: dict[str, Any]) -> Run:
    return [event for event in _tau_tools(row) if event.kind is Kind.CALL]


def _tau_nameless(row: dict[str, Any]) -> Run:
    run = _tau_tools(row)
    for event in run:
        event.output = None
        event.tool_calls = [ToolCall(call.name) for call in event.tool_calls] if event.tool_calls else None
    return run


def _asked(message: dict[str, Any]) -> list[ToolCall]:
    return [ToolCall(call["name"], call["arguments"]) for call in message.get("tool_calls") or []]


def _hops(row: dict[str, Any]) -> Run:
    return [
        _event(number, Kind.CALL, agent=step["agent"], output=f"{step['text']} {step['sha256']}")
        for number, step in enumerate(row["history"])
    ]


def _echo(row: dict[str, Any]) -> bool:
    said = Counter((step["agent"], step["sha256"]) for step in row["history"])
    return max(said.values()) >= 3


def _event(number: int, kind: Kind, **fields: Any) -> Interaction:
    return Interaction(id=str(number), time=number * _STEP_S, service="s", kind=kind, task="t", **fields)


def _stuck(run: Run, steps: Callable[[int], list[ToolCall]], rounds: int = 8) -> Run:
    """Return the run, which from its end on does the same again and again."""
    added: Run = []
    for number in range(rounds):
        for call in steps(number):
            bare = ToolCall(call.name, call.arguments)
            added.append(_event(len(run) + len(added), Kind.CALL, tool_calls=[bare]))
            added.append(_event(len(run) + len(added), Kind.TOOL, tool_calls=[call]))
    return [*run, *added]


def _reworded(number: int) -> list[ToolCall]:
    query = ("refund policy", "Refund  Policy?", '"refund policy"', "refund policy.")[number % 4]
    asked = {"limit": 5, "q": query, "request_id": f"r-{number}"}
    return [ToolCall("search", dict(sorted(asked.items(), reverse=number % 2 > 0)), "No document mentions this.")]


def _asking_back(run: Run) -> Run:
    """Return the run, which ends with two agents that ask each other for clarification in other words each time."""
    asked = ("Could you clarify which", "Before I answer, please confirm the", "I need more context on the", "Which")
    added = [
        _event(len(run) + n, Kind.CALL, agent="ab"[n % 2], output=f"{asked[n * 3 % 4]} {run[n % len(run)].id} of {n}?")
        for n in range(24)
    ]
    return [*run, *added]


def _retrying(run: Run) -> Run:
    added = [_event(len(run), Kind.CALL, input="Plan the trip", http_status=429) for _ in range(24)]
    for number, event in enumerate(added):
        event.time += number * 0.2
    return [*run, *added]


def _team(run: Run) -> Run:
    """Return the run as one of two agents: whoever speaks to the user, and whoever uses the tools."""
    return [msgspec.structs.replace(event, agent="worker" if event.tool_calls else "speaker") for event in run]


def _two_plans(number: int) -> list[ToolCall]:
    return [ToolCall("use_plan", {"plan": plan}, f"plan {plan} has no seat left") for plan in ("a", "b")]


def _three_plans(number: int) -> list[ToolCall]:
    return [ToolCall("use_plan", {"plan": plan}, f"plan {plan} has no seat left") for plan in ("a", "b", "c")]


def _polling(run: Run) -> Run:
    return _stuck(run, lambda n: [ToolCall("job_status", {"job": 7}, {"state": "running"})], rounds=30)


def _paging(run: Run) -> Run:
    return _stuck(run, lambda n: [ToolCall("list_orders", {"user": "u", "page": n}, {"orders": [n, n + 1]})], rounds=30)


CHANGES: dict[str, Callable[[Run], Run]] = {
    "the same call": lambda run: _stuck(run, lambda _: [ToolCall("search", {"q": "refund"}, [])]),
    "cosmetic differences": lambda run: _stuck(run, _reworded),
    "two plans in turn": lambda run: _stuck(run, _two_plans),
    "three plans in turn": lambda run: _stuck(run, _three_plans),
    "two agents that ask back": _asking_back,
    "a request that hits its limit": _retrying,
}
HARMLESS: dict[str, Callable[[Run], Run]] = {
    "polls a job 30 times": _polling,
    "reads 30 pages": _paging,
    "is shared by two agents": _team,
}


def _cost(data: Path) -> str:
    """Return what an event costs, in CPU time."""
    runs = [_tau_tools(row) for row in _lines(data / "tau-bench" / "gpt-4o-airline.jsonl.gz")]
    plain = [[event for event in run if not event.tool_calls] for run in runs]
    tools = [[event for event in run if event.tool_calls] for run in runs]
    return f"Cost: {_microseconds(plain):.1f} µs an event without tools, {_microseconds(tools):.1f} µs with one."


def _microseconds(runs: list[Run], rounds: int = 20) -> float:
    loops, taken = Loops(), 0.0
    for number in range(rounds):
        events = [_anew(event, number, place) for place, run in enumerate(runs) for event in run]
        began = time.process_time()
        for event in events:
            loops.observe(event, event.time)
        taken += time.process_time() - began
    return taken / (rounds * sum(map(len, runs))) * 1e6


def _anew(event: Interaction, number: int, place: int) -> Interaction:
    """Return the event in a task of its own, with arguments that nobody has seen as a text."""
    calls = [ToolCall(call.name, call.arguments + " " * number, call.result) for call in event.tool_calls or []]
    return msgspec.structs.replace(event, task=f"{number}-{place}", tool_calls=calls or None)


def _lines(path: Path) -> Rows:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in text.splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the shared data sets")
    print(table(parser.parse_args().data))  # noqa: T201
