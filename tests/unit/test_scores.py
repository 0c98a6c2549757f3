"""Scores of calls, and scores that arrive later."""

import json
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.scores import Score, Scores

DIMS = ("answer", "m-1")
NONE = (None, None)
NAN, INF = float("nan"), float("inf")


def call(identity: str, time: float = 0.0, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": identity, "time": time, "service": "s"}
    return Interaction(**envelope | fields)


def score(identity: str, time: float, about: str | None, **scores: float) -> Interaction:
    return call(identity, time, kind=Kind.SCORE, about=about, scores=scores)


def test_a_calls_own_scores_count_at_its_time_in_its_slices() -> None:
    found = Scores().observe(call("c", 5.0, scores={"helpful": 0.5, "toxic": 0.0}), DIMS, 0.0)
    assert found == [Score("s", "", DIMS, 5.0, "helpful", 0.5), Score("s", "", DIMS, 5.0, "toxic", 0.0)]


def test_a_later_score_counts_at_its_own_time_in_the_slices_of_its_call() -> None:
    scores = Scores()
    scores.observe(call("c", 5.0), DIMS, 0.0)
    assert scores.observe(score("f", 900.0, "c", helpful=1.0), NONE, 800.0) == [
        Score("s", "", DIMS, 900.0, "helpful", 1.0)
    ]
    assert scores.unplaced == 0


def test_without_a_call_it_is_a_figure_of_the_service_with_the_slices_it_carries_itself() -> None:
    scores = Scores()
    assert scores.observe(score("f", 9.0, None, orders=41.0), (None, "eu"), 0.0) == [
        Score("s", "", (None, "eu"), 9.0, "orders", 41.0)
    ]


def test_a_score_that_overtakes_its_call_waits_for_it() -> None:
    scores = Scores()
    assert scores.observe(score("f", 9.0, "c", helpful=1.0), NONE, 0.0) == []
    assert scores.observe(call("c", 8.0), DIMS, 0.0) == [Score("s", "", DIMS, 9.0, "helpful", 1.0)]
    assert scores.close_all() == []


def test_a_score_whose_call_does_not_come_counts_for_the_service_before_its_window_can_close() -> None:
    scores = Scores()
    scores.observe(score("f", 9.0, "c", helpful=1.0), NONE, 0.0)
    assert scores.expire(8.9) == []
    assert scores.expire(9.0) == [Score("s", "", NONE, 9.0, "helpful", 1.0)]
    assert scores.unplaced == 1
    assert scores.observe(score("g", 9.0, "c", helpful=0.0), NONE, 9.0)[0].dims == NONE, "it is too late to wait"


def test_services_environments_and_ids_are_kept_apart() -> None:
    scores = Scores()
    scores.observe(call("c"), DIMS, 0.0)
    for other in ({"service": "t"}, {"environment": "prod"}):
        event = call("f", 9.0, kind=Kind.SCORE, about="c", scores={"x": 1.0}, **other)
        assert scores.observe(event, NONE, 9.0)[0].dims == NONE


def test_a_call_is_remembered_as_long_as_promised_and_not_much_longer() -> None:
    scores = Scores(remember_s=80.0)
    for time in range(0, 400, 5):
        scores.observe(call(f"c{time}", float(time)), DIMS, 0.0)
    dims = {
        time: scores.observe(score(f"f{time}", 395.0, f"c{time}", x=1.0), NONE, 395.0)[0].dims
        for time in range(0, 400, 5)
    }
    assert all(dims[time] == DIMS for time in range(315, 400, 5))
    assert all(dims[time] == NONE for time in range(0, 295, 5))


def test_a_call_is_forgotten_in_time_however_little_came_after_it() -> None:
    scores = Scores(remember_s=80.0)
    scores.observe(call("c", 0.0), DIMS, 0.0)
    scores.observe(call("d", 1000.0), DIMS, 0.0)
    assert scores.observe(score("f", 1000.0, "c", x=1.0), NONE, 1000.0)[0].dims == NONE


def test_scores_of_one_call_wait_until_the_earliest_is_due_and_later_ones_begin_anew() -> None:
    scores = Scores()
    for time in (12.0, 9.0):
        scores.observe(score(f"f{time}", time, "c", x=time), NONE, 0.0)
    assert [found.time for found in scores.expire(9.0)] == [9.0, 12.0]
    scores.observe(score("g", 20.0, "c", x=1.0), NONE, 9.0)
    assert scores.expire(12.0) == []
    assert [found.time for found in scores.expire(20.0)] == [20.0]


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e16, 10**400])
def test_what_is_no_score_is_left_out_and_counted(value: float) -> None:
    scores = Scores()
    assert scores.observe(call("c", scores={"x": value, "y": 1.0}), DIMS, 0.0) == [Score("s", "", DIMS, 0.0, "y", 1.0)]
    assert scores.refused == 1


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("helpful", "helpful"),
        ("Answer Relevance", "Answer_Relevance"),
        ("rag/faithfulness v2", "rag_faithfulness_v2"),
        ("a.b", "a_b"),
        ("low", "low_"),
        ("high", "high_"),
        ("x" * 500, "x" * 64),
    ],
)
def test_names_are_brought_to_what_a_metric_may_be_called(raw: str, name: str) -> None:
    assert Scores().observe(call("c", scores={raw: 1.0}), DIMS, 0.0)[0].name == name


