"""The Faust runner beside the plain loop: what counts, in which order things become durable, who goes on from where.

Faust itself is played by what it is made of: a table, a consumer, a producer, and events. Real Kafka is in
tests/integration/test_kafka_detect.py and in the fault runs.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from adding_role import NUMBERS, STATE, SUMS, TRUTH, Clock, Summing, Sums
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka.client import Message, Partition
from undertow.pipelines.kafka.errors import (
    DeliveryError,
    KafkaError,
    LostStateError,
    MessageTooLargeError,
    StalledError,
)
from undertow.pipelines.kafka.faust_detect import FaustLoop
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.machine import Place, Send
from undertow.pipelines.kafka.states import States
from undertow.pipelines.settings import Kafka

PARTITIONS = 2


def _acknowledge(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class PlayedFaust:
    """What the runner uses of an app; what is sent is acknowledged in its order, and noted."""

    def __init__(self, broker: MemoryKafka) -> None:
        self._broker = broker
        self.assigned = {TP(NUMBERS, number) for number in range(PARTITIONS)}
        self.sought: dict[int, int] = {}
        self.positions = dict.fromkeys(range(PARTITIONS), 12)  # what was committed, or fetched
        self.paused: set[TP] = set()
        self.unacknowledged: list[asyncio.Future[None]] = []
        self.acknowledges = True
        self.committed: dict[int, int] = {}
        self.refuses_commits = False
        self.crash_reason: BaseException | None = None
        self.tables = SimpleNamespace(actives_ready=True)
        self.consumer = self.producer = self

    async def start(self) -> None:
        """Join."""

    async def stop(self) -> None:
        self.told_before_it_left = len(self._broker.values(SUMS))

    def assignment(self) -> set[TP]:
        return self.assigned

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        return {tp: self._broker.consumer([NUMBERS]).bounds([Partition(*tp)])[Partition(*tp)][0] for tp in tps}

    async def highwaters(self, *tps: TP) -> Mapping[TP, int]:
        return {tp: self._broker.consumer([NUMBERS]).bounds([Partition(*tp)])[Partition(*tp)][1] for tp in tps}

    async def position(self, tp: TP) -> int:
        return self.positions[tp.partition]

    async def seek_wait(self, places: Mapping[TP, int]) -> None:
        self.sought |= {tp.partition: offset for tp, offset in places.items()}

    async def _commit(self, places: Mapping[TP, int]) -> bool:
        self.committed |= {} if self.refuses_commits else {tp.partition: offset for tp, offset in places.items()}
        return not self.refuses_commits

    def pause_partitions(self, tps: set[TP]) -> None:
        self.paused |= tps

    def resume_partitions(self, tps: set[TP]) -> None:
        self.paused -= tps

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, number: int, _time: None, headers: list[Any]
    ) -> "asyncio.Future[None]":
        assert not any(not one.done() for one in self.unacknowledged) or topic != STATE, "a state before what led to it"
        self._broker.append(topic, number, value, key, headers)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unacknowledged.append(future)
        if self.acknowledges:
            asyncio.get_running_loop().call_soon(_acknowledge, future)
        return future


class Event:
    """A message as Faust hands it over."""

    def __init__(self, number: int, one: Message) -> None:
        self.message = SimpleNamespace(
            partition=number, offset=one.offset, value=one.value, key=one.key, timestamp=one.time, headers=None
        )
        self.acked = False

    def ack(self) -> None:
        self.acked = True


class Run:
    """A runner whose Faust is played, one round after the other."""

    def __init__(self, broker: MemoryKafka, clock: Clock, role: Sums | None = None, **settings: Any) -> None:
        self.broker, self.clock, self.role = broker, clock, role or Sums()
        states = States(broker, STATE, PARTITIONS, self.role.name, 5_000)
        kafka = Kafka(servers=("here:9092",), max_message_bytes=5_000, **settings)
        self.loop = FaustLoop(kafka, self.role, broker, PARTITIONS, states, clock=clock)
        self.faust = PlayedFaust(broker)
        self.loop._app = self.faust  # type: ignore[assignment]
        self.loop._table = SimpleNamespace(data={m.key: m.value for _, m in broker.values(STATE)})  # type: ignore[assignment]

    def round(self, *events: Event) -> None:
        """Go round with these events, five seconds later."""
        self.clock.now += 5.0

        async def once() -> None:
            self.loop._came = asyncio.Queue()
            for event in events:
                self.loop._came.put_nowait(event)
            await self.loop._round()

        asyncio.run(once())

    def rounds(self, count: int) -> None:
        """Go round with nothing new."""
        for _ in range(count):
            self.round()

    def events(self, number: int) -> list[Event]:
        """Return what Faust reads of a partition after it was sent somewhere."""
        log = self.broker.logs[Partition(NUMBERS, number)]
        return [Event(number, one) for one in log if one.offset >= self.faust.sought[number]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for what does not come."""
    monkeypatch.setattr("undertow.pipelines.kafka.faust_detect.POLL_S", 0.001)


