"""Metrics of the user's own: what they read of an event."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Message
from undertow.drift.own_metric import OwnMetric
from undertow.drift.signal import Batch
from undertow.drift.signals.own import FieldSignal, PatternSignal, own_signal


def measure(own: OwnMetric, **fields: Any) -> float | None:
    (value,) = own_signal(own).measure(Batch([Interaction(id="1", time=0.0, service="s", **fields)]))
    return None if math.isnan(value) else float(value)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"output": "Sorry about that"}, 1),
        ({"output": "Done"}, 0),
        ({"output": ""}, 0),
        ({"output": [Message("assistant", "so "), Message("assistant", "SORRY")]}, 1),
        ({"input": "sorry"}, None),
        ({"output": "Sorry", "error": "timeout"}, None),
    ],
)
def test_a_pattern_is_searched_in_the_answers_of_calls_that_did_not_fail(
    fields: dict[str, Any], value: float | None
) -> None:
    assert measure(OwnMetric("apology", pattern="(?i)sorry"), **fields) == value


def test_a_pattern_on_the_input_reads_what_the_user_said() -> None:
    own = OwnMetric("angry", pattern="(?i)angry", on="input")
    assert measure(own, input=[Message("system", "never be angry"), Message("user", "Hello")]) == 0
    assert measure(own, input="I am ANGRY", error="timeout") == 1


@pytest.mark.parametrize(
    ("field", "fields", "value"),
    [
        ("attributes.basket", {"attributes": {"basket": 12.5}}, 12.5),
        ("attributes.basket", {"attributes": {"basket": " 12.5 "}}, 12.5),
        ("attributes.basket", {"attributes": {"basket": "a lot"}}, None),
        ("attributes.basket", {"attributes": {"basket": "nan"}}, None),
        ("attributes.basket", {"attributes": {"basket": float("inf")}}, None),
        ("attributes.basket", {"attributes": {"basket": 10**400}}, None),
        ("attributes.basket", {"attributes": {"other": 1}}, None),
        ("attributes.basket", {}, None),
        ("attributes.app.basket", {"attributes": {"app.basket": 3}}, 3),
        ("attributes.done", {"attributes": {"done": True}}, 1),
        ("config.temperature", {"config": {"temperature": 0.2}}, 0.2),
        ("scores.rating", {"scores": {"rating": -2.0}}, -2),
        ("turn", {"turn": 7}, 7),
        ("output.total", {"output": '{"total": 7}'}, 7),
        ("output.total", {"output": '```json\n{"total": 7}\n```'}, 7),
        ("output.order.lines.1.price", {"output": '{"order": {"lines": [{}, {"price": 2.5}]}}'}, 2.5),
        ("output.order.lines", {"output": '{"order": {"lines": [1, 2, 3]}}'}, 3),
        ("output.order.lines.9", {"output": '{"order": {"lines": [1, 2, 3]}}'}, None),
        ("output.order", {"output": '{"order": {}}'}, None),
        ("output.total", {"output": "no JSON"}, None),
        ("output.total", {"output": '{"total": 7}', "http_status": 500}, None),
        ("output.total", {"output": "[" * 5000}, None),
        ("output", {"output": " 4 "}, 4),
        ("output", {"output": "four"}, None),
        ("output", {"output": "4", "error": "timeout"}, None),
    ],
)
def test_a_field_is_read_where_its_path_says(field: str, fields: dict[str, Any], value: float | None) -> None:
    assert measure(OwnMetric("own", field=field), **fields) == value


def test_what_is_no_amount_is_left_out_of_a_log_scale_and_counted() -> None:
    signal = own_signal(OwnMetric("basket", field="attributes.basket", scale="log"))
    assert isinstance(signal, FieldSignal)
    values = [-1, 0, 5, "x", 1e16, {}]
    events = [Interaction(id="1", time=0.0, service="s", attributes={"basket": v}) for v in values]  # type: ignore[dict-item]
    assert [value for value in signal.measure(Batch(events)) if not math.isnan(value)] == [0, 5]
    assert signal.skipped == {"below 0 on a log scale": 1, "no number": 2, "too large": 1}


def test_a_text_that_is_not_read_to_its_end_is_counted() -> None:
    signal = own_signal(OwnMetric("apology", pattern="sorry"))
    assert isinstance(signal, PatternSignal)
    signal.measure(Batch([Interaction(id="1", time=0.0, service="s", output="x" * 300_000)]))
    assert signal.skipped == {"text above 262,144 characters": 1}
