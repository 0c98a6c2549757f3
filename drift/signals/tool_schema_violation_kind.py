"""What tool arguments break of the tools' own schemas."""

from __future__ import annotations

from undertow.drift.signal import Batch
from undertow.drift.tool_schemas import ToolSchemas

__all__ = ["ToolSchemaViolationKind"]


class ToolSchemaViolationKind:
    """The tool, keyword and path that a call breaks first: `find: required at query`.

    Unit: share of calls that called tools and list what was offered. Harm: both ways. Cost: 5 µs an event with tool
    calls and definitions of 1 kB, 0.1 µs without.

    Calls that break nothing are "satisfied"; a tool that nobody offered is "not offered", whatever its name.
    `tool_schema_violation_rate` says when nothing is said, and follows how many break something; this follows what.

    It cannot see the second thing that a call breaks.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction, ToolCall
    >>> find = {"name": "find", "input_schema": {"required": ["query"]}}
    >>> made = [ToolCall("find", {"query": "a"}), ToolCall("find", {"q": "a"}), ToolCall("look")]
    >>> calls = [Interaction(id="1", time=0.0, service="s", tools=[find], tool_calls=[call]) for call in made]
    >>> ToolSchemaViolationKind().classify(Batch(calls))
    ['satisfied', 'find: required at query', 'not offered']
    """

    metric = "tool_schema_violation"

    def __init__(self) -> None:
        self._schemas = ToolSchemas()

    def classify(self, batch: Batch) -> list[str | None]:
        """Return what each call breaks first, "satisfied" for nothing."""
        return [
            None if failed or not event.tool_calls else self._schemas.judge(event)
            for event, failed in zip(batch.events, batch.failed, strict=True)
        ]