@pytest.fixture
def broker() -> MemoryKafka:
    """Two partitions of numbers, 0 to 11 in each; states lie in the partition of their number."""
    broker = MemoryKafka({NUMBERS: PARTITIONS, SUMS: PARTITIONS, STATE: PARTITIONS})
    for number in range(PARTITIONS):
        for value in range(12):
            broker.append(NUMBERS, number, b"%d" % value, None, ())
    return broker


@pytest.fixture
def clock() -> Clock:
    """The wall clock of a runner."""
    return Clock()


def _sums(broker: MemoryKafka) -> dict[tuple[int, bytes | None], bytes | None]:
    found: dict[tuple[int, bytes | None], bytes | None] = {}
    for number, message in broker.values(SUMS):
        assert found.setdefault((number, message.key), message.value) == message.value, "a repeat differs"
    return found


def test_everything_is_told_acknowledged_and_then_given_back(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.round()
    events = [*run.events(0), *run.events(1)]
    run.round(*events)
    assert _sums(broker) == TRUTH
    assert all(event.acked for event in events)


def test_a_state_is_written_when_all_that_led_to_it_is_acknowledged(broker: MemoryKafka, clock: Clock) -> None:
    """`PlayedFaust.send` refuses a state while anything before it is on its way."""
    run = Run(broker, clock)
    run.round()
    run.round(*run.events(0))
    assert len(broker.logs[Partition(STATE, 0)]) == 2
    assert not broker.logs[Partition(STATE, 1)]


def test_without_an_acknowledgement_nothing_is_given_back_and_the_process_ends(
    broker: MemoryKafka, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undertow.pipelines.kafka.faust_detect.FLUSH_S", 0.01)
    run = Run(broker, clock)
    run.round()
    run.faust.acknowledges = False
    events = run.events(0)
    with pytest.raises(DeliveryError, match="has not acknowledged within"):
        run.round(*events)
    assert not any(event.acked for event in events)
    assert not broker.values(STATE)


@pytest.mark.parametrize("skipped", [1, 5, 11])
def test_behind_a_gap_nothing_counts_until_the_reader_has_gone_back(
    broker: MemoryKafka, clock: Clock, skipped: int
) -> None:
    """Faust was seen to skip messages across a rebalance, and its fetching to undo a seek."""
    run = Run(broker, clock)
    run.round()
    behind = run.events(0)[skipped:]
    run.faust.sought.clear()
    run.round(*behind)
    assert not any(event.acked for event in behind)
    for _ in range(3):
        run.faust.sought.clear()
        run.round()
        assert run.faust.sought == {0: 0, 1: 0}
    run.round(*run.events(0), *run.events(1))
    assert _sums(broker) == TRUTH


def test_what_was_had_before_is_given_back_and_changes_nothing(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.round()
    run.round(*run.events(0))
    told = broker.values(SUMS)
    again = run.events(0)[3:]
    run.round(*again)
    assert all(event.acked for event in again)
    assert broker.values(SUMS) == told


def test_faust_is_never_sent_on_since_it_would_commit_no_more(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.faust.positions = {0: 0, 1: 0}
    run.rounds(3)
    assert not run.faust.sought


def test_a_reader_that_gets_on_is_not_sent_anywhere(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.round()
    events = [*zip(run.events(0), run.events(1), strict=True)]
    run.faust.sought.clear()
    for pair in events:
        run.round(*pair)
    run.round()
    assert not run.faust.sought


def test_what_was_read_is_committed_though_faust_has_forgotten_a_commit_that_was_refused(
    broker: MemoryKafka, clock: Clock
) -> None:
    run = Run(broker, clock)
    run.round()
    run.faust.refuses_commits = True
    run.round(*run.events(0), *run.events(1)[:5])
    run.rounds(3)
    assert not run.faust.committed
    run.faust.refuses_commits = False
    run.rounds(2)
    assert run.faust.committed == {0: 12}, "the other has not been read to its end"
    run.faust.committed.clear()
    run.rounds(2)
    assert not run.faust.committed, "once is enough"


def _plain(broker: MemoryKafka, clock: Clock) -> Loop:
    return Loop(
        Kafka(servers=("here:9092",)),
        Sums(),
        broker,
        PARTITIONS,
        States(broker, STATE, PARTITIONS, "adder", 5_000),
        clock=clock,
    )


def _stops(rounds: int) -> Callable[[], bool]:
    left: Iterator[int] = iter(range(rounds + 1))
    return lambda: next(left) == rounds


@pytest.mark.parametrize("before", ["plain", "faust"])
def test_each_runner_goes_on_from_the_states_of_the_other(broker: MemoryKafka, clock: Clock, before: str) -> None:
    if before == "plain":
        _plain(broker, clock).run(_stops(3))
        after = Run(broker, clock)
        after.round()
        assert after.faust.sought == {0: 10, 1: 10}
        after.round(*after.events(0), *after.events(1))
    else:
        run = Run(broker, clock)
        run.round()
        run.round(*run.events(0), *run.events(1))
        broker.logs = {one: log for one, log in broker.logs.items() if one.topic != SUMS} | {
            one: [] for one in broker.partitions([SUMS])
        }
        _plain(broker, clock).run(_stops(3))
        assert min(int(key or b"") for _, key in _sums(broker)) == 11
    assert {place: total for place, total in TRUTH.items() if int(place[1] or b"") > 10}.items() <= _sums(
        broker
    ).items()


def test_a_partition_that_went_is_forgotten_and_begins_anew(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.round()
    run.round(*run.events(0), *run.events(1))
    run.faust.assigned = {TP(NUMBERS, 1)}
    run.round()
    run.faust.assigned = {TP(NUMBERS, 0), TP(NUMBERS, 1)}
    run.round()
    assert [machine.place.number for machine in run.role.machines] == [0, 1, 0]


def test_nothing_begins_before_the_states_have_been_read(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.faust.tables.actives_ready = False
    run.round()
    assert not run.role.machines


def test_a_group_that_is_never_joined_ends_the_process(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock, watchdog_s=20.0)
    run.faust.tables.actives_ready = False
    with pytest.raises(StalledError, match="Faust has not joined its group"):
        run.rounds(10)


def test_a_process_that_does_not_get_on_ends(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock, watchdog_s=20.0)
    with pytest.raises(StalledError, match="numbers/0 is 12 messages behind"):
        run.rounds(10)


def test_what_the_log_does_not_keep_any_more_is_an_error(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)
    run.round()
    run.round(*run.events(0), *run.events(1))
    del broker.logs[Partition(NUMBERS, 0)][:11]
    with pytest.raises(LostStateError, match="numbers/0 keeps offsets from 11 to 12, and offset 10 is needed"):
        Run(broker, clock).round()


def test_a_full_machine_holds_its_partition(broker: MemoryKafka, clock: Clock) -> None:
    class Full(Summing):
        def __init__(self, place: Place) -> None:
            super().__init__(place)
            self.full = place.number == 0

    run = Run(broker, clock, Sums(machine=Full))
    run.round()
    assert run.faust.paused == {TP(NUMBERS, 0)}
    run.role.machines[0].full = False
    run.round()
    assert not run.faust.paused


def test_a_message_that_is_too_large_is_refused_before_faust_can_lose_it(broker: MemoryKafka, clock: Clock) -> None:
    class Large(Sums):
        def meanwhile(self, view: Any) -> list[Send]:
            return [Send(SUMS, 0, None, b"x" * 5_001)]

    with pytest.raises(MessageTooLargeError, match="5001 bytes for sums"):
        Run(broker, clock, Large()).round()


def test_when_a_part_of_faust_has_ended_one_sentence_says_so(broker: MemoryKafka, clock: Clock) -> None:
    run = Run(broker, clock)

    async def check() -> None:
        run.loop._check(asyncio.get_running_loop().create_future())

    def find_the_leader(error: Exception) -> None:
        raise error

    for error, said in (
        (KafkaTimeoutError("no answer\nfor long"), "KafkaTimeoutError in {}: .*no answer for long"),
        (ValueError({}), r"ValueError in {}: \{{\}}"),
    ):
        with pytest.raises(type(error)) as raised:
            find_the_leader(error)
        run.faust.crash_reason = raised.value
        step = r"find_the_leader of test_kafka_faust\.py"
        with pytest.raises(KafkaError, match=rf"^Faust cannot go on \({said.format(step)}\): ending") as caught:
            asyncio.run(check())
        assert "\n" not in str(caught.value)


def test_nothing_of_faust_or_of_what_it_is_made_of_is_logged() -> None:
    """A member that ends in the midst of something leaves producers unclosed, and asyncio would tell of each."""
    for name in ("faust", "mode", "aiokafka.producer", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_who_does_not_get_out_of_the_group_says_so(
    broker: MemoryKafka, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    run = Run(broker, clock)
    run.faust.start = run.faust.stop = never  # type: ignore[method-assign]
    monkeypatch.setattr("undertow.pipelines.kafka.faust_detect.STOP_S", 0.001)
    with pytest.raises(KafkaError, match=r"Faust has not left its group within 0\.001 s; what was read is durable"):
        run.loop.run(lambda: True)


def test_what_a_role_says_last_is_acknowledged_before_the_group_is_left(broker: MemoryKafka, clock: Clock) -> None:
    class Leaving(Sums):
        def leave(self) -> list[Send]:
            return [Send(SUMS, 0, b"last", b"0")]

    run = Run(broker, clock, Leaving())
    run.loop.run(lambda: True)
    assert run.faust.told_before_it_left == 1
