"""How much of the calls' input comes from the provider's cache."""

from __future__ import annotations

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch, Column, column
from undertow.drift.usage import Fault, usage_of

__all__ = ["CachedTokenShare"]


class CachedTokenShare:
    """Share of a call's input tokens that were read from the provider's cache.

    Unit: share of input tokens, 0 to 1. Harm: down; what is not cached costs up to ten times as much and waits longer.
    Cost: 0.5 µs an event. Events that do not say how much was cached, or had no input, say nothing: absent is not 0.

    Every call weighs the same, so that one huge prompt does not make the level; what the change costs, with large calls
    weighing as much as they cost, is in the decomposition of the spend (`cache_share`).

    It cannot tell why: an expired cache, another region's cache or a prompt whose beginning now varies; and a provider
    that caches nothing below a thousand tokens makes a shift towards short calls look like erosion (`input_tokens`).

    Examples
    --------
    >>> call = Interaction(id="1", time=0.0, service="s", input_tokens=4000, cached_tokens=3000)
    >>> CachedTokenShare().measure(Batch([call]))
    array([0.75])
    """

    metric = "cached_token_share"

    def measure(self, batch: Batch) -> Column:
        """Return the cached share of each call."""
        return column([None if event.cached_tokens is None else _share(event) for event in batch.events])


def _share(event: Interaction) -> float | None:
    usage = usage_of(event)
    if usage is None or isinstance(usage, Fault) or event.input_tokens is None:
        return None
    return usage.cached / usage.input if usage.input else None
