"""What failures do to calm traffic: each turns an event into the events that stand in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from msgspec.structs import replace
from scenarios.streams import CHANGE, DAY_S

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.segments import dimension_reader
from undertow.pipelines.simulator.grammar import fill, shared, topic

__all__ = [
    "Failure",
    "added",
    "applied",
    "attributes",
    "calls",
    "config",
    "days",
    "failing",
    "limited",
    "longer",
    "looping",
    "nested",
    "refused",
    "relabelled",
    "renamed",
    "rewritten",
    "same_search",
    "scores",
    "two_plans",
]

Failure = Callable[[Random, Interaction], Iterable[Interaction]]
Fields = dict[str, Any]
Edit = Callable[[Random, Interaction], Fields]


def applied(failures: Sequence[Failure], made: Iterable[Interaction], rng: Random) -> Iterator[Interaction]:
    """Yield the events as the failures leave them, one failure after the other."""
    for event in made:
        left = [event]
        for failure in failures:
            left = [changed for one in left for changed in failure(rng, one)]
        yield from left


def calls(edit: Edit | Fields, share: float = 1.0, **where: Any) -> Failure:
    """Change a share of the answered calls that have such values of dimensions."""
    readers = {name: dimension_reader(name) for name in where}

    def failure(rng: Random, event: Interaction) -> list[Interaction]:
        answered = event.kind is Kind.CALL and event.error is None
        if not answered or any(readers[name](event) != value for name, value in where.items()) or rng.random() >= share:
            return [event]
        return [replace(event, **(edit(rng, event) if callable(edit) else edit))]

    return failure


def added(edit: Edit, share: float, **where: Any) -> Failure:
    """Let a share of the answered calls come with another one, changed."""
    changed = calls(lambda rng, event: {"id": f"{event.id}-added"} | edit(rng, event), share, **where)

    def failure(rng: Random, event: Interaction) -> Iterator[Interaction]:
        yield event
        yield from (more for more in changed(rng, event) if more.id != event.id)

    return failure


def scores(edit: Callable[[Random, float], float], name: str, operation: str = "") -> Failure:
    """Change what scores of that name say, of one operation if it is named."""

    def failure(rng: Random, event: Interaction) -> list[Interaction]:
        if not event.scores or name not in event.scores or operation not in {"", event.operation}:
            return [event]
        return [replace(event, scores=event.scores | {name: edit(rng, event.scores[name])})]

    return failure


def failing(share: float) -> Failure:
    """Let a share of the tool runs fail."""

    def failure(rng: Random, event: Interaction) -> list[Interaction]:
        if event.kind is not Kind.TOOL or rng.random() >= share:
            return [event]
        runs = [ToolCall(run.name, run.arguments, None, "timeout") for run in event.tool_calls or ()]
        return [replace(event, tool_calls=runs, error="timeout")]

    return failure


def attributes(event: Interaction, **values: Any) -> Fields:
    return {"attributes": {**(event.attributes or {}), **values}}


def config(event: Interaction, **values: Any) -> Fields:
    return {"config": {**(event.config or {}), **values}}


def days(event: Interaction) -> float:
    """Return the days since the change."""
    return (event.time - CHANGE) / DAY_S


def longer(event: Interaction, factor: float) -> Fields:
    """Return the answer at another length, with what follows from it: tokens and latency."""
    text = str(event.output or "")
    made = (text + " " + text * int(factor))[: int(len(text) * factor)]
    tokens = int((event.output_tokens or 0) * factor)
    return {"output": made, "output_tokens": tokens, "latency": (event.latency or 0.0) * factor**0.5}


def refused(rng: Random, event: Interaction) -> Fields:
    """Return one of some ten thousand refusals in place of the answer."""
    word = rng.getrandbits(40)
    said = fill(f"{shared('refusal_open').one(word)} {shared('refusal_core').one(word >> 9)}", topic(word))
    return {"output": said.strip(), "tool_calls": None}


def rewritten(edit: Callable[[dict[str, Any]], dict[str, Any]], *, ascii_only: bool = False) -> Edit:
    """Return the edit of a JSON answer; what is no JSON stays."""

    def edited(_: Random, event: Interaction) -> Fields:
        try:
            value = json.loads(str(event.output))
        except ValueError:
            return {}
        return {"output": json.dumps(edit(value), ensure_ascii=ascii_only, separators=(",", ":"))}

    return edited


def renamed(old: str, new: str) -> Edit:
    return rewritten(lambda value: {new if key == old else key: part for key, part in value.items()})


def relabelled(old: str, new: str) -> Edit:
    """Return the edit that gives every second text of one label another one, the same text always the same."""

    def edited(_: Random, event: Interaction) -> Fields:
        if event.label != old or len(str(event.input)) % 2:
            return {}
        return {"label": new, "output": str(event.output).replace(f'"{old}"', f'"{new}"')}

    return edited


# -- agents that go round and round ------------------------------------------------------------------------------------

_DEPTH = 25
Round = Callable[[Interaction, int], Fields]  # the event it begins with, the number of the round


def looping(rounds: int, every_s: float, again: Round, share: float, kind: Kind = Kind.TOOL, **where: Any) -> Failure:
    """Let a share of tool runs (or calls) be followed by more of them, one every so many seconds."""
    readers = {name: dimension_reader(name) for name in where}

    def failure(rng: Random, event: Interaction) -> Iterator[Interaction]:
        yield event
        if event.kind is kind and all(readers[n](event) == v for n, v in where.items()) and rng.random() < share:
            for number in range(1, rounds + 1):
                place = {"id": f"{event.id}-{number}", "time": event.time + number * every_s}
                yield replace(event, **place | again(event, number))

    return failure


def same_search(event: Interaction, number: int) -> Fields:
    """Ask for the same with other punctuation."""
    query = ["refund policy EU", "Refund policy (EU)", "refund  policy, EU", "«refund policy» EU?"][number % 4]
    return {"tool_calls": [ToolCall("search", {"q": query, "request_id": f"r{number}"}, "No article matches.")]}


def two_plans(event: Interaction, number: int) -> Fields:
    """Swing between two ways that both fail."""
    name, arguments, result = [("book", {"via": "rail"}, "sold out"), ("book", {"via": "air"}, "over budget")][
        number % 2
    ]
    return {"tool_calls": [ToolCall(name, arguments, result)]}


def limited(event: Interaction, number: int) -> Fields:
    """Hit the rate limit with the same request."""
    return {"http_status": 429, "error": "rate_limit_exceeded", "output": None, "finish_reason": None, "latency": 0.05}


def reentrant(event: Interaction, number: int) -> Fields:
    """Let a planner call the model that calls the planner; the innermost ends first, the outermost after 400 ms."""
    cause = {"parent": event.id if number == 1 else f"{event.id}-{number - 1}", "about": None}
    ends = {"time": event.time + (_DEPTH - number) * 0.4 / _DEPTH}
    if number % 2:
        return cause | ends | {"kind": Kind.CALL, "output": f"words {number}", "tool_calls": None}
    return cause | ends | {"tool_calls": [ToolCall("plan", {"goal": f"goal {number}"}, f"sub-plan {number}")]}


def nested(share: float) -> Failure:
    return looping(_DEPTH, 0.0, reentrant, share)
