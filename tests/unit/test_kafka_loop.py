"""The loop that all roles run: order of effects, states, partitions that come and go, back-pressure, the watchdog."""

import itertools
from collections.abc import Callable, Sequence

import pytest
from adding_role import BESIDE, NUMBERS, STATE, SUMS, TRUTH, Clock, Summing, Sums
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka import loop as loop_module
from undertow.pipelines.kafka.client import Message, Partition, Position
from undertow.pipelines.kafka.errors import DeliveryError, LostStateError, StalledError
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Output
from undertow.pipelines.kafka.states import States, key_of
from undertow.pipelines.settings import Kafka


@pytest.fixture
def broker() -> MemoryKafka:
    """Two partitions of numbers, 0 to 11 in each."""
    broker = MemoryKafka({NUMBERS: 2, SUMS: 2, STATE: 1, BESIDE: 1})
    for number, value in itertools.product(range(2), range(12)):
        broker.append(NUMBERS, number, b"%d" % value, None, ())
    return broker


@pytest.fixture
def clock() -> Clock:
    """The wall clock of a loop."""
    return Clock()


def _loop(broker: MemoryKafka, clock: Clock, role: Sums, **settings: float) -> Loop:
    states = States(broker, STATE, 1, role.name, 5_000)
    return Loop(Kafka(**settings), role, broker, 2, states, LoopMeter(role.name), clock)  # type: ignore[arg-type]


def _sums(broker: MemoryKafka) -> dict[tuple[int, bytes | None], bytes | None]:
    """Return the sum by place; a repeat must be the same."""
    found: dict[tuple[int, bytes | None], bytes | None] = {}
    for number, message in broker.values(SUMS):
        assert found.setdefault((number, message.key), message.value) == message.value, "a repeat differs"
    return found


def _live(loop: Loop, clock: Clock) -> None:
    for _ in range(30):
        clock.now += 5.0
        loop.step()


def _once(stopped_after: int) -> Callable[[], bool]:
    rounds = iter(range(stopped_after + 1))
    return lambda: next(rounds) == stopped_after


def test_everything_is_told_and_committed(broker: MemoryKafka, clock: Clock) -> None:
    _loop(broker, clock, Sums()).run(_once(3))
    assert _sums(broker) == TRUTH
    assert broker.committed == {("undertow-adder", Partition(NUMBERS, n)): Position(12) for n in range(2)}
    assert broker.members["undertow-adder"] == []


def test_nothing_is_committed_before_its_time_nor_before_it_is_acknowledged(broker: MemoryKafka, clock: Clock) -> None:
    loop = _loop(broker, clock, Sums(), commit_s=2.0)
    for _ in range(3):
        loop.step()
    assert not broker.committed
    told = broker.values(SUMS)  # up to the last state, which is written when all before it is acknowledged
    assert _sums(broker) != TRUTH
    clock.now += 2.0
    broker.away = True
    with pytest.raises(DeliveryError):
        loop.step()
    assert not broker.committed
    assert broker.values(SUMS) == told


@pytest.mark.parametrize("written", range(0, 31, 3))
def test_who_comes_after_a_crash_goes_on_from_the_state_and_repeats_the_same(
    broker: MemoryKafka, clock: Clock, written: int
) -> None:
    """Whatever part of the outputs, states among them, has reached the broker before the crash."""
    crashing = _loop(broker, clock, Sums(), commit_s=1e9)
    for _ in range(3):
        crashing.step()
    crashing._producer.write(written)  # type: ignore[attr-defined]
    broker.members.clear()
    _loop(broker, clock, Sums()).run(_once(3))
    assert _sums(broker) == TRUTH


