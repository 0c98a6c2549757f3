"""Which versions are seen where, when, and how much of each."""

import json
from typing import Any

import pytest

from undertow.drift.census import Census
from undertow.drift.interaction import Interaction
from undertow.drift.live import Live

BUCKET_S = 600.0


def call(time: float, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(time), "time": time, "service": "s"}
    return Interaction(**envelope | fields)


def counted(*events: Interaction, **limits: Any) -> Census:
    """Return a census that has counted and folded these."""
    census = Census(BUCKET_S, 6, **limits)
    for event in events:
        census.count(event)
    return folded(census)


def folded(census: Census) -> Census:
    while (bucket := census.oldest) is not None:
        census.fold(bucket)
    return census


def rows(census: Census, dimension: str) -> dict[str, Live]:
    return {row.value: row for row in census.live() if row.dimension == dimension}


def test_each_part_and_the_combination_of_all_have_first_last_count_and_share() -> None:
    census = counted(
        call(10.0, model="m", prompt_version="v1"),
        call(5.0, model="m", prompt_version="v1"),
        call(20.0, model="m", prompt_version="v1"),
        call(30.0, model="m", prompt_version="v2"),
    )
    seen = {(row.dimension, row.value): (row.first_seen, row.last_seen, row.events, row.share) for row in census.live()}
    assert seen == {
        ("model", "m"): (5.0, 30.0, 4, 1.0),
        ("prompt_version", "v1"): (5.0, 20.0, 3, 0.75),
        ("prompt_version", "v2"): (30.0, 30.0, 1, 0.25),
        ("combination", "m · v1"): (5.0, 20.0, 3, 0.75),
        ("combination", "m · v2"): (30.0, 30.0, 1, 0.25),
    }


def test_a_new_mix_of_known_parts_is_a_combination_first_seen_by_itself() -> None:
    old, new = {"prompt_version": "v1", "config": {"index": "a"}}, {"prompt_version": "v2", "config": {"index": "b"}}
    census = counted(call(1.0, **old), call(2.0, **new), call(700.0, **old | {"config": {"index": "b"}}))
    assert rows(census, "combination")["v1 · index=b"].first_seen == 700.0
    assert max(row.first_seen for row in census.live() if row.dimension != "combination") == 2.0


def test_the_share_is_that_of_the_bucket_folded_last() -> None:
    events = [call(n * 10.0, model="m", prompt_version="v1" if n < 60 else "v2") for n in range(120)]
    census = counted(*events)
    live = rows(census, "prompt_version")
    assert (rows(census, "model")["m"].first_seen, rows(census, "model")["m"].last_seen) == (0.0, 1190.0)
    assert (live["v1"].share, live["v2"].share) == (0.0, 1.0)
    assert live["v1"].last_seen == 590.0


def test_shares_are_told_by_region_and_only_twenty_regions_apart() -> None:
    events = [
        call(float(n), prompt_version=f"v{n % 2}", attributes={"region": f"r{n % 2 if n < 40 else n}"})
        for n in range(400)
    ]
    live = rows(counted(*events), "prompt_version")
    assert live["v1"].regions["r1"] == 1.0
    assert live["v1"].regions["r0"] == 0.0
    assert len(live["v1"].regions) <= 42
    assert "(other)" in live["v1"].regions


def test_what_differs_from_call_to_call_neither_counts_nor_fills_the_bucket() -> None:
    events = [call(n * 0.1, prompt_version="v1", config={"seed": n, "trace": f"t{n}"}) for n in range(1000)]
    census = counted(*events, ignore=("trace",), max_definitions=3)
    assert census.dropped == 0
    assert {(row.dimension, row.events) for row in census.live()} == {("prompt_version", 1000), ("combination", 1000)}


def test_a_late_call_is_counted_as_late_and_changes_nothing() -> None:
    census = counted(call(0.0, prompt_version="v1"), call(700.0, prompt_version="v1"))
    before = census.live()
    census.count(call(10.0, prompt_version="v0"))
    census.count(call(710.0, prompt_version="v0"))
    assert census.late == 2
    assert folded(census).live() == before


def test_a_call_that_says_nothing_of_what_it_ran_on_is_no_version() -> None:
    assert counted(call(0.0), call(1.0, config={"seed": 1})).live() == []


@pytest.mark.parametrize(
    "fields",
    [
        lambda n: {"operation": f"o{n}", "prompt_version": "v"},
        lambda n: {"prompt_version": f"v{n}"},
        lambda n: {"config": {f"key{n}": "v"}},
        lambda n: {"config": {f"key{n}-{k}": "v" * 500 for k in range(200)}},
        lambda n: {"attributes": {"region": "x" * 5000 + str(n)}, "prompt_version": "v"},
        lambda n: {"instructions": f"Today is {n}. " * 300},
    ],
    ids=["operations", "values", "keys", "many-keys", "regions", "instructions"],
)
def test_memory_is_bounded_whatever_floods_it_and_what_was_dropped_is_counted(fields: Any) -> None:
    census = Census(BUCKET_S, 6, max_values=5, max_versions=400, max_definitions=50)
    for n in range(1000):
        census.count(call(n * 10.0, **fields(n)))
        if n % 200 == 199:
            state = census.snapshot()
            assert len(json.dumps(state)) < 1_500_000
            assert all(len(counts) <= 50 for _, counts in state["buckets"])
        while (bucket := census.oldest) is not None and bucket < n * 10.0 // BUCKET_S:
            census.fold(bucket)
            assert all(len(place.dimensions) <= 64 for place in census.places.values())
    sizes = [place.size() for place in census.places.values()]
    assert sum(sizes) == census._versions <= 400
    assert all(len(values) <= 5 for place in census.places.values() for values in place.dimensions.values())
    assert census.dropped > 0 or max(sizes) <= 5


def test_a_restart_after_any_call_changes_nothing() -> None:
    events = [
        call(n * 50.0, operation=f"o{n % 2}", prompt_version=f"v{n // 20}", config={"k": n % 3}) for n in range(120)
    ]
    plain = Census(BUCKET_S, 6, max_versions=12)
    restarted = Census(BUCKET_S, 6, max_versions=12)
    for event in events:
        for census in (plain, restarted):
            census.count(event)
            while (bucket := census.oldest) is not None and bucket < event.time // BUCKET_S:
                census.fold(bucket)
        saved = json.loads(json.dumps(restarted.snapshot()))
        restarted = Census(BUCKET_S, 6, max_versions=12)
        restarted.restore(saved)
        assert restarted.snapshot() == plain.snapshot()
    assert plain.dropped > 0


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9 is not 1"):
        Census(BUCKET_S, 6).restore(Census(BUCKET_S, 6).snapshot() | {"version": 9})
