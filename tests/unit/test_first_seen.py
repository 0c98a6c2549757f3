"""Tools that are new for an agent, and tools that destroy."""

import json
import math
from typing import Any

import msgspec
import pytest

from undertow.drift.first_seen import FirstSeen, NewTool
from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.rule import RuleHit


def uses(n: int, name: str, arguments: Any = None, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(n), "time": float(n), "service": "s", "agent": "coder"}
    return Interaction(**envelope | {"tool_calls": [ToolCall(name, arguments)]} | fields)


def learned(**limits: Any) -> FirstSeen:
    """Return a rule that knows the agent `coder`, which reads."""
    rule = FirstSeen(**{"learn_runs": 3, "learn_s": 2.0} | limits)
    for n in range(3):
        assert rule.observe(uses(n, "read_file")) == []
    return rule


def test_a_tool_that_is_new_for_a_learned_agent_is_told_once() -> None:
    rule = learned()
    assert rule.observe(uses(3, "write_file")) == [NewTool(3.0, "3", "s", "", "coder", "write_file")]
    assert rule.observe(uses(4, "write_file")) == rule.observe(uses(5, "read_file")) == []


def test_only_destruction_breaks_the_rule_and_the_breach_tells_who_what_and_with_what() -> None:
    merely_new, deletes = learned().observe(uses(3, "delete_volume", environment="", id="e9"))
    assert merely_new.hit is None
    reason = "coder deletes something for the first time, with delete_volume"
    assert deletes.hit == RuleHit("first_destructive_tool", "s", "", (("agent", "coder"),), reason, 3.0, "e9")


@pytest.mark.parametrize("destroys", ["delete", "destroy", "terminate", "revoke", "money"])
def test_each_class_of_destruction_has_its_words_also_for_an_agent_without_a_name(destroys: str) -> None:
    hit = NewTool(0.0, "e", "s", "", "", "x" * 120, destroys).hit
    assert hit is not None
    assert hit.segment == ()
    assert hit.reason.startswith("an agent without a name ")
    assert hit.reason.endswith(f" for the first time, with {'x' * 60}")


def test_a_class_of_destruction_that_is_new_is_told_once_with_its_tool() -> None:
    rule = learned()
    found = rule.observe(uses(3, "delete_volume"))
    assert [(new.tool, new.destroys) for new in found] == [("delete_volume", ""), ("delete_volume", "delete")]
    assert [new.destroys for new in rule.observe(uses(4, "delete_backup"))] == [""]
    assert [new.destroys for new in rule.observe(uses(5, "terminate_instance"))] == ["", "terminate"]


def test_a_known_tool_that_is_told_to_destroy_is_a_hit() -> None:
    rule = FirstSeen(learn_runs=2, learn_s=0.0)
    for n in range(3):
        assert rule.observe(uses(n, "bash", {"command": "ls"})) == []
    assert [new.destroys for new in rule.observe(uses(3, "bash", {"command": "rm -rf /"}))] == ["delete"]


@pytest.mark.parametrize("limits", [{"learn_runs": 4}, {"learn_s": 3.5}])
def test_while_an_agent_is_learned_nothing_is_new_and_what_it_did_then_never_is(limits: dict[str, Any]) -> None:
    """Whichever lasts longer: runs or seconds."""
    rule = learned(**limits)
    assert rule.observe(uses(3, "delete_volume")) == []
    assert rule.observe(uses(9, "delete_volume")) == []
    assert [new.destroys for new in rule.observe(uses(10, "delete_other"))] == [""]


def test_agents_services_and_environments_are_learned_apart() -> None:
    rule = learned()
    for field in ({"agent": "other"}, {"service": "other"}, {"environment": "prod"}, {"agent": None}):
        assert rule.observe(uses(9, "delete_volume", **field)) == []
    assert len(rule.observe(uses(9, "delete_volume"))) == 2


def test_the_request_and_the_run_are_one_first_time() -> None:
    rule = learned()
    assert len(rule.observe(uses(3, "drop_table"))) == 2
    assert rule.observe(uses(4, "drop_table", kind=Kind.TOOL)) == []


@pytest.mark.parametrize(
    "fields", [{"tool_calls": None}, {"tool_calls": []}, {"kind": Kind.SCORE}, {"kind": Kind.CHANGE}]
)
def test_other_events_are_neither_runs_nor_new(fields: dict[str, Any]) -> None:
    rule = FirstSeen(learn_runs=1, learn_s=0.0)
    assert rule.observe(uses(0, "delete_all", **fields)) == []
    assert len(rule) == 0


def test_at_the_limit_of_agents_the_one_that_was_idle_longest_is_learned_anew_and_counted() -> None:
    rule = FirstSeen(learn_runs=1, learn_s=0.0, max_agents=2)
    for n, agent in enumerate(["a", "b", "a", "c"]):
        rule.observe(uses(n, "read", agent=agent))
    assert (len(rule), rule.evicted) == (2, 1)
    assert rule.observe(uses(5, "delete", agent="b")) == []
    assert len(rule.observe(uses(6, "delete", agent="c"))) == 2


def test_beyond_the_limit_of_tools_names_are_not_followed_but_destruction_is() -> None:
    rule = learned(max_tools=1)
    assert rule.observe(uses(3, "write_file")) == []
    assert rule.unfollowed == 1
    assert [new.destroys for new in rule.observe(uses(4, "x" * 500 + "_delete"))] == []
    assert [new.destroys for new in rule.observe(uses(5, "delete_volume"))] == ["delete"]


def test_a_restart_changes_nothing() -> None:
    events = [uses(n, ["read", "write", "delete_x", "kill"][n // 3]) for n in range(12)]
    for cut in range(13):
        before = FirstSeen(learn_runs=2, learn_s=0.0)
        found = [new for event in events[:cut] for new in before.observe(event)]
        state = json.loads(json.dumps(before.snapshot()))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(before.snapshot())) == state
        after = FirstSeen.build(learn_runs=2, learn_s=0.0, state=state)
        found += [new for event in events[cut:] for new in after.observe(event)]
        assert [(new.tool, new.destroys) for new in found] == [
            ("write", ""),
            ("delete_x", ""),
            ("delete_x", "delete"),
            ("kill", ""),
            ("kill", "terminate"),
        ]


@pytest.mark.parametrize("name", ["learn_runs", "learn_s", "max_agents", "max_tools"])
@pytest.mark.parametrize("value", [-1, math.nan])
def test_a_limit_that_makes_no_sense_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = {value}"):
        FirstSeen(**{name: value})  # type: ignore[arg-type]


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99 is not 1"):
        FirstSeen.build(state=FirstSeen().snapshot() | {"version": 99})
