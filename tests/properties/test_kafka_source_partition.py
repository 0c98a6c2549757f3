"""A partition gives the same outputs at the same positions however it is read and taken over."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.prices import PriceTable
from undertow.drift.segments import Group
from undertow.drift.signals import CATEGORIES, SIGNALS
from undertow.pipelines.counting import Counting
from undertow.pipelines.decoder import Decoder
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Saved
from undertow.pipelines.kafka.source_partition import TICK, Core, Cut, Output, SourcePartition, Terms
from undertow.pipelines.settings import Detection, Embeddings, Ingest, Rule, Settings
from undertow.pipelines.snapshot import decode, encode
from undertow.pipelines.wire.foreign import ForeignDecoder
from undertow.pipelines.wire.native import NativeDecoder

START = 1_700_000_000.0
DECODE = NativeDecoder()
SETTINGS = Settings(
    ingest=Ingest(
        window_s=10, allowed_lateness_s=5, dedup_horizon_s=20, task_idle_s=15, task_limit_s=60, task_limit_calls=4
    ),
    detection=Detection(
        dimensions=("operation",), metrics_off=sorted({*SIGNALS, *CATEGORIES} - {"output_length", "finish_reason"})
    ),
    embeddings=Embeddings(source="off"),
    rules={"long": Rule(pattern="x{40}")},
)
TERMS = Terms(window_s=10.0, lateness_s=5.0, horizon_s=20.0, max_ahead_s=300.0, block=8, blocks_per_state=2)


class Reader:
    """A worker's view of one partition, with the core it has built."""

    def __init__(self, saved: bytes | None = None, emitted: int = -1, decode: Decoder = DECODE) -> None:
        self._cores: list[Counting] = []
        self.states: dict[int, bytes] = {}  # by position
        self.partition = SourcePartition(
            self._build, TERMS, decode, "llm.events/3", redact=str, saved=saved, emitted=emitted
        )

    def take(self, messages: Sequence[Message]) -> list[tuple[Any, ...]]:
        """Return the outputs in a form that can be compared, byte by byte."""
        return [self._plain(output) for output in self.partition.take(messages)]

    @property
    def groups(self) -> list[Group]:
        """The slices that the core has seen."""
        return self._cores[-1].segments.groups

    def _build(self, state: dict[str, Any] | None) -> Core:
        self._cores.append(Counting(SETTINGS, PriceTable(), state))
        return self._cores[-1]

    def _plain(self, output: Output) -> tuple[Any, ...]:
        if isinstance(output, Saved):
            self.states[output.position] = output.content
            return ("state", output.position, output.content)
        core = self._cores[-1]  # there is one whenever something is told
        if isinstance(output, Cut):
            windows = [window.encode(core.segments.groups, core.catalogue) for window in output.windows]
            return ("cut", output.position, output.previous, output.open_from, windows, output.found, output.versions)
        rows = [
            (event.id, bool(late)) for step in output.steps for event, late in zip(step.events, step.late, strict=True)
        ]
        spent = [row for step in output.steps for row in step.spent]
        return ("rows", output.position, rows, output.letters, spent)


def _log(seed: int, length: int) -> list[Message]:
    """A log with repeats, events out of order, late ones, unreadable ones, ticks and gaps between the offsets."""
    draw = random.Random(seed)
    now, offset = START, draw.choice([0, 5, 8])
    messages: list[Message] = []
    for number in range(length):
        now += draw.choice([0.0, 0.1, 0.5, 2.0, 2.0, 9.0])
        kind = draw.random()
        if kind < 0.1 and messages:
            messages.append(draw.choice(messages[-30:])._replace(offset=offset))
        elif kind < 0.15:
            messages.append(Message(offset, b"{broken", time=now))
        elif kind < 0.2:
            messages.append(Message(offset, b"%f" % (now - 5), time=now, headers=[(TICK, b"")]))
        else:
            messages.append(Message(offset, _event(draw, number, now), time=now))
        offset += draw.choice([1, 1, 1, 1, 2, 20])
    return messages


