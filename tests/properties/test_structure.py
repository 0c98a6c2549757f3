"""Whatever an answer holds, its structure, its form and its violations have bounded names and cost bounded work."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.answers import JSON_FORMS, Form, answer_of
from undertow.drift.formatting import format_of
from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.schema_learning import learn_schema
from undertow.drift.shape_changes import difference, moved_paths
from undertow.drift.shapes import LONGEST_SHAPE, parse
from undertow.drift.signal import Batch
from undertow.drift.signals.schema_violation_kind import SchemaViolationKind
from undertow.drift.signals.tool_schema_violation_kind import ToolSchemaViolationKind
from undertow.drift.structure import shape_of
from undertow.drift.validation import compiled

names = st.sampled_from(["id", "status", "items", "total", "note", "exec_summary", "q1", "q2", "Ann Lee", "2024-05-01"])
keys = names | st.text(max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)
containers = st.lists(values, max_size=5) | st.dictionaries(keys, values, max_size=6)
texts = st.text(max_size=200) | st.text(alphabet='{}[]":,`\\ \nau0json-|*#1.', max_size=200)
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=100)  # half surrogate pairs too


@given(containers)
def test_a_shape_is_bounded_and_reads_back_as_itself(value: Any) -> None:
    shape = shape_of(value).name
    assert 2 <= len(shape) <= LONGEST_SHAPE
    if "#" not in shape[-9:]:
        assert parse(shape).text() == shape


@given(containers)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert shape_of(_reversed(value)) == shape_of(value)


@given(containers)
def test_no_value_and_no_long_key_stands_in_a_shape(value: Any) -> None:
    assert "§" not in shape_of(_marked(value)).name


@given(st.dictionaries(names, values, max_size=6))
def test_a_key_that_is_null_is_like_one_left_out(value: dict[str, Any]) -> None:
    assert shape_of(value | {"zzz": None}) == shape_of(value)


@given(containers, st.sampled_from(["{}", " {}\n", "```json\n{}\n```", "```\n{}\n```"]))
def test_json_that_stands_alone_is_found_as_it_is(value: Any, wrapped: str) -> None:
    written = json.dumps(value)
    answer = answer_of(wrapped.replace("{}", written))
    assert answer.form in {Form.WHOLE, Form.FENCED}
    assert shape_of(answer.value) == shape_of(json.loads(written))


@given(texts | anything)
def test_any_text_has_a_form_and_raises_nothing(text: str) -> None:
    answer = answer_of(text)
    assert (answer.form in JSON_FORMS) == isinstance(answer.value, dict | list)
    if text and not text.isspace():
        assert len(format_of(text)) < 80


@given(st.lists(containers | texts, max_size=6), st.lists(containers | texts, max_size=6))
def test_any_two_mixes_can_be_compared(before: list[Any], after: list[Any]) -> None:
    one, other = (
        [shape_of(value).name if not isinstance(value, str) else value for value in values]
        for values in (before, after)
    )
    moved = moved_paths(dict.fromkeys(one, 0.2), dict.fromkeys(other, 0.2))
    assert len(moved) <= 10
    assert all(abs(move.after - move.before) > 0 for move in moved)
    for left, right in zip(one, other, strict=False):
        assert difference(left, right)


@given(st.lists(containers, min_size=1, max_size=5))
def test_what_was_learned_from_few_samples_allows_them(samples: list[Any]) -> None:
    validator = compiled(json.dumps(learn_schema(map(json.dumps, samples)).schema).encode())
    assert validator is not None
    assert all(validator.is_valid(json.loads(json.dumps(sample))) for sample in samples)


@given(values, values, texts | anything)
def test_any_schema_and_any_tools_raise_nothing(schema: Any, tools: Any, text: str) -> None:
    event = Interaction(
        id="1",
        time=0.0,
        service="s",
        output=text,
        response_schema=schema if isinstance(schema, dict | str) else None,
        tools=[tools, {"name": "find", "input_schema": schema}],
        tool_calls=[ToolCall("find", tools), ToolCall("find", text)],
    )
    batch = Batch([event])
    for signal in (SchemaViolationKind(), ToolSchemaViolationKind()):
        (name,) = signal.classify(batch)
        assert name is None or len(name) < 250


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value


def _marked(value: Any) -> Any:
    """Return the value with a mark in each text and in each key, which thereby is no name."""
    if isinstance(value, dict):
        return {f"§{key}": _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return f"§{value}" if isinstance(value, str) else value
