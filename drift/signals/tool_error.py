"""Which tools failed."""

from __future__ import annotations

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.signal import Batch, Column, column

__all__ = ["ToolErrors"]


class ToolErrors:
    """Whether a tool that was run failed: an error of its own, of its event, or a status of 400 or above.

    Unit: share of the events that tell how their tools went. Harm: up. Cost: 0.2 µs an event. Such are tools that
    report themselves, and calls that list at least one tool with a result or an error; one failed tool is enough.
    A call that only asks for tools says nothing.

    It cannot see a failure that a tool reports as its result.

    Examples
    --------
    >>> from undertow.drift.interaction import ToolCall
    >>> run = [ToolCall("find", {}, "7"), ToolCall("find", {}, None, "timeout"), ToolCall("find", {})]
    >>> calls = [Interaction(id="1", time=0.0, service="s", tool_calls=[tool]) for tool in run]
    >>> ToolErrors().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "tool_error_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each event with a tool that failed."""
        return column([_failed(event) for event in batch.events])


def _failed(event: Interaction) -> bool | None:
    tools = event.tool_calls or ()
    if any(tool.error for tool in tools):
        return True
    if event.kind is Kind.TOOL:
        return bool(event.error) or (event.http_status or 0) >= 400
    return False if any(tool.result is not None for tool in tools) else None
