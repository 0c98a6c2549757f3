"""Versions side by side for too long, undeclared, missing; and what is live, where."""

import json
import random
from typing import Any

import pytest

from undertow.drift.declared import read_declared
from undertow.drift.fleet import Fleet, FleetFinding
from undertow.drift.interaction import Interaction, Kind

GRACE_S = 3600.0
STEP_S = 10.0


def call(time: float, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(time), "time": time, "service": "s"}
    return Interaction(**envelope | fields)


def play(fleet: Fleet, hours: float, start: float = 0.0, **weights: float) -> list[FleetFinding]:
    """Play calls of these prompt versions, by weight, one every ten seconds."""
    rng, found = random.Random(int(start)), []
    for n in range(int(hours * 3600 / STEP_S)):
        time = start + n * STEP_S
        version = rng.choices(list(weights), list(weights.values()))[0]
        found += fleet.observe(call(time, prompt_version=version), time - 60.0)
    return found


def told(findings: list[FleetFinding]) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(finding.kind, finding.values, finding.over) for finding in findings]


def test_a_rollout_that_stops_half_way_is_a_skew_once_the_grace_time_is_over() -> None:
    fleet = Fleet(GRACE_S)
    assert play(fleet, 3, v46=1) == []
    found = play(fleet, 3, start=3 * 3600.0, v46=0.33, v47=0.67)
    assert told(found) == [("skew", ("v47", "v46"), False)]
    assert found[0].since == 3 * 3600.0
    assert GRACE_S <= found[0].time - found[0].since <= GRACE_S * 4 / 3
    assert fleet.open == found


def test_a_skew_ends_when_one_of_the_two_is_gone() -> None:
    fleet = Fleet(GRACE_S)
    play(fleet, 2, v46=1)
    play(fleet, 2, start=7200.0, v46=0.5, v47=0.5)
    assert told(play(fleet, 1, start=4 * 3600.0, v47=1)) == [("skew", ("v47", "v46"), True)]
    assert fleet.open == []


def test_the_grace_time_begins_when_a_version_goes_live_and_not_with_its_first_call() -> None:
    fleet = Fleet(GRACE_S)
    assert play(fleet, 5, v46=0.99, v47=0.01) == []
    found = play(fleet, 3, start=5 * 3600.0, v46=0.5, v47=0.5)
    assert told(found) == [("skew", ("v47", "v46"), False)]
    assert found[0].since >= 5 * 3600.0
    (values,) = [place.dimensions["prompt_version"] for place in fleet.census.places.values()]
    assert max(len(value.recent) for value in values.values()) == 6


def test_thin_traffic_ends_no_skew() -> None:
    fleet = Fleet(GRACE_S)
    play(fleet, 2, v46=1)
    play(fleet, 2, start=7200.0, v46=0.5, v47=0.5)
    found = []
    for n in range(40):  # a night with a call in five minutes
        found += fleet.observe(call(4 * 3600.0 + n * 300.0, prompt_version="v47"), 4 * 3600.0 + n * 300.0)
    assert found == []


@pytest.mark.parametrize(
    "stages",
    [
        ({"v46": 1.0}, {"v46": 0.5, "v47": 0.5}, {"v47": 1.0}),  # done within the grace time
        ({"v46": 0.5, "v47": 0.5}, {"v46": 0.5, "v47": 0.5}, {"v46": 0.5, "v47": 0.5}),  # always both
        ({"v46": 1.0}, {"v46": 0.99, "v47": 0.01}, {"v46": 0.99, "v47": 0.01}),  # somebody tries it
        ({"a": 0.5, "v46": 0.5}, {"a": 0.5, "v47": 0.5}, {"a": 0.5, "v47": 0.5}),  # beside what it did not replace
        ({"v46": 1.0}, {"v47": 1.0}, {"v46": 1.0}),  # rolled back
    ],
)
def test_what_is_no_skew_stays_silent(stages: tuple[dict[str, float], ...]) -> None:
    fleet = Fleet(GRACE_S)
    found = play(fleet, 3, **stages[0])
    found += play(fleet, 0.9, start=3 * 3600.0, **stages[1])
    found += play(fleet, 3, start=3.9 * 3600.0, **stages[2])
    assert found == []


