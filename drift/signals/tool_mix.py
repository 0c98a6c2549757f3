"""Which tools the model chose."""

from __future__ import annotations

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch

__all__ = ["ToolMix"]

_MOST = 4  # tools of one call that are named; the number of the others is told
_LONGEST = 64  # characters: what the providers allow; a longer name was made up by a model


class ToolMix:
    """The tools that a call asked for, each once and in alphabetical order; "none" when it had tools and used none.

    Unit: share of calls by set of tools. Harm: both ways. Cost: 0.3 µs an event. A call that neither had tools nor used
    any says nothing, nor does one that failed. Beyond four tools the others are a number; a name above 64 characters,
    or of several lines, was made up by a model and counts as "(odd name)".

    It cannot see that a tool was the wrong one; and where the tools that a model has are not recorded, calls that use
    none are not counted, so that only the mix of those that do is followed.

    Examples
    --------
    >>> from undertow.drift.interaction import ToolCall
    >>> used = [[ToolCall("search"), ToolCall("read"), ToolCall("search")], None, None]
    >>> calls = [Interaction(id="1", time=0.0, service="s", tool_calls=tools) for tools in used]
    >>> calls[1].tools = ["search"]
    >>> ToolMix().classify(Batch(calls))
    ['read + search', 'none', None]
    """

    metric = "tool_mix"

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the tools of each call as one name."""
        return [None if failed else _tools(event) for event, failed in zip(batch.events, batch.failed, strict=True)]


def _tools(event: Interaction) -> str | None:
    if not event.tool_calls:
        return "none" if event.tools else None
    if len(event.tool_calls) == 1:
        return _name(event.tool_calls[0].name)
    names = sorted({_name(call.name) for call in event.tool_calls})
    more = len(names) - _MOST
    return " + ".join(names) if more <= 0 else f"{' + '.join(names[:_MOST])} + {more} more"


def _name(name: str) -> str:
    return name if 0 < len(name) <= _LONGEST and name.isprintable() else "(odd name)"
