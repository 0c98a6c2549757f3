"""The signals that read one or two fields: lengths, tokens, latency, errors, truncation, empty answers, cost."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Message, ToolCall
from undertow.drift.prices import Price, PriceTable
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.cost import CallCost
from undertow.drift.signals.empty import Empty
from undertow.drift.signals.error import Errors
from undertow.drift.signals.input_length import InputLength
from undertow.drift.signals.input_tokens import InputTokens
from undertow.drift.signals.latency import Latency
from undertow.drift.signals.output_length import OutputLength
from undertow.drift.signals.output_tokens import OutputTokens
from undertow.drift.signals.truncation import Truncation


def measure(signal: Signal, **fields: Any) -> float | None:
    """Return what the signal says about one call, None for NaN."""
    (value,) = signal.measure(Batch([Interaction(id="1", time=0.0, service="s", **fields)]))
    return None if math.isnan(value) else float(value)


@pytest.mark.parametrize(
    ("content", "length"),
    [
        ("Why?", 4),
        ("", 0),
        (None, None),
        ([Message("system", "Be brief."), Message("user", "Why?")], 4),
        ([Message("user", "a"), Message("assistant", "long answer"), Message("human", "b")], 3),
        ([Message("", "no roles given")], 14),
        ([Message("system", "Be brief."), Message("tool", "42")], None),
        ([Message("user", [{"type": "text", "text": "look"}, {"type": "image", "url": "x"}])], 4),
    ],
)
def test_input_length_counts_what_the_user_said_and_nothing_else(content: Any, length: float | None) -> None:
    assert measure(InputLength(), input=content, instructions="You are helpful.") == length


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({"output": "naïve"}, 5),
        ({"output": ""}, 0),
        ({"output": [Message("assistant", "Hi"), Message("assistant", "you")]}, 6),
        ({}, None),
        ({"output": "", "error": "timeout"}, None),
        ({"output": "", "http_status": 503}, None),
        ({"output": "half an", "finish_reason": "cancelled"}, None),
    ],
)
def test_output_length_counts_characters_of_answers_and_leaves_failed_calls_out(
    fields: dict[str, Any], length: float | None
) -> None:
    assert measure(OutputLength(), **fields) == length


@pytest.mark.parametrize("signal", [InputTokens(), OutputTokens(), Latency()])
def test_plain_fields_are_taken_as_they_are_and_their_absence_is_not_zero(signal: Signal) -> None:
    field = signal.metric
    assert measure(signal, **{field: 7}) == 7
    assert measure(signal, **{field: 0}) == 0
    assert measure(signal) is None


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({}, 0),
        ({"http_status": 200}, 0),
        ({"http_status": 399}, 0),
        ({"http_status": 400}, 1),
        ({"http_status": 529}, 1),
        ({"error": ""}, 0),
        ({"error": "timeout", "http_status": 200}, 1),
        ({"finish_reason": "error"}, 1),
        ({"finish_reason": "failed"}, 1),
        ({"finish_reason": "cancelled"}, 0),
        ({"finish_reason": "content_filter"}, 0),
    ],
)
def test_an_error_is_a_message_a_status_or_a_finish_reason(fields: dict[str, Any], failed: float) -> None:
    assert measure(Errors(), **fields) == failed


@pytest.mark.parametrize(
    ("fields", "cut"),
    [
        ({"finish_reason": "stop"}, 0),
        ({"finish_reason": "tool_use"}, 0),
        ({"finish_reason": "stop_sequence"}, 0),
        ({"finish_reason": "max_tokens"}, 1),
        ({"finish_reason": "model_context_window_exceeded"}, 1),
        ({"finish_reason": "error"}, None),
        ({"finish_reason": "cancelled"}, None),
        ({"finish_reason": "whatever"}, None),
        ({}, None),
    ],
)
def test_truncation_is_a_length_limit_and_unknown_reasons_say_nothing(
    fields: dict[str, Any], cut: float | None
) -> None:
    assert measure(Truncation(), **fields) == cut


@pytest.mark.parametrize(
    ("fields", "empty"),
    [
        ({"output": "Hi"}, 0),
        ({"output": ""}, 1),
        ({"output": " \n\t"}, 1),
        ({"output": []}, 1),
        ({"output": [Message("assistant", None)]}, 1),
        ({"output": [Message("assistant", [{"type": "text", "text": ""}])]}, 1),
        ({"output": [Message("assistant", [{"type": "image", "url": "x"}])]}, 0),
        ({"output": [Message("assistant", [{"type": "tool_call", "name": "find"}])]}, 0),
        ({"output": "", "tool_calls": [ToolCall("find")]}, 0),
        ({"output": "", "finish_reason": "content_filter"}, 1),
        ({"output": "", "error": "timeout"}, None),
        ({}, None),
        ({"output_tokens": 0}, 1),
        ({"output_tokens": 12}, 0),
        ({"output_tokens": 12, "reasoning_tokens": 12}, 1),
        ({"output_tokens": 0, "tool_calls": [ToolCall("find")]}, 0),
    ],
)
def test_an_empty_answer_has_neither_text_nor_tool_call_nor_other_content(
    fields: dict[str, Any], empty: float | None
) -> None:
    assert measure(Empty(), **fields) == empty


def test_the_cost_of_a_call_is_its_own_figure_or_priced_and_never_zero_for_want_of_a_price() -> None:
    signal = CallCost(PriceTable({"m": Price(input=1.0, output=2.0)}))
    assert measure(signal, cost=0.5, model="m", input_tokens=1) == 0.5
    assert measure(signal, model="m", input_tokens=1_000_000, output_tokens=500_000) == 2.0
    assert measure(signal, model="unheard-of", input_tokens=1000) is None
    assert measure(signal, model="m") is None


def test_what_the_batch_shares_is_computed_once() -> None:
    batch = Batch([Interaction(id="1", time=0.0, service="s", output="Hi", finish_reason="stop")])
    assert batch.outputs is batch.outputs
    assert batch.finishes is batch.finishes
    assert len(batch) == 1
