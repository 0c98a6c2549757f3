"""What every signal must hold to; a new one is found through the table and needs no line here."""

import math
import random
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Document, Interaction, Message, ToolCall
from undertow.drift.metrics import METRICS, Family
from undertow.drift.prices import Price, PriceTable
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals import CATEGORIES, SIGNALS, VECTORS
from undertow.drift.signals.cost import CallCost

ALL: dict[str, Signal] = {name: signal() for name, signal in SIGNALS.items()}
ALL["cost"] = CallCost(PriceTable({"m": Price(input=1.0, output=2.0)}))

PARTLY = "I can't tell you how to pick the lock itself, but here is how a locksmith opens a door without harming it: …"
TEXTS: list[Any] = [
    None,
    "",
    " ",
    "Sure, here you go.",
    "I’m sorry, but I can’t help with that.",
    PARTLY,
    '{"a": 1}',
    '```json\n{"a": [[[[1]]]]}\n```',
    "[" * 5000,
    "\ud800\x00\U0010ffff",
    "漢字 " * 300,
    [],
    [Message()],
    [Message("user", None), Message("assistant", [None, 7, {}, {"type": None}, {"text": 5}, "plain"])],
    [Message("ASSISTANT", [{"type": "refusal", "refusal": "No."}])],
]
FIND = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
}
CHOICES: dict[str, list[Any]] = {
    "input": TEXTS,
    "output": TEXTS,
    "finish_reason": [None, "", "stop", "MAX_TOKENS", "content_filter", "error", "cancelled", "?" * 999],
    "error": [None, "", "timeout"],
    "http_status": [None, 0, 200, 429, 503],
    "refused": [None, True, False],
    "tools": [None, "hash", [FIND]],
    "tool_calls": [
        None,
        [],
        [ToolCall("find", {"q": 1})],
        [ToolCall("find", {"q": "one"}, error="no")],
        [ToolCall("find", {}, result=1)],
    ],
    "response_schema": [
        None,
        {},
        {"type": "object"},
        {"type": "nonsense"},
        {"$ref": "http://example.invalid"},
        "unknown",
    ],
    "input_tokens": [None, 0, 12],
    "output_tokens": [None, 0, 12],
    "cached_tokens": [None, 0, 5],
    "reasoning_tokens": [None, 0, 12],
    "latency": [None, 0.0, 1e-9, 3.5],
    "time_to_first_token": [None, 0.0, 0.7],
    "cost": [None, 0.0, 0.1],
    "model": [None, "m", "unknown"],
    "response_model": [None, "m"],
    "stop_sequence": [None, "###"],
    "documents": [None, [], [Document("d", 0.7)], [Document("d"), Document("e", 0.1)]],
}


def traffic(count: int) -> list[Interaction]:
    rng = random.Random(7)
    return [
        Interaction(
            id=str(n), time=float(n), service="s", **{field: rng.choice(values) for field, values in CHOICES.items()}
        )
        for n in range(count)
    ]


EVENTS = traffic(1500)

every_signal = pytest.mark.parametrize("signal", ALL.values(), ids=ALL)


@every_signal
def test_one_number_an_event_and_only_what_the_family_allows(signal: Signal) -> None:
    values = signal.measure(Batch(EVENTS))
    assert values.shape == (len(EVENTS),)
    assert values.dtype == np.float64
    said = values[~np.isnan(values)]
    assert np.isfinite(said).all()
    family = METRICS[signal.metric].family if signal.metric in METRICS else Family.POSITIVE
    assert family is Family.SCORE or (said >= 0).all()
    if family is Family.RATE:
        assert set(said) == {0.0, 1.0}, "a rate that never takes both values proves nothing"
    else:
        assert len(set(said)) > 1


@every_signal
def test_an_event_has_the_same_number_in_any_batch(signal: Signal) -> None:
    whole = signal.measure(Batch(EVENTS))
    singly = np.concatenate([signal.measure(Batch([event])) for event in EVENTS])
    backwards = signal.measure(Batch(EVENTS[::-1]))[::-1]
    np.testing.assert_array_equal(whole, singly)
    np.testing.assert_array_equal(whole, backwards)


@every_signal
def test_an_empty_batch_gives_an_empty_column(signal: Signal) -> None:
    values = signal.measure(Batch([]))
    assert values.shape == (0,)
    assert values.dtype == np.float64


@every_signal
def test_an_event_with_nothing_but_its_envelope_says_nothing_but_that_it_did_not_fail(signal: Signal) -> None:
    (value,) = signal.measure(Batch([Interaction(id="1", time=0.0, service="s")]))
    assert value == 0.0 if signal.metric == "error_rate" else math.isnan(value)


@every_signal
def test_events_are_left_as_they_were(signal: Signal) -> None:
    before = [repr(event) for event in EVENTS[:200]]
    signal.measure(Batch(EVENTS[:200]))
    assert [repr(event) for event in EVENTS[:200]] == before


@every_signal
def test_the_docstring_says_unit_harm_cost_and_what_it_cannot_see(signal: Signal) -> None:
    doc = type(signal).__doc__ or ""
    for words in ("Unit: ", "Harm: ", "Cost: ", "cannot", ">>> "):
        assert words in doc, f"{type(signal).__name__} does not say '{words.strip()}'"


@pytest.mark.parametrize("name", SIGNALS)
def test_the_table_files_each_signal_under_its_own_metric(name: str) -> None:
    assert SIGNALS[name].metric == name
    assert name in METRICS


def test_every_metric_of_single_calls_has_its_signal() -> None:
    together = {"loop_rate", "disagreement_rate", "cost_per_task", "calls_per_task", "tools_per_task", "depth"}
    together |= {"calls_so_far"}  # what events say only together
    assert {*SIGNALS, *CATEGORIES, *VECTORS} | together == {name for name in METRICS if "." not in name}
