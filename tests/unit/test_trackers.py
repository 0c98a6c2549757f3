"""The trackers together: what one event sets off in each of them, and what waits until time has passed."""

from typing import Any

import msgspec
import pytest

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.prices import Charge
from undertow.drift.tasks import Tasks
from undertow.pipelines.settings import Detection, Fleet, Ingest, Rule, Settings
from undertow.pipelines.trackers import Trackers

SETTINGS = Settings(
    ingest=Ingest(task_idle_s=30.0, task_limit_s=120.0),
    detection=Detection(dimensions=("region", "cohort")),
    fleet=Fleet(grace_s=600.0),
    rules={"residency": Rule(fields=("region", "serving_region"), equal=True)},
)
DIMS = ("eu", None)


def event(number: int, time: float, **fields: Any) -> Interaction:
    return Interaction(**{"id": str(number), "time": time, "service": "s", **fields})


def shown(trackers: Trackers, one: Interaction, cost: float | None = 0.02) -> dict[str, float]:
    """Show the trackers an event that is in time, ten seconds behind it the watermark."""
    charge = None if cost is None else Charge(cost)
    trackers.arrive(one, charge, one.time - 10.0)
    return trackers.observe(one, DIMS, charge, one.time - 10.0)


def taken(trackers: Trackers) -> dict[str, list[float]]:
    """Return the figures by metric."""
    found: dict[str, list[float]] = {}
    for figure in trackers.figures():
        found.setdefault(figure.metric, []).append(figure.value)
    return found


def trackers(settings: Settings = SETTINGS, state: dict[str, Any] | None = None) -> Trackers:
    return Trackers(settings, str, state)


def test_a_task_says_its_calls_so_far_at_once_and_its_totals_once_it_has_ended() -> None:
    mine = trackers()
    said = [shown(mine, event(n, 5.0 + n, task="t")) for n in range(3)]
    assert [one["calls_so_far"] for one in said] == [1.0, 2.0, 3.0]
    mine.expire(30.0)
    assert taken(mine) == {}
    mine.expire(40.0)
    assert taken(mine) == {
        "cost_per_task": [pytest.approx(0.06)],
        "calls_per_task": [3.0],
        "tools_per_task": [0.0],
    }
    assert mine.closed_tasks == 1
    assert taken(mine) == {}, "a figure is handed over once"


def test_a_task_whose_cost_is_not_known_has_no_cost_but_calls() -> None:
    mine = trackers()
    shown(mine, event(1, 5.0), cost=None)
    assert set(taken(mine)) == {"calls_per_task", "tools_per_task"}


def test_depth_is_said_where_events_name_what_caused_them() -> None:
    mine = trackers()
    for n, parent in enumerate([None, "0", "1"]):
        shown(mine, event(n, 5.0, task="t", parent=parent))
    mine.close_all()
    assert taken(mine)["depth"] == [3.0]


def test_a_loop_is_said_with_the_event_that_repeats() -> None:
    mine = trackers()
    search = [ToolCall("search", {"q": "refund"}, "No article matches.")]
    said = [shown(mine, event(n, 5.0 + n, kind=Kind.TOOL, task="t", tool_calls=search)) for n in range(12)]
    assert said[0]["loop_rate"] == 0.0
    assert said[-1]["loop_rate"] == 1.0


def test_a_score_counts_in_the_slices_of_the_call_that_it_is_about() -> None:
    mine = trackers()
    shown(mine, event(1, 5.0))
    mine.figures()
    later = event(2, 9.0, kind=Kind.SCORE, about="1", scores={"helpful": 0.75})
    mine.arrive(later, None, 0.0)
    mine.observe(later, (None, None), None, 0.0)
    (figure,) = mine.figures()
    assert (figure.metric, figure.value, figure.dims) == ("score.helpful", 0.75, DIMS)


def test_a_shadow_call_is_compared_and_paid_for_and_is_no_task_and_no_loop() -> None:
    mine = trackers()
    shown(mine, event(1, 5.0, label="refund", task="t"))
    said = shown(mine, event(2, 6.0, label="return", shadow_of="1", task="t", user="u"))
    assert said == {}
    mine.close_all()
    figures = taken(mine)
    assert (figures["disagreement_rate"], figures["calls_per_task"]) == ([1.0], [1.0])
    assert sum(row.totals.calls for row in mine.spent()) == 2


def test_a_rule_that_is_broken_is_told_even_by_an_event_that_came_late() -> None:
    mine = trackers()
    stray = event(1, 5.0, attributes={"region": "eu", "serving_region": "us"})
    mine.arrive(stray, None, 1000.0)
    (told,) = mine.found()
    assert (told.kind, told.series.metric) == ("page", "rule.residency")
    assert mine.found() == []


def test_a_new_tool_is_a_change_and_a_new_destructive_one_a_page() -> None:
    mine = trackers()
    mine.versions.observe([event(0, 0.0, model="m")])  # as the processor shows it every event
    for n in range(150):
        shown(mine, event(n, n * 60.0, kind=Kind.TOOL, agent="coder", tool_calls=[ToolCall("read_file", {"n": n})]))
    now = 150 * 60.0
    assert mine.found() == []
    shown(mine, event(150, now, kind=Kind.TOOL, agent="coder", tool_calls=[ToolCall("list_files", {})]))
    assert mine.found() == []
    assert "coder uses list_files" in {v.value for v in mine.versions.first_seen_between("s", "", now - 1, now + 1)}
    dropped = ToolCall("bash", {"command": "rm -rf /srv/data"})
    shown(mine, event(151, now + 60, kind=Kind.TOOL, agent="coder", tool_calls=[dropped]))
    assert [told.kind for told in mine.found()] == ["page"]


def test_a_cohort_is_marked_before_the_slices_are_read_and_only_where_it_is_one() -> None:
    for dimensions, marked in ((("cohort",), True), (("region",), False)):
        mine = trackers(Settings(detection=Detection(dimensions=dimensions)))
        one = event(1, 5.0, user="ana")
        mine.arrive(one, None, 0.0)
        assert ("cohort" in (one.attributes or {})) is marked


def test_the_end_of_the_input_closes_tasks_and_hours() -> None:
    mine = trackers()
    shown(mine, event(1, 5.0, task="t", model="m", user="ana"))
    assert (mine.figures(), mine.spent()) == ([], [])
    mine.close_all()
    assert len(mine.figures()) == 3
    assert [row.totals.cost for row in mine.spent() if row.totals.calls] == [20_000_000_000]


def test_a_state_goes_round_and_knows_the_open_task_and_the_closed_ones() -> None:
    mine = trackers()
    shown(mine, event(1, 5.0))
    shown(mine, event(2, 6.0, task="t"))
    mine.figures()
    state = msgspec.msgpack.encode(mine.snapshot())
    again = trackers(state=msgspec.msgpack.decode(state))
    assert msgspec.msgpack.encode(again.snapshot()) == state
    assert (again.closed_tasks, len(again.tasks)) == (1, 1)
    again.close_all()
    assert taken(again)["calls_per_task"] == [1.0]


def test_bounds_of_tasks_come_from_the_settings() -> None:
    mine = trackers(Settings(ingest=Ingest(task_limit_calls=2)))
    assert isinstance(mine.tasks, Tasks)
    for n in range(3):
        shown(mine, event(n, 5.0 + n, task="t"))
    assert taken(mine)["calls_per_task"] == [2.0]
