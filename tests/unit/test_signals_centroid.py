"""The centroids: whose words count, what is left out, and that the vectors are the embedder's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift.embedding import DIMENSIONS, Rows, nothing
from undertow.drift.interaction import Embedding, Interaction, Message
from undertow.drift.signal import Batch
from undertow.drift.signals.input_centroid import InputCentroid
from undertow.drift.signals.output_centroid import OutputCentroid
from undertow.drift.vectors import QUANTA, VectorSource
from undertow.pipelines.embedders import static

BOTH = [InputCentroid, OutputCentroid]


class Recorder:
    """Remembers what it was asked to embed."""

    name = "recorder"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Rows:
        self.texts += texts
        rows = nothing(len(texts))
        rows[:, 0] = 1.0
        return rows


def event(**fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", **fields)


def embedded(signal: type[InputCentroid] | type[OutputCentroid], **fields: Any) -> list[str]:
    recorder = Recorder()
    signal(VectorSource(recorder)).embed(Batch([event(**fields)]))
    return recorder.texts


def test_of_a_conversation_the_last_words_of_the_user_are_embedded() -> None:
    said = [
        Message("system", "Be brief."),
        Message("user", "Where is my parcel?"),
        Message("assistant", "On its way."),
        Message("User", [{"type": "text", "text": "Since"}, {"type": "text", "text": "when?"}]),
        Message("user", [{"type": "image_url"}, None, 7]),
        Message("tool", "status: late"),
    ]
    assert embedded(InputCentroid, input=said) == ["Since\nwhen?"]
    assert embedded(InputCentroid, input="Where?") == ["Where?"]
    assert embedded(InputCentroid, input=said[:1]) == []


def test_the_whole_answer_is_embedded() -> None:
    assert embedded(OutputCentroid, output=[Message("assistant", "One."), Message("assistant", "Two.")]) == [
        "One.\nTwo."
    ]


@pytest.mark.parametrize(
    "fields", [{"error": "timeout"}, {"http_status": 503}, {"finish_reason": "error"}, {"finish_reason": "cancelled"}]
)
def test_a_failed_call_has_an_input_and_no_answer(fields: dict[str, Any]) -> None:
    fields |= {"input": "Where?", "output": "Error 503"}
    carried = fields | {"embedding": Embedding(input=[1.0], output=[1.0])}
    assert embedded(InputCentroid, **fields) == ["Where?"]
    assert embedded(OutputCentroid, **fields) == []
    assert len(InputCentroid().embed(Batch([event(**carried)]))[0]) == 1
    assert len(OutputCentroid().embed(Batch([event(**carried)]))[0]) == 0


@pytest.mark.parametrize("signal", BOTH)
def test_a_carried_vector_spares_the_embedding(signal: type[InputCentroid] | type[OutputCentroid]) -> None:
    carried = Embedding(input=[0.0, 1.0], output=[0.0, 1.0])
    assert embedded(signal, input="a", output="b", embedding=carried) == []
    events, vectors = signal(VectorSource(Recorder())).embed(Batch([event(), event(embedding=carried)]))
    assert events.tolist() == [1]
    assert vectors[0, :3].tolist() == [0, QUANTA, 0]


@pytest.mark.parametrize("signal", BOTH)
def test_vectors_belong_to_their_events_whatever_stands_between(
    signal: type[InputCentroid] | type[OutputCentroid],
) -> None:
    texts = ["a parcel", None, "", "🎉", "\ud800", "an invoice", " \n", "x" * 10_000_000, "a parcel\x00"]
    events, vectors = signal(VectorSource(static())).embed(Batch([event(input=text, output=text) for text in texts]))
    assert events.tolist() == [0, 5, 8]
    assert vectors.dtype == np.int16
    assert vectors[0].tobytes() == vectors[2].tobytes() != vectors[1].tobytes()
    expected = np.rint(static().embed(["a parcel", "an invoice"]) * QUANTA).astype(np.int16)
    np.testing.assert_array_equal(vectors[:2], expected)


@pytest.mark.parametrize("signal", BOTH)
def test_an_empty_batch_and_one_without_texts_have_no_vectors(
    signal: type[InputCentroid] | type[OutputCentroid],
) -> None:
    for events in ([], [event(), event(label="x")]):
        found, vectors = signal(VectorSource(static())).embed(Batch(events))
        assert found.dtype == np.int64
        assert vectors.shape == (0, DIMENSIONS)
        assert vectors.dtype == np.int16


def test_another_topic_moves_the_centroid() -> None:
    """The sums of two halves of the same traffic lie close together, those of two topics do not."""
    parcels = ["where is my parcel", "the delivery is late", "track my package", "the courier never came"]
    cards = ["block my credit card", "what is my account balance", "raise my card limit", "dispute a payment"]

    def centroid(texts: list[str]) -> NDArray[np.float64]:
        vectors = InputCentroid(VectorSource(static())).embed(Batch([event(input=text) for text in texts]))[1]
        total = vectors.astype(np.int64).sum(axis=0)
        unit: NDArray[np.float64] = total / np.linalg.norm(total)
        return unit

    assert centroid(parcels[:2]) @ centroid(parcels[2:]) > 0.3 > centroid(parcels) @ centroid(cards)
