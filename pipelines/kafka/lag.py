"""How far behind each role is: what lies in its topic behind the place that its group has committed last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError as LibraryError

from undertow.pipelines.kafka.client import Client, Partition
from undertow.pipelines.kafka.clients.kafka_python import connection
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Kafka

__all__ = ["committed", "lag_of"]

ATTEMPT_S = 20.0
AGAIN_S = 0.2
Places = Mapping[Partition, int]


def committed(settings: Kafka) -> dict[str, Places]:
    """Return the offsets that the group of each role has committed, by role.

    The groups are asked from outside: who joins one takes part in sharing its partitions.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker does not say.
    """
    groups = {role: _group(settings, role) for role in _topics(Names.of(settings))}
    try:
        with closing(KafkaAdminClient(**connection(settings))) as library:
            found = _asked(library, list(groups.values()))
    except LibraryError as error:
        raise KafkaError(f"the broker does not say what the groups of the roles have committed: {error}") from error
    return {
        role: {Partition(*place): known.offset for place, known in found.get(group, {}).items() if known.offset >= 0}
        for role, group in groups.items()
    }


def lag_of(
    client: Client, names: Names, topics: Mapping[str, TopicFacts], places: Mapping[str, Places]
) -> dict[str, int]:
    """Return how many messages each role has not committed, of those that are kept; all where it has committed none.

    Parameters
    ----------
    places
        What `committed` returns.
    """
    read = _topics(names)
    with closing(client.consumer(list(read.values()))) as consumer:
        bounds = consumer.bounds([Partition(name, n) for name in read.values() for n in range(topics[name].partitions)])
    return {
        role: sum(
            max(end - max(places.get(role, {}).get(one, first), first), 0)
            for one, (first, end) in bounds.items()
            if one.topic == topic
        )
        for role, topic in read.items()
    }


def _asked(library: KafkaAdminClient, groups: list[str]) -> dict[str, dict[Any, Any]]:
    """Ask again while the broker is about to know: a new one first makes the topic of what groups commit."""
    until = time.monotonic() + ATTEMPT_S
    while True:
        try:
            found: dict[str, dict[Any, Any]] = library.list_group_offsets(groups)
        except LibraryError as error:
            if not error.retriable or time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
        else:
            return found


def _topics(names: Names) -> dict[str, str]:
    """Return what each role reads."""
    return {"worker": names.events, "detect": names.partials, "pager": names.verdicts, "store": names.rows}


def _group(settings: Kafka, role: str) -> str:
    runner = f"-{settings.runner}" if role == "detect" and settings.runner != "plain" else ""
    return f"{settings.prefix}-{role}{runner}"
