"""Agents that went wrong in production, replayed against what sees them: silent before, seen within minutes."""

from collections.abc import Iterable
from typing import Any

import pytest

from undertow.drift.first_seen import FirstSeen
from undertow.drift.interaction import Interaction, Kind, Message, ToolCall
from undertow.drift.loops import Looping, Loops
from undertow.drift.tasks import Tasks
from undertow.pipelines.simulator import Scenario, events

MINUTE = 60.0


def event(n: int, time: float, kind: Kind = Kind.CALL, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(n), "time": time, "service": "agents", "kind": kind, "task": "t"}
    return Interaction(**envelope | fields)


def run(n: int, time: float, name: str, arguments: Any, result: Any = None, **fields: Any) -> Interaction:
    call = ToolCall(name, arguments, result, fields.pop("error", None))
    return event(n, time, Kind.TOOL, tool_calls=[call], **fields)


def told(stream: Iterable[Interaction]) -> list[tuple[float, Looping]]:
    loops = Loops()
    return [(one.time, said) for one in stream if (said := loops.observe(one, one.time - MINUTE)) is not None]


def loop_rate(stream: Iterable[Interaction]) -> float:
    found = [said.looping for _, said in told(stream)]
    return sum(found) / len(found)


def first(stream: Iterable[Interaction]) -> tuple[float, str]:
    """Return when the first loop was seen and why."""
    return next((time, said.reason) for time, said in told(stream) if said.looping)


def clarifying() -> list[Interaction]:
    """Every call succeeds, no error, normal latency, other words each time; the conversation is all they share."""
    asked = ["Could you clarify the scope", "Before I answer, which sources", "Please confirm the format"]
    return [
        event(
            n,
            n * 20.0,
            task=f"trace-{n}",
            session="research",
            agent="analyzer" if n % 2 else "verifier",
            input=[Message("user", f"{asked[n % 3]} of item {n}?")],
            output=f"{asked[(n + 1) % 3]} for part {n + 1}?",
            latency=3.0,
        )
        for n in range(500)
    ]


def searching() -> list[Interaction]:
    """Cosmetically different arguments, a result that says the same each time."""
    queries = ["refund policy EU", "Refund policy (EU)", "refund  policy, EU", "«refund policy» EU?"]
    return [
        run(n, n * 15.0, "search", {"q": queries[n % 4], "request_id": f"r{n}", "k": 5}, "No article matches.")
        for n in range(1440)
    ]


def swinging() -> list[Interaction]:
    plans = [("book", {"via": "rail"}, "sold out"), ("book", {"via": "air"}, "over budget")]
    return [run(n, n * 5.0, *plans[n % 2]) for n in range(100)]


def retrying(**heard: Any) -> list[Interaction]:
    return [event(n, n * 0.2, http_status=429, error="rate_limit_exceeded", **heard) for n in range(1000)]


def without_breaker() -> list[Interaction]:
    """Each minute the same request hits the same limit."""
    return [event(n, n * 60.0, http_status=429, input="Plan the sprint") for n in range(100)]


def planning() -> list[Interaction]:
    """The planner is a tool that asks the model that calls the planner; each goal has other words."""
    made = []
    for level in range(25, 0, -1):  # the innermost ends first
        call = f"call-{level}"
        made.append(run(level, 0.0, "plan", {"goal": f"goal {level}"}, f"sub-plan {level}", parent=call))
        made.append(event(level, 0.0, id=call, parent=str(level - 1), output=f"words {level}"))
    for place, one in enumerate(made):
        one.time = 10.0 + place * 0.008
    return made


def honest() -> list[Interaction]:
    """Three hundred steps of work, many of which look alike."""
    steps: list[tuple[str, Any, Any]] = []
    steps += [("export_status", {"id": 7}, {"state": "running"}) for _ in range(90)]
    steps += [("list_orders", {"page": n}, {"orders": []}) for n in range(70)]
    steps += [
        ("send_mail", {"to": f"u{n}@example.com"}, "The mail was accepted for delivery, thank you.") for n in range(70)
    ]
    steps += [("tail_log", {"file": "a.log"}, "line\n" * n) for n in range(70)]
    return [run(n, n * 2.0, *step, task="honest") for n, step in enumerate(steps)]