def test_a_partition_that_moves_is_gone_on_with_by_the_other(broker: MemoryKafka, clock: Clock) -> None:
    first, second = Sums(), Sums()
    one = _loop(broker, clock, first)
    for _ in range(2):
        one.step()
        clock.now += 2.0
    other = _loop(broker, clock, second)
    for value in range(12, 20):
        for number in range(2):
            broker.append(NUMBERS, number, b"%d" % value, None, ())
    for _ in range(4):
        one.step()
        other.step()
        clock.now += 2.0
    assert {number for number, _ in _sums(broker)} == {0, 1}
    assert [machine.place.number for machine in second.machines] == [1]
    assert second.machines[0].place.saved == b"10 45"
    assert second.machines[0].place.committed == 12
    assert _sums(broker)[1, b"20"] == b"%d" % sum(range(20))
    assert sorted(first.seen[-1].machines) == [0]


def test_states_lie_in_two_slots_in_turn_whoever_writes_them(broker: MemoryKafka, clock: Clock) -> None:
    for value in range(12, 30):
        broker.append(NUMBERS, 0, b"%d" % value, None, ())
    for _ in range(2):
        _loop(broker, clock, Sums()).run(_once(3))
        for value in range(30, 40):
            broker.append(NUMBERS, 0, b"%d" % value, None, ())
    keys = [message.key for _, message in broker.values(STATE) if (message.key or b"").startswith(b"adder/0/")]
    assert keys == [key_of("adder", 0, turn % 2, 0) for turn in range(8)]


def test_what_is_committed_is_not_committed_again(broker: MemoryKafka, clock: Clock) -> None:
    meter = LoopMeter("adder")
    loop = Loop(Kafka(commit_s=1e-9), Sums(), broker, 2, States(broker, STATE, 1, "adder", 5_000), meter, clock)
    for _ in range(6):
        clock.now += 1.0
        loop.step()
    assert meter.registry.get_sample_value("undertow_loop_commits_total", {"role": "adder"}) == 4.0


def test_a_commit_that_is_refused_comes_later(broker: MemoryKafka, clock: Clock) -> None:
    loop = _loop(broker, clock, Sums())
    broker.refuses_commits = True
    for _ in range(3):
        clock.now += 2.0
        loop.step()
    assert _sums(broker) == TRUTH
    assert not broker.committed
    broker.refuses_commits = False
    clock.now += 2.0
    loop.step()
    assert len(broker.committed) == 2


def test_a_process_whose_commits_are_refused_for_long_ends(broker: MemoryKafka, clock: Clock) -> None:
    """Its place in the group may be gone for good, and messages come as before."""
    loop = _loop(broker, clock, Sums(), watchdog_s=60.0)
    broker.refuses_commits = True
    with pytest.raises(StalledError, match="although there is something to commit: ending, to be started again"):
        _live(loop, clock)
    assert 60.0 < clock.now - Clock().now < 80.0


def test_what_the_log_no_longer_keeps_is_an_error_that_says_so(broker: MemoryKafka, clock: Clock) -> None:
    _loop(broker, clock, Sums()).run(_once(3))
    del broker.logs[Partition(NUMBERS, 0)][:11]
    with pytest.raises(LostStateError, match=r"numbers/0 keeps offsets from 11 to 12, and offset 10 is needed"):
        _loop(broker, clock, Sums()).step()


def test_topics_beside_are_heard_before_any_machine_starts_and_after(broker: MemoryKafka, clock: Clock) -> None:
    for value in (b"a", b"b"):
        broker.append(BESIDE, 0, value, None, ())
    role = Sums(beside=[BESIDE])
    loop = _loop(broker, clock, role)
    loop.step()
    assert role.heard_before_start == 2
    broker.append(BESIDE, 0, b"c", None, ())
    loop.step()
    assert role.heard == [b"a", b"b", b"c"]


class Filling(Summing):
    """Takes one batch, and no more until it is told."""

    def take(self, messages: Sequence[Message]) -> Sequence[Output]:
        outputs = super().take(messages)
        self.full = self.full or bool(messages)
        return outputs


