import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.versions import Versions


def call(time: float, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(time), "time": time, "service": "s"}
    return Interaction(**envelope | fields)


def seen(versions: Versions, dimension: str) -> dict[str, tuple[float, float, int]]:
    return {v.value: (v.first_seen, v.last_seen, v.events) for v in versions.all() if v.dimension == dimension}


def test_every_part_of_what_defines_behaviour_is_noted_with_first_last_and_count() -> None:
    versions = Versions()
    fields = {
        "model": "m",
        "response_model": "m-2026-01-14",
        "provider": "p",
        "prompt_version": "v7",
        "config": {"index": "a", "temperature": 0.2, "strict": True},
        "instructions": "Be brief.",
        "tools": [{"name": "find"}],
    }
    versions.observe([call(5.0, **fields), call(9.0, **fields, kind=Kind.TOOL)])
    found = {v.dimension: v.value for v in versions.all()}
    assert {dimension: value for dimension, value in found.items() if dimension not in {"instructions", "tools"}} == {
        "model": "m",
        "response_model": "m-2026-01-14",
        "provider": "p",
        "prompt_version": "v7",
        "config.index": "a",
        "config.temperature": "0.2",
        "config.strict": "true",
    }
    assert {(v.first_seen, v.last_seen, v.events) for v in versions.all()} == {(5.0, 9.0, 2)}
    assert found["instructions"].startswith("instructions#")
    assert found["tools"].startswith("tools#")


def test_of_instructions_and_tools_only_a_hash_is_kept_and_it_changes_with_them() -> None:
    versions = Versions()
    versions.observe(
        [call(0.0, instructions="secret prompt", tools="[]"), call(1.0, instructions="secret prompt!", tools="[1]")]
    )
    assert len(seen(versions, "instructions")) == len(seen(versions, "tools")) == 2
    assert "secret" not in json.dumps(versions.snapshot())
    assert all(len(value) == len("instructions#ab12cd34") for value in seen(versions, "instructions"))


def test_an_answer_by_another_model_is_noted_as_a_pair_of_names() -> None:
    versions = Versions()
    versions.observe([call(0.0, model="a-large", response_model="a-large-2026-01-14")])
    assert seen(versions, "fallback") == {}
    versions.observe([call(1.0, model="a-large", response_model="a-small")])
    assert seen(versions, "fallback") == {"a-large → a-small": (1.0, 1.0, 1)}


def test_a_candidate_in_the_shadow_is_first_seen_when_it_goes_live() -> None:
    versions = Versions()
    versions.observe([call(0.0, prompt_version="v2", shadow_of="c"), call(9.0, prompt_version="v2")])
    assert seen(versions, "prompt_version") == {"v2": (9.0, 9.0, 1)}


def test_what_json_cannot_say_is_noted_all_the_same() -> None:
    versions = Versions()
    versions.observe([call(0.0, tools=["\ud800"], config={"\udfff": 2**70})])
    assert {v.dimension for v in versions.all()} == {"tools", "config.\udfff"}


def test_services_and_environments_are_kept_apart() -> None:
    versions = Versions()
    versions.observe(
        [call(0.0, model="a"), call(0.0, model="b", service="t"), call(0.0, model="c", environment="prod")]
    )
    assert [v.value for v in versions.first_seen_between("s", "", 0, 9, exclude_first=False)] == ["a"]
    assert [v.value for v in versions.first_seen_between("s", "prod", 0, 9, exclude_first=False)] == ["c"]
    assert versions.first_seen_between("unheard-of", "", 0, 9) == []


def test_suspects_are_the_values_first_seen_in_the_interval_and_not_from_the_start() -> None:
    versions = Versions(baseline_s=600.0)
    versions.observe(
        [call(0.0, model="old"), call(600.0, model="start"), call(601.0, model="new"), call(900.0, model="later")]
    )
    assert [v.value for v in versions.first_seen_between("s", "", 0.0, 899.0)] == ["new"]
    assert [v.value for v in versions.first_seen_between("s", "", 0.0, 900.0, exclude_first=False)] == [
        "old",
        "start",
        "new",
        "later",
    ]


def test_a_declared_change_is_a_suspect_with_its_description_even_at_the_start() -> None:
    versions = Versions()
    versions.observe(
        [
            call(1.0, kind=Kind.CHANGE, output="new retrieval index"),
            call(2.0, kind=Kind.CHANGE, output="rollout", prompt_version="v8", config={"flag": "b"}),
            call(3.0, kind=Kind.CHANGE),
            call(4.0, prompt_version="v8"),
        ]
    )
    found = versions.first_seen_between("s", "", 0.0, 9.0)
    assert [(v.dimension, v.value, v.declared, v.events) for v in found] == [
        ("change", "new retrieval index", "new retrieval index", 0),
        ("config.flag", "b", "rollout", 0),
        ("prompt_version", "v8", "rollout", 1),
        ("change", "declared without a description", "declared", 0),
    ]


