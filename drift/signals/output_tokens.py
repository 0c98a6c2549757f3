"""How many tokens the calls produce."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["OutputTokens"]


class OutputTokens:
    """Tokens the provider billed as output, reasoning tokens included.

    Unit: tokens. Harm: both ways; more costs and takes longer, fewer may be a cut answer.
    Cost: 0.05 µs an event. Events without the count say nothing.

    It cannot tell a change of tokenizer from a longer answer: compare with `output_length`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> OutputTokens().measure(Batch([Interaction(id="1", time=0.0, service="s", output_tokens=12)]))
    array([12.])
    """

    metric = "output_tokens"

    def measure(self, batch: Batch) -> Column:
        """Return the output tokens of each call."""
        return column([event.output_tokens for event in batch.events])
