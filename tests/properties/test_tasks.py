"""What must hold of tasks for any stream: batching, restarts and the order inside the lateness change nothing."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.tasks import Task, Tasks

LIMITS: dict[str, Any] = {"idle_s": 30.0, "limit_s": 100.0, "limit_calls": 5, "max_open": 4}
LATENESS_S = 10.0

Step = tuple[Interaction, float, float]  # event, cost, watermark


@st.composite
def streams(draw: st.DrawFn) -> list[Step]:
    """Events of a few tasks, out of order within the lateness, each with the watermark after it."""
    steps: list[Step] = []
    now = watermark = 0.0
    for number in range(draw(st.integers(0, 60))):
        now += draw(st.sampled_from([0.0, 1.0, 7.0, 35.0]))
        event = Interaction(
            id=f"{number:03}",
            time=max(0.0, now - draw(st.sampled_from([0.0, 0.0, 3.0, 10.0]))),
            service=draw(st.sampled_from(["a", "b"])),
            kind=draw(st.sampled_from([Kind.CALL, Kind.CALL, Kind.CALL, Kind.TOOL, Kind.SCORE])),
            task=draw(st.sampled_from(["x", "y", "z", "u", "v", None])),
            tool_calls=draw(st.sampled_from([None, [ToolCall("find")]])),
            parent=draw(st.sampled_from([None, f"{number - 1:03}", f"{number + 2:03}", "elsewhere"])),
            finish_reason=draw(st.sampled_from([None, "stop", "max_steps"])),
        )
        watermark = max(watermark, now - LATENESS_S)
        steps.append((event, draw(st.sampled_from([0.0, 0.1, 0.2, 0.3, float("nan")])), watermark))
    return steps


def play(tasks: Tasks, steps: list[Step]) -> list[Task]:
    return [task for event, cost, watermark in steps for task in tasks.observe(event, (event.id,), cost, watermark)]


def shown(closed: list[Task]) -> list[str]:
    """Return the tasks as texts: NaN is not equal to itself."""
    return [repr(task) for task in closed]


@given(streams(), st.sets(st.integers(0, 60)))
def test_asking_for_overdue_tasks_between_events_changes_when_they_are_told_not_which(
    steps: list[Step], asked: set[int]
) -> None:
    plain = Tasks(**LIMITS)
    expected = play(plain, steps) + plain.close_all()
    tasks, closed = Tasks(**LIMITS), []
    for number, step in enumerate(steps):
        if number in asked:
            closed += tasks.expire(step[2])
        closed += play(tasks, [step])
    assert shown(closed + tasks.close_all()) == shown(expected)


@given(streams())
def test_a_restart_after_any_event_changes_nothing(steps: list[Step]) -> None:
    plain = Tasks(**LIMITS)
    expected = play(plain, steps) + plain.close_all()
    for cut in range(len(steps) + 1):
        before = Tasks(**LIMITS)
        closed = play(before, steps[:cut])
        after = Tasks.build(**LIMITS, state=json.loads(json.dumps(before.snapshot())))
        assert after.snapshot() == before.snapshot()
        closed += play(after, steps[cut:])
        assert shown(closed + after.close_all()) == shown(expected)
        assert after.evicted == plain.evicted


@given(streams())
def test_every_call_is_counted_in_exactly_one_task(steps: list[Step]) -> None:
    tasks = Tasks(**LIMITS)
    closed = play(tasks, steps) + tasks.close_all()
    assert sum(task.calls for task in closed) == sum(event.kind is Kind.CALL for event, _, _ in steps)
    assert len(tasks) == 0


@given(streams())
def test_no_task_outgrows_its_limits(steps: list[Step]) -> None:
    tasks = Tasks(**LIMITS)
    for step in steps:
        assert all(task.calls <= LIMITS["limit_calls"] for task in play(tasks, [step]))
        assert len(tasks) <= LIMITS["max_open"]


@given(st.permutations(range(6)), st.lists(st.floats(0.0, 10.0), min_size=6, max_size=6))
def test_within_the_lateness_the_order_of_the_events_does_not_matter(order: list[int], costs: list[float]) -> None:
    def total(numbers: list[int]) -> list[Task]:
        tasks = Tasks(**LIMITS | {"limit_calls": 100})
        for number in numbers:
            parent = str(number // 2) if number else None
            event = Interaction(id=str(number), time=100.0 + number % 4, service="s", task="x", parent=parent)
            tasks.observe(event, (str(number),), costs[number], 90.0)
        return tasks.close_all()

    assert total(order) == total(list(range(6)))
