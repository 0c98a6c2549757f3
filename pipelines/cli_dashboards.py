"""The command `undertow dashboards`: into a Grafana, or into files for its provisioning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from undertow.pipelines.settings import load

__all__ = ["dashboards"]

dashboards = typer.Typer(
    help="Grafana dashboards: behaviour, one service, one incident, the monitor itself.", no_args_is_help=True
)


@dashboards.command()
def push(
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="Settings file; [grafana] says where to.")
    ] = None,
) -> None:
    """Put the dashboards into a Grafana, with folder and, if [grafana] store is set, data source; safe to repeat."""
    try:
        from undertow.pipelines import grafana
    except ModuleNotFoundError as error:
        raise RuntimeError(f"{error.name} is missing: pip install 'undertow[grafana]'") from error
    typer.echo("\n".join(grafana.push(load(config).grafana)))


@dashboards.command()
def export(folder: Annotated[Path, typer.Argument(help="Folder to write them into, one JSON file each.")]) -> None:
    """Write the dashboards as files, for Grafana's provisioning or for import by hand."""
    from undertow.dashboards.grafana import files

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
        typer.echo(folder / name)