def test_a_full_machine_holds_its_partition_and_no_other(broker: MemoryKafka, clock: Clock) -> None:
    role = Sums(machine=lambda place: (Filling if place.number == 0 else Summing)(place))
    loop = _loop(broker, clock, role)
    for _ in range(3):
        loop.step()
    for number in range(2):
        broker.append(NUMBERS, number, b"12", None, ())
    for _ in range(3):
        loop.step()
    assert [machine.position for machine in role.machines] == [12, 13]
    role.machines[0].full = False
    for _ in range(2):
        loop.step()
    assert role.machines[0].position == 13


def test_all_partitions_wait_while_the_broker_does_not_keep_up(
    broker: MemoryKafka, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "MOST_UNACKNOWLEDGED", 10)
    role = Sums()
    loop = _loop(broker, clock, role)
    for _ in range(2):
        loop.step()
    broker.append(NUMBERS, 0, b"12", None, ())
    for _ in range(3):
        loop.step()
    assert role.machines[0].position == 12
    clock.now += 2.0
    for _ in range(3):
        loop.step()
    assert role.machines[0].position == 13


class Stuck(Summing):
    """Takes nothing."""

    def take(self, messages: Sequence[Message]) -> Sequence[Output]:
        return ()


def test_a_process_that_gets_nowhere_ends_and_one_with_nothing_to_do_does_not(
    broker: MemoryKafka, clock: Clock
) -> None:
    loop = _loop(broker, clock, Sums(machine=Stuck), watchdog_s=60.0)
    with pytest.raises(
        StalledError, match=r"no progress for \d+ s although numbers/0 is 12 messages behind, numbers/1"
    ):
        _live(loop, clock)
    broker.members.clear()
    _live(_loop(broker, clock, Sums(), watchdog_s=60.0), clock)


def test_one_partition_that_gets_nowhere_ends_the_process_although_others_get_on(
    broker: MemoryKafka, clock: Clock
) -> None:
    role = Sums(machine=lambda place: (Stuck if place.number == 0 else Summing)(place))
    loop = _loop(broker, clock, role, watchdog_s=20.0)

    def go_on() -> None:
        for _ in range(30):
            broker.append(NUMBERS, 1, b"1", None, ())
            clock.now += 5.0
            loop.step()

    with pytest.raises(StalledError, match=r"no progress for \d+ s although numbers/0 is 12 messages behind: ending"):
        go_on()


def test_a_clock_that_is_set_back_stops_no_commit(broker: MemoryKafka, clock: Clock) -> None:
    loop = _loop(broker, clock, Sums())
    clock.now -= 3600.0
    for _ in range(3):
        loop.step()
    assert len(broker.committed) == 2


def test_a_process_without_a_partition_ends_only_when_nobody_gets_on(broker: MemoryKafka, clock: Clock) -> None:
    owners = [_loop(broker, clock, Sums(), watchdog_s=60.0) for _ in range(2)]
    spare = _loop(broker, clock, Sums(), watchdog_s=60.0)
    for round_ in range(30):
        clock.now += 5.0
        broker.append(NUMBERS, round_ % 2, b"1", None, ())
        for owner in owners:
            owner.step()
        spare.step()
    broker.append(NUMBERS, 0, b"1", None, ())
    with pytest.raises(StalledError, match=r"no partition is ours and the group is [1-9] messages behind"):
        _live(spare, clock)


def test_the_lag_and_the_time_of_each_step_are_shown(broker: MemoryKafka, clock: Clock) -> None:
    role = Sums(machine=Stuck)
    meter = LoopMeter("adder")
    loop = Loop(Kafka(), role, broker, 2, States(broker, STATE, 1, "adder", 5_000), meter, clock)
    loop.step()
    loop.step()
    shown = meter.registry.get_sample_value
    assert shown("undertow_loop_lag", {"role": "adder", "partition": "1"}) == 12.0
    assert shown("undertow_loop_messages_total", {"role": "adder"}) == 24.0
    assert (shown("undertow_loop_seconds_total", {"role": "adder", "step": "poll"}) or 0.0) > 0.0
