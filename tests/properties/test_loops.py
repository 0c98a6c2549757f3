"""What must hold of loops for any stream: restarts change nothing, memory is bounded, no input breaks it."""

import json
import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.arguments import answer_of, asked_of, wording_of
from undertow.drift.destructive import destructive
from undertow.drift.first_seen import FirstSeen
from undertow.drift.interaction import Interaction, Kind, Message, ToolCall
from undertow.drift.loops import Looping, Loops

LIMITS: dict[str, Any] = {"idle_s": 60.0, "limit_s": 200.0, "max_followed": 4, "max_remembered": 20}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=30)
    | st.sampled_from(
        ["\ud800", "{", "[[", '{"a": NaN}', "7d9f1c3a-0000-4000-8000-000000000001", "rm -rf /", "x" * 5000]
    )
)
KEYS = st.text(max_size=8) | st.sampled_from(["page", "request_id", "q", "cmd", "\ud800"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
TOOLS = st.builds(ToolCall, st.sampled_from(["search", "bash", "", "\ud800", "x" * 300, "ask"]), VALUES, VALUES, VALUES)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[Interaction, float]]:
    """Events of a few tasks and agents that do few different things, each with the watermark after it."""
    steps, now = [], 0.0
    pick = st.sampled_from
    for number in range(draw(st.integers(0, 50))):
        now += draw(pick([0.0, 0.2, 2.0, 70.0]))
        call = ToolCall(draw(pick(["find", "read"])), draw(pick([None, {"q": 1}])), draw(pick([None, "a", "pending"])))
        event = Interaction(
            id=str(number),
            time=max(0.0, now - draw(pick([0.0, 0.0, 3.0]))),
            service="s",
            kind=draw(pick([Kind.CALL, Kind.CALL, Kind.TOOL, Kind.SCORE])),
            task=draw(pick(["x", "x", "y", "z", None])),
            session=draw(pick(["c", None])),
            agent=draw(pick(["a", "b", None])),
            parent=draw(pick([None, str(number - 1), str(number + 1)])),
            tool_calls=draw(pick([None, [call], [call, call]])),
            http_status=draw(pick([None, 200, 429])),
            output=draw(pick([None, "yes", "The same long answer, which nobody gives twice by chance."])),
            turn=draw(pick([None, None, 1, 2])),
        )
        steps.append((event, now - 10.0))
    return steps


def play(loops: Loops, steps: list[tuple[Interaction, float]]) -> list[Looping | None]:
    return [loops.observe(event, watermark) for event, watermark in steps]


@given(streams())
def test_a_restart_after_each_event_changes_nothing(steps: list[tuple[Interaction, float]]) -> None:
    plain, restarted = Loops(**LIMITS), Loops(**LIMITS)
    for step in steps:
        assert play(restarted, [step]) == play(plain, [step])
        packed = msgspec.msgpack.decode(msgspec.msgpack.encode(restarted.snapshot()))
        restarted = Loops.build(**LIMITS, state=json.loads(json.dumps(packed)))
        assert restarted.snapshot() == plain.snapshot()


@given(streams())
def test_what_is_said_of_a_session_depends_on_its_own_events_alone(steps: list[tuple[Interaction, float]]) -> None:
    """Neither what streams by beside it nor how far that moves the watermark changes it: so work can be parted."""
    wide: dict[str, Any] = {"idle_s": 60.0, "limit_s": 200.0}
    for event, _ in steps:
        event.service = event.session or event.task or ""
    together = play(Loops(**wide), steps)
    for service in {event.service for event, _ in steps}:
        mine = [place for place, (event, _) in enumerate(steps) if event.service == service]
        apart = play(Loops(**wide), [(steps[place][0], -10.0) for place in mine])
        assert apart == [together[place] for place in mine]


@given(streams())
def test_no_more_is_followed_than_the_limit_says(steps: list[tuple[Interaction, float]]) -> None:
    loops = Loops(**LIMITS)
    for step in steps:
        play(loops, [step])
        assert len(loops) <= LIMITS["max_followed"]
        assert loops._remembered == sum(scope.size() for scope in loops._scopes.values())
        assert loops._remembered <= LIMITS["max_remembered"] or len(loops) == 1


@given(st.lists(TOOLS, max_size=3), VALUES, st.sampled_from([Kind.CALL, Kind.TOOL]))
def test_nothing_that_can_be_decoded_breaks_it(tools: list[ToolCall], text: Any, kind: Kind) -> None:
    said = text if isinstance(text, str) else [Message("tool", text if isinstance(text, list) else str(text))]
    fields: dict[str, Any] = {"tool_calls": tools, "input": said, "output": said, "agent": "\ud800", "parent": "\ud800"}
    loops, rule = Loops(), FirstSeen(learn_runs=0, learn_s=0.0)
    for number in range(4):
        event = Interaction(id="\ud800", time=float(number), service="s", kind=kind, task="\ud800", **fields)
        assert loops.observe(event, 0.0) is not None
        assert all(new.tool in {tool.name[:120] for tool in tools} for new in rule.observe(event))
    assert Loops.build(state=loops.snapshot()).snapshot() == loops.snapshot()


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=12), max_size=6), st.randoms())
def test_the_order_of_keys_and_the_spelling_as_text_never_matter(arguments: dict[str, Any], chance: Any) -> None:
    shuffled = list(arguments.items())
    chance.shuffle(shuffled)
    as_text = json.dumps(dict(shuffled), indent=2)
    assert asked_of("f", arguments) == asked_of("f", dict(shuffled)) == asked_of("f", as_text)


@given(VALUES, VALUES)
def test_equal_arguments_have_equal_hashes_and_exact_ones_are_near(value: Any, result: Any) -> None:
    again = json.loads(json.dumps(value)) if _is_json(value) else value
    assert asked_of("f", again) == asked_of("f", value)
    assert wording_of("f", value) == wording_of("f", value)
    assert answer_of("f", result, None, value) == answer_of("f", result, None, value)


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (ValueError, TypeError):
        return False


HUGE: list[Any] = [
    "x" * 10_000_000,
    "\ud800" * 100_000,
    '{"a": "' + "y" * 2_000_000 + '"}',
    "[" * 100_000,
    {"cmd": "a " * 1_000_000},
    [list(range(50_000))] * 2,
    {str(n): n for n in range(50_000)},
    10**5000,
    math.nan,
    {"x": math.inf},
    b"bytes",
    {1: 2},
]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value, {"k": value}] if levels < 12 else [value]
    return value


def test_huge_and_deep_values_are_compared_without_harm() -> None:
    for value in [*HUGE, nested(10), nested(900), nested(50_000)]:
        loops = Loops()
        call = ToolCall("bash", value, value, value)
        for kind in (Kind.CALL, Kind.TOOL):
            event = Interaction(id="1", time=0.0, service="s", kind=kind, task="t", tool_calls=[call])
            said = [loops.observe(event, 0.0) for _ in range(6)]
            assert said[-1] == Looping(True, "identical call")
        assert destructive(call) == frozenset()
