"""What is a loop and what only looks like one."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind, Message, ToolCall
from undertow.drift.loops import Looping, Loops

REENTRANCY = "reentrancy: tool calls the model calls the tool"
STORM = "retry storm"
LONG = "I am sorry, I could not find that order; could you check the number for me once more, please?"


def event(n: int, kind: Kind = Kind.CALL, every_s: float = 2.0, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(n), "time": n * every_s, "service": "s", "kind": kind, "task": "t"}
    return Interaction(**envelope | fields)


def tool(n: int, name: str = "search", arguments: Any = None, result: Any = None, **fields: Any) -> Interaction:
    error = fields.pop("error", None)
    return event(n, Kind.TOOL, tool_calls=[ToolCall(name, arguments, result, error)], **fields)


def asks(n: int, *calls: ToolCall, **fields: Any) -> Interaction:
    return event(n, tool_calls=list(calls), **fields)


def seen(events: Iterable[Interaction], loops: Loops | None = None) -> list[Looping | None]:
    loops = Loops() if loops is None else loops
    return [loops.observe(event, event.time) for event in events]


def reasons(events: Iterable[Interaction], loops: Loops | None = None) -> list[str]:
    """Return the reason of each event, "?" for one that says nothing."""
    return ["?" if said is None else said.reason for said in seen(events, loops)]


def silent(events: Iterable[Interaction]) -> bool:
    return not any(said is not None and said.looping for said in seen(events))


# -- identical and near-identical -------------------------------------------------------------------------------------


def test_the_third_identical_tool_run_with_the_same_result_is_a_loop() -> None:
    found = seen(tool(n, arguments={"q": "refund"}, result=[]) for n in range(5))
    assert found == [Looping(False)] * 2 + [Looping(True, "identical call")] * 3


def test_without_results_it_takes_five() -> None:
    assert reasons(tool(n, arguments={"q": "refund"}) for n in range(6)) == [""] * 4 + ["identical call"] * 2


def test_a_call_that_asks_for_the_same_tool_again_is_a_loop_once_two_results_were_equal() -> None:
    steps: list[Interaction] = []
    for n in range(0, 12, 2):
        steps += [asks(n, ToolCall("search", '{"q": "x"}')), tool(n + 1, "search", {"q": "x"}, "nothing")]
    assert reasons(steps) == [""] * 5 + ["identical call"] * 7


def test_results_that_stand_in_the_next_input_are_results() -> None:
    """A log of chats shows what a tool said only as a message to the model."""

    def step(n: int, result: str) -> Interaction:
        said = [Message("user", "Where is it?")] + [Message("tool", result)] * min(n, 1)
        return asks(n, ToolCall("find", {"id": 7}), input=said)

    assert reasons(step(n, "no such order") for n in range(6))[3:] == ["identical call"] * 3
    assert silent(step(n, f"at stop {n}") for n in range(20))


COSMETIC: dict[str, Callable[[int], Any]] = {
    "white space and punctuation": lambda n: {"q": ["refund policy", "refund  policy?", "«refund» policy."][n % 3]},
    "case": lambda n: {"q": ["Refund Policy", "refund policy", "REFUND POLICY"][n % 3]},
    "order of keys": lambda n: '{"a": 1, "b": "x"}' if n % 2 else '{"b":"x","a":1}',
    "ids of requests": lambda n: {"q": "refund", "request_id": f"r-{n}", "meta": {"trace-id": n, "attempt": n}},
    "moments": lambda n: {"q": f"refund status as of 2025-03-01T10:00:{n:02}Z please"},
    "numbers of tries": lambda n: {"q": f"refund policy (attempt {n})"},
    "ampersands": lambda n: "The Prince & Me" if n % 2 else "the prince and me",
    "line ends": lambda n: '{"code": "a = 1\\nb = 2"}' if n % 2 else '{"code": "a = 1 b = 2"}',
}


@pytest.mark.parametrize("arguments", COSMETIC.values(), ids=COSMETIC)
@pytest.mark.parametrize("result", [None, {"found": []}], ids=["without results", "with results"])
def test_cosmetic_differences_do_not_make_a_call_another(arguments: Callable[[int], Any], result: Any) -> None:
    found = reasons(tool(n, arguments=arguments(n), result=result) for n in range(8))
    assert set(found[5:]) <= {"near-identical arguments", "identical call"}


def test_the_same_words_in_another_order_with_the_same_answer_are_a_loop_later() -> None:
    words = [
        "refund for damaged shoes",
        "damaged shoes refund",
        "the refund of shoes damaged 3",
        "shoes: damaged, refund",
    ]
    result = "No article in the help centre matches these words."
    found = reasons(tool(n, arguments={"q": f"{words[n % 4]} {n}"}, result=result) for n in range(8))
    assert found == [""] * 4 + ["near-identical arguments"] * 4


DIFFERENT: dict[str, Callable[[int], Any]] = {
    "orders": lambda n: {"order": f"A{n}"},
    "uuids that are asked for": lambda n: {"order_id": f"7d9f1c3a-0000-4000-8000-{n:012}"},
    "moments that are asked for": lambda n: {"start": f"2025-03-01T{n:02}:00:00Z", "room": 4},
    "operators": lambda n: {"expression": f"1 {'+-*/%<>'[n % 7]} {n // 7}"},
    "signs": lambda n: {"x": "-5" if n % 2 else "5", "y": n // 2},
    "numbers": lambda n: {"city": "Paris", "day": n},
    "messages by their ids": lambda n: {"message_id": f"m{n}", "format": "full"},
    "requests by their ids": lambda n: {"request_id": f"r{n}"},
    "decimal numbers": lambda n: f"1.{n}",
    "long texts": lambda n: {"text": "word " * 2000 + str(n)},
    "deep inside": lambda n: {"a": [{"b": {"c": [0, n]}}]},
    "pages": lambda n: {"q": "refund", "page": n},
    "cursors": lambda n: {"q": "refund", "cursor": f"c{n:04}"},
    "offsets in a text": lambda n: f"refund offset={n * 50} limit=50",
}


@pytest.mark.parametrize("arguments", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.parametrize("result", [None, "done"], ids=["without results", "acknowledged"])
def test_work_that_goes_through_a_list_is_silent(arguments: Callable[[int], Any], result: Any) -> None:
    assert silent(tool(n, arguments=arguments(n), result=result) for n in range(24))
    assert silent(asks(n, ToolCall("search", arguments(n), result)) for n in range(24))


def test_checking_one_thing_after_another_is_work_however_long_the_verdict() -> None:
    verdict = "The invoice is within the period of thirty days and complete."
    assert silent(tool(n, "validate_invoice", {"id": f"INV-{n}"}, verdict) for n in range(24))


def test_changing_one_thing_after_another_is_work_however_long_the_receipt() -> None:
    receipt = "The order was updated and the customer will be notified by e-mail."
    assert silent(tool(n, "update_order", {"id": n}, receipt) for n in range(24))


# -- what brings something new ----------------------------------------------------------------------------------------


def test_another_result_each_time_is_silent() -> None:
    assert silent(tool(n, "read_log", {"file": "a"}, "line\n" * n) for n in range(40))
    assert silent(tool(n, "job", {"id": 1}, {"done": n}) for n in range(40))


def test_times_and_ids_of_the_answer_itself_are_nothing_new() -> None:
    answers = ({"items": [], "request_id": f"r{n}", "took_ms": n, "at": f"2025-03-01T10:00:{n:02}Z"} for n in range(8))
    assert (
        reasons(tool(n, arguments={"q": "x"}, result=answer) for n, answer in enumerate(answers))[4] == "identical call"
    )


@pytest.mark.parametrize(
    "answer", ["pending", {"state": "RUNNING"}, "The export is not ready yet", '{"status": "in_progress"}']
)
def test_waiting_is_patience_but_not_for_ever(answer: Any) -> None:
    found = reasons(tool(n, "export", {"id": 1}, answer) for n in range(120))
    assert found[:99] == [""] * 99
    assert found[-1] == "identical call"


def test_looking_now_and_then_whether_there_is_news_is_silent() -> None:
    assert silent(tool(n, "inbox", {}, "no new mail", every_s=60.0) for n in range(19))


def test_a_step_repeated_after_each_piece_of_work_is_silent() -> None:
    """`git status` comes back unchanged after each edit; the edits are new."""
    steps: list[Interaction] = []
    for n in range(0, 60, 2):
        steps += [tool(n, "edit", {"line": n}, "ok"), tool(n + 1, "git_status", {}, "1 file changed")]
    assert silent(steps)


def test_a_streak_begins_anew_after_something_new() -> None:
    same = [tool(n, arguments={"q": "x"}, result="nothing") for n in range(2)]
    other = tool(2, "read", {"id": 1}, "a page")
    again = [tool(n, arguments={"q": "x"}, result="nothing") for n in range(3, 6)]
    assert reasons([*same, other, *again]) == ["", "", "", "", "", "identical call"]


# -- cycles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [2, 3, 5, 12])
def test_a_cycle_is_named_by_its_period(period: int) -> None:
    events = [
        tool(n, "use_plan", {"plan": f"plan {'abcdefghijklmn'[n % period]}"}, "no seat") for n in range(5 * period)
    ]
    assert reasons(events)[3 * period :] == [f"cycle of {period}"] * 2 * period


def test_a_cycle_longer_than_the_memory_is_not_seen_and_memory_stays_bounded() -> None:
    loops = Loops()
    assert set(reasons((tool(n, "f", {"x": n % 60}, f"r{n % 60}") for n in range(600)), loops)) == {""}
    (scope,) = loops._scopes.values()
    assert len(scope.memory.actions) == len(scope.memory.results) == 48


def test_names_alone_are_a_loop_only_in_a_strict_rhythm_of_twenty_rounds() -> None:
    """Where neither arguments nor results are recorded, work and loops look alike for long."""
    strict = reasons(tool(n, ["read", "write"][n % 2]) for n in range(60))
    assert set(strict[:38]) == {""}
    assert strict[-1] == "cycle of 2"
    uneven = [tool(n, "read" if n % 2 or n % 14 == 0 else "write") for n in range(200)]
    assert silent(uneven)


# -- texts ------------------------------------------------------------------------------------------------------------


def test_the_same_long_answer_to_the_same_text_is_a_loop_the_third_time() -> None:
    assert reasons(event(n, input="Where?", output=LONG) for n in range(4)) == ["", "", *["identical call"] * 2]
    assert reasons(event(n, output=LONG + LONG) for n in range(4)) == ["", "", *["identical call"] * 2]


def test_samples_votes_and_classified_lists_are_silent() -> None:
    assert silent(event(n, input="Is it true?", output="yes") for n in range(9))
    assert silent(event(n, input="Write a poem", output=f"Poem {n}: {LONG}") for n in range(30))
    assert silent(event(n, input=f"Classify: message {n}", output='{"category": "refund"}') for n in range(200))


def test_agents_that_get_the_same_text_are_different_callers() -> None:
    assert silent(event(n, agent=f"judge {n}", input="Which is better?", output=LONG) for n in range(12))


# -- agents -----------------------------------------------------------------------------------------------------------


def hops(names: str, **fields: Any) -> list[Interaction]:
    return [event(n, agent=name, output=f"words {n}", **fields) for n, name in enumerate(names)]


def test_two_agents_that_ask_each_other_are_a_loop_in_the_fifth_round() -> None:
    assert reasons(hops("ab" * 6)) == [""] * 9 + ["agent ping-pong a ↔ b"] * 3


def test_several_calls_of_one_agent_are_one_hop() -> None:
    assert reasons(hops("aabbb" * 5))[-1] == "agent ping-pong a ↔ b"


@pytest.mark.parametrize(("names", "size"), [("abc", 3), ("abcd", 4)])
def test_longer_circles_are_seen_too(names: str, size: int) -> None:
    assert reasons(hops(names * 6))[-1] == f"cycle of {size} agents"


def test_handoff_tools_are_no_progress_and_other_new_results_are() -> None:
    def round_(n: int, name: str, text: str) -> Interaction:
        return asks(n, ToolCall(name, {"text": f"{text} {n}"}), agent="ab"[n % 2])

    handing = reasons(round_(n, "delegate_to_coworker", "please clarify") for n in range(12))
    assert handing[-1] == "agent ping-pong a ↔ b"
    assert silent(round_(n, "search", "chapter") for n in range(40))


def test_agents_whose_tools_are_not_recorded_may_have_found_something() -> None:
    """Unless all that the tools do is pass the word."""

    def round_(name: str) -> list[Interaction]:
        return [event(n, agent="ab"[n % 2], tool_calls=[ToolCall(name)] if n % 2 else None) for n in range(60)]

    assert not any("agent" in reason for reason in reasons(round_("search")))
    assert "agent ping-pong a ↔ b" in reasons(round_("transfer_to_a"))


def test_agents_of_one_session_ask_each_other_across_tasks() -> None:
    across = [event(n, agent="ab"[n % 2], task=f"t{n}", session="c", output=f"words {n}") for n in range(20)]
    assert reasons(across)[:15] == [""] * 15
    assert set(reasons(across)[15:]) == {"agent ping-pong a ↔ b"}


def test_a_router_and_an_answerer_serve_each_turn_of_a_chat() -> None:
    def turns(**fields: Any) -> list[Interaction]:
        made: list[Interaction] = []
        for turn in range(40):
            given = {name: value(turn) for name, value in fields.items()}
            made += [event(2 * turn, agent="router", session="c", **given)]
            made += [event(2 * turn + 1, agent="answerer", session="c", **given)]
        return made

    assert silent(turns(task=lambda turn: None, turn=lambda turn: turn))
    assert silent(turns(task=lambda turn: f"request {turn}"))


def test_agents_that_work_at_the_same_time_hand_nothing_over() -> None:
    assert silent(hops("ab" * 20, latency=30.0))
    assert reasons(hops("ab" * 20, latency=1.5))[-1] == "agent ping-pong a ↔ b"


# -- parents ----------------------------------------------------------------------------------------------------------


def tower(levels: int, name: str = "plan", same: bool = False) -> list[Interaction]:
    """Return a tool that calls the model that calls the tool …, in the order in which they end: the innermost first."""
    made: list[Interaction] = []
    for level in range(levels):
        inner, outer = 2 * (levels - level), 2 * (levels - level) - 1
        made.append(tool(inner, name, {"goal": 0 if same else level}, f"r{level}", parent=str(outer)))
        made.append(asks(outer, ToolCall(name, {"goal": level}), parent=str(outer - 1) if outer > 1 else None))
    for place, one in enumerate(made):
        one.time = place * 0.008
    return made


def test_a_tool_that_calls_the_model_that_calls_the_tool_is_seen_in_the_tree() -> None:
    found = reasons(tower(12))
    assert found[:6] == [""] * 6
    assert set(found[6:-1]) == {REENTRANCY}


def test_the_tree_is_the_same_in_any_order_of_arrival() -> None:
    events = tower(6)
    assert reasons(reversed(events))[-1] == REENTRANCY
    assert REENTRANCY in reasons(events[::2] + events[1::2])


def test_two_or_three_levels_of_agents_as_tools_are_silent() -> None:
    assert silent(tower(3))


def test_one_after_the_other_is_no_nesting() -> None:
    """Each step names the one before it as its cause, and each ends before the next begins."""
    steps = [tool(n, "search", {"q": f"word {n}"}, f"found {n}", parent=str(n - 1)) for n in range(40)]
    assert silent(steps)


def test_a_chain_of_causes_that_asks_the_same_again_and_again_is_reentrancy() -> None:
    steps = [tool(n, "plan", {"goal": "x"}, f"draft {n}", parent=str(n - 1)) for n in range(8)]
    assert reasons(steps)[3:] == [REENTRANCY] * 5


def test_a_circle_of_parents_ends() -> None:
    assert silent([tool(1, "f", {"x": 1}, "a", parent="2"), tool(2, "g", {"x": 1}, "b", parent="1")])
    assert silent([tool(1, "f", {"x": 1}, "a", parent="1")])


# -- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        {"http_status": 429},
        {"error": "RateLimitError"},
        {"finish_reason": "error"},
        {"http_status": 503, "input": "Hi"},
    ],
)
def test_a_request_that_fails_every_200_ms_is_a_storm(failure: dict[str, Any]) -> None:
    found = reasons(event(n, every_s=0.2, **failure) for n in range(20))
    first = 4 if "input" in failure else 9
    assert found == [""] * first + [STORM] * (20 - first)


def test_a_tool_that_is_retried_is_a_storm_too() -> None:
    found = reasons(tool(n, "fetch", {"u": 1}, error="429 Too Many Requests", every_s=0.2) for n in range(6))
    assert found == [""] * 4 + [STORM] * 2


def test_a_growing_pause_is_no_storm() -> None:
    assert silent(event(n, input="Hi", http_status=429, time=2.0**n) for n in range(12))


def test_a_success_ends_the_count() -> None:
    statuses = [429, 429, 429, 200] * 6
    assert silent(event(n, input="Hi", output=str(n), http_status=status) for n, status in enumerate(statuses))


def test_many_requests_that_fail_once_each_are_an_outage_not_a_storm() -> None:
    assert silent(event(n, input=f"part {n}", http_status=503) for n in range(60))


def test_an_error_that_no_retry_heals_is_an_answer() -> None:
    found = reasons(tool(n, "query", {"sql": "select"}, error="no such column: price") for n in range(4))
    assert found == ["", "", "identical call", "identical call"]
    mended = (
        tool(n, "query", {"sql": f"select {'abcdefghijklmnopqrstuvwxyz'[n]}"}, error="no such column: price")
        for n in range(26)
    )
    assert silent(mended)


# -- the ceiling, and who says nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"finish_reason": "max_steps"},
        {"finish_reason": "error_max_turns"},
        {"error": "GraphRecursionError: Recursion limit of 25 reached"},
        {"output": "Agent stopped due to iteration limit or time limit."},
        {"error": "Max turns (10) exceeded: MaxTurnsExceeded"},
    ],
)
def test_an_agent_that_ran_out_of_steps_says_so_itself(said: dict[str, Any]) -> None:
    assert reasons([event(1, **said)]) == ["step ceiling"]


@pytest.mark.parametrize("said", [{"finish_reason": "max_tokens"}, {"output": "Take the next step to the limit."}])
def test_a_limit_of_tokens_is_no_ceiling_of_steps(said: dict[str, Any]) -> None:
    assert "step ceiling" not in reasons([event(1, **said)])


@pytest.mark.parametrize(
    "fields",
    [
        {"task": None, "output": LONG},
        {},
        {"output": "short"},
        {"kind": Kind.SCORE, "agent": "a"},
        {"kind": Kind.CHANGE, "output": LONG},
        {"kind": Kind.TOOL},
    ],
)
def test_what_cannot_repeat_says_nothing(fields: dict[str, Any]) -> None:
    assert seen([event(1, **fields)]) == [None]


def test_a_session_stands_for_a_missing_task() -> None:
    events = [tool(n, arguments={"q": "x"}, result="-", task=None, session="c") for n in range(3)]
    assert reasons(events)[-1] == "identical call"


def test_tasks_services_and_environments_do_not_share_a_memory() -> None:
    apart: list[dict[str, Any]] = [
        {"task": "a"},
        {"task": "b"},
        {"service": "other"},
        {"environment": "prod"},
        {"task": None, "session": "t"},
    ]
    assert silent(tool(n, arguments={"q": "x"}, result="-", **apart[n % 5]) for n in range(10))


def test_a_call_with_several_tools_is_a_loop_only_if_all_of_them_repeat() -> None:
    same = ToolCall("clock", {}, "noon")
    assert silent(asks(n, same, ToolCall("read", {"id": n}, f"page {n}")) for n in range(10))
    assert silent(asks(n, same, ToolCall("send", {"to": f"customer {n}"}, "ok")) for n in range(10))
    assert reasons(asks(n, same, ToolCall("read", {"id": 1}, "page")) for n in range(4))[-1] == "identical call"


# -- limits and state -------------------------------------------------------------------------------------------------


def test_a_quiet_task_is_forgotten() -> None:
    loops = Loops(idle_s=100.0)
    assert reasons((tool(n, arguments={"q": "x"}, result="-") for n in range(3)), loops)[-1] == "identical call"
    assert reasons([tool(60, arguments={"q": "x"}, result="-")], loops) == [""]
    loops.observe(event(1000, task="other", agent="a"), 2000.0)
    assert len(loops) == 1


def test_a_pause_ends_a_task_by_its_own_events_whatever_the_watermark_says() -> None:
    loops = Loops(idle_s=100.0)
    times = [0.0, 1.0, 2.0, 20.0, 125.0]
    said = [loops.observe(tool(0, arguments={"q": "x"}, result="-", time=time), -10.0) for time in times]
    assert [found is not None and found.looping for found in said] == [False, False, True, True, False]


def test_a_task_that_never_rests_begins_anew_after_its_limit() -> None:
    """So that what is said now never hangs on what is hours old."""
    same = [tool(n, arguments={"q": "x"}, result="-") for n in range(24)]  # every two seconds
    found = reasons(same, Loops(limit_s=20.0))
    assert found == (["", ""] + ["identical call"] * 8) * 2 + ["", "", "identical call", "identical call"]


def test_a_quiet_task_is_forgotten_even_behind_one_that_is_not() -> None:
    """A late event puts it behind one that was read before and lives longer."""
    loops = Loops(idle_s=60.0)
    same: dict[str, Any] = {"arguments": {"q": "x"}, "result": "-", "task": "late"}
    loops.observe(tool(1, time=100.0, task="other"), 40.0)
    assert reasons((tool(n, time=float(n), **same) for n in range(10, 13)), loops)[-1] == "identical call"
    assert loops.observe(tool(4, time=74.0, **same), 75.0) == Looping(False)


def test_beyond_the_limit_the_task_that_was_quiet_longest_goes_and_is_counted() -> None:
    loops = Loops(max_followed=2)
    for task in ("a", "b", "a", "c"):
        loops.observe(event(1, task=task, agent="x"), 0.0)
    assert [key[3] for key in loops._scopes] == ["a", "c"]
    assert loops.evicted == 1


def test_beyond_the_limit_of_actions_the_task_that_was_quiet_longest_goes() -> None:
    loops = Loops(max_remembered=90)
    for n in range(200):
        loops.observe(tool(n, arguments={"n": n}, result=f"r{n}", task=f"t{n // 40}", time=0.0, parent="p"), 0.0)
        assert sum(scope.size() for scope in loops._scopes.values()) == loops._remembered
        assert loops._remembered <= 90 or len(loops) == 1
    assert loops.evicted == 4


@pytest.mark.parametrize("name", ["idle_s", "limit_s", "max_followed", "max_remembered"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_a_limit_that_leaves_nothing_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = {value} leaves nothing"):
        Loops(**{name: value})  # type: ignore[arg-type]


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99 is not 1"):
        Loops.build(state=Loops().snapshot() | {"version": 99})


def test_a_snapshot_holds_no_text() -> None:
    loops = Loops()
    secret = "the customer's secret"  # noqa: S105
    said = [Message("user", secret), Message("tool", secret)]
    events = [
        event(1, input=secret, output=secret * 9, error=secret),
        tool(2, arguments={"q": secret}, result=secret, parent="1"),
        asks(3, ToolCall("search", secret, secret), input=said),
    ]
    for one in events:
        loops.observe(one, 0.0)
    assert "secret" not in str(loops.snapshot())
