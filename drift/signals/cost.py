"""What each call costs: not a metric of its own; tasks add it up."""

from __future__ import annotations

from undertow.drift.prices import PriceTable
from undertow.drift.signal import Batch, Column, column

__all__ = ["CallCost"]


class CallCost:
    """Price of one call.

    Unit: US dollars. Harm: up. Cost: 0.6 µs an event. The event's own `cost` wins; else the call is priced from what
    answered and its usage. A call that cannot be priced says nothing (never 0), and a model that is not in the table is
    counted there by name.

    It cannot see discounts, batch or priority tiers, nor what tools and retrieval cost.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> from undertow.drift.prices import Price
    >>> prices = PriceTable({"small": Price(input=1.0, output=4.0)})
    >>> call = Interaction(id="1", time=0.0, service="s", model="small", input_tokens=1000, output_tokens=500)
    >>> CallCost(prices).measure(Batch([call]))
    array([0.003])
    """

    metric = "cost"

    def __init__(self, prices: PriceTable) -> None:
        self.prices = prices

    def measure(self, batch: Batch) -> Column:
        """Return the cost of each call."""
        return column([self.prices.cost(event) for event in batch.events])
