"""Shadow calls and the live calls they repeat."""

import json
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind, Message, ToolCall
from undertow.drift.shadow import Disagreement, Shadow

DIMS = ("answer", "m-1")


def call(identity: str, time: float = 0.0, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": identity, "time": time, "service": "s"}
    return Interaction(**envelope | fields)


def compared(live: dict[str, Any], shadow: dict[str, Any]) -> bool | None:
    """Return whether the two differ, None when they are not compared; in whichever order they come."""
    answers = []
    for order in (0, 1):
        pairs = [call("l", 1.0, **live), call("x", 2.0, shadow_of="l", **shadow)]
        memory = Shadow()
        found = [d for event in (pairs, pairs[::-1])[order] for d in memory.observe(event, DIMS, 0.0)]
        answers.append(found[0].differs if found else None)
    assert answers[0] is answers[1]
    return answers[0]


@pytest.mark.parametrize(
    ("live", "shadow", "differs"),
    [
        ({"label": "refund"}, {"label": "refund"}, False),
        ({"label": "refund"}, {"label": "return"}, True),
        ({"label": "refund", "output": "a"}, {"label": "refund", "output": "b"}, False),
        ({"label": "refund", "output": "a"}, {"output": "a"}, False),
        ({"label": "refund"}, {"output": "a"}, None),
        ({"output": "Yes,  it is."}, {"output": "yes, it\nis. "}, False),
        ({"output": "Yes."}, {"output": "No."}, True),
        ({"output": '{"a": 1, "b": [2]}'}, {"output": '{"b":[2.0],"a":1}'}, False),
        ({"output": '{"a": 1}'}, {"output": '{"a": 2}'}, True),
        ({"output": '{"a": 1'}, {"output": '{"a":  1'}, False),
        ({"output": "[" * 5000}, {"output": "[" * 5000}, False),
        ({"output": [Message("assistant", "Hi")]}, {"output": "hi"}, False),
        ({"output": ""}, {"output": ""}, False),
        ({"tool_calls": [ToolCall("find", {"q": 1})]}, {"tool_calls": [ToolCall("find", {"q": 1.0})]}, False),
        ({"tool_calls": [ToolCall("find", {"q": 1})]}, {"tool_calls": [ToolCall("find", {"q": 2})]}, True),
        ({"tool_calls": [ToolCall("find")]}, {"output": "I cannot find it"}, True),
        ({"output": "\ud800"}, {"output": "\ud800"}, False),
        ({}, {}, None),
        ({"output": "a", "error": "timeout"}, {"output": "a"}, None),
        ({"output": "a"}, {"output": "a", "http_status": 500}, None),
    ],
)
def test_labels_are_compared_when_both_have_one_else_answers_by_what_they_mean(
    live: dict[str, Any], shadow: dict[str, Any], differs: bool | None
) -> None:
    assert compared(live, shadow) is differs


def test_a_pair_counts_at_the_later_time_in_the_slices_of_the_shadow() -> None:
    memory = Shadow()
    memory.observe(call("l", 5.0, label="a"), ("answer", "m-1", None), 0.0)
    found = memory.observe(call("x", 3.0, label="b", shadow_of="l"), (None, "m-2", None), 0.0)
    assert found == [Disagreement("s", "", ("answer", "m-2", None), 5.0, True)]


def test_a_live_call_may_have_many_shadows_before_and_after_it() -> None:
    memory = Shadow()
    for n in range(3):
        memory.observe(call(f"x{n}", label="b", shadow_of="l"), DIMS, 0.0)
    assert len(memory.observe(call("l", label="a"), DIMS, 0.0)) == 3
    assert len(memory.observe(call("x9", label="a", shadow_of="l"), DIMS, 0.0)) == 1


def test_services_and_environments_are_kept_apart() -> None:
    memory = Shadow()
    memory.observe(call("l", label="a"), DIMS, 0.0)
    assert memory.observe(call("x", label="b", shadow_of="l", service="t"), DIMS, 0.0) == []
    assert memory.observe(call("x", label="b", shadow_of="l", environment="prod"), DIMS, 0.0) == []


def test_other_kinds_are_compared_with_nothing() -> None:
    memory = Shadow()
    memory.observe(call("l", label="a", kind=Kind.TOOL), DIMS, 0.0)
    assert memory.observe(call("x", label="b", shadow_of="l"), DIMS, 0.0) == []


def test_what_does_not_come_in_time_is_forgotten_and_counted() -> None:
    memory = Shadow(remember_s=10.0)
    memory.observe(call("x", 0.0, label="b", shadow_of="l"), DIMS, 0.0)
    memory.observe(call("y", 1.0, label="b"), DIMS, 10.0)
    assert memory.unpaired == 1
    assert memory.observe(call("l", 11.0, label="a"), DIMS, 10.0) == []
    assert memory.observe(call("z", 11.0, label="a", shadow_of="y"), DIMS, 10.5)[0].differs


def test_memory_is_bounded_whoever_floods_it() -> None:
    memory = Shadow(max_calls=100)
    for n in range(5000):
        memory.observe(call(f"a{n}", output="x", service="quiet"), DIMS, 0.0)
        memory.observe(call(f"b{n}", output="x", shadow_of=f"c{n % 300}"), DIMS, 0.0)
        memory.observe(call(f"d{n}", output="x", shadow_of="one"), DIMS, 0.0)
    assert len(memory) <= 100
    assert memory.evicted > 1000
    assert memory.unpaired > 1000
    assert len(json.dumps(memory.snapshot())) < 1_000_000


def test_few_shadows_wait_for_one_call_and_few_calls_for_a_first_shadow() -> None:
    memory = Shadow()
    for n in range(100):
        memory.observe(call(f"x{n}", label="b", shadow_of="l"), DIMS, 0.0)
    assert len(memory.observe(call("l", label="a"), DIMS, 0.0)) == 16
    assert memory.unpaired == 84
    quiet = Shadow()
    for n in range(1500):
        quiet.observe(call(f"l{n}", label="a"), DIMS, 0.0)
    assert quiet.observe(call("x", label="a", shadow_of="l499"), DIMS, 0.0) == []
    assert len(quiet.observe(call("y", label="a", shadow_of="l500"), DIMS, 0.0)) == 1


def test_a_snapshot_holds_no_answers() -> None:
    memory = Shadow()
    memory.observe(call("l", output="secret answer"), DIMS, 0.0)
    assert "secret" not in json.dumps(memory.snapshot())
    memory.observe(call("x", output="secret answer", shadow_of="l2"), DIMS, 0.0)
    assert "secret" not in json.dumps(memory.snapshot())


@pytest.mark.parametrize("name", ["remember_s", "max_calls"])
def test_a_limit_that_leaves_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0"):
        Shadow(**{name: 0})


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2 is not 1"):
        Shadow.build(state=Shadow().snapshot() | {"version": 2})
