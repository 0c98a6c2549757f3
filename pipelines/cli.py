"""The command line: a thin skin, each command a few lines over a library call."""

from __future__ import annotations

import getpass
import glob
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded; its matrices are too small to share out

from undertow.pipelines import client, whom
from undertow.pipelines.cli_dashboards import dashboards
from undertow.pipelines.cli_roles import roles
from undertow.pipelines.settings import load
from undertow.pipelines.stopping import stopped_by_signals

__all__ = ["app", "main"]

app = typer.Typer(
    name="undertow",
    help="Pages on-call when an LLM application's behaviour shifts while HTTP metrics stay green.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(roles)
app.add_typer(dashboards, name="dashboards")

Config = Annotated[Path | None, typer.Option("-c", "--config", help="Settings file; ./undertow.toml when it exists.")]
Files = Annotated[
    list[str], typer.Argument(help="Event files (JSON lines; gzip and zstd too), folders, patterns, or -.")
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable: JSON lines.")]
IncidentId = Annotated[str, typer.Argument(help="Id of the incident.")]
Reason = Annotated[str, typer.Option(help="Why, for whoever wonders later.")]
By = Annotated[str, typer.Option(help="Who says so.", envvar="USER")]
USAGE_ERROR = 2
_EXTRA_OF = {"kafka": "kafka"}  # package that not everybody has → extra that installs it


@app.command()
def demo(
    incident: Annotated[
        str, typer.Option(help="Which incident to plant; `undertow simulate --list` names them.")
    ] = "refusal_creep",
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its store, its traffic and the report.")] = Path(
        "demo"
    ),
    seconds: Annotated[float, typer.Option(help="How long the two hours of traffic take to play.")] = 35.0,
) -> None:
    """Play live traffic in which behaviour shifts while HTTP metrics stay green, and page for it."""
    from undertow.pipelines.demo import play

    played = play(incident, folder, seconds)
    typer.echo(f"report: {played.report}")
    raise typer.Exit(0 if played.judgement.passed else 1)


@app.command()
def simulate(
    output: Annotated[str, typer.Argument(help="File to write, - for standard output.")] = "-",
    incident: Annotated[list[str] | None, typer.Option(help="NAME[@SECONDS[:FOR_SECONDS]], may be repeated.")] = None,
    hours: Annotated[float, typer.Option(help="Length of the traffic.")] = 2.0,
    rate: Annotated[float, typer.Option(help="Calls a second, on average over the day.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    start: Annotated[str | None, typer.Option(help="RFC 3339; default: so that the traffic ends now.")] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Content-free events.")] = False,
    truth: Annotated[bool, typer.Option("--truth", help="Print what was planted, as JSON, to standard error.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Name the incidents and say what each does.")] = False,
) -> None:
    """Write simulated traffic of a support assistant, with declared incidents."""
    from undertow.pipelines import simulation

    if list_:
        typer.echo(simulation.catalogue())
        return
    scenario = simulation.scenario(incident or [], hours, rate, seed, start, texts=not no_texts)
    if truth:
        typer.echo(msgspec.json.encode(simulation.planted(scenario)).decode(), err=True)
    simulation.write_to(scenario, output)


@app.command()
def run(
    paths: Annotated[list[str] | None, typer.Argument(help="Files to follow; default: [ingest] paths.")] = None,
    config: Config = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read to the end of the files and stop, instead of following.")
    ] = False,
) -> None:
    """Watch: page on-call, keep the store, serve the loopback port. Goes on where it stopped."""
    from undertow.pipelines.app import opened

    settings = load(config)
    chosen = paths or settings.ingest.paths
    if not chosen:
        raise ValueError("nothing to watch: name files (`undertow run app.jsonl`) or set paths in [ingest]")
    for path in chosen:
        if not once and path != "-" and not glob.has_magic(path) and not Path(path).exists():
            typer.echo(f"waiting for {path}, which is not there yet", err=True)
    with opened(settings, chosen, follow=not once) as watch, stopped_by_signals(watch.stop):
        typer.echo(f"watching {', '.join(chosen)}; state in {settings.folder}, port {settings.store.listen}", err=True)
        watch.run()


@app.command()
def replay(files: Files, config: Config = None, json: Json = False) -> None:
    """Find the incidents that these events would have paged. Nothing is stored or sent."""
    from undertow.pipelines.backtest import run_replay

    run_replay(load(config), files, as_json=json)


