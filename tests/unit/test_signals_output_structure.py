from typing import Any

import pytest

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.output_structure import OutputStructure
from undertow.pipelines.simulator import Scenario, events


def structure(output: Any, **fields: Any) -> str | None:
    (name,) = OutputStructure().classify(Batch([Interaction(id="1", time=0.0, service="s", output=output, **fields)]))
    return name


@pytest.mark.parametrize("output", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Sure: {"a": 1} Anything else?'])
def test_how_json_is_wrapped_does_not_matter(output: str) -> None:
    assert structure(output) == "{a:number}"


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("Your order is late.", "text"),
        ("42", "text"),
        ('{"a": 1', "broken JSON"),
        ("{'a': 1}", "broken JSON"),
        ("[" + "1," * 500_000 + "1]", "JSON beyond the limits"),
        ("{}", "{}"),
        ("[]", "[]"),
    ],
)
def test_a_service_whose_json_turns_into_something_else_shows(output: str, name: str) -> None:
    assert structure(output) == name


@pytest.mark.parametrize(
    ("output", "fields"),
    [(None, {}), ("", {}), (" ", {}), ("", {"tool_calls": [ToolCall("find")]}), ('{"a": 1}', {"error": "timeout"})],
)
def test_calls_without_an_answer_say_nothing(output: str | None, fields: dict[str, Any]) -> None:
    assert structure(output, **fields) is None


def test_what_the_limits_leave_out_is_counted() -> None:
    signal = OutputStructure()
    outputs = ["[" + ",".join("1" * 101) + "]", "[" + "1," * 500_000 + "1]", '{"a":' * 20 + "1" + "}" * 20]
    signal.classify(Batch([Interaction(id=o[:9], time=0.0, service="s", output=o) for o in outputs]))
    assert signal.limited == {"elements": 1, "characters": 1, "depth": 1}


def test_ordinary_traffic_has_one_structure_an_operation() -> None:
    """Optional parts and values of simulated answers do not multiply the categories."""
    calls = [event for event in events(Scenario(seed=3, duration_s=60)) if event.output and not event.error]
    names = OutputStructure().classify(Batch(calls))
    found = {
        operation: {n for e, n in zip(calls, names, strict=True) if e.operation == operation}
        for operation in ("triage", "answer")
    }
    assert found["answer"] == {"text"}
    assert "{category:string,confidence:number,priority:string}" in found["triage"]
    assert len(found["triage"]) <= 4
