"""How long the calls take."""

from __future__ import annotations

import numpy as np

from undertow.drift.signal import Batch, Column, column

__all__ = ["Latency"]


class Latency:
    """Wall time of a call, failed ones included.

    Unit: seconds. Harm: up. Cost: 0.05 µs an event. Events without it say nothing.

    It cannot tell a slow model from a longer answer: compare with `output_tokens`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> Latency().measure(Batch([Interaction(id="1", time=0.0, service="s", latency=0.8)]))
    array([0.8])
    """

    metric = "latency"

    def measure(self, batch: Batch) -> Column:
        """Return the latency of each call."""
        seconds = column([event.latency for event in batch.events])
        return np.where(np.isfinite(seconds) & (seconds >= 0), seconds, np.nan)
