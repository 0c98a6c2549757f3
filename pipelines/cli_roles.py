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
def store(
    config: Config = None,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First make the tables, or bring them to this version.")
    ] = False,
) -> None:
    """Write the rows of the other roles from Kafka into ClickHouse; any number of processes share the work."""
    from undertow.pipelines.kafka.storing import run_store

    run_store(load(config), migrate=migrate)
