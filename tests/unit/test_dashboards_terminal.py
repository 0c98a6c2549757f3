"""The live view fits its terminal, shows the page, and becomes lines where nothing can be redrawn."""

import io
import random

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from undertow.dashboards.model import (
    Estimate,
    HttpStat,
    LivePage,
    LiveState,
    SeriesState,
    SeriesView,
    Tick,
)
from undertow.dashboards.terminal import LiveView

SHARE = "share of events"
NOW = 1_700_049_600.0
PAGE = LivePage(
    at=NOW - 20,
    severity="critical",
    headline="31 % of answers break their JSON Schema",
    text="\n".join(
        [
            "support: 31 % of answers break their JSON Schema, was 0.6 %",
            "",
            "since    11:58:30 UTC (11:58:20 – 11:58:40), seen after 61 events",
            "where    operation=extract_order, every region and model",
            "HTTP     green: error rate 0.4 % → 0.4 %, latency 1.21 s → 1.19 s",
            "cause    prompt_version v42, first seen 4 s before the change",
            "also     length of answers 412 → 524 characters (+27 %)",
            "",
            "accept   undertow accept 7f3a91",
        ]
    ),
)


def _history(level: float, seed: int, moved: float | None = None) -> list[float | None]:
    chance = random.Random(seed)
    levels = [level] * 16 + [level if moved is None else moved] * 8
    return [value * chance.uniform(0.85, 1.15) for value in levels]


def _series(title: str, metric: str, unit: str, level: float, **rest: object) -> SeriesView:
    view = SeriesView(
        title=title,
        metric=metric,
        unit=unit,
        where="support",
        state=SeriesState.WATCHING,
        baseline=Estimate(level, level * 0.95, level * 1.05, 4000),
        current=level * 1.02,
        history=_history(level, 1),
    )
    return msgspec.structs.replace(view, **rest)


def sample_state(page: LivePage | None = PAGE) -> LiveState:
    """Return the frame of a demo a few seconds after its page."""
    moved = {
        "state": SeriesState.CHANGED,
        "changed_at": NOW - 90,
        "current": 0.31,
        "history": _history(0.006, 2, 0.31),
        "where": "operation=extract_order",
    }
    return LiveState(
        title="support assistant, live traffic",
        clock=NOW,
        phase="watching",
        progress=0.62,
        events=18_240,
        http=[
            HttpStat("requests", "/s", 41.2, history=_history(41, 3)),
            HttpStat("errors", SHARE, 0.004, history=_history(0.004, 4)),
            HttpStat("latency", "seconds", 1.21, history=_history(1.2, 5)),
        ],
        series=[
            _series("answers that refuse", "refusal_rate", SHARE, 0.021),
            _series("answers that break their JSON Schema", "schema_violation_rate", SHARE, 0.006, **moved),
            _series("length of answers", "output_length", "characters", 412),
            _series("length of user inputs", "input_length", "characters", 188),
            _series("cost of a task", "cost_per_task", "US dollars", 0.0042),
            _series("calls a task takes", "calls_per_task", "calls", 2.1),
            _series("answers cut off by a length limit", "truncation_rate", SHARE, 0.011),
            _series(
                "latency of calls", "latency", "seconds", 1.2, state=SeriesState.LEARNING, learned=840, needed=2000
            ),
        ],
        ticker=[
            Tick(NOW - 600, "first seen: region ap-south"),
            Tick(NOW - 94, "first seen: prompt_version v42", accent=True),
            Tick(NOW - 30, "incident 7f3a91 opened: schema_violation_rate, operation=extract_order", accent=True),
        ],
        page=page,
        pages_sent=1 if page else 0,
    )


def _drawn(state: LiveState, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(LiveView(console).render(state))
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(100, 30), (80, 24), (160, 50), (60, 16)])
@pytest.mark.parametrize("page", [PAGE, None])
def test_a_frame_fits_its_terminal(width: int, height: int, page: LivePage | None) -> None:
    lines = _drawn(sample_state(page), width, height)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 5), (40, 9), (300, 100)])
def test_no_size_of_terminal_breaks_it(width: int, height: int) -> None:
    assert _drawn(sample_state(), width, height)


@pytest.mark.parametrize(("width", "height"), [(100, 30), (80, 24)])
def test_the_usual_terminals_show_the_whole_page_and_the_changed_series(width: int, height: int) -> None:
    text = "\n".join(_drawn(sample_state(), width, height))
    assert all(line in text for line in PAGE.text.splitlines())
    assert "PAGE · critical · 11:59:40 UTC" in text
    assert "CHANGED 11:58:30" in text
    assert "HTTP metrics: green" in text
    assert "1.21 s" in text


def test_a_page_longer_than_the_screen_says_how_much_is_missing() -> None:
    long = msgspec.structs.replace(PAGE, text="\n".join(f"line {index}" for index in range(100)))
    lines = _drawn(sample_state(long), 80, 24)
    assert len(lines) < 24
    assert any("more lines" in line for line in lines)
    assert any("CHANGED" in line for line in lines)


def test_a_changed_series_is_shown_before_any_steady_one() -> None:
    state = sample_state()
    steady = [_series(f"steady {index}", f"steady_{index}", SHARE, 0.1) for index in range(40)]
    lines = _drawn(msgspec.structs.replace(state, series=[*steady, *state.series]), 80, 24)
    assert any("CHANGED" in line for line in lines)
    assert any("43 more" in line for line in lines)


def test_http_that_is_not_normal_is_not_called_green() -> None:
    red = msgspec.structs.replace(sample_state(), http=[HttpStat("errors", SHARE, 0.4, ok=False)])
    text = "\n".join(_drawn(red, 100, 30))
    assert "HTTP metrics: not normal" in text
    assert "✗ errors 40.0 %" in text


def test_learning_series_say_how_far_they_are() -> None:
    assert any("learning 840 of 2,000" in line for line in _drawn(sample_state(None), 100, 30))


def test_text_of_the_traffic_cannot_act_on_the_terminal() -> None:
    evil = "\x1b[2J[bold red]\x07 :smile:"
    page = msgspec.structs.replace(PAGE, text=evil)
    state = msgspec.structs.replace(sample_state(page), ticker=[Tick(NOW, evil)], title=evil)
    text = "\n".join(_drawn(state, 100, 30))
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "␛[2J[bold red]␇ :smile:" in text


def _told(states: list[LiveState]) -> list[str]:
    out = io.StringIO()
    with LiveView(Console(file=out, width=80)) as view:
        for state in states:
            view.update(state)
    return out.getvalue().splitlines()


def test_without_a_terminal_each_thing_is_told_once() -> None:
    before = msgspec.structs.replace(sample_state(None), series=[], ticker=[], progress=0.1)
    lines = _told([before, sample_state(), sample_state()])
    assert not any("\x1b" in line for line in lines)
    said = "\n".join(lines)
    for once in (
        "first seen: prompt_version v42",
        "PAGE (critical)",
        "changed: answers that break",
        "accept   undertow",
    ):
        assert said.count(once) == 1
    assert sum("watching, 18,240 events" in line for line in lines) == 2


def test_without_a_terminal_a_series_that_changes_again_is_told_again() -> None:
    changed = sample_state(None)
    calm = msgspec.structs.replace(changed, series=[])
    assert sum("changed: " in line for line in _told([changed, calm, changed])) == 2


def test_a_terminal_keeps_the_last_frame() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, height=30, force_terminal=True)
    with LiveView(console) as view:
        view.update(sample_state(None))
        view.update(sample_state())
    assert "PAGE · critical" in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is given back
