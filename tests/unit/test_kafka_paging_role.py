"""A pager that stands by: it ends when nobody tells, and not before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from judged_windows import NAMES
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.errors import StalledError
from undertow.pipelines.kafka.incident_log import Lease, key_of, value_of
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Place, View
from undertow.pipelines.kafka.paging_role import PagerRole
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka, Settings

TOPICS = {NAMES.verdicts: 1, NAMES.incidents: 1, NAMES.rows: 1}


@pytest.fixture
def role(tmp_path: Path) -> Iterator[PagerRole]:
    facts = {name: TopicFacts(count, 1, {}) for name, count in TOPICS.items()}
    settings = Settings(data=str(tmp_path), kafka=Kafka(servers=("here:9092",), watchdog_s=60.0))
    role = PagerRole(settings, facts, MemoryKafka(TOPICS), LoopMeter("pager"))
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
