"""How well the documents fit, by the retriever's own measure."""

from __future__ import annotations

from undertow.drift.interaction import Document
from undertow.drift.signal import Batch, Column, column

__all__ = ["RetrievalScore"]

_LARGEST = 1e15  # larger is no score, and its square would drown all others


class RetrievalScore:
    """Mean score of the documents that retrieval supplied to a call.

    Unit: the retriever's own. Harm: both ways, since some retrievers give similarities and some distances. Cost: 0.6 µs
    an event with five documents. The mean, not the best: it means the same for both. Documents without a finite score,
    and calls without any such document, say nothing.

    It cannot see a confident match with the wrong or an outdated document. Asking for more documents lowers it without
    any harm: compare with `documents_retrieved`. Another embedding model or index puts it on another scale.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> documents = [Document("a", 0.75), Document("b", 0.25), Document("c")]
    >>> RetrievalScore().measure(Batch([Interaction(id="1", time=0.0, service="s", documents=documents)]))
    array([0.5])
    """

    metric = "retrieval_score"

    def measure(self, batch: Batch) -> Column:
        """Return the mean score of each call's documents."""
        return column([_mean(event.documents) if event.documents else None for event in batch.events])


def _mean(documents: list[Document]) -> float | None:
    scores = [
        document.score
        for document in documents
        if document.score is not None and abs(document.score) <= _LARGEST  # which NaN is not
    ]
    return sum(scores) / len(scores) if scores else None
