"""Which answers came from another model than was asked for."""

from __future__ import annotations

from undertow.drift.definition import same_model
from undertow.drift.signal import Batch, Column, column

__all__ = ["Fallback"]


class Fallback:
    """Whether another model answered than was asked for: a router's fallback, or a silent swap.

    Unit: share of answers. Harm: up. Cost: 0.4 µs an event. A name made exact by a date or a version ("gpt-4o" →
    "gpt-4o-2024-08-06"), and folders or regions ahead of it, are the same model; two dates are two models. Failed
    calls, and those that do not name both, say nothing.

    It cannot see a swap behind an unchanged name. An alias of one's own (a deployment called "fast") counts always: a
    constant level, from which changes still show.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> answered = ("gpt-4o-2024-08-06", "gpt-4o-mini", None)
    >>> calls = [Interaction(id="1", time=0.0, service="s", model="gpt-4o", response_model=name) for name in answered]
    >>> Fallback().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "fallback_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer by another model."""
        return column(
            [
                None
                if failed or not event.model or not event.response_model
                else not same_model(event.model, event.response_model)
                for event, failed in zip(batch.events, batch.failed, strict=True)
            ]
        )
