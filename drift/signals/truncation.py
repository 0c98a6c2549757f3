"""Which answers were cut off."""

from __future__ import annotations

from undertow.drift.finish import Finish
from undertow.drift.signal import Batch, Column, column

__all__ = ["Truncation"]

_CUT = (Finish.LENGTH, Finish.CONTEXT_EXCEEDED)
_SILENT = (None, Finish.UNKNOWN, Finish.ERROR, Finish.CANCELLED)


class Truncation:
    """Whether a length limit ended the answer: the output limit, or the model's context window.

    Unit: share of answers. Harm: up. Cost: 0.2 µs an event. Calls without a finish reason that is known, and calls that
    failed or were cancelled, say nothing.

    It cannot see a text that breaks off although the provider says `stop`, nor one cut later by the application.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> raw_reasons = ("end_turn", "MAX_TOKENS", None)
    >>> calls = [Interaction(id="1", time=0.0, service="s", finish_reason=raw) for raw in raw_reasons]
    >>> Truncation().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "truncation_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that a length limit cut."""
        return column([None if finish in _SILENT else finish in _CUT for finish in batch.finishes])
