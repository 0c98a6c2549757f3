"""From rows of numbers to events: words, usage, cost, latency, and who caused what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from undertow.drift.interaction import Document, Interaction, Kind, ToolCall
from undertow.pipelines.simulator import world
from undertow.pipelines.simulator.columns import Arrivals
from undertow.pipelines.simulator.draws import Outcome, Row
from undertow.pipelines.simulator.grammar import Topic, topic
from undertow.pipelines.simulator.world import CHARS_PER_TOKEN, SERVICES, Model
from undertow.pipelines.simulator.writing import Visitor, category, write_input, write_output

__all__ = ["Rendered", "render", "visitors"]

_TURN_TOKENS = 150  # that each earlier turn adds to the prompt
_SCHEMA_NAMES = {name: name for name in world.SCHEMAS}
_TIMEOUT_S = 10.0


class Rendered(NamedTuple):
    """An event without its id, and the event that caused it, which has its id before this one is emitted."""

    event: Interaction
    parent: Interaction | None
    outcome: Outcome


@dataclass
class _Thread:
    """Where one arrival's steps have got to: the latest event and the text that the next step reads."""

    about: Topic
    free_at: float = 0.0
    task: str = ""
    last: Interaction | None = None
    text: str = ""
    given_up: bool = False  # the agent failed, so the tools it would have called are not run
    tool_call: ToolCall = field(default_factory=lambda: ToolCall("none"))


def visitors(arrivals: Arrivals) -> Iterator[Visitor]:
    """Return the arrivals one by one."""
    columns = (arrivals.business, arrivals.region, arrivals.tier, arrivals.tenant, arrivals.user, arrivals.word)
    for intent, business, region, tier, tenant, user, word in zip(
        arrivals.intent, *(column.tolist() for column in columns), strict=True
    ):
        session = None if arrivals.service == "search" else f"s-{word >> 16:012x}"
        attributes = _attributes(region, tier, tenant if business else -1)
        yield Visitor(arrivals.service, intent, f"u-{user:04d}", session, attributes, word)


@lru_cache(maxsize=4096)
def _attributes(region: int, tier: int, tenant: int) -> dict[str, Any]:
    known = {"region": world.REGIONS[region].name, "tier": world.TIERS[tier]}
    return known | ({"segment": "consumer"} if tenant < 0 else {"segment": "business", "tenant": f"t-{tenant:02d}"})


@lru_cache(maxsize=4096)
def _config(fingerprint: str, index: str | None, tools: str | None, variant: str | None) -> dict[str, Any]:
    known = {"fingerprint": fingerprint, "index": index, "tools": tools, "variant": variant}
    return {key: value for key, value in known.items() if value is not None}


def render(visitor: Visitor, rows: list[Row], *, texts: bool, inline_schemas: bool) -> Iterator[Rendered]:
    """Return the events of one arrival, in the order in which they finish."""
    thread = _Thread(topic(visitor.word))
    schemas: dict[str, Any] = dict(world.SCHEMAS) if inline_schemas else _SCHEMA_NAMES
    for row in rows:
        if row.step.opens_task:
            thread.task = f"{row.task_word:016x}"
            thread.last = None
            thread.text = ""
            thread.given_up = False
        if thread.given_up:
            continue
        parent = thread.last
        if row.step.tool is None:
            rendered = Rendered(_call(visitor, row, thread, schemas), parent, Outcome(row.outcome))
        else:
            failed = row.fate < world.TOOL_ERRORS
            outcome = Outcome.FAILED if failed else Outcome.ANSWERED
            rendered = Rendered(_tool(visitor, row, thread, failed=failed), parent, outcome)
        thread.last = rendered.event
        thread.free_at = rendered.event.time
        thread.given_up = row.step.calls is not None and rendered.outcome is Outcome.FAILED
        if not texts:
            _strip(rendered.event)
        yield rendered


