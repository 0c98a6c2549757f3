"""The commands of a distributed installation, a thin skin like `undertow.pipelines.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from undertow.pipelines.settings import load

__all__ = ["roles"]

Config = Annotated[Path | None, typer.Option("-c", "--config", help="Settings file; ./undertow.toml when it exists.")]

roles = typer.Typer()  # without a name: its commands stand beside the others


@roles.command()
def topics(
    config: Config = None,
    check_only: Annotated[bool, typer.Option("--check", help="Make nothing, only look.")] = False,
) -> None:
    """Make the Kafka topics that are missing, and refuse those that would lose data."""
    from undertow.pipelines.kafka.setup import set_up

    for line in set_up(load(config), create=not check_only):
        typer.echo(line)


@roles.command()
def worker(config: Config = None) -> None:
    """Count events of Kafka: one of any number of processes that share the partitions."""
    from undertow.pipelines.kafka.running import run_until_signal
    from undertow.pipelines.kafka.worker import Worker

    run_until_signal(load(config), "worker", Worker)


@roles.command()
def detect(config: Config = None) -> None:
    """Judge what the workers have counted: one of any number of processes that share the services."""
    from undertow.pipelines.kafka.detecting import Detect
    from undertow.pipelines.kafka.running import run_until_signal

    settings = load(config)
    run_until_signal(settings, "detect", Detect, settings.kafka.runner)


@roles.command()
def pager(config: Config = None) -> None:
    """Join verdicts into incidents and tell people: one process is active, others stand by."""
    from undertow.pipelines.kafka.paging_role import PagerRole
    from undertow.pipelines.kafka.running import run_until_signal

    run_until_signal(load(config), "pager", PagerRole)


@roles.command()
def store(
    config: Config = None,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First make the tables, or bring them to this version.")
    ] = False,
) -> None:
    """Write the rows of the other roles from Kafka into ClickHouse; any number of processes share the work."""
    from undertow.pipelines.kafka.running import run_until_signal
    from undertow.pipelines.kafka.storing import storing

    run_until_signal(load(config), "store", storing(migrate=migrate))


@roles.command()
def send(
    files: Annotated[
        list[str], typer.Argument(help="Event files (JSON lines; gzip and zstd too), folders, patterns, or -.")
    ],
    config: Config = None,
) -> None:
    """Write events to the Kafka topic, what belongs together into one partition."""
    from undertow.pipelines.kafka.sending import lines_of, send_events

    sent = send_events(load(config), lines_of(files))
    typer.echo(f"sent {sent.events} events and {sent.unreadable} lines that are none")