@pytest.mark.parametrize("raw", ["", "///", " . "])
def test_what_has_no_name_is_left_out_and_counted(raw: str) -> None:
    scores = Scores()
    assert scores.observe(call("c", scores={raw: 1.0}), DIMS, 0.0) == []
    assert scores.refused == 1


def test_memory_is_bounded_and_what_was_forgotten_is_counted() -> None:
    scores = Scores(max_calls=900, max_waiting=50)
    for n in range(5000):
        scores.observe(call(f"c{n}", 1.0), (f"o{n}", None), 0.0)
        scores.observe(score(f"f{n}", 1.0, f"unknown{n}", x=1.0), NONE, 0.0)
    assert len(scores) <= 900
    assert scores.evicted + len(scores) == 5000
    assert scores.unplaced == 4950
    assert len(scores.close_all()) == 50


def test_scores_whose_calls_come_leave_nothing_behind() -> None:
    scores = Scores(max_waiting=10)
    for n in range(1000):
        scores.observe(score(f"f{n}", 9.0 + n, f"c{n}", x=1.0), NONE, 0.0)
        assert scores.observe(call(f"c{n}", 8.0), DIMS, 0.0)[0].dims == DIMS
        assert len(scores._due) <= 20
    scores.observe(score("g", 5000.0, "z", x=1.0), NONE, 0.0)
    assert [found.time for found in scores.expire(5000.0)] == [5000.0]


def test_what_is_given_up_comes_in_the_order_of_its_time_also_after_a_restart() -> None:
    scores = Scores()
    for time, watermark, about in ((15.0, 5.0, "c1"), (6.0, 5.0, "c1"), (16.0, 6.0, "c1"), (16.0, 6.0, "c2")):
        scores.observe(score(f"f{time}{about}", time, about, x=time), (about,), watermark)
    again = Scores.build(state=json.loads(json.dumps(scores.snapshot())))
    assert [found.dims for found in again.expire(16.0)] == [found.dims for found in scores.expire(16.0)]


def test_other_kinds_and_events_without_scores_say_nothing() -> None:
    scores = Scores()
    assert scores.observe(call("t", kind=Kind.TOOL, scores={"x": 1.0}), DIMS, 0.0) == []
    assert scores.observe(call("f", kind=Kind.SCORE, about="c"), DIMS, 0.0) == []


def test_a_snapshot_holds_no_ids_of_calls() -> None:
    scores = Scores()
    scores.observe(call("secret-id"), DIMS, 0.0)
    scores.observe(score("f", 9.0, "other-secret", x=1.0), NONE, 0.0)
    assert "secret" not in json.dumps(scores.snapshot())


@pytest.mark.parametrize("name", ["remember_s", "max_calls"])
def test_a_limit_that_leaves_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0"):
        Scores(**{name: 0})


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2 is not 1"):
        Scores.build(state=Scores().snapshot() | {"version": 2})
