"""`undertow replay` at a terminal: a progress bar, then the pages that would have been sent, or JSON lines."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from undertow.alerts.text import page_text
from undertow.pipelines.replay import Replay, incident_json, replay
from undertow.pipelines.settings import Settings

__all__ = ["run_replay", "summary"]


def run_replay(settings: Settings, files: Sequence[str], *, as_json: bool) -> Replay:
    """Replay the files and print what was found."""
    found = _with_progress(settings, files)
    if as_json:
        for incident in found.incidents:
            typer.echo(msgspec.json.encode(incident_json(incident)).decode())
    else:
        for incident in found.incidents:
            typer.echo(page_text(incident) + "\n")
    typer.echo(summary(found), err=True)
    return found


def _with_progress(settings: Settings, files: Sequence[str]) -> Replay:
    console = Console(stderr=True)
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, records=0)
        return replay(settings, files, lambda records: bar.update(task, records=records))


def summary(found: Replay) -> str:
    """Return one line on what was read, and what became of it."""
    counters = found.processor.counters
    parts = [f"{found.records:,} records", f"{counters.events:,} events"]
    for name, count in (("unreadable", found.rejected), ("repeated", counters.duplicates), ("late", counters.late)):
        if count:
            parts.append(f"{count:,} {name}")
    notices = sum(verdict.kind == "notice" for verdict in found.verdicts)
    return f"{', '.join(parts)}: {len(found.incidents)} incidents, {notices} notices"
