"""Which calls failed: what classic monitoring sees."""

from __future__ import annotations

from undertow.drift.finish import Finish
from undertow.drift.signal import Batch, Column, column

__all__ = ["Errors"]


class Errors:
    """Whether the call failed: `error` is set, the HTTP status is 400 or above, or it finished with an error.

    Unit: share of calls. Harm: up. Cost: 0.1 µs an event. A call that says nothing of the kind counts as a success,
    since logs name errors and not their absence. One that the caller cancelled did not fail.

    It cannot see a wrong answer with status 200: that is what all other metrics are for.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> calls = [Interaction(id="1", time=0.0, service="s", http_status=status) for status in (200, 429)]
    >>> Errors().measure(Batch(calls))
    array([0., 1.])
    """

    metric = "error_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each call that failed."""
        return column(
            [
                bool(event.error) or (event.http_status or 0) >= 400 or finish is Finish.ERROR
                for event, finish in zip(batch.events, batch.finishes, strict=True)
            ]
        )