def _event(draw: random.Random, number: int, now: float) -> bytes:
    event = {
        "id": str(number),
        "time": now - draw.choice([0, 0, 1, 4, 30]) + draw.choice([0, 0, 0, 1_000]) * (draw.random() < 0.05),
        "service": "s",
        "operation": draw.choice("ab"),
        "task": draw.choice(["t1", "t2", f"t{number}"]),
        "output": "x" * draw.randrange(50),
        "cost": draw.randrange(100) / 1000,
    }
    return msgspec.json.encode(event)


def _batches(draw: random.Random, messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
    place = 0
    while place < len(messages):
        size = draw.choice([1, 2, 7, 40])
        yield messages[place : place + size]
        place += size


def _uninterrupted(log: Sequence[Message]) -> list[tuple[Any, ...]]:
    return Reader().take(log)


def _states(log: Sequence[Message]) -> list[bytes]:
    reader = Reader()
    reader.take(log)
    return list(reader.states.values())


@given(seed=st.integers(0, 10**9), length=st.integers(1, 150))
@settings(max_examples=20)
def test_the_batches_do_not_matter(seed: int, length: int) -> None:
    log, draw = _log(seed, length), random.Random(seed)
    reader = Reader()
    found = [output for batch in _batches(draw, log) for output in reader.take(batch)]
    assert found == _uninterrupted(log)


@given(seed=st.integers(0, 10**9), length=st.integers(20, 200))
@settings(max_examples=20)
def test_successors_make_the_same_outputs_whenever_they_take_over(seed: int, length: int) -> None:
    """From any state that was saved before, older ones included: a paused predecessor may write one late.

    What a reader has told is acknowledged at some of its batches; there its place is committed, and from then on only
    what lies behind it is told again. The log ends with messages of which none can be read, in blocks of their own.
    """
    log, draw = _log(seed, length), random.Random(seed)
    log += [Message(log[-1].offset + n, b"{broken", time=log[-1].time) for n in range(1, 3 * TERMS.block)]
    whole = _uninterrupted(log)
    told: dict[tuple[str, int], tuple[Any, ...]] = {}
    states: list[bytes] = []
    committed = -1
    for last in (False, False, False, False, True):
        reader = Reader(_some_state(draw, states), committed)
        messages = [message for message in log if message.offset >= reader.partition.rewind]
        for batch in _batches(draw, messages if last else messages[: draw.randrange(len(messages) + 1)]):
            for output in reader.take(batch):
                assert told.setdefault(output[:2], output) == output, "a repeat differs from what was told first"
            states += [state for state in reader.states.values() if state not in states]
            committed = max(committed, reader.partition.position if draw.random() < 0.5 else -1)
    assert sorted(told.values(), key=_place) == sorted(whole, key=_place)
    assert len(told) == len(whole), "two outputs of one kind have one place"


def _some_state(draw: random.Random, states: Sequence[bytes]) -> bytes | None:
    return draw.choice(states[-3:]) if states else None


def _place(output: tuple[Any, ...]) -> tuple[int, str]:
    return output[1], output[0]


@given(seed=st.integers(0, 10**9))
@settings(max_examples=10)
def test_what_was_acknowledged_is_not_told_again(seed: int) -> None:
    log = _log(seed, 120)
    whole = _uninterrupted(log)
    emitted = random.Random(seed).choice(whole)[1]
    assert Reader(emitted=emitted).take(log) == [output for output in whole if output[1] > emitted]


@given(seed=st.integers(0, 10**9))
@settings(max_examples=10)
def test_every_cut_names_the_one_before(seed: int) -> None:
    """So a receiver sees a gap."""
    cuts = [output for output in _uninterrupted(_log(seed, 120)) if output[0] == "cut"]
    assert [cut[2] for cut in cuts] == [-1, *(cut[1] for cut in cuts[:-1])]
    assert [cut[3] for cut in cuts] == sorted({cut[3] for cut in cuts})


def test_the_log_of_these_tests_has_all_that_can_go_wrong() -> None:
    """Or the properties above would hold of nothing."""
    found = [output for seed in range(8) for output in _uninterrupted(_log(seed, 200))]
    rows = [row for output in found if output[0] == "rows" for row in output[2]]
    letters = [letter for output in found if output[0] == "rows" for letter in output[3]]
    states = [decode(state) for seed in range(3) for state in _states(_log(seed, 200))]
    assert any(late for _, late in rows)
    assert {letter.field for letter in letters} >= {"", "time"}
    assert any(state["core"]["deduplication"][0] for state in states), "no repeat"
    assert any(len(state["marks"]) == 2 for state in states), "no epoch of ids before the present one"
    assert sum(len(output[4]) for output in found if output[0] == "cut") > 100
    assert any(len(output[4]) > 1 for output in found if output[0] == "cut"), "no cut with several windows"
    assert any(output[5] for output in found if output[0] == "cut"), "no rule has found anything"
    assert any(state["found"] for state in states), "no state with what a rule has found since the last cut"


def test_a_dead_letter_says_where_it_lay() -> None:
    log = [Message(41, b"{broken", time=START), Message(48, b"{broken", time=START)]
    (block,) = (output for output in Reader().take(log) if output[0] == "rows")
    assert [(letter.source, letter.offset) for letter in block[3]] == [("llm.events/3", 41)]
    assert block[:2] == ("rows", 48)


def test_an_event_without_a_service_is_named_after_the_topic() -> None:
    reader = Reader(decode=ForeignDecoder({"time": "at"}))
    reader.take([Message(0, b'{"id": "1", "at": 1700000000, "output": "x"}', time=START)])
    assert {group.service for group in reader.groups} == {"llm.events"}


def test_a_state_of_another_version_is_refused() -> None:
    state = decode(_states(_log(1, 200))[0])
    with pytest.raises(ValueError, match=r"llm.events/3 has version 99, this Undertow reads \d+: go back"):
        Reader(encode(state | {"version": 99}))


def test_a_takeover_knows_an_id_again_across_a_tick() -> None:
    """A tick moves the clock by which ids are forgotten; who takes over must see it move."""
    log = [
        Message(0, b'{"id": "0", "time": 1700000000, "service": "s"}', time=START),
        Message(1, b'{"id": "1", "time": 1700000001, "service": "s"}', time=START),
        Message(2, b"1700000025", time=START + 25, headers=[(TICK, b"")]),
        Message(3, b'{"id": "3", "time": 1700000021, "service": "s"}', time=START + 25),
        Message(4, b'{"id": "4", "time": 1700000046, "service": "s"}', time=START + 46),
        Message(5, b'{"id": "3", "time": 1700000021, "service": "s"}', time=START + 46),
        Message(16, b'{"id": "16", "time": 1700000047, "service": "s"}', time=START + 47),
    ]
    whole = Reader()
    outputs = whole.take(log)
    for position, state in whole.states.items():
        later = Reader(state)
        assert later.take(log) == [output for output in outputs if output[1] > position]


def test_an_id_is_known_from_when_it_was_last_seen_whoever_reads() -> None:
    """Seen again in a later epoch, it lives on from there: who takes over has not read the epoch of its first event."""
    event = b'{"id": "a", "time": 1700000000, "service": "s"}'
    log = [
        Message(0, event, time=START),  # epochs of 20 s
        Message(1, b'{"id": "b", "time": 1700000021, "service": "s"}', time=START),
        Message(2, event, time=START),
        Message(15, b'{"id": "c", "time": 1700000042, "service": "s"}', time=START),
        Message(17, event, time=START),
        Message(23, b'{"id": "d", "time": 1700000043, "service": "s"}', time=START),
    ]
    whole = Reader()
    outputs = whole.take(log)
    rows = [row[0] for output in outputs if output[0] == "rows" for row in output[2]]
    assert rows == ["a", "b", "c", "d"]
    later = Reader(whole.states[16])
    assert later.partition.rewind == 1
    assert later.take(log[1:]) == [output for output in outputs if output[1] > 16]


@pytest.mark.parametrize("told", [b"soon", b"nan", b"inf", b"1800000000", b"-inf", None])
def test_a_tick_that_is_no_time_or_far_ahead_moves_nothing(told: bytes | None) -> None:
    reader = Reader()
    reader.take([Message(0, b'{"id": "0", "time": 1700000000, "service": "s"}', time=START)])
    assert reader.take([Message(1, told, time=START, headers=[(TICK, b"")])]) == []
    assert reader.partition.latest == START
