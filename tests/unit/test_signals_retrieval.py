"""What retrieval supplied, and answers that a stop sequence ended."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Document, Interaction
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.documents_retrieved import DocumentsRetrieved
from undertow.drift.signals.empty_retrieval import EmptyRetrieval
from undertow.drift.signals.retrieval_score import RetrievalScore
from undertow.drift.signals.stop_sequence import StopSequence

NAN = float("nan")


def measure(signal: Signal, **fields: Any) -> float | None:
    (value,) = signal.measure(Batch([Interaction(id="1", time=0.0, service="s", **fields)]))
    return None if math.isnan(value) else float(value)


@pytest.mark.parametrize(
    ("scores", "count", "mean"),
    [
        ([0.5, 1.0], 2, 0.75),
        ([0.5, None], 2, 0.5),
        ([None], 1, None),
        ([-0.25], 1, -0.25),
        ([NAN, math.inf, 0.5], 3, 0.5),
        ([1e300, 0.5], 2, 0.5),
        ([], 0, None),
        (None, None, None),
    ],
)
def test_documents_are_counted_and_their_finite_scores_averaged(
    scores: list[float | None] | None, count: float | None, mean: float | None
) -> None:
    documents = None if scores is None else [Document(score=score) for score in scores]
    assert measure(DocumentsRetrieved(), documents=documents) == count
    assert measure(RetrievalScore(), documents=documents) == mean


def test_an_empty_retrieval_is_an_empty_list_and_not_a_missing_one() -> None:
    assert measure(EmptyRetrieval(), documents=[]) == 1
    assert measure(EmptyRetrieval(), documents=[Document("a")]) == 0
    assert measure(EmptyRetrieval()) is None


@pytest.mark.parametrize(
    ("fields", "stopped"),
    [
        ({"finish_reason": "stop_sequence"}, 1),
        ({"finish_reason": "stop_sequence", "stop_sequence": "###"}, 1),
        ({"finish_reason": "stop", "stop_sequence": "###"}, 1),
        ({"stop_sequence": "###"}, 1),
        ({"finish_reason": "whatever", "stop_sequence": "###"}, 1),
        ({"finish_reason": "stop"}, 0),
        ({"finish_reason": "stop", "stop_sequence": ""}, 0),
        ({"finish_reason": "length", "stop_sequence": "###"}, 0),
        ({"finish_reason": "tool_calls"}, 0),
        ({"finish_reason": "whatever"}, None),
        ({}, None),
        ({"finish_reason": "error", "stop_sequence": "###"}, None),
        ({"finish_reason": "stop_sequence", "error": "timeout"}, None),
    ],
)
def test_a_stop_sequence_is_told_by_the_reason_or_by_its_name(fields: dict[str, Any], stopped: float | None) -> None:
    assert measure(StopSequence(), **fields) == stopped
