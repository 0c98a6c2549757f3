"""What a role has not committed, of what its topic still keeps."""

from typing import Any

import pytest
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka.client import Message, Partition
from undertow.pipelines.kafka.lag import lag_of
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Kafka
from undertow.pipelines.status import status_text

NAMES = Names.of(Kafka())
PARTITIONS = {NAMES.events: 2, NAMES.partials: 1, NAMES.verdicts: 1, NAMES.rows: 1}
FACTS = {name: TopicFacts(partitions, 1, {}) for name, partitions in PARTITIONS.items()}
FIRST, SECOND = (Partition(NAMES.events, number) for number in (0, 1))


@pytest.mark.parametrize(
    ("places", "lag"),
    [
        ({}, 10),  # nothing was committed
        ({FIRST: 7, SECOND: 12}, 8),
        ({FIRST: 15, SECOND: 15}, 0),
        ({FIRST: 3, SECOND: 15}, 5),  # what retention has deleted no longer waits
    ],
)
def test_what_waits_lies_behind_the_committed_place_and_is_kept(places: dict[Partition, int], lag: int) -> None:
    broker = MemoryKafka(PARTITIONS)
    for partition in (FIRST, SECOND):
        for offset in range(10, 15):
            broker.write(partition, Message(offset, b"event"))
    found = lag_of(broker, NAMES, FACTS, {"worker": places})
    assert found == {"worker": lag, "detect": 0, "pager": 0, "store": 0}


def test_the_status_shows_it() -> None:
    status: dict[str, Any] = {
        "running": None,
        "installation": "broker:9092",
        "last_closed_window": 0.0,
        "open_incidents": 1,
        "undelivered": 2,
        "false_pages_per_week": 1.0,
        "practice": {"pages": 0, "outside": 0, "weeks": 0.0, "false": 0, "allowed": 0.0},
        "notify": "page",
        "states": {},
        "series": [],
        "pins": [],
        "lag": {"worker": 12_345, "store": 0},
    }
    text = status_text(status)
    assert "messages not committed yet: worker 12,345, store 0" in text
    assert "changes not delivered: 2" in text
