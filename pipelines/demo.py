"""The demo: the main job in under a minute. The traffic is simulated; all else is what users get."""

from __future__ import annotations

import os
import shutil
import sys
import time
import webbrowser
from contextlib import ExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from undertow.dashboards.model import Number
from undertow.dashboards.report import render_report
from undertow.dashboards.terminal import LiveView
from undertow.dashboards.units import duration
from undertow.pipelines.app import App, opened
from undertow.pipelines.demo_judgement import Judgement, judge, told
from undertow.pipelines.demo_live import Live
from undertow.pipelines.demo_pages import page_of, sent_pages
from undertow.pipelines.demo_player import Player
from undertow.pipelines.demo_queries import Queries
from undertow.pipelines.demo_report import Story, compose
from undertow.pipelines.settings import Ingest, Settings, Store
from undertow.pipelines.simulator import SCHEMAS, Scenario, ScenarioError
from undertow.pipelines.simulator.world import ENVIRONMENT
from undertow.pipelines.store_lock import holder

__all__ = ["DemoError", "Played", "play", "run", "traffic"]

MARKER = ".undertow-demo"
HOURS = 2.0
RATE = 15.0  # events a second of event time: slices, too, have their 2,000 events before the change
_AT, _FOR = 0.4, 0.2  # shares of the traffic: before the incident, and while it lasts; the rest is for the recovery
_FRAME_S, _LINE_S = 0.5, 1.0  # between frames on a terminal, and elsewhere
_DELIVERY_S = 5.0  # the console gets so long for the last page


class DemoError(RuntimeError):
    """The demo cannot run there; the message says why and the way out."""


class Played(msgspec.Struct, frozen=True):
    """What came of it: the report, how the run is judged, and that in words."""

    report: Path
    judgement: Judgement
    text: str


