"""Looking after topics: how they are set up, and making them. The default client does it, whichever one reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaTimeoutError

from undertow.pipelines.kafka.clients.kafka_python import connection
from undertow.pipelines.kafka.errors import TopicError
from undertow.pipelines.kafka.probe import probe
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

__all__ = ["Admin"]

_UNKNOWN_TOPIC = 3  # Kafka's number of the error
_READY_S = 60.0  # for new topics until they can be written


class Admin:
    """A connection that looks after topics; opening it tells what is wrong on the way to the broker.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached or does not let us in.
    """

    def __init__(self, settings: Kafka) -> None:
        probe(settings)
        self._library = KafkaAdminClient(**connection(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._library.close()

    def brokers(self) -> int:
        """Return how many brokers the cluster has."""
        return len(self._library.describe_cluster()["brokers"])

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """Return how these topics are set up; those that do not exist are left out."""
        known = {
            topic["name"]: topic["partitions"]
            for topic in self._library.describe_topics(list(names))
            if topic["error_code"] != _UNKNOWN_TOPIC
        }
        if not known:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in known]
        configs = self._library.describe_configs(resources, config_filter="all")["topic"]
        return {
            name: TopicFacts(
                len(partitions),
                min(len(partition["replica_nodes"]) for partition in partitions),
                {key: str(entry["value"]) for key, entry in configs[name].items()},
            )
            for name, partitions in known.items()
        }

    def create(self, topics: Mapping[str, TopicFacts]) -> None:
        """Create topics, and wait until they can be written.

        Raises
        ------
        undertow.pipelines.kafka.errors.TopicError
            The broker refuses; the message says why.
        """
        wanted = {
            name: {
                "num_partitions": facts.partitions,
                "replication_factor": facts.replication,
                "configs": dict(facts.config),
            }
            for name, facts in topics.items()
        }
        answer = self._library.create_topics(wanted, raise_errors=False)
        refused = [topic for topic in answer["topics"] if topic["error_code"]]
        if refused:
            raise TopicError(f"the broker does not create {refused[0]['name']}: {refused[0]['error_message']}")
        try:
            self._library.wait_for_topics(list(topics), timeout_ms=_READY_S * 1000)
        except KafkaTimeoutError as error:
            raise TopicError(
                f"the broker has made {', '.join(topics)} but does not serve them after {_READY_S:g} s: is it well?"
            ) from error
