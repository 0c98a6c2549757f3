"""A role as a process: its topics are checked, its metrics shown, its loop run until somebody stops it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from undertow.pipelines.garbage import rare_collections
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.hanging import ended_if_it_hangs
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Role
from undertow.pipelines.kafka.runners import runner_of
from undertow.pipelines.kafka.setup import check_topics
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings, SettingsError
from undertow.pipelines.stopping import stopped_by_signals

__all__ = ["Build", "run", "run_until_signal"]

_HANGS = 2.0  # times `watchdog_s`: what can say more of it comes first

Build = Callable[[Settings, Mapping[str, TopicFacts], Client, LoopMeter], Role]


def run_until_signal(settings: Settings, name: str, build: Build, runner: str = "plain") -> None:
    """Run a role until SIGTERM or SIGINT; what `run` says holds. A round that never ends ends the process."""
    stop = threading.Event()
    with stopped_by_signals(stop.set), ended_if_it_hangs(_HANGS * settings.kafka.watchdog_s) as goes_round:

        def stopped() -> bool:
            goes_round()
            return stop.is_set()

        run(settings, name, build, stopped, runner)


def run(settings: Settings, name: str, build: Build, stopped: Callable[[], bool], runner: str = "plain") -> None:
    """Run a role until `stopped` says so; then what it has read is durable.

    Parameters
    ----------
    name
        Of the role.
    runner
        One of `undertow.pipelines.kafka.runners.RUNNERS`.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        It cannot start, or cannot go on; the message is one sentence.
    undertow.pipelines.settings.SettingsError
        The metrics cannot be shown at the address of the settings.
    """
    kafka, kept, made = settings.kafka, Names.of(settings.kafka).states(name), runner_of(runner)
    topics, client, meter = check_topics(settings), client_of(kafka), LoopMeter(name)
    settings.folder.mkdir(parents=True, exist_ok=True)
    states = States(client, kept, topics[kept].partitions, name, kafka.max_message_bytes)
    with closing(build(settings, topics, client, meter)) as role, _shown(kafka.metrics, meter.registry):
        running = made(kafka, role, client, topics[role.topic].partitions, states, meter)
        sys.stderr.write(f"{name}: reading {role.topic}, from {', '.join(kafka.servers)}\n")
        with rare_collections():
            running.run(stopped)


@contextmanager
def _shown(address: str, registry: CollectorRegistry) -> Iterator[None]:
    """Serve the metrics while this lasts."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", registry)
    except (OSError, ValueError) as error:
        raise SettingsError(f"[kafka] metrics = '{address}' cannot be listened on: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
