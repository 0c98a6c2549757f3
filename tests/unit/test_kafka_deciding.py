"""Decisions on their way into the logs: what cannot be is refused before it is written, the rest is read as it was."""

import msgspec
import pytest
from judged_windows import NAMES, changes, judged, machine, messages, quiet
from memory_kafka import MemoryKafka

from undertow.alerts.incident import ChangeKind, Incident
from undertow.alerts.silences import Silence
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.deciding import Deciding
from undertow.pipelines.kafka.decisions import RULING, decision_of, ruling_of
from undertow.pipelines.kafka.incident_log import read
from undertow.pipelines.kafka.machine import Send
from undertow.pipelines.server import ControlError


@pytest.fixture
def broker() -> MemoryKafka:
    return MemoryKafka({NAMES.verdicts: 1, NAMES.incidents: 1})


def found() -> list[Incident]:
    log = messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 9))
    book = Book()
    for planned in changes(machine().take(log)):
        book.take(planned)
    return book.open()


def deciding(broker: MemoryKafka) -> Deciding:
    book = Book()
    for _, message in broker.values(NAMES.incidents):
        record = read(message.key, message.value)
        assert record is not None
        book.take(record)
    return Deciding(NAMES, broker, found, lambda: {one.id for one in book.silences()}, lambda: 1_000.0)


@pytest.mark.parametrize(
    ("action", "arguments", "reason"),
    [
        ("accept", {"id": "none"}, "no incident 'none' is open"),
        ("accept", {"id": 3}, "all arguments are texts"),
        ("deploy", {"description": "v48"}, "deploy needs a 'description' and a 'service'"),
        ("pin", {"service": "s"}, "a pin wants --service and one of"),
        ("lift", {"id": "none"}, "no silence 'none' is set"),
        ("silence", {"reason": "load test"}, "a silence needs an end"),
        ("drop", {}, "'drop' cannot be done here"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    broker: MemoryKafka, action: str, arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(ControlError, match=reason):
        deciding(broker).control(action, arguments)
    assert not any(broker.logs.values())


def test_a_decision_lies_among_the_verdicts_and_closes_the_incident(broker: MemoryKafka) -> None:
    (incident,) = found()
    deciding(broker).control("accept", {"id": incident.id, "by": "anna", "reason": "as wanted"})
    ((_, message),) = broker.values(NAMES.verdicts)
    assert decision_of(message.key, message.value) is not None
    log = messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 9))
    decided = Message(len(log), message.value, message.key)
    repeat = Message(len(log) + 1, message.value, message.key)
    pager = machine()
    pager.take(log)
    outputs = pager.take([decided, repeat])
    (planned,) = changes(outputs)
    assert (planned.change.kind, planned.change.incident.resolution) == (ChangeKind.RESOLVE, "accepted")
    assert planned.change.incident.decision == "as wanted"
    (ruling,) = [ruling_of(one.value) for one in outputs if isinstance(one, Send) and one.key == RULING]
    assert (ruling.position, [v.series.metric for v in ruling.verdicts]) == (len(log), ["refusal_rate"])
    assert [one.id for one in pager.unclaimed] == [msgspec.msgpack.decode(message.value or b"")["id"]]  # the repeat


def test_a_silence_is_set_listed_and_lifted_through_the_log_of_incidents(broker: MemoryKafka) -> None:
    answer = deciding(broker).control("silence", {"reason": "load test", "hours": "2", "service": "pay-*"})
    ((_, message),) = broker.values(NAMES.incidents)
    record = read(message.key, message.value)
    assert isinstance(record, Silence)
    assert (record.id, record.ends_at) == (answer["id"], 1_000.0 + 7_200.0)
    deciding(broker).control("lift", {"id": record.id})
    with pytest.raises(ControlError, match="no silence"):
        deciding(broker).control("lift", {"id": record.id})