@pytest.mark.parametrize(
    ("stream", "share"),
    [
        (clarifying(), 0.9),
        (searching(), 0.99),
        (swinging(), 0.9),
        (retrying(), 0.98),
        (without_breaker(), 0.9),
        (planning(), 0.7),
    ],
    ids=["agents that ask back", "cosmetic arguments", "two plans", "429 at 200 ms", "429 each minute", "tool in tool"],
)
def test_the_rate_of_loops_moves_from_nothing_to_nearly_all(stream: list[Interaction], share: float) -> None:
    assert loop_rate(honest()) == 0.0
    assert loop_rate(stream) >= share


def test_two_agents_ask_each_other_for_clarification_for_eleven_days() -> None:
    when, why = first(clarifying())
    assert why == "agent ping-pong analyzer ↔ verifier"
    assert when <= 6 * MINUTE


def test_the_simulated_ping_pong_moves_the_rate_from_nothing() -> None:
    """Ordinary refunds, which look up, check, refund and consult, are not loops."""
    said = told(events(Scenario(seed=3, duration_s=2400, rate_per_s=5).plant("agent_ping_pong", after_s=1200)))
    start = said[0][0]
    before = [found for time, found in said if time < start + 1190]
    after = [found for time, found in said if time > start + 1500]
    assert sum(found.looping for found in before) == 0
    assert sum(found.looping for found in after) / len(after) > 0.05
    assert {found.reason for found in after if found.looping} == {"agent ping-pong policy_agent ↔ refund_agent"}


def test_the_same_search_with_other_punctuation_for_six_hours() -> None:
    when, why = first(searching())
    assert (why, when <= MINUTE) == ("near-identical arguments", True)


def test_an_agent_swings_between_two_plans() -> None:
    assert first(swinging()) == (25.0, "cycle of 2")


@pytest.mark.parametrize("heard", [{"input": "Summarise the report"}, {}], ids=["recorded", "not recorded"])
def test_a_429_is_retried_every_200_ms_until_morning(heard: dict[str, Any]) -> None:
    when, why = first(retrying(**heard))
    assert (why, when <= 2.0) == ("retry storm", True)


def test_no_breaker_and_a_slower_retry_for_eleven_weeks() -> None:
    assert first(without_breaker()) == (4 * MINUTE, "retry storm")


def test_25_tool_calls_in_400_ms_hide_a_circle_in_a_flat_trace() -> None:
    when, why = first(planning())
    assert why == "reentrancy: tool calls the model calls the tool"
    assert when < 10.1


def test_tasks_that_ended_in_three_calls_run_into_the_ceiling() -> None:
    """The events say so, calls so far show it in the open task, its totals when it closes."""
    tasks, closed, so_far = Tasks(300.0, 3600.0, 1000, 1000), [], []
    for number in range(40):
        steps = 3 if number < 20 else 25
        for step in range(steps):
            finish = "max_iterations" if step == 24 else "stop"
            one = event(step, number * 100.0 + step, id=f"{number}.{step}", task=str(number), finish_reason=finish)
            closed += tasks.observe(one, (), 0.0, one.time)
            so_far.append(tasks.calls_so_far(one))
    assert so_far == [*range(1, 4)] * 20 + [*range(1, 26)] * 20
    closed += tasks.close_all()
    assert [(task.calls, task.ceiling) for task in closed] == [(3, False)] * 20 + [(25, True)] * 20


def test_a_coding_agent_deletes_the_production_volume_in_nine_seconds() -> None:
    """For days it edits and tests; then one request to the provider's API, with a token that it found."""
    rule, hits = FirstSeen(), []
    work = [("read_file", {"path": "a.py"}), ("edit_file", {"path": "a.py"}), ("bash", {"command": "pytest -q"})]
    for n in range(3000):
        name, arguments = work[n % 3]
        hits += rule.observe(run(n, n * 60.0, name, arguments, agent="coder"))
    assert hits == []
    mutation = '{"query": "mutation { volumeDelete(volumeId: \\"3d2c\\") }"}'
    command = f"curl -X POST https://api.example/graphql -d '{mutation}'"
    hits = rule.observe(run(3000, 3000 * 60.0, "bash", {"command": command}, agent="coder"))
    assert [(hit.agent, hit.tool, hit.destroys, hit.time) for hit in hits] == [("coder", "bash", "delete", 180_000.0)]
