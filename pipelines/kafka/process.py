"""One process of a role: the topics checked, its metrics shown, the loop run until somebody stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Role
from undertow.pipelines.kafka.setup import check_topics
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings, SettingsError

__all__ = ["run_role"]


def run_role(
    settings: Settings, name: str, build: Callable[[Mapping[str, TopicFacts], CollectorRegistry], Role]
) -> None:
    """Run a role until SIGTERM or SIGINT; `build` makes it from the topics as they are, and may add metrics.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, a topic cannot work, or the process must be started again.
    undertow.pipelines.settings.SettingsError
        The metrics cannot be shown at the address of the settings.
    """
    kafka, names = settings.kafka, Names.of(settings.kafka)
    topics, client, meter = check_topics(settings), client_of(settings.kafka), LoopMeter(name)
    role = build(topics, meter.registry)
    states = States(client, names.state, topics[names.state].partitions, name, kafka.max_message_bytes)
    with _shown(kafka.metrics, meter.registry), _stopped_by_signals() as stopped:
        Loop(kafka, role, client, topics[role.topic].partitions, states, meter).run(stopped)


@contextmanager
def _shown(address: str, registry: CollectorRegistry) -> Iterator[None]:
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host, registry)
    except (OSError, ValueError) as error:
        raise SettingsError(f"[kafka] metrics = '{address}' cannot be listened on: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before: dict[int, Any] = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