def test_a_rollback_that_stops_half_way_is_a_skew_too() -> None:
    fleet = Fleet(GRACE_S)
    play(fleet, 2, v46=1)
    play(fleet, 4, start=7200.0, v47=1)
    assert told(play(fleet, 3, start=6 * 3600.0, v46=0.6, v47=0.4)) == [("skew", ("v46", "v47"), False)]


def test_the_reason_names_the_regions() -> None:
    fleet, found = Fleet(GRACE_S), []
    for n in range(3000):
        region = ("apac", "eu", "us")[n % 3]
        version = "v47" if n > 1000 and region != "apac" else "v46"
        found += fleet.observe(call(n * STEP_S, prompt_version=version, attributes={"region": region}), n * STEP_S - 60)
    assert len(found) == 1
    assert found[0].reason.endswith("now has 67 % of the calls (apac 0 %, eu 100 %, us 100 %)")
    live = {row.value: row for row in fleet.live() if row.dimension == "prompt_version"}
    assert live["v47"].regions == {"apac": 0.0, "eu": 1.0, "us": 1.0}
    assert (live["v46"].first_seen, live["v47"].events > 1000) == (0.0, True)


def test_operations_are_judged_apart() -> None:
    fleet, found = Fleet(GRACE_S), []
    for n in range(3000):
        old, new = call(n * STEP_S, operation="a", prompt_version="v1"), n > 1000 and n % 2
        other = call(n * STEP_S + 1, operation="b", prompt_version="v2" if new else "v1")
        found += [*fleet.observe(old, n * STEP_S - 60), *fleet.observe(other, n * STEP_S - 60)]
    assert [finding.segment for finding in found] == [(("operation", "b"),)]


def test_a_part_that_is_ignored_is_not_followed() -> None:
    def skews(fleet: Fleet) -> set[str]:
        found = []
        for n in range(3000):
            config = {"flag": "b" if n > 1000 and n % 2 else "a", "seed": n}
            found += fleet.observe(call(n * STEP_S, config=config), n * STEP_S - 60)
        return {finding.dimension for finding in found}

    assert skews(Fleet(GRACE_S)) == {"config.flag"}
    assert skews(Fleet(GRACE_S, ignore=("flag",))) == set()


def test_what_is_live_and_not_declared_is_told_and_so_is_its_end() -> None:
    fleet = Fleet(GRACE_S, declared=read_declared({"s": {"prompt_version": ["v46"]}}))
    assert play(fleet, 2, v46=1) == []
    found = play(fleet, 1, start=7200.0, v47=1)
    assert ("undeclared", ("v47",), False) in told(found)
    assert found[0].reason == "prompt_version v47 is live and not declared; declared: v46"
    assert found[0].time - 7200.0 <= GRACE_S / 3
    assert ("undeclared", ("v47",), True) in told(play(fleet, 1, start=3 * 3600.0, v46=1))


def test_a_single_test_of_something_else_is_not_live() -> None:
    fleet = Fleet(GRACE_S, declared=read_declared({"s": {"prompt_version": ["v46"]}}))
    assert play(fleet, 3, v46=0.99, v47=0.01) == []
    few = Fleet(GRACE_S, declared=read_declared({"s": {"prompt_version": ["v46"]}}))
    assert [
        finding for n in range(9) for finding in few.observe(call(n * 300.0, prompt_version="v47"), n * 300.0)
    ] == []


def test_what_is_declared_and_not_seen_for_the_grace_time_is_told() -> None:
    fleet = Fleet(GRACE_S, declared=read_declared({"s": {"prompt_version": ["v46", "v47"]}}))
    found = play(fleet, 3, v46=1)
    assert told(found) == [("missing", ("v47",), False)]
    assert found[0].time >= GRACE_S
    assert told(play(fleet, 0.5, start=3 * 3600.0, v46=0.5, v47=0.5)) == [("missing", ("v47",), True)]


