"""A pager that stands by ends when nobody tells; one that goes has stopped telling, and its successor knows of all."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judged_windows import NAMES, judged, quiet
from memory_kafka import MemoryKafka

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.incident import Change
from undertow.pipelines import paging
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.errors import StalledError
from undertow.pipelines.kafka.incident_log import Lease, key_of, value_of
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Place, View
from undertow.pipelines.kafka.paging_role import PagerRole
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka, Settings

TOPICS = {NAMES.verdicts: 1, NAMES.incidents: 1, NAMES.rows: 1, NAMES.state: 1}
FACTS = {name: TopicFacts(count, 1, {}) for name, count in TOPICS.items()}
GROUP = "undertow-pager"
PATIENCE_S = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    kafka = Kafka(servers=("here:9092",), watchdog_s=60.0, series_partitions=2, commit_s=0.001)
    return Settings(data=str(tmp_path), kafka=kafka)


@pytest.fixture
def role(settings: Settings) -> Iterator[PagerRole]:
    role = PagerRole(settings, FACTS, MemoryKafka(TOPICS), LoopMeter("pager"))
    yield role
    role.close()


def hear(role: PagerRole, serial: int) -> None:
    sign = Lease("another", serial, begins=not serial)
    role.hear(NAMES.incidents, [Message(serial, value_of(sign), key_of(sign))])


def at(time_s: float) -> View:
    return View(time_s, {}, {}, 0.0)


def test_it_stands_by_as_long_as_another_gives_signs_of_life(role: PagerRole) -> None:
    for serial in range(10):
        hear(role, serial)
        assert role.meanwhile(at(serial * 50.0)) == []


def test_it_ends_when_nobody_does_for_too_long_to_be_started_again(role: PagerRole) -> None:
    hear(role, 0)
    role.meanwhile(at(0.0))
    role.meanwhile(at(59.0))
    with pytest.raises(StalledError, match="no progress for 61 s although a pager must have the right to tell"):
        role.meanwhile(at(61.0))


def test_one_that_was_replaced_and_keeps_its_partition_ends(role: PagerRole) -> None:
    machine = role.machine(Place(0, None, 0, None))
    sent = role.meanwhile(View(0.0, {0: machine}, {}, 0.0))
    role.hear(NAMES.incidents, [Message(0, sent[0].value, sent[0].key)])
    hear(role, 0)
    for serial in range(1, 6):
        hear(role, serial)
        role.meanwhile(View(serial * 10.0, {0: machine}, {}, 0.0))
    with pytest.raises(StalledError):
        role.meanwhile(View(80.0, {0: machine}, {}, 0.0))


# -- one that tells, and leaves ----------------------------------------------------------------------------------------


class Slow:
    """A channel whose call lasts until the test lets it end."""

    name = "told"

    def __init__(self, broker: MemoryKafka) -> None:
        self._broker = broker
        self._called, self.may_end = threading.Event(), threading.Event()
        self._until = time.monotonic() + PATIENCE_S
        self.told: list[str] = []
        self.members: list[int] = []  # of the group, as each call ended

    def send(self, change: Change) -> Delivery:
        self.told.append(change.id)
        self._called.set()
        self.may_end.wait(PATIENCE_S)
        time.sleep(0.1)
        self.members.append(len(self._broker.members[GROUP]))
        return Delivery(Outcome.DELIVERED)

    def is_called(self) -> bool:
        """Return whether a call is under way, which may end then."""
        assert time.monotonic() < self._until, "nothing is told"
        if self._called.is_set():
            self.may_end.set()
        return self._called.is_set()


class Pager:
    """A pager as a process runs it, on a broker that holds an incident."""

    def __init__(self, settings: Settings, broker: MemoryKafka) -> None:
        self.meter = LoopMeter("pager")
        self.role = PagerRole(settings, FACTS, broker, self.meter)
        states = States(broker, NAMES.state, 1, "pager", 8_388_608)
        self.loop = Loop(settings.kafka, self.role, broker, 1, states, self.meter)

    def until(self, true: Callable[[], object]) -> None:
        """Go round until something holds."""
        until = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < until, self.role.status()
            self.loop.step()
            time.sleep(0.002)

    def has_told_all(self) -> bool:
        return bool(self.role.status()["undelivered"] == 0)


@pytest.fixture
def broker() -> MemoryKafka:
    broker = MemoryKafka(TOPICS)
    for content in (*judged(0, 0, "refusal_rate"), *judged(1, 0), *quiet(1, 9)):
        broker.append(NAMES.verdicts, 0, content, None, ())
    return broker


@pytest.fixture
def channel(broker: MemoryKafka, monkeypatch: pytest.MonkeyPatch) -> Slow:
    channel = Slow(broker)
    monkeypatch.setattr(paging, "channels", lambda *_: {"told": channel})
    return channel


@pytest.fixture
def pager(settings: Settings, broker: MemoryKafka, channel: Slow) -> Iterator[Pager]:
    pager = Pager(settings, broker)
    yield pager
    channel.may_end.set()
    pager.role.close()


def test_one_that_is_ended_has_stopped_and_written_down_what_it_told_before_another_begins(
    pager: Pager, settings: Settings, broker: MemoryKafka, channel: Slow
) -> None:
    pager.loop.run(channel.is_called)
    assert channel.members == [1], "it has left its group while it was telling"
    successor = Pager(settings, broker)
    successor.until(successor.has_told_all)
    successor.role.close()
    assert len(channel.told) == len(set(channel.told)) == 1


def test_one_that_fails_has_stopped_before_another_begins(pager: Pager, channel: Slow) -> None:
    def fail() -> bool:
        if channel.is_called():
            raise StalledError("nothing gets on")
        return False

    with pytest.raises(StalledError):
        pager.loop.run(fail)
    assert channel.members == [1]


def test_a_partition_that_goes_and_comes_at_once_repeats_nothing(
    pager: Pager, broker: MemoryKafka, channel: Slow
) -> None:
    pager.until(channel.is_called)
    broker.members[GROUP][0].give([])
    broker.share(GROUP)
    pager.until(lambda: pager.has_told_all() and channel.members)
    assert len(channel.told) == len(set(channel.told)) == 1


def test_one_whose_partition_went_shows_that_it_stands_by(pager: Pager, broker: MemoryKafka, channel: Slow) -> None:
    shown = pager.meter.registry.get_sample_value
    pager.until(channel.is_called)
    pager.until(lambda: shown("undertow_open_incidents"))
    assert shown("undertow_pager_active") == 1.0
    broker.members[GROUP][0].give([])
    pager.loop.step()
    assert shown("undertow_pager_active") == shown("undertow_open_incidents") == shown("undertow_undelivered") == 0.0
