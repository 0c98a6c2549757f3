"""`undertow status` of an installation, from the newest states of detect and the pager, and from the logs."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing
from itertools import chain
from typing import Any

from undertow.pipelines import paging
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.incident_log import read
from undertow.pipelines.kafka.lag import committed, lag_of
from undertow.pipelines.kafka.pager_partition import PagerPartition
from undertow.pipelines.kafka.reading import to_end
from undertow.pipelines.kafka.series_partition import SeriesPartition
from undertow.pipelines.kafka.setup import check_topics
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.telling import still_to_tell
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.pins import status_of_pins
from undertow.pipelines.settings import Settings
from undertow.pipelines.telemetry import status_of_series

__all__ = ["status_of", "status_on"]


def status_of(settings: Settings) -> dict[str, Any]:
    """Return the status of the installation on the brokers of the settings, and how far behind its roles are.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, or a topic does not exist.
    ValueError
        A state is of another version or configuration.
    """
    client, topics, names = client_of(settings.kafka), check_topics(settings), Names.of(settings.kafka)
    lag = lag_of(client, names, topics, committed(settings.kafka))
    return {**status_on(settings, client, topics), "lag": lag}


def status_on(settings: Settings, client: Client, topics: dict[str, TopicFacts]) -> dict[str, Any]:
    """Return the status, of the newest states and the log of incidents; events the metrics of the workers count."""
    names, budget = Names.of(settings.kafka), settings.budget
    sources, rows = topics[names.events].partitions, topics[names.rows].partitions
    spread = settings.kafka.series_partitions
    judged = [
        SeriesPartition(settings, names, number, sources, rows, saved)
        for number, saved in _saved(settings, client, topics, "detect", spread).items()
    ]
    paged = _saved(settings, client, topics, "pager", 1).get(0)
    pager = PagerPartition(settings, names, spread, rows, paged)
    told = still_to_tell(settings, paging.channels(settings, sys.stderr), _book(client, names))
    series = status_of_series(chain.from_iterable(one.statuses() for one in judged))
    closed = max(min((one.last_closed for one in judged), default=0.0), 0.0)  # −∞ where nothing has been judged
    return {
        "running": None,
        "installation": ", ".join(settings.kafka.servers),
        "last_closed_window": closed,
        "open_incidents": pager.counts()["open"],
        "false_pages_per_week": budget.false_pages_per_week,
        "undelivered": told.pending,
        "refused_deliveries": told.refused,
        "practice": pager.practice(budget.false_pages_per_week),
        "notify": budget.notify,
        "states": dict(Counter(entry["state"] for entry in series)),
        "series": series,
        "pins": status_of_pins(chain.from_iterable(one.pins() for one in judged), closed),
        "seeded": False,
    }


def _book(client: Client, names: Names) -> Book:
    book = Book()
    with closing(client.consumer([names.incidents])) as consumer:
        for _, messages in to_end(consumer):
            for message in messages:
                record = read(message.key, message.value)
                if record is not None:
                    book.take(record)
    return book


def _saved(
    settings: Settings, client: Client, topics: dict[str, TopicFacts], role: str, partitions: int
) -> dict[int, bytes]:
    topic = Names.of(settings.kafka).states(role)
    states = States(client, topic, topics[topic].partitions, role, settings.kafka.max_message_bytes)
    return {number: kept.saved.content for number, kept in states.read(range(partitions)).items()}
