"""Windows as two series partitions have judged them, and the pager's machine that reads them."""

from __future__ import annotations

from alert_samples import T0, series, verdict

from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.incident_log import Planned, read
from undertow.pipelines.kafka.machine import Output, Send
from undertow.pipelines.kafka.pager_partition import PagerPartition
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import VERSION, Judged, encode
from undertow.pipelines.settings import Kafka, Settings

__all__ = ["NAMES", "WINDOW", "changes", "judged", "machine", "messages", "quiet"]

NAMES = Names.of(Kafka())
WINDOW = 10.0


def judged(partition: int, number: int, *metrics: str, previous: int | None = None) -> list[bytes]:
    start = T0 + number * WINDOW
    before = None if number == 0 else T0 + (number - 1 if previous is None else previous) * WINDOW
    said = [verdict(series(metric), at=start + WINDOW) for metric in metrics]
    window = Judged(
        version=VERSION, partition=partition, start=start, end=start + WINDOW, previous=before, verdicts=said
    )
    return list(encode(window))


def machine(saved: bytes | None = None) -> PagerPartition:
    return PagerPartition(Settings(), NAMES, 2, 3, saved)


def messages(*contents: list[bytes], first: int = 0) -> list[Message]:
    flat = [content for several in contents for content in several]
    return [Message(first + offset, content) for offset, content in enumerate(flat)]


def changes(outputs: list[Output]) -> list[Planned]:
    found = [read(one.key, one.value) for one in outputs if isinstance(one, Send) and one.topic == NAMES.incidents]
    return [one for one in found if isinstance(one, Planned)]


def quiet(first: int, last: int) -> list[bytes]:
    return [content for number in range(first, last) for p in (0, 1) for content in judged(p, number)]
