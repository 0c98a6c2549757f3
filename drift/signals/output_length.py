"""How long the answers are."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["OutputLength"]


class OutputLength:
    """Characters of the answer's text.

    Unit: characters (Unicode code points). Harm: both ways; longer costs and tires, shorter hides.
    Cost: 0.1 µs an event. Events whose content was not recorded, and failed calls, say nothing. An empty answer
    counts as 0.

    It cannot see tool calls, images or audio, nor what the characters say: the same length may be another text.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> OutputLength().measure(Batch([Interaction(id="1", time=0.0, service="s", output="Done.")]))
    array([5.])
    """

    metric = "output_length"

    def measure(self, batch: Batch) -> Column:
        """Return the length of each answer."""
        lengths = [
            None if text is None or failed else len(text)
            for text, failed in zip(batch.outputs, batch.failed, strict=True)
        ]
        return column(lengths)