def test_a_declaration_for_an_environment_wins_over_that_of_the_service() -> None:
    declared = read_declared({"s": {"prompt_version": "v1"}, "s/prod": {"prompt_version": "v2"}})
    fleet = Fleet(GRACE_S, declared=declared)
    found = []
    for n in range(800):
        found += fleet.observe(call(n * STEP_S, environment="prod", prompt_version="v2"), n * STEP_S)
        found += fleet.observe(call(n * STEP_S + 1, prompt_version="v1"), n * STEP_S)
    assert found == []


def test_only_live_calls_count() -> None:
    fleet = Fleet(GRACE_S)
    for n in range(800):
        fleet.observe(call(n * STEP_S, prompt_version="v1"), n * STEP_S)
        fleet.observe(call(n * STEP_S, prompt_version="v2", shadow_of="x"), n * STEP_S)
        fleet.observe(call(n * STEP_S, prompt_version="v3", kind=Kind.TOOL), n * STEP_S)
    assert {row.value for row in fleet.live()} == {"v1"}


def test_a_call_whose_time_was_judged_is_counted_as_late_and_changes_nothing() -> None:
    fleet = Fleet(GRACE_S)
    play(fleet, 2, v46=1)
    before = fleet.live()
    fleet.observe(call(0.0, prompt_version="old"), 0.0)
    assert fleet.live() == before
    assert fleet.census.late == 1


def test_an_operation_that_is_forgotten_takes_its_skew_along() -> None:
    fleet, found = Fleet(GRACE_S, max_versions=20), []
    for n in range(2000):
        version = "v46" if n < 1000 or n % 2 else "v47"
        found += fleet.observe(call(n * STEP_S, operation="a", prompt_version=version), n * STEP_S)
    assert told(found) == [("skew", ("v47", "v46"), False)]
    for n in range(2000, 4000):
        found += fleet.observe(call(n * STEP_S, operation=f"b{n}", prompt_version="v47"), n * STEP_S)
    assert told(found[1:]) == [("skew", ("v47", "v46"), True)]
    assert fleet.open == []


def test_what_the_provider_rolls_out_is_known_but_no_skew() -> None:
    fleet, found = Fleet(GRACE_S), []
    for n in range(3000):
        config = {"fingerprint": "fp_2" if n > 1000 and n % 2 else "fp_1"}
        found += fleet.observe(call(n * STEP_S, config=config), n * STEP_S)
    assert found == []
    assert {row.value for row in fleet.live() if row.dimension == "config.fingerprint"} == {"fp_1", "fp_2"}


def test_instructions_never_leave_as_text() -> None:
    fleet = Fleet(GRACE_S)
    fleet.observe(call(0.0, instructions="secret prompt", tools=["secret tool"]), 0.0)
    assert "secret" not in json.dumps(fleet.snapshot())
    fleet.expire(1e9)
    assert "secret" not in json.dumps(fleet.snapshot())
    assert all(row.value.startswith(("instructions#", "tools#")) for row in fleet.live())


@pytest.mark.parametrize("setting", [{"grace_s": 0}, {"max_versions": 0}, {"max_values": 0}, {"min_share": 0.5}])
def test_a_setting_that_tells_nothing_is_refused_by_name(setting: dict[str, Any]) -> None:
    name, value = next(iter(setting.items()))
    with pytest.raises(ValueError, match=f"{name} = {value}"):
        Fleet(**setting)


def test_a_snapshot_of_another_version_is_refused() -> None:
    state = Fleet().snapshot()
    state["census"]["version"] = 9
    with pytest.raises(ValueError, match="version 9 is not 1"):
        Fleet.build(state=state)


def test_another_grace_time_cuts_time_otherwise_and_begins_anew() -> None:
    fleet = Fleet(GRACE_S)
    play(fleet, 2, v46=1)
    assert Fleet.build(GRACE_S, state=fleet.snapshot()).live() == fleet.live() != []
    assert Fleet.build(2 * GRACE_S, state=fleet.snapshot()).live() == []