@app.command()
def check(
    file: Annotated[str | None, typer.Argument(help="A sample of events to look at.")] = None, config: Config = None
) -> None:
    """Explain the configuration and say what can be watched in these events and what cannot."""
    from undertow.pipelines.check import explain_settings, inspect_file
    from undertow.pipelines.check_text import render
    from undertow.pipelines.paging import verify

    settings = load(config)
    verify(settings)  # a key or a route that `run` would refuse is refused here
    typer.echo("\n".join(explain_settings(settings)))
    if file:
        report = inspect_file(file, settings)
        typer.echo("\n" + render(report))
        raise typer.Exit(0 if report.readable else 1)


@app.command()
def learn(files: Files, config: Config = None) -> None:
    """Seed the baselines from history, so that the first day can page."""
    from undertow.pipelines.learn import learn_from

    typer.echo(learn_from(load(config), files))


@app.command()
def status(config: Config = None, json: Json = False) -> None:
    """Say which series can page now, which are still learning, and what waits."""
    from undertow.pipelines.status import status_of, status_text

    found = status_of(load(config))
    typer.echo(msgspec.json.encode(found).decode() if json else status_text(found))


@app.command()
def plan(
    files: Annotated[
        list[str] | None, typer.Argument(help="Event files to learn from; default: what the watch has learned.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; may be repeated.")] = None,
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", help="Only this slice, region=eu, or all; may be repeated.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the picture there: change against delay.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say how small a change each series would show within an hour, a day and a week at this budget."""
    from undertow.dashboards.plan import plan_text
    from undertow.pipelines.plan import plan_of

    found = plan_of(load(config), files or [], metric or [], slice_ or [])
    if html:
        from undertow.dashboards.plan_page import render_plan

        html.write_text(render_plan(found), encoding="utf-8")
    for line in found.series if json else []:
        typer.echo(msgspec.json.encode(line).decode())
    if not json:
        typer.echo(plan_text(found))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A query on the store.")], config: Config = None, json: Json = False
) -> None:
    """Ask the store, beside a running watch or without one."""
    result = client.query(load(config), query)
    typer.echo(client.as_json(result) if json else client.as_table(result))


@app.command()
def spend(
    days: Annotated[float, typer.Option(min=0.05, max=370, help="Length of the two periods that are compared.")] = 7.0,
    config: Config = None,
) -> None:
    """Say what was spent, why that changed, and what the month will cost."""
    typer.echo(client.spend(load(config), days))


@app.command()
def incidents(config: Config = None, json: Json = False) -> None:
    """List the incidents, newest first."""
    result = client.incidents(load(config))
    typer.echo(client.as_json(result) if json else client.as_table(result))


@app.command()
def versions(config: Config = None, json: Json = False) -> None:
    """Say of each new model, prompt or other version what is different on it, or how little may be."""
    from undertow.pipelines.card_rows import DIFFERENCES

    settings = load(config)
    typer.echo(client.as_json(client.query(settings, DIFFERENCES)) if json else client.versions(settings))


@app.command()
def explain(
    incident: IncidentId,
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file, with charts.")] = None,
    config: Config = None,
) -> None:
    """Show an incident as its page shows it, with everything known by now."""
    if html is None:
        typer.echo(client.explain(load(config), incident))
    else:
        html.write_text(client.explain_html(load(config), incident), encoding="utf-8")


@app.command()
def acknowledge(incident: IncidentId, by: By = "", config: Config = None) -> None:
    """Say that somebody has taken an incident."""
    typer.echo(whom.control(load(config), "acknowledge", {"id": incident, "by": by}))


@app.command()
def accept(incident: IncidentId, reason: Reason = "", by: By = "", config: Config = None) -> None:
    """Accept an incident's new level as the normal one and resolve it."""
    arguments = {"id": incident, "reason": reason, "by": by or getpass.getuser()}
    typer.echo(whom.control(load(config), "accept", arguments))


@app.command("false")
def false_page(incident: IncidentId, reason: Reason = "", by: By = "", config: Config = None) -> None:
    """Mark an incident as a false page and resolve it."""
    typer.echo(whom.control(load(config), "false", {"id": incident, "reason": reason, "by": by}))


@app.command()
def deploy(
    description: Annotated[str, typer.Argument(help='What changed: "prompt v48".')],
    service: Annotated[str, typer.Option(help="The service that changed.")],
    environment: str = "",
    config: Config = None,
) -> None:
    """Declare a deployment: it becomes a suspect when behaviour shifts around it."""
    arguments = {"description": description, "service": service, "environment": environment}
    typer.echo(whom.control(load(config), "deploy", arguments))


@app.command()
def pin(
    service: Annotated[str, typer.Option(help="The service whose series are compared with it.")],
    reason: Annotated[str, typer.Option(help="Why this is how it should be.")],
    days: Annotated[str, typer.Option(help="A period of 7 to 28 whole days (UTC): 2026-03-02..2026-03-08.")] = "",
    version: Annotated[str, typer.Option(help="What a version did: prompt_version=v47.")] = "",
    reference: Annotated[str, typer.Option(help="A file of events, such as the eval set.")] = "",
    metric: Annotated[str, typer.Option(help="One metric and its tails; all by default.")] = "",
    slice_: Annotated[str, typer.Option("--slice", help="One slice: region=eu; the whole and all by default.")] = "",
    environment: Annotated[str, typer.Option(help="One environment; all by default.")] = "",
    config: Config = None,
) -> None:
    """Pin a reference: levels are compared with it every day, so that no slow ramp is learned along."""
    settings = load(config)
    asked = {"service": service, "environment": environment, "metric": metric, "slice": slice_, "reason": reason}
    asked |= {"days": days, "version": version, "file": reference, "by": getpass.getuser()}
    if reference:
        from undertow.pipelines.reference import read_reference

        asked["reference"] = read_reference(settings, reference, service, metric)
    typer.echo(whom.control(settings, "pin", asked))


@app.command()
def unpin(pin: Annotated[str, typer.Argument(help="Id of the pin.")], config: Config = None) -> None:
    """Drop a pin; an older one that covers the same series holds again."""
    typer.echo(whom.control(load(config), "unpin", {"id": pin}))


@app.command()
def pins(config: Config = None, json: Json = False) -> None:
    """List the pins, newest last: how old, what they hold, and what they are compared with today."""
    from undertow.pipelines.pins import pins_text
    from undertow.pipelines.status import status_of

    found = status_of(load(config))["pins"]
    typer.echo(msgspec.json.encode(found).decode() if json else pins_text(found))


@app.command()
def silence(
    reason: Annotated[str, typer.Argument(help="Why, for whoever wonders at night.")],
    hours: Annotated[float | None, typer.Option(help="How long, from now; at most 720.")] = None,
    until: Annotated[str | None, typer.Option(help="Or its end: 2026-12-01T20:00Z.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Pattern, such as payments-*; may be repeated.")] = None,
    environment: Annotated[list[str] | None, typer.Option(help="Likewise.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Likewise.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="critical, error, warning or info.")] = None,
    by: By = "",
    config: Config = None,
) -> None:
    """Hold back the pages of some incidents until a stated end; then they are told."""
    about = {"service": service, "environment": environment, "metric": metric, "severity": severity}
    arguments = {name: ",".join(wanted) for name, wanted in about.items() if wanted}
    end = {"hours": str(hours)} if hours is not None else {"until": until or ""}
    typer.echo(whom.control(load(config), "silence", {"reason": reason, "by": by, **end, **arguments}))


@app.command()
def silences(config: Config = None) -> None:
    """List the silences that hold now, and the pages that they hold back."""
    typer.echo(whom.silences(load(config)))


@app.command()
def lift(
    silence: Annotated[str, typer.Argument(help="Id of the silence; `undertow silences` lists them.")],
    config: Config = None,
) -> None:
    """End a silence before its time, and tell what it held back."""
    typer.echo(whom.control(load(config), "lift", {"id": silence}))


def main() -> None:
    """Run the command; what the user can mend is said in one sentence, without a stack trace."""
    try:
        app()
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get(error.name or "")
        if extra is None:
            raise
        _give_up(f"the package {error.name} is not installed: pip install 'undertow[{extra}]'")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        _give_up(str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error))


def _give_up(text: str) -> NoReturn:
    typer.echo(f"undertow: {text}", err=True)
    sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
