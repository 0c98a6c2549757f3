"""Which calls hand tools arguments that break the tools' own schemas."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column
from undertow.drift.tool_schemas import SATISFIED, ToolSchemas
from undertow.drift.validation import Reasons

__all__ = ["ToolSchemaViolation"]


class ToolSchemaViolation:
    """Whether the call asked for a tool with arguments that break the tool's own schema in the event's `tools`.

    Unit: share of calls that called tools and list what was offered. Harm: up. Cost: 5 µs an event with tool calls and
    definitions of 1 kB, 0.1 µs without.

    Definitions are read in the shapes of OpenAI, Anthropic, Gemini, Bedrock, MCP and the Vercel SDK. Arguments are an
    object or its JSON text; a text that is no JSON is a violation, an empty one stands for no arguments. So is a tool
    that was not offered, unless something offered has no name (a provider's own tools). Several calls count once.

    Says nothing: no tool calls, no definitions, tools without a schema, arguments that were not recorded, a failed
    call. `skipped` counts broken schemas, definitions that cannot be read and arguments above 1,000,000 characters.

    It cannot see arguments that fit the schema and are wrong, nor check definitions of which only a name or a hash is
    recorded.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction, ToolCall
    >>> find = {"type": "function", "function": {"name": "find", "parameters": {"required": ["query"]}}}
    >>> made = [[ToolCall("find", '{"query": "a"}')], [ToolCall("find", {"q": "a"})], None]
    >>> calls = [Interaction(id="1", time=0.0, service="s", tools=[find], tool_calls=calls) for calls in made]
    >>> ToolSchemaViolation().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "tool_schema_violation_rate"

    def __init__(self) -> None:
        self._schemas = ToolSchemas()

    @property
    def skipped(self) -> Reasons:
        """Why tool calls were not judged, and how many."""
        return self._schemas.skipped

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each call that broke a tool's schema."""
        judged = [
            None if failed or not event.tool_calls else self._schemas.judge(event)
            for event, failed in zip(batch.events, batch.failed, strict=True)
        ]
        return column([None if what is None else what != SATISFIED for what in judged])
