"""How many tokens the calls consume."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["InputTokens"]


class InputTokens:
    """Tokens the provider billed as input, cached ones included.

    Unit: tokens. Harm: both ways; more costs and crowds the context, fewer may be lost instructions or documents.
    Cost: 0.05 µs an event. Events without the count say nothing.

    It cannot tell which part grew: prompt, history, documents or the user's words (`input_length`).

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> InputTokens().measure(Batch([Interaction(id="1", time=0.0, service="s", input_tokens=12)]))
    array([12.])
    """

    metric = "input_tokens"

    def measure(self, batch: Batch) -> Column:
        """Return the input tokens of each call."""
        return column([event.input_tokens for event in batch.events])
