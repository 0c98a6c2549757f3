import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.tasks import Task, Tasks

DIMS = ("refund", None)


def follow(**limits: Any) -> Tasks:
    return Tasks(**{"idle_s": 300.0, "limit_s": 3600.0, "limit_calls": 1000, "max_open": 100} | limits)


def call(time: float, task: str | None = "t", **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(time), "time": time, "service": "s", "task": task}
    return Interaction(**envelope | fields)


def see(tasks: Tasks, event: Interaction, cost: float = 0.01, dims: tuple[str | None, ...] = DIMS) -> list[Task]:
    """Observe in order: the watermark is the event's own time."""
    return tasks.observe(event, dims, cost, event.time)


def test_a_call_without_a_task_is_its_own_task_and_is_not_remembered() -> None:
    tasks = follow()
    (task,) = see(tasks, call(5.0, None, environment="prod", session="c", tool_calls=[ToolCall("find")]), 0.25)
    assert task == Task("s", "prod", DIMS, 5.0, 0.25, 1.0, 1, 1)
    assert len(tasks) == 0


def test_a_task_closes_once_when_it_was_idle_and_counts_all_its_events() -> None:
    tasks = follow()
    assert see(tasks, call(0.0)) == see(tasks, call(100.0)) == []
    assert see(tasks, call(120.0, kind=Kind.TOOL), math.nan) == []
    assert tasks.expire(419.9) == []
    assert tasks.expire(420.0) == [Task("s", "", DIMS, 420.0, 0.02, 1.0, 2, 1)]
    assert tasks.expire(10_000.0) == []


def test_services_and_environments_do_not_share_tasks() -> None:
    tasks = follow()
    for event in (call(0.0), call(0.0, service="other"), call(0.0, environment="prod")):
        see(tasks, event)
    assert [(task.service, task.environment, task.calls) for task in tasks.close_all()] == [
        ("other", "", 1),
        ("s", "", 1),
        ("s", "prod", 1),
    ]


def test_an_event_past_the_deadline_begins_a_new_part_even_if_nobody_asked_in_between() -> None:
    tasks = follow()
    see(tasks, call(0.0))
    assert [task.closed_at for task in see(tasks, call(300.0))] == [300.0]
    assert [task.calls for task in tasks.close_all()] == [1]


def test_a_task_that_never_rests_is_cut_at_its_time_limit() -> None:
    tasks = follow(limit_s=1000.0)
    closed = [task for time in range(0, 2400, 100) for task in see(tasks, call(float(time)))]
    assert [(task.closed_at, task.calls) for task in closed] == [(1000.0, 10), (2000.0, 10)]


def test_a_task_is_cut_at_its_limit_of_calls_and_tools_do_not_count_towards_it() -> None:
    tasks = follow(limit_calls=3)
    for time in (0.0, 1.0, 2.0):
        see(tasks, call(time, kind=Kind.TOOL))
    closed = [task for time in (3.0, 4.0, 5.0, 6.0) for task in see(tasks, call(time))]
    assert [(task.closed_at, task.calls, task.tools) for task in closed] == [(5.0, 3, 3)]
    assert [task.calls for task in tasks.close_all()] == [1]


def test_a_part_cut_by_late_events_does_not_end_before_the_watermark() -> None:
    tasks = follow(limit_calls=2)
    tasks.observe(call(10.0), DIMS, 0.01, 50.0)
    assert [task.closed_at for task in tasks.observe(call(20.0), DIMS, 0.01, 50.0)] == [50.0]


def test_at_the_limit_of_open_tasks_the_one_due_first_closes_early_and_is_counted() -> None:
    tasks = follow(max_open=2)
    see(tasks, call(0.0, "a"))
    see(tasks, call(1.0, "b"))
    see(tasks, call(2.0, "a"))
    closed = see(tasks, call(3.0, "c"))
    assert [(task.calls, task.closed_at) for task in closed] == [(1, 301.0)]
    assert (len(tasks), tasks.evicted) == (2, 1)


def test_one_unpriced_call_leaves_the_cost_unknown_and_the_share_says_how_much_was_priced() -> None:
    tasks = follow()
    for time, cost in enumerate((0.5, math.nan, 0.5, 0.5)):
        see(tasks, call(float(time)), cost)
    (task,) = tasks.close_all()
    assert math.isnan(task.cost)
    assert task.priced == 0.75


def test_tools_reported_by_themselves_and_listed_by_their_calls_are_not_counted_twice() -> None:
    tasks = follow()
    see(tasks, call(0.0, tool_calls=[ToolCall("find"), ToolCall("read")]))
    see(tasks, call(1.0, kind=Kind.TOOL), math.nan)
    see(tasks, call(2.0, kind=Kind.TOOL), math.nan)
    assert [task.tools for task in tasks.close_all()] == [2]


def test_a_task_of_tools_alone_has_no_cost() -> None:
    tasks = follow()
    see(tasks, call(0.0, kind=Kind.TOOL), math.nan)
    (task,) = tasks.close_all()
    assert (task.calls, task.tools) == (0, 1)
    assert math.isnan(task.cost)
    assert math.isnan(task.priced)


@pytest.mark.parametrize("kind", [Kind.SCORE, Kind.CHANGE])
def test_scores_and_changes_are_no_part_of_a_task_but_their_watermark_counts(kind: Kind) -> None:
    tasks = follow()
    see(tasks, call(0.0))
    assert [task.calls for task in see(tasks, call(300.0, kind=kind))] == [1]
    assert len(tasks) == 0
    assert see(tasks, call(301.0, None, kind=kind)) == []