def test_scores_say_nothing_about_versions() -> None:
    versions = Versions()
    versions.observe([call(0.0, model="judge", kind=Kind.SCORE)])
    assert versions.all() == []


def test_at_the_limit_the_values_seen_least_recently_go_and_are_counted() -> None:
    versions = Versions(max_values=8)
    versions.observe([call(float(n), model=f"m{n}") for n in range(8)])
    versions.observe([call(100.0, model="m0")])
    versions.observe([call(101.0, model="new")])
    assert set(seen(versions, "model")) == {"m0", "m3", "m4", "m5", "m6", "m7", "new"}
    assert versions.dropped == 2


def test_dimensions_services_and_long_values_are_bounded() -> None:
    versions = Versions(max_dimensions=3, max_services=2)
    versions.observe([call(float(n), config={f"k{n}": "v"}) for n in range(5)])
    assert len({v.dimension for v in versions.all()}) == 3
    versions.observe([call(9.0, service=f"t{n}", model="m") for n in range(5)])
    assert len({v.service for v in versions.all()}) == 2
    assert versions.dropped == 2 + 4
    long = Versions()
    long.observe([call(0.0, model="x" * 5000), call(1.0, model="x" * 5000), call(2.0, model="x" * 5001)])
    assert [len(value) for value in seen(long, "model")] == [120, 120]
    assert [events for _, _, events in seen(long, "model").values()] == [2, 1]


@pytest.mark.parametrize("name", ["max_values", "max_dimensions", "max_services"])
def test_a_limit_that_leaves_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0"):
        Versions(**{name: 0})


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="snapshot version 2 is not 1"):
        Versions.build(state=Versions().snapshot() | {"version": 2})


EVENTS = st.lists(
    st.builds(
        call,
        st.integers(0, 50).map(float),
        model=st.sampled_from([None, "a", "b"]),
        config=st.sampled_from([None, {"k": 1}, {"k": True}, {"k": 1.0}]),
        service=st.sampled_from(["s", "t"]),
        kind=st.sampled_from([Kind.CALL, Kind.TOOL, Kind.SCORE]),
    ),
    max_size=30,
)


@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_batching_and_restarts_change_nothing(events: list[Interaction], rng: Any, size: int) -> None:
    whole = Versions()
    whole.observe(events)
    shuffled = rng.sample(events, len(events))
    pieces = Versions()
    for start in range(0, len(shuffled), size):
        pieces.observe(shuffled[start : start + size])
        pieces = Versions.build(state=json.loads(json.dumps(pieces.snapshot())))
    assert pieces.all() == whole.all()
    for versions in (pieces, whole):
        versions.baseline_s = 5.0
    assert pieces.first_seen_between("s", "", 0.0, 50.0) == whole.first_seen_between("s", "", 0.0, 50.0)


def test_an_arrival_is_told_once_and_the_start_of_a_service_is_none() -> None:
    versions = Versions(baseline_s=60.0)
    versions.observe([call(0.0, model="m0"), call(30.0, model="m1")])
    assert versions.arrivals() == []
    versions.observe([call(100.0, model="m2"), call(99.0, model="m2"), call(120.0, model="m0")])
    assert [(v.service, v.dimension, v.value, v.first_seen) for v in versions.arrivals()] == [
        ("s", "model", "m2", 99.0)
    ]
    versions.observe([call(130.0, model="m2")])
    assert versions.arrivals() == []


def test_what_is_declared_arrives_whenever_it_does() -> None:
    versions = Versions()
    versions.observe([call(0.0, kind=Kind.CHANGE, output="prompt v48")])
    assert [(v.dimension, v.declared) for v in versions.arrivals()] == [("change", "prompt v48")]


def test_a_part_that_differs_from_call_to_call_does_not_flood_those_who_are_told() -> None:
    versions = Versions(baseline_s=60.0, max_arrivals=3)
    versions.observe([call(float(t), prompt_version=f"v{t}") for t in range(0, 7200, 100)])
    told = [v.first_seen for v in versions.arrivals()]
    assert told == [100.0, 200.0, 300.0, 3600.0, 3700.0, 3800.0]
    assert versions.unannounced == 71 - 6


def test_arrivals_are_counted_for_two_days_of_event_time() -> None:
    versions = Versions(baseline_s=60.0)
    for hour in range(200):
        versions.observe([call(3600.0 * hour, prompt_version=f"v{hour}")])
        versions.arrivals()
    assert len(versions._announced) <= 48
