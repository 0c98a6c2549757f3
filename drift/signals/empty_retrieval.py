"""Which retrievals found nothing."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["EmptyRetrieval"]


class EmptyRetrieval:
    """Whether retrieval ran and supplied no document.

    Unit: share of retrievals. Harm: up. Cost: 0.05 µs an event. Events without the list of documents say nothing, so
    a log that leaves the field out when it is empty hides them.

    It cannot see documents that are beside the point: `retrieval_score` may.

    Examples
    --------
    >>> from undertow.drift.interaction import Document, Interaction
    >>> found = ([Document("a")], [], None)
    >>> calls = [Interaction(id="1", time=0.0, service="s", documents=documents) for documents in found]
    >>> EmptyRetrieval().measure(Batch(calls))
    array([ 0.,  1., nan])
    """

    metric = "empty_retrieval_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each retrieval that found nothing."""
        return column([None if event.documents is None else not event.documents for event in batch.events])