def test_an_event_older_than_the_last_neither_moves_the_deadline_back_nor_is_lost() -> None:
    tasks = follow()
    tasks.observe(call(100.0), DIMS, 0.01, 40.0)
    tasks.observe(call(60.0), DIMS, 0.01, 40.0)
    assert tasks.expire(399.0) == []
    assert [(task.closed_at, task.calls) for task in tasks.expire(400.0)] == [(400.0, 2)]


def test_the_dimensions_are_those_of_the_earliest_event_whatever_came_first() -> None:
    tasks = follow()
    tasks.observe(call(20.0, id="c"), ("second",), 0.01, 0.0)
    tasks.observe(call(10.0, id="b"), ("tie",), 0.01, 0.0)
    tasks.observe(call(10.0, id="a"), ("first",), 0.01, 0.0)
    assert [task.dims for task in tasks.close_all()] == [("first",)]


def test_an_earlier_start_that_comes_late_brings_the_time_limit_forward() -> None:
    tasks = follow(idle_s=300.0, limit_s=310.0)
    tasks.observe(call(100.0), DIMS, 0.01, 0.0)
    tasks.observe(call(50.0), DIMS, 0.01, 0.0)
    assert [task.closed_at for task in tasks.expire(400.0)] == [360.0]


def test_closings_are_ordered_by_deadline_then_key() -> None:
    tasks = follow()
    for task in ("d", "b", "c", "a"):
        see(tasks, call(0.0 if task != "a" else 1.0, task, service=task))
    assert [task.service for task in tasks.close_all()] == ["b", "c", "d", "a"]


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (3, 1, 4, 2)])
def test_the_depth_is_the_longest_chain_of_parents_in_whatever_order_it_came(order: tuple[int, ...]) -> None:
    parents = {1: None, 2: "1", 3: "2", 4: "1"}
    tasks = follow()
    for n in order:
        see(tasks, call(float(n % 2), id=str(n), parent=parents[n], kind=Kind.TOOL if n == 3 else Kind.CALL))
    assert [task.depth for task in tasks.close_all()] == [3]


def test_a_tool_that_says_which_call_it_is_about_hangs_below_it() -> None:
    tasks = follow()
    see(tasks, call(0.0, id="call"))
    see(tasks, call(1.0, kind=Kind.TOOL, about="call"))
    assert [task.depth for task in tasks.close_all()] == [2]


def test_an_open_task_says_how_many_calls_it_has_made() -> None:
    tasks = follow(limit_calls=3)
    said = []
    for n in range(5):
        event = call(float(n))
        see(tasks, call(float(n), kind=Kind.TOOL))
        see(tasks, event)
        said.append(tasks.calls_so_far(event))
    assert said == [1, 2, None, 1, 2]


@pytest.mark.parametrize("fields", [{"task": None}, {"kind": Kind.TOOL}, {"kind": Kind.SCORE}])
def test_what_is_no_call_of_a_task_has_no_number(fields: dict[str, Any]) -> None:
    tasks = follow()
    see(tasks, call(0.0))
    event = call(1.0, **{"task": "t"} | fields)
    see(tasks, event)
    assert tasks.calls_so_far(event) is None


def test_a_parent_that_is_no_event_of_the_task_does_not_count() -> None:
    tasks = follow()
    for n in range(3):
        see(tasks, call(float(n), parent="the request's own span"))
    assert [task.depth for task in tasks.close_all()] == [1]


def test_without_links_there_is_no_depth() -> None:
    tasks = follow()
    see(tasks, call(0.0))
    see(tasks, call(1.0))
    (lone,) = see(tasks, call(2.0, None, parent="x"))
    assert [task.depth for task in (lone, *tasks.close_all())] == [0, 0]


def test_circles_of_parents_end_and_long_chains_are_cut() -> None:
    tasks = follow()
    for time, id, parent in ((0.0, "a", "b"), (0.0, "b", "a"), (0.0, "c", "c")):
        see(tasks, call(time, id=id, parent=parent))
    for n in range(600):
        see(tasks, call(0.0, "long", id=str(n), parent=str(n - 1)))
    assert sorted(task.depth for task in tasks.close_all()) == [2, 512]


@pytest.mark.parametrize("task", ["t", None])
def test_a_task_says_whether_it_ran_into_a_ceiling_of_steps(task: str | None) -> None:
    tasks = follow()
    closed = see(tasks, call(0.0, task, finish_reason="max_iterations")) + see(tasks, call(1.0, task))
    assert [one.ceiling for one in closed + tasks.close_all()] == ([True] if task else [True, False])


def test_memory_follows_the_open_tasks_not_the_traffic() -> None:
    tasks = follow(limit_calls=1)
    for n in range(20_000):
        see(tasks, call(0.0, f"t{n}"))
    assert len(tasks) == 0
    assert len(tasks._heap) <= 2000


@pytest.mark.parametrize("name", ["idle_s", "limit_s", "limit_calls", "max_open"])
def test_a_limit_that_bounds_nothing_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0 cannot bound"):
        follow(**{name: 0})


def test_a_snapshot_of_another_version_is_refused() -> None:
    state = follow().snapshot() | {"version": 99}
    with pytest.raises(ValueError, match="version 99 is not 1"):
        Tasks.build(300.0, 3600.0, 1000, 100, state)
