import itertools
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.schema_violation import SchemaViolation
from undertow.drift.signals.schema_violation_kind import SchemaViolationKind
from undertow.drift.validation import Compiled, Reasons

ORDER = {
    "type": "object",
    "required": ["status", "items"],
    "properties": {
        "status": {"enum": ["open", "closed"]},
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        },
        "by_day": {"additionalProperties": {"type": "number"}},
    },
    "additionalProperties": False,
}
GOOD = '{"status": "open", "items": []}'


def event(output: str | None, schema: Any = "order", **fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", output=output, response_schema=schema, **fields)


def kind(output: str | None, schema: Any = "order", **fields: Any) -> str | None:
    (name,) = SchemaViolationKind({"order": ORDER}).classify(Batch([event(output, schema, **fields)]))
    return name


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (GOOD, "satisfied"),
        (f"```json\n{GOOD}\n```", "satisfied"),
        ('{"current_state": "open", "items": []}', "required at status"),
        ('{"status": "lost", "items": []}', "enum at status"),
        ('{"status": "open", "items": [{"id": 1}, {}]}', "required at items[].id"),
        ('{"status": "open", "items": [{"id": "1"}]}', "type at items[].id"),
        ('{"status": "open", "items": [], "note": "x"}', "additionalProperties at note"),
        ('{"status": "open", "items": [], "ann@example.com": 1}', "additionalProperties at *"),
        ('{"status": "open", "items": [], "by_day": {"2024-05-01": "x"}}', "type at by_day.*"),
        ("[]", "type at $"),
        (f"Here it is: {GOOD}", "JSON beside other text"),
        (GOOD[:-1], "broken JSON"),
        ("I'm sorry, but I can't.", "no JSON"),
        ("null", "type at $"),
        ("", "empty answer"),
    ],
)
def test_the_keyword_and_the_path_of_what_is_broken_are_named(output: str, name: str) -> None:
    assert kind(output) == name


@pytest.mark.parametrize(
    ("output", "schema", "fields"),
    [
        (GOOD, None, {}),
        (None, "order", {}),
        (GOOD, "orders", {}),
        (GOOD, {"type": 7}, {}),
        (GOOD, "order", {"error": "x"}),
        ("", "order", {"tool_calls": [ToolCall("find")]}),
    ],
)
def test_it_says_nothing_where_the_rate_says_nothing(output: str | None, schema: Any, fields: dict[str, Any]) -> None:
    assert kind(output, schema, **fields) is None


def test_it_and_the_rate_agree_on_every_answer() -> None:
    outputs = [GOOD, "", "No.", GOOD[:-1], "{}", "[1]", f"{GOOD}.", '"a"', "[" * 5000, "\ud800"]
    batch = Batch([event(output, schema) for output in outputs for schema in ("order", {}, {"type": "string"}, None)])
    kinds = SchemaViolationKind({"order": ORDER}).classify(batch)
    rates = SchemaViolation({"order": ORDER}).measure(batch)
    for name, rate in zip(kinds, rates, strict=True):
        assert np.isnan(rate) if name is None else rate == (name != "satisfied")


def test_a_million_violations_in_one_answer_cost_one() -> None:
    """Only the first is looked for: naming all would take minutes."""
    output = '{"status": "open", "items": [' + ",".join(["1"] * 200_000) + "]}"
    assert kind(output) == "type at items[]"


def test_a_path_has_a_bounded_name() -> None:
    schema: dict[str, Any] = {"type": "string"}
    value = "1"
    for _ in range(30):
        schema, value = {"properties": {"long_name": schema}}, f'{{"long_name": {value}}}'
    assert len(str(kind(value, schema))) < 140


def test_compiled_definitions_are_bounded_and_the_last_used_stay() -> None:
    numbers = itertools.count(1)
    table = Compiled(lambda encoded: next(numbers), limit=2)
    assert [table.of(name) for name in ("a", "b", "a", "c", "a", "b")] == [1, 2, 1, 3, 1, 4]
    assert len(table) == 2


def test_reasons_are_bounded() -> None:
    reasons = Reasons()
    for number in range(500):
        reasons.add(f"reason {number}")
    assert len(reasons) == 101
    assert reasons["other"] == 400


def test_a_schema_above_the_limit_judges_nothing() -> None:
    signal = SchemaViolation()
    huge = {"enum": ["x" * 300_000]}
    (value,) = signal.measure(Batch([event(GOOD, huge)]))
    assert np.isnan(value)
    assert signal.skipped == {"broken schema in the event": 1}


def test_a_schema_nested_without_end_raises_nothing() -> None:
    deep: Any = {}
    for _ in range(990):
        deep = {"properties": {"a": deep}}
    assert kind(GOOD, deep) in (None, "satisfied")
    assert kind(GOOD, {"title": "\ud800"}) is None
