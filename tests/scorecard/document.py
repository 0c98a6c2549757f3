"""The scorecard as a document: Markdown, with a drawing beside the tables that have one."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from scorecard.section import Bar, Goal, Row, Section, Size
from undertow.dashboards.markup import Markup, tag

__all__ = ["figure", "markdown", "write"]

_INTRO = """# Scorecard

How good the detection is, beside what else there is. `make scorecard` measures everything in this page anew and writes
it; nothing in it is typed by hand, and nothing of ours is tuned: the threshold is the formula ln(N/b).

**Yardstick.** D* = (ln(ARL·I₀) − 1)/I₁, with I₀ = KL(before‖after) and I₁ = KL(after‖before), is what Page's CUSUM
needs that is told both levels (Siegmund's approximation). Who must learn a level and watch both directions needs
more. Delays count from the change to the alarm; *equal run length* means as many events to a false alarm (ARL),
*equal budget* as many false pages a week.

**Intervals.** Square brackets hold 95 %: of means by the normal law, of counts by Poisson's (exact), of shares by
Clopper and Pearson's, of medians by order statistics; of quotients by the errors of both. A goal that is met or
missed with the bound inside its interval says *within the error*.

**Seeds.** All are fixed, so the same code gives the same page, but for the times of the table of costs. Knobs of
other detectors were found with other seeds than they are measured with: `python -m tests.scorecard tune` searches
them by bisection and keeps them, with the run length that they had on the streams of the search, in
`tests/scorecard/tuned.json`.

**Limits.** Traffic is simulated unless a table says otherwise. A simulated null is as good as its imagination: what
honest traffic does here is in `tests/scorecard/traffic.py`. A bound on a mean over 1,000 series-weeks is not proved
by zero pages: the upper end of its interval is what was shown. Delays of detectors that work event by event rest on
fewer runs than ours, and their intervals are wider.
"""
_WIDTH_OF_TEXT = 118


def write(folder: Path, parts: Sequence[tuple[Section, Sequence[Row]]], size: Size) -> Path:
    """Write the document and its figures; return its path."""
    for section, rows in parts:
        bars = [bar for row in rows for bar in row.bars]
        if section.figure and bars:
            (folder / _figure_name(section)).write_text(figure(section.figure, bars) + "\n")
    path = folder / "scorecard.md"
    path.write_text(markdown(parts, size))
    return path


def markdown(parts: Sequence[tuple[Section, Sequence[Row]]], size: Size) -> str:
    """Return the whole document."""
    goals = [goal for section, rows in parts for goal in section.goals(rows)]
    blocks = [_INTRO]
    if size.quick:
        blocks.append("**This is the quick form: it shows that the scorecard runs, not how good anything is.**\n")
    goal_table = _goals(goals, [section for section, _ in parts])
    return "\n".join([*blocks, *goal_table, *(_section(section, rows) for section, rows in parts)])


def _goals(goals: Sequence[Goal], sections: Sequence[Section]) -> list[str]:
    """Return the table of goals; of those that fall short it says which curve shows what the value depends on."""
    titles = {section.name: f"[curve](#{_anchor(section.title)})" for section in sections}
    rows = [
        (goal.name, goal.bound(), str(goal.measured), goal.verdict, "" if goal.met else titles.get(goal.curve, ""))
        for goal in goals
    ]
    table = _table(("goal", "bound", "measured", "", "depends on"), rows)
    return [f"## Goals: {sum(goal.met for goal in goals)} of {len(goals)} met\n", table]


def _anchor(title: str) -> str:
    """Return the name that a renderer of Markdown gives to a heading."""
    return "".join(each for each in title.lower().replace(" ", "-") if each.isalnum() or each in "-_")


def _section(section: Section, rows: Sequence[Row]) -> str:
    text = textwrap.fill(section.text, _WIDTH_OF_TEXT)
    drawn = section.figure and any(row.bars for row in rows)
    figure_line = f"\n![{section.figure}]({_figure_name(section)})\n" if drawn else ""
    return f"## {section.title}\n\n{text}\n\n{_table(section.header, [row.cells for row in rows])}{figure_line}"


def _figure_name(section: Section) -> str:
    return f"scorecard-{section.name.replace(' ', '-')}.svg"


_BAR = "\\|"  # inside a table


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |" for cells in lines) + "\n"


# -- figures ----------------------------------------------------------------------------------------------------------

_LEFT, _WIDTH, _ROW, _TOP = 290.0, 760.0, 20.0, 44.0
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600 } .grid { stroke: #ddd }
.bar { stroke: #8a8f98; stroke-width: 2 } .dot { fill: #8a8f98 } .bar.ours { stroke: #c2410c }
.dot.ours { fill: #c2410c }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } }
"""


def figure(title: str, bars: Sequence[Bar]) -> str:
    """Return an SVG of values with their intervals, on a logarithmic scale where they span decades."""
    finite = [part for bar in bars for part in bar.measured if 0 < part < math.inf]
    low, high = min(finite, default=0.1), max(finite, default=1.0)
    logarithmic = high / low > 20 and all(bar.measured.value > 0 for bar in bars)
    edges = _edges(low, high) if logarithmic else (0.0, high)

    def x(value: float) -> float:
        clipped = min(max(value, edges[0]), edges[1])
        span = [math.log(part) for part in (clipped, *edges)] if logarithmic else [clipped, *edges]
        return round(_LEFT + (_WIDTH - _LEFT - 20) * (span[0] - span[1]) / (span[2] - span[1] or 1), 1)

    bottom = _TOP + _ROW * len(bars)
    parts = [tag("style", Markup(_STYLE)), tag("text", title, class_="title", x=10, y=18)]
    for mark in _ticks(edges, logarithmic):
        parts.append(tag("line", class_="grid", x1=x(mark), x2=x(mark), y1=_TOP - 8, y2=bottom))
        parts.append(tag("text", f"{mark:g}", x=x(mark), y=_TOP - 12, text_anchor="middle"))
    for number, bar in enumerate(bars):
        parts += _bar(
            bar, x(bar.measured.low), x(bar.measured.value), x(bar.measured.high), _TOP + _ROW * (number + 0.5)
        )
    return tag("svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH:g} {bottom + 10:g}", role="img")


def _bar(bar: Bar, low: float, middle: float, high: float, y: float) -> list[Markup]:
    kind = " ours" if bar.ours else ""
    return [
        tag("text", bar.name, x=_LEFT - 10, y=y + 4, text_anchor="end"),
        tag("line", class_=f"bar{kind}", x1=low, x2=high, y1=y, y2=y),
        tag("circle", class_=f"dot{kind}", cx=middle, cy=y, r=4),
    ]


def _edges(low: float, high: float) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))


def _ticks(edges: tuple[float, float], logarithmic: bool) -> list[float]:
    if logarithmic:
        return [10.0**power for power in range(round(math.log10(edges[0])), round(math.log10(edges[1])) + 1)]
    step = 10.0 ** math.floor(math.log10(edges[1]))
    step = step / 2 if edges[1] / step < 4 else step
    return [step * number for number in range(int(edges[1] / step) + 1)]
