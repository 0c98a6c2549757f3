"""Which answers hold nothing."""

from __future__ import annotations

from collections.abc import Mapping

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch, Column, column

__all__ = ["Empty"]

_TEXT_PARTS = frozenset({None, "text", "output_text", "refusal", "reasoning", "thinking", "redacted_thinking"})


class Empty:
    """Whether an answer holds neither text (other than white space) nor a tool call nor another kind of content.

    Unit: share of answers. Harm: up. Cost: 0.2 µs an event. Where the content was not recorded the output tokens
    decide: none beside those of reasoning is an empty answer. Failed calls say nothing; `error_rate` counts them.

    It cannot see an answer that says nothing in words.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> calls = [Interaction(id="1", time=0.0, service="s", output=text) for text in ("Hi", " ", None)]
    >>> Empty().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "empty_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each empty answer."""
        return column(
            [
                None if failed else (False if text and not text.isspace() else _without_text(event))
                for event, text, failed in zip(batch.events, batch.outputs, batch.failed, strict=True)
            ]
        )


def _without_text(event: Interaction) -> bool | None:
    """Return whether an answer without a text is empty, None when the event cannot say."""
    if event.tool_calls:
        return False
    if event.output is None:
        return None if event.output_tokens is None else event.output_tokens <= (event.reasoning_tokens or 0)
    return isinstance(event.output, str) or not any(
        _is_content(part)
        for message in event.output
        for part in (message.content if isinstance(message.content, list) else ())
    )


def _is_content(part: object) -> bool:
    """Return whether a part that added nothing to the text is content all the same: a tool call, an image, a file."""
    return isinstance(part, Mapping) and part.get("type") not in _TEXT_PARTS
