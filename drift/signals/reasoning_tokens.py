"""How many tokens the models spend on reasoning before they answer."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column
from undertow.drift.usage import MOST_TOKENS

__all__ = ["ReasoningTokens"]


class ReasoningTokens:
    """Tokens the provider billed as reasoning, a part of the output.

    Unit: tokens. Harm: both ways; more cost and delay, fewer may be a model that was told to think less.
    Cost: 0.1 µs an event. Events without the count say nothing, models that cannot reason and say 0 count as 0; a count
    below 0 or above a billion is refused.

    It cannot see reasoning that a provider does not report apart from the answer (Anthropic's): compare with
    `output_tokens` and `output_length`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> ReasoningTokens().measure(Batch([Interaction(id="1", time=0.0, service="s", reasoning_tokens=640)]))
    array([640.])
    """

    metric = "reasoning_tokens"

    def measure(self, batch: Batch) -> Column:
        """Return the reasoning tokens of each call."""
        counts = (event.reasoning_tokens for event in batch.events)
        return column([count if count is not None and 0 <= count <= MOST_TOKENS else None for count in counts])
