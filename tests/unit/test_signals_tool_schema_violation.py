import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.tool_schema_violation import ToolSchemaViolation
from undertow.drift.signals.tool_schema_violation_kind import ToolSchemaViolationKind
from undertow.drift.tool_schemas import ToolSchemas, definitions

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
SHOUTED = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING"},
        "days": {"type": "INTEGER", "nullable": True},
        "type": {"type": "STRING"},
    },
    "required": ["city"],
}
SHAPES: dict[str, Any] = {
    "openai chat": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
    "openai responses": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}],
    "anthropic": [{"name": "weather", "description": "…", "input_schema": SCHEMA}],
    "gemini": [{"functionDeclarations": [{"name": "weather", "parameters": SHOUTED}]}],
    "gemini python": [{"function_declarations": [{"name": "weather", "parameters": SHOUTED}]}],
    "gemini json schema": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}],
    "bedrock": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}],
    "mcp": [{"name": "weather", "inputSchema": SCHEMA}],
    "vercel": [{"type": "function", "name": "weather", "parameters": {"jsonSchema": SCHEMA}}],
    "a list of texts": [json.dumps({"name": "weather", "input_schema": SCHEMA})],
    "one text": json.dumps([{"name": "weather", "input_schema": SCHEMA}]),
}
TOOLS = SHAPES["anthropic"]


def call(arguments: Any, tools: Any = TOOLS, name: str = "weather", **fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", tools=tools, tool_calls=[ToolCall(name, arguments)], **fields)


def verdict(event: Interaction) -> tuple[float | None, str | None]:
    (rate,), (kind,) = ToolSchemaViolation().measure(Batch([event])), ToolSchemaViolationKind().classify(Batch([event]))
    return (None if np.isnan(rate) else float(rate)), kind


@pytest.mark.parametrize("tools", SHAPES.values(), ids=SHAPES)
def test_the_schema_is_found_in_every_providers_shape(tools: Any) -> None:
    assert verdict(call({"city": "Rome", "days": 3}, tools)) == (0, "satisfied")
    assert verdict(call({"town": "Rome"}, tools)) == (1, "weather: required at city")
    assert verdict(call({"city": "Rome", "days": "3"}, tools)) == (1, "weather: type at days")


def test_geminis_types_are_json_schemas() -> None:
    assert verdict(call({"city": "Rome", "days": None, "type": "x"}, SHAPES["gemini"])) == (0, "satisfied")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"city": "Rome"}', (0, "satisfied")),
        ('{"city": 1}', (1, "weather: type at city")),
        ("", (1, "weather: required at city")),
        ('{"city": "Ro', (1, "weather: arguments are not JSON")),
        ("Rome", (1, "weather: arguments are not JSON")),
        ([], (1, "weather: type at $")),
        ("[" * 5000, (1, "weather: arguments are not JSON")),
        (None, (None, None)),
    ],
)
def test_arguments_may_be_an_object_or_its_text(arguments: Any, expected: Any) -> None:
    assert verdict(call(arguments)) == expected


def test_a_tool_without_arguments_may_get_an_empty_text() -> None:
    assert verdict(call("", [{"name": "weather", "input_schema": {"type": "object"}}])) == (0, "satisfied")


def test_a_tool_that_nobody_offered_is_a_violation_without_its_name() -> None:
    assert verdict(call({}, name="ann@example.com")) == (1, "not offered")


def test_with_unnamed_tools_on_offer_any_name_may_be_one_of_them() -> None:
    assert verdict(call({}, [*TOOLS, {"type": "code_interpreter"}], name="python")) == (None, None)


@pytest.mark.parametrize(
    ("tools", "fields"),
    [
        (None, {}),
        ([], {}),
        ("weather", {}),
        ("[" * 5000, {}),
        ([7], {}),
        ([{"name": "weather"}], {}),
        (TOOLS, {"error": "x"}),
        ([{"name": "weather", "input_schema": {"type": "no-such-type"}}], {}),
    ],
)
def test_it_says_nothing_without_definitions_or_an_answer(tools: Any, fields: dict[str, Any]) -> None:
    assert verdict(call({}, tools, **fields)) == (None, None)


def test_what_could_not_be_judged_is_counted() -> None:
    schemas = ToolSchemas()
    schemas.judge(call({}, [{"name": "weather"}]))
    schemas.judge(call({}, "weather"))
    schemas.judge(call("x" * 1_000_001))
    assert schemas.skipped == {
        "no schema to judge by for tool 'weather'": 1,
        "no definitions in `tools`": 1,
        "arguments above 1,000,000 characters": 1,
    }


def test_several_calls_of_one_answer_count_once_and_the_first_wrong_one_is_named() -> None:
    made = [ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {}), ToolCall("look")]
    assert verdict(Interaction(id="1", time=0.0, service="s", tools=TOOLS, tool_calls=made)) == (
        1,
        "weather: required at city",
    )


def test_a_long_name_of_a_tool_is_cut() -> None:
    long = "mcp__" + "x" * 500
    _, kind = verdict(call({}, [{"name": long, "input_schema": SCHEMA}], name=long))
    assert kind == f"{long[:64]}: required at city"


def test_definitions_nested_without_end_raise_nothing() -> None:
    deep: Any = {}
    for _ in range(900):
        deep = {"properties": {"a": deep}}
    assert verdict(call({}, [{"name": "weather", "input_schema": deep}]))[0] in (None, 0)


def test_definitions_without_end_take_bounded_memory() -> None:
    schemas = ToolSchemas()
    for number in range(600):
        schemas.judge(call({"city": "Rome"}, [{"name": "weather", "input_schema": SCHEMA | {"title": str(number)}}]))
    assert len(schemas._toolboxes) == 256


def test_recorded_exchanges_of_all_providers_have_readable_definitions(shared_data: Path) -> None:
    """Every function tool in the recorded requests gives a name and a schema; what models called satisfied it."""
    with gzip.open(shared_data / "trace-formats/provider-exchanges/exchanges.jsonl.gz", "rt") as file:
        requests = [row["request"] for row in map(json.loads, file) if isinstance(row["request"], dict)]
    offered = [r.get("tools") or r.get("functions") or (r.get("toolConfig") or {}).get("tools") for r in requests]
    found = [one for tools in offered if tools for one in definitions(tools)]
    assert len(found) > 50
    assert [one for one in found if one[0] and not isinstance(one[1], dict)] == []
    assert sum(not name for name, _ in found) == 2  # code_interpreter
