"""Which tools were chosen, and which failed."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.tool_error import ToolErrors
from undertow.drift.signals.tool_mix import ToolMix


def one(**fields: Any) -> Batch:
    return Batch([Interaction(id="1", time=0.0, service="s", **fields)])


def calls(*names: str) -> list[ToolCall]:
    return [ToolCall(name) for name in names]


MIX: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"tools": []}, None),
    ({"tools": "registered"}, "none"),
    ({"tools": [{"name": "a"}], "tool_calls": []}, "none"),
    ({"tool_calls": calls("b", "a", "b")}, "a + b"),
    ({"tool_calls": calls(*"fedcba")}, "a + b + c + d + 2 more"),
    ({"tool_calls": calls("x" * 65)}, "(odd name)"),
    ({"tool_calls": calls("a\nb", "")}, "(odd name)"),
    ({"tool_calls": calls("a"), "error": "timeout"}, None),
]


@pytest.mark.parametrize(("fields", "name"), MIX)
def test_the_mix_names_each_tool_once(fields: dict[str, Any], name: str | None) -> None:
    assert ToolMix().classify(one(**fields)) == [name]


ERRORS: list[tuple[dict[str, Any], float]] = [
    ({}, math.nan),
    ({"tool_calls": calls("a")}, math.nan),
    ({"tool_calls": [ToolCall("a", {}, "")]}, 0.0),
    ({"tool_calls": [ToolCall("a", {}, "fine"), ToolCall("b", {}, None, "no")]}, 1.0),
    ({"error": "timeout", "tool_calls": calls("a")}, math.nan),
    ({"kind": Kind.TOOL}, 0.0),
    ({"kind": Kind.TOOL, "tool_calls": calls("a")}, 0.0),
    ({"kind": Kind.TOOL, "error": "timeout"}, 1.0),
    ({"kind": Kind.TOOL, "http_status": 404}, 1.0),
    ({"kind": Kind.TOOL, "tool_calls": [ToolCall("a", {}, None, {"code": 1})]}, 1.0),
]


@pytest.mark.parametrize(("fields", "rate"), ERRORS)
def test_a_tool_failed_when_it_or_its_event_says_so(fields: dict[str, Any], rate: float) -> None:
    """A call that failed itself says nothing about the tools it asked for."""
    (found,) = ToolErrors().measure(one(**fields)).tolist()
    assert found == rate or (math.isnan(found) and math.isnan(rate))
