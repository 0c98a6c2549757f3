"""Where the answers lie on average: the mean direction of their embeddings."""

from __future__ import annotations

from undertow.drift.signal import Batch, Vectors
from undertow.drift.vectors import VectorSource

__all__ = ["OutputCentroid"]


class OutputCentroid:
    """What the answers are about and how they are worded, as a unit vector of 256 dimensions.

    Unit: a direction. Harm: both ways; where `input_centroid` stayed, the model moved and not the users. Cost: about
    10 µs an event with the static embedder.

    A vector that the event carries (`embedding.output`) is taken; else the answer's text is embedded, its first 2,000
    characters. Failed calls, calls without recorded content, and texts without a known word give no vector.

    It cannot see whether an answer is true, what follows after its first 2,000 characters, word order, or negation; of
    languages other than English it sees little more than which one it is.

    Examples
    --------
    >>> from undertow.drift.interaction import Embedding, Interaction
    >>> carried = Embedding(output=[0.0, 2.0])
    >>> answers = [Interaction(id=e, time=0.0, service="s", error=e, embedding=carried) for e in ("", "timeout")]
    >>> events, vectors = OutputCentroid().embed(Batch(answers))
    >>> events, vectors[:, :2]
    (array([0]), array([[   0, 4096]], dtype=int16))
    """

    metric = "output_centroid"

    def __init__(self, source: VectorSource | None = None) -> None:
        self._source = source or VectorSource()

    def embed(self, batch: Batch) -> Vectors:
        """Return the indexes of the events that have a vector, and the vectors times 4096."""
        given = [
            None if failed or event.embedding is None else event.embedding.output
            for event, failed in zip(batch.events, batch.failed, strict=True)
        ]
        texts = [None if failed else text for text, failed in zip(batch.outputs, batch.failed, strict=True)]
        return self._source.vectors(given, texts)