def _call(visitor: Visitor, row: Row, thread: _Thread, schemas: dict[str, Any]) -> Interaction:
    operation, step = row.operation, row.step
    if not thread.text or step.agent or step.operation == "summarize":
        thread.text = write_input(row, visitor, thread.about)
    service = SERVICES[visitor.service]
    event = Interaction(
        id="",
        time=max(row.time, thread.free_at),
        service=visitor.service,
        environment=world.ENVIRONMENT,
        operation=operation.name,
        agent=step.agent,
        model=row.asked.name,
        response_model=row.response_model,
        provider=row.asked.provider,
        prompt_version=row.prompt_version,
        config=_config(row.fingerprint, service.index, row.tools_version, row.variant),
        attributes=visitor.attributes,
        user=visitor.user,
        input=thread.text,
        http_status=200,
        task=thread.task,
        session=visitor.session,
        turn=step.turn,
        response_schema=schemas.get(operation.form),
    )
    if operation.name == "ask":
        event.documents = _documents(row.word)
    _fail(event, row) if row.outcome == Outcome.FAILED else _answer(event, row, visitor, thread)
    event.time = round(event.time + (event.latency or 0.0), 3)
    return event


def _answer(event: Interaction, row: Row, visitor: Visitor, thread: _Thread) -> None:
    output = event.output = write_output(row, visitor, thread.about)
    if row.step.calls:
        thread.tool_call = ToolCall(row.step.calls, {"order": thread.about[0][1]})
        event.tool_calls = [thread.tool_call]
    if row.operation.form == "triage" and row.outcome == Outcome.ANSWERED:
        event.label = category(row, visitor)
    event.finish_reason = "length" if row.outcome == Outcome.TRUNCATED else "tool_calls" if row.step.calls else "stop"
    _usage(event, row, len(output))
    tokens = event.output_tokens or 0
    event.time_to_first_token = round(row.first_token_s * row.slowness, 4)
    event.latency = round((row.first_token_s + tokens * row.pace) * row.slowness, 4)


def _usage(event: Interaction, row: Row, written: int) -> None:
    asked = len(event.input) if event.input else 0
    history = _TURN_TOKENS * ((row.step.turn or 1) - 1)
    event.input_tokens = row.operation.system_tokens + history + int(asked / CHARS_PER_TOKEN * row.token_noise) + 1
    reasoning = int(row.operation.reasoning_tokens * row.token_noise**5)
    if reasoning:
        event.reasoning_tokens = reasoning
    event.output_tokens = int(written / CHARS_PER_TOKEN * row.token_noise + 0.5) + reasoning
    event.cached_tokens = row.cached_tokens
    if row.says_cost:
        event.cost = _cost(row.asked, event.input_tokens, row.cached_tokens, event.output_tokens)


def _cost(model: Model, read: int, cached: int, written: int) -> float:
    dollars = (read - cached) * model.input_price + cached * model.cached_price + written * model.output_price
    return round(dollars / 1e6, 9)


def _fail(event: Interaction, row: Row) -> None:
    """Answer with an HTTP error in place of a text."""
    left = row.fate * sum(share for _, _, share in world.ERRORS)
    for status, error, share in world.ERRORS:
        event.http_status, event.error = status, error
        left -= share
        if left < 0:
            break
    event.response_model = None
    event.latency = _TIMEOUT_S if event.error == "timeout" else round(0.3 * row.first_token_s, 4)


def _tool(visitor: Visitor, row: Row, thread: _Thread, *, failed: bool) -> Interaction:
    """Run the tool that the call before asked for."""
    latency = round(0.12 * row.first_token_s, 4)
    called = thread.tool_call
    done = ToolCall(
        row.step.tool or called.name, called.arguments, None if failed else {"status": "ok"}, _error(failed)
    )
    return Interaction(
        id="",
        time=round(max(row.time, thread.free_at) + latency, 3),
        service=visitor.service,
        kind=Kind.TOOL,
        environment=world.ENVIRONMENT,
        operation=row.operation.name,
        agent=row.step.agent,
        attributes=visitor.attributes,
        user=visitor.user,
        tool_calls=[done],
        latency=latency,
        error=_error(failed),
        task=thread.task,
        session=visitor.session,
    )


def _error(failed: bool) -> str | None:
    return "tool_unavailable" if failed else None


def _documents(word: int) -> list[Document]:
    count = 3 + (word & 1)
    return [
        Document(f"kb-{(word >> (4 + 9 * i)) % 900:03d}", round(0.9 - 0.08 * i - (word >> (5 * i) & 31) / 400, 3))
        for i in range(count)
    ]


def _strip(event: Interaction) -> None:
    """Take the texts out; the schema goes with the output that it is for."""
    event.input = event.output = event.response_schema = None
    if event.tool_calls:
        event.tool_calls = [ToolCall(call.name, error=call.error) for call in event.tool_calls]
