"""What kafka-python raises when the broker goes away is not for its caller to know."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NotCoordinatorError,
    OffsetMetadataTooLargeError,
    RebalanceInProgressError,
)

from undertow.pipelines.kafka.client import Partition, Position
from undertow.pipelines.kafka.clients import kafka_python
from undertow.pipelines.kafka.clients.kafka_python import Consumer, Producer
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.settings import Kafka

HERE = Partition("events", 0)


class _Library:
    """A consumer that has one partition, and whose broker answers everything with an error."""

    error: Exception

    def __init__(self, **_: Any) -> None:
        self.subscribe: Callable[..., None] = lambda *_, **__: None

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*HERE)}

    def commit(self, *_: Any, **__: Any) -> None:
        raise self.error

    close = committed = beginning_offsets = poll = commit
    _fetcher = SimpleNamespace(_next_partition_records=None)
    _coordinator = None


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setattr(kafka_python, "KafkaConsumer", _Library)
    return Consumer(Kafka(), [HERE.topic], "group")


@pytest.mark.parametrize(
    "error",
    [
        CommitFailedError(),
        KafkaConnectionError("111 ECONNREFUSED"),
        KafkaTimeoutError(),
        NotCoordinatorError(),
        RebalanceInProgressError(),
    ],
)
def test_a_commit_comes_later_when_the_broker_is_away(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(_Library, "error", error, raising=False)
    assert not consumer.commit({HERE: Position(7)})
    consumer.close()


def test_a_commit_that_is_refused_for_good_is_one_sentence(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Library, "error", OffsetMetadataTooLargeError("too long"), raising=False)
    with pytest.raises(KafkaError, match=r"the broker does not take a commit: .*too long"):
        consumer.commit({HERE: Position(7)})


@pytest.mark.parametrize(
    "ask", [lambda one: one.committed([HERE]), lambda one: one.bounds([HERE]), lambda one: one.poll(0.0, 1)]
)
def test_what_the_broker_does_not_answer_is_one_sentence(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Consumer], object]
) -> None:
    monkeypatch.setattr(_Library, "error", KafkaConnectionError("111 ECONNREFUSED"), raising=False)
    with pytest.raises(KafkaError, match=r"^the broker .*ECONNREFUSED$"):
        ask(consumer)


def test_a_broker_that_goes_while_a_client_is_made_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise KafkaConnectionError("111 ECONNREFUSED")

    monkeypatch.setattr(kafka_python, "KafkaConsumer", refuse)
    monkeypatch.setattr(kafka_python, "KafkaProducer", refuse)
    for make in (lambda: Consumer(Kafka(), [HERE.topic], None), lambda: Producer(Kafka())):
        with pytest.raises(KafkaError, match=r"the broker does not answer: .*ECONNREFUSED"):
            make()
