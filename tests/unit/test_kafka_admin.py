"""What the broker does not answer, or we may not know of its topics, is one sentence."""

from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from undertow.pipelines.kafka import admin
from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.errors import CredentialsError, KafkaError, TopicError
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

TOPIC = {"name": "t", "error_code": 0, "partitions": [{"replica_nodes": [1, 2]}, {"replica_nodes": [1, 2, 3]}]}
CONFIG = {"cleanup.policy": {"value": "compact"}}


class _Library:
    """An admin client whose broker knows one topic."""

    topic, config = TOPIC, CONFIG

    def __init__(self, **_: Any) -> None:
        """Connect to nobody."""

    def describe_topics(self, _: list[str]) -> list[dict[str, Any]]:
        return [self.topic]

    def describe_configs(self, _: list[Any], config_filter: str) -> dict[str, Any]:
        return {"topic": {"t": self.config}}

    def create_topics(self, _: dict[str, Any], raise_errors: bool) -> dict[str, Any]:
        return {"topics": [{"name": "t", "error_code": 0}]}

    def describe_cluster(self) -> None:
        """Say nothing of use."""

    wait_for_topics = describe_cluster


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[_Library]:
    kind = type("Library", (_Library,), {})
    monkeypatch.setattr(admin, "probe", lambda _: None)
    monkeypatch.setattr(admin, "KafkaAdminClient", kind)
    return kind


def test_a_topic_is_described_with_the_fewest_copies_of_a_partition(library: type[_Library]) -> None:
    assert Admin(Kafka()).topics(["t"]) == {"t": TopicFacts(2, 2, {"cleanup.policy": "compact"})}


@pytest.mark.parametrize("change", [{"topic": TOPIC | {"error_code": 29, "partitions": []}}, {"config": {}}])
def test_a_topic_that_we_may_not_see_is_named_with_the_right_that_is_missing(
    library: type[_Library], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        monkeypatch.setattr(library, name, value)
    with pytest.raises(
        CredentialsError,
        match=r"^user .anna. may not see how the topic t is set up: allow Describe and",
    ):
        Admin(Kafka(username="anna")).topics(["t"])


def test_a_topic_that_the_broker_itself_does_not_know_well_is_named(
    library: type[_Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "topic", TOPIC | {"error_code": 5, "partitions": []})
    with pytest.raises(TopicError, match="does not describe t: LeaderNotAvailableError"):
        Admin(Kafka()).topics(["t"])


@pytest.mark.parametrize(
    ("question", "ask"),
    [
        ("__init__", lambda one: one),
        ("describe_cluster", Admin.brokers),
        ("describe_topics", lambda one: one.topics(["t"])),
        ("describe_configs", lambda one: one.topics(["t"])),
        ("create_topics", lambda one: one.create({"t": TopicFacts(1, 1, {})})),
        ("wait_for_topics", lambda one: one.create({"t": TopicFacts(1, 1, {})})),
    ],
)
def test_a_broker_that_goes_in_between_is_one_sentence(
    library: type[_Library], monkeypatch: pytest.MonkeyPatch, question: str, ask: Callable[[Admin], object]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise KafkaConnectionError("111 ECONNREFUSED")

    monkeypatch.setattr(library, question, refuse)
    with pytest.raises(KafkaError, match=r"^the broker does not .*ECONNREFUSED$"):
        ask(Admin(Kafka()))