class _Files:
    """Everything that the demo writes, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.marker = folder, folder / MARKER
        self.data, self.traffic = folder / "data", folder / "traffic.jsonl"
        self.pages, self.report = folder / "pages.txt", folder / "report.html"

    def clear(self) -> None:
        """Make the folder ready for a run: remove what an earlier run left, and nothing else.

        Raises
        ------
        DemoError
            The folder holds something that no demo wrote, or a demo is running there.
        """
        if (
            self.folder.exists()
            and not self.marker.exists()
            and (not self.folder.is_dir() or any(self.folder.iterdir()))
        ):
            raise DemoError(f"'{self.folder}' holds something else than a demo; give another one: --folder NAME")
        if (other := holder(self.data)) is not None:
            raise DemoError(
                f"a demo is running in '{self.folder}' (process {other.pid}); give another one: --folder NAME"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.marker.touch()
        for file in (self.traffic, self.pages, self.report):
            file.unlink(missing_ok=True)
        if self.data.exists():
            shutil.rmtree(self.data)


def traffic(incident: str, seconds: float, now: float, seed: int = 1) -> Scenario:
    """Return two hours of a support assistant that end `seconds` after `now`, with the incident after 48 minutes.

    Examples
    --------
    >>> scenario = traffic("refusal_creep", 35.0, now=1_700_000_000.0)
    >>> planted = scenario.incidents[0]
    >>> scenario.end, planted.at - scenario.start, planted.until - planted.at
    (1700000035.0, 2880.0, 1440.0)
    """
    length = HOURS * 3600
    quiet = Scenario(seed=seed, start=now + seconds - length, duration_s=length, rate_per_s=RATE, inline_schemas=False)
    return quiet.plant(incident, after_s=_AT * length, for_s=_FOR * length)


def play(incident: str, folder: Path, seconds: float, seed: int = 1) -> Played:
    """Play live traffic with an incident in it, page for it, and write the report.

    Parameters
    ----------
    folder
        Where store, traffic, pages and report go; what an earlier demo left there is removed.
    seconds
        How long the traffic takes to play.

    Raises
    ------
    DemoError
        The folder holds something else, or a demo runs there.
    ScenarioError
        There is no such incident.
    """
    console = Console(highlight=False)
    if not seconds > 0:
        raise ScenarioError(f"seconds = {seconds:g} must be above 0: how long the traffic takes to play")
    played = run(traffic(incident, seconds, time.time() // 1, seed), folder, seconds, console)
    console.print(f"\n{played.text}\n", markup=False, soft_wrap=True)
    if console.is_terminal and _has_display():
        webbrowser.open(played.report.resolve().as_uri())
    return played


def run(scenario: Scenario, folder: Path, seconds: float, console: Console) -> Played:
    """Play the scenario, which has one incident, and judge what was paged; `play` says what may go wrong."""
    files = _Files(folder)
    files.clear()
    frame_s = _FRAME_S if console.is_terminal else _LINE_S
    settings = Settings(  # what a frame shows comes from the store, so a commit goes with each
        data=str(files.data), ingest=Ingest(schemas=dict(SCHEMAS)), store=Store(commit_s=frame_s)
    )
    service = scenario.incidents[0].incident.services[0]
    began = time.monotonic()
    with ExitStack() as stack:
        pages = stack.enter_context(files.pages.open("w", encoding="utf-8"))
        app = stack.enter_context(opened(settings, [str(files.traffic)], follow=True, console=pages, serve=False))
        queries = Queries(files.data, service, ENVIRONMENT)
        stack.callback(queries.close)
        live = Live(scenario, app, queries, files.pages)
        _watch(app, live, Player(scenario, files.traffic, scenario.duration_s / seconds), console, frame_s)
        incidents, sent = queries.incidents(), sent_pages(files.pages)
        judgement = judge(scenario.incidents[0], incidents, queries.verdicts(), queries.events_between)
        headlines = {each.id: page.headline for each in incidents if (page := page_of(each, sent)) is not None}
        text = told(judgement, settings.budget.false_pages_per_week, headlines)
        story = _story(scenario, queries, judgement, text, files, settings, time.monotonic() - began)
        files.report.write_text(render_report(compose(queries, story)), encoding="utf-8")
    return Played(files.report, judgement, text)


def _watch(app: App, live: Live, player: Player, console: Console, frame_s: float) -> None:
    """Let the watch follow the traffic to its end, with a frame now and then."""
    with player, LiveView(console) as view:
        drawn = -frame_s

        def after_step() -> None:
            nonlocal drawn
            player.check()
            if time.monotonic() - drawn >= frame_s:
                view.update(live.frame())
                drawn = time.monotonic()
            if player.done and app.watch.taken == player.written:
                app.stop()

        app.run(after_step)
        _wait_for_delivery(app)
        view.update(live.frame(done=True))


def _wait_for_delivery(app: App) -> None:
    """Let the pager's thread bring the last pages to the console."""
    patience = time.monotonic() + _DELIVERY_S
    while app.status()["undelivered"] and time.monotonic() < patience:
        time.sleep(0.05)


def _story(
    scenario: Scenario,
    queries: Queries,
    judgement: Judgement,
    text: str,
    files: _Files,
    settings: Settings,
    took_s: float,
) -> Story:
    totals = queries.totals()
    finding, planted = judgement.finding, judgement.planted
    return Story(
        title="demo",
        subject=f"a simulated support assistant, incident {planted.name}",
        numbers=[
            Number("events", f"{totals.events:,}", f"{totals.unreadable} unreadable"),
            *([Number("detected after the change", duration(finding.delay_s))] if finding is not None else []),
            Number("false pages before the change", str(len(judgement.before))),
        ],
        notes=[
            *text.splitlines(),
            f"Seed {scenario.seed}, {duration(scenario.duration_s)} of event time played in {duration(took_s)}; "
            "the traffic is simulated, everything else is what `undertow run` does.",
        ],
        sent=sent_pages(files.pages),
        budget=settings.budget.false_pages_per_week,
    )


def _has_display() -> bool:
    """Tell whether a browser would open beside the terminal, not in it."""
    return sys.platform in {"darwin", "win32"} or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
