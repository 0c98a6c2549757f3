"""A role as a process: its topics are checked, its metrics shown, its loop run until somebody stops it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Role
from undertow.pipelines.kafka.setup import check_topics
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings, SettingsError

__all__ = ["Build", "run"]

Build = Callable[[Settings, Mapping[str, TopicFacts], Client, LoopMeter], Role]

_GARBAGE = (100_000, 20, 100)  # a batch makes many small objects that live until its block


def run(settings: Settings, name: str, build: Build, stopped: Callable[[], bool]) -> None:
    """Run a role until `stopped` says so; then what it has read is durable.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        It cannot start, or cannot go on; the message is one sentence.
    """
    kafka, names = settings.kafka, Names.of(settings.kafka)
    topics, client, meter = check_topics(settings), client_of(kafka), LoopMeter(name)
    settings.folder.mkdir(parents=True, exist_ok=True)
    states = States(client, names.state, topics[names.state].partitions, name, kafka.max_message_bytes)
    with closing(build(settings, topics, client, meter)) as role, _shown(kafka.metrics, meter.registry):
        loop = Loop(kafka, role, client, topics[role.topic].partitions, states, meter)
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        loop.run(stopped)


@contextmanager
def _shown(address: str, registry: CollectorRegistry) -> Iterator[None]:
    """Serve the metrics while this lasts."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise SettingsError(f"[kafka] metrics = '{address}' is not host:port")
    server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
