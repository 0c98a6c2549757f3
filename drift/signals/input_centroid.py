"""Where the users' inputs lie on average: the mean direction of their embeddings."""

from __future__ import annotations

from undertow.drift.interaction import Message, text_of
from undertow.drift.signal import USERS, Batch, Vectors
from undertow.drift.vectors import VectorSource

__all__ = ["InputCentroid"]


class InputCentroid:
    """What the users ask about, as a unit vector of 256 dimensions.

    Unit: a direction. Harm: none by itself; a shift says that the users, or what is sent in their name, changed. Cost:
    about 10 µs an event with the static embedder.

    A vector that the event carries (`embedding.input`) is taken; else the text is embedded, the first 2,000 characters.
    Of a list of messages that is the last one by the user: a conversation that is sent again with each turn counts each
    question once. An empty text, or one without a known word, gives no vector. A service should carry vectors in all
    its events or in none: vectors of two origins lie apart, and the centroid moves with their mix.

    It cannot see a change of topic behind a long template that the application puts in front of the user's words, word
    order, or negation; of languages other than English it sees little more than which one it is.

    Examples
    --------
    >>> from undertow.drift.interaction import Embedding, Interaction
    >>> event = Interaction(id="1", time=0.0, service="s", embedding=Embedding(input=[3.0, 4.0]))
    >>> events, vectors = InputCentroid().embed(Batch([event]))
    >>> events, vectors[:, :2]
    (array([0]), array([[2458, 3277]], dtype=int16))
    """

    metric = "input_centroid"

    def __init__(self, source: VectorSource | None = None) -> None:
        self._source = source or VectorSource()

    def embed(self, batch: Batch) -> Vectors:
        """Return the indexes of the events that have a vector, and the vectors times 4096."""
        given = [None if event.embedding is None else event.embedding.input for event in batch.events]
        return self._source.vectors(given, [_asked(event.input) for event in batch.events])


def _asked(content: str | list[Message] | None) -> str | None:
    """Return what the user said last."""
    if not isinstance(content, list):
        return content
    said = (text_of([message]) for message in reversed(content) if message.role.lower() in USERS)
    return next((text for text in said if text), None)
