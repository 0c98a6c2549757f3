"""How long the users wait before anything appears."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["TimeToFirstToken"]

_LONGEST_S = 86_400.0  # a day: more is a slip of unit


class TimeToFirstToken:
    """Time from the request to the first token of a streamed answer.

    Unit: seconds. Harm: up. Cost: 0.1 µs an event. Events without it, as those of calls that do not stream, say
    nothing; a time below 0 or above a day is refused.

    It cannot tell queueing from reading a long prompt (`input_tokens`), a cold cache (`cached_token_share`) or silent
    reasoning (`reasoning_tokens`).

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> TimeToFirstToken().measure(Batch([Interaction(id="1", time=0.0, service="s", time_to_first_token=0.3)]))
    array([0.3])
    """

    metric = "time_to_first_token"

    def measure(self, batch: Batch) -> Column:
        """Return the time to the first token of each call."""
        times = (event.time_to_first_token for event in batch.events)
        return column([time if time is not None and 0 <= time <= _LONGEST_S else None for time in times])
