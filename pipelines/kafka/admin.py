"""Looking after topics: how they are set up, and making them. The default client does it, whichever one reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from undertow.pipelines.kafka.clients.kafka_python import connection, said
from undertow.pipelines.kafka.errors import CredentialsError, TopicError
from undertow.pipelines.kafka.probe import probe
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

__all__ = ["Admin"]

_READY_S = 60.0  # for new topics until they can be written


class Admin:
    """A connection that looks after topics; opening it tells what is wrong on the way to the broker.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached or does not let us in; from every method: it does not answer.
    """

    def __init__(self, settings: Kafka) -> None:
        probe(settings)
        self._who = f"user '{settings.username}'" if settings.username else "this client"
        with said("the broker does not answer"):
            self._library = KafkaAdminClient(**connection(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._library.close()

    def brokers(self) -> int:
        """Return how many brokers the cluster has."""
        with said("the broker does not say how many there are"):
            return len(self._library.describe_cluster()["brokers"])

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """Return how these topics are set up; those that do not exist are left out.

        Raises
        ------
        undertow.pipelines.kafka.errors.CredentialsError, TopicError
            We may not know, or the broker does not; the message names the topic.
        """
        with said("the broker does not say which topics exist"):
            described = self._library.describe_topics(list(names))
        known = {one["name"]: one for one in described if one["error_code"] != UnknownTopicOrPartitionError.errno}
        configs = self._configs([name for name, topic in known.items() if not topic["error_code"]])
        return {name: self._facts(topic, configs.get(name, {})) for name, topic in known.items()}

    def _configs(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return their configurations; one that we may not see is empty."""
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        with said("the broker does not say how topics are set up"):
            configs: Mapping[str, Mapping[str, Any]] = self._library.describe_configs(resources, config_filter="all")[
                "topic"
            ]
        return configs

    def _facts(self, topic: Mapping[str, Any], config: Mapping[str, Any]) -> TopicFacts:
        error = topic["error_code"]
        if error == TopicAuthorizationFailedError.errno or not (error or config):
            raise CredentialsError(
                f"{self._who} may not see how the topic {topic['name']} is set up: allow Describe and DescribeConfigs"
            )
        if error:
            raise TopicError(f"the broker does not describe {topic['name']}: {for_code(error).__name__}: is it well?")
        copies = min(len(partition["replica_nodes"]) for partition in topic["partitions"])
        settings = {key: str(entry["value"]) for key, entry in config.items()}
        return TopicFacts(len(topic["partitions"]), copies, settings)

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
        with said("the broker does not say whether it creates topics"):
            answer = self._library.create_topics(wanted, raise_errors=False)
        refused = [topic for topic in answer["topics"] if topic["error_code"]]
        if refused:
            raise TopicError(f"the broker does not create {refused[0]['name']}: {refused[0]['error_message']}")
        with said("the broker does not say whether its new topics are ready"):
            self._wait_for(list(topics))

    def _wait_for(self, names: list[str]) -> None:
        try:
            self._library.wait_for_topics(names, timeout_ms=_READY_S * 1000)
        except KafkaTimeoutError as error:
            raise TopicError(
                f"the broker has made {', '.join(names)} but does not serve them after {_READY_S:g} s: is it well?"
            ) from error
