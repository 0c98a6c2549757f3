"""One frame of the live view, laid out for a terminal of a given size: the page first, then series, then the ticker."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from undertow.dashboards.markup import visible
from undertow.dashboards.model import HttpStat, LivePage, LiveState, SeriesState, SeriesView, Tick
from undertow.dashboards.sparkline import sparkline
from undertow.dashboards.units import clock, quantity, short

__all__ = ["frame"]

ACCENT, CALM, SOFT = "dark_orange", "green", "bright_black"
_BORDERS = 2
_HEADER = _BORDERS + 1  # a panel's border and its column titles
_LEAST_SERIES = 3  # rows of series that stay visible beside a page
_LEAST_TICKS = 2


def frame(state: LiveState, width: int, height: int) -> list[RenderableType]:
    """Return the parts of a frame from top to bottom; together they are at most `height` lines."""
    room = height - 1 - (_HEADER if state.http else 0)
    parts: list[RenderableType] = [_title(state, width), *([_http(state.http, width)] if state.http else [])]
    page_rows = _page_rows(state.page, width, room) if state.page else 0
    room -= page_rows + _BORDERS if page_rows else 0
    rows, ticks = _split(room, len(state.series), len(state.ticker))
    if rows > 0:
        parts.append(_series(state, rows, width))
    if ticks > 0:
        parts.append(_ticker(state.ticker[-ticks:]))
    if state.page and page_rows:
        parts.append(_page(state.page, page_rows, width))
    return parts


def _split(room: int, series: int, ticks: int) -> tuple[int, int]:
    """Return how many rows the series and the ticker get; the ticker yields first."""
    both = room - _HEADER - _BORDERS
    ticks = min(ticks, max(_LEAST_TICKS, both - series))
    if ticks == 0 or both - ticks < min(series, _LEAST_SERIES):
        return room - _HEADER, 0
    return both - ticks, ticks


def _panel(body: RenderableType, title: Text, style: str = SOFT) -> Panel:
    return Panel(body, title=title, title_align="left", border_style=style, box=ROUNDED, padding=(0, 1))


def _clean(text: str) -> str:
    return " ".join(visible(text).split())


def _cut(text: str, width: int) -> str:
    text = _clean(text)
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


# --- title and HTTP --------------------------------------------------------------------------------------------------


def _title(state: LiveState, width: int) -> Text:
    right = f"{state.events:,} events  {clock(state.clock)} UTC"
    if state.progress is not None:
        done = min(max(state.progress, 0.0), 1.0)
        right = f"{'━' * round(10 * done)}{'╌' * (10 - round(10 * done))} {100 * done:3.0f} %  {right}"
    room = max(0, width - len(right) - 12)
    line = Text(" Undertow ", style="bold reverse", no_wrap=True, overflow="crop")
    line.append(f" {_cut(f'{state.phase} · {state.title}', room - 1).ljust(room)}", style="not reverse not bold")
    return line.append(f"{right} ", style="not reverse not bold")


def _http(stats: Sequence[HttpStat], width: int) -> Panel:
    calm = all(stat.ok for stat in stats)
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for _ in stats:
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_row(*(_stat(stat, (width - 4) // len(stats) - 2) for stat in stats))
    style = CALM if calm else ACCENT
    return _panel(grid, Text("HTTP metrics: green" if calm else "HTTP metrics: not normal", f"bold {style}"), style)


def _stat(stat: HttpStat, width: int) -> Text:
    style = CALM if stat.ok else ACCENT
    line = Text("✓ " if stat.ok else "✗ ", style=style)
    line.append(f"{_clean(stat.title)} ", style="default").append(quantity(stat.value, stat.unit), style="bold")
    # A flat line in the middle is what "green" looks like: the scale reaches twice as high as the values.
    peak = max((value for value in stat.history if value is not None), default=0.0)
    return line.append(f" {sparkline(stat.history, min(12, width - len(line) - 1), ceiling=2 * peak).lstrip()}")


# --- behaviour -------------------------------------------------------------------------------------------------------

_WIDE = 120  # columns from which titles are told instead of metric names
_PLACES = 96  # columns from which the slice of traffic has room


def _series(state: LiveState, rows: int, width: int) -> Panel:
    shown = _chosen(state.series, rows)
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style=SOFT)
    table.add_column("series", min_width=22, ratio=3, no_wrap=True, overflow="ellipsis")
    if width >= _PLACES:
        table.add_column("where", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("baseline", justify="right", no_wrap=True)
    table.add_column("now", justify="right", no_wrap=True)
    spark = 24 if width >= _WIDE else 12
    table.add_column("", width=spark, no_wrap=True)
    table.add_column("state", width=21, no_wrap=True, overflow="ellipsis")
    for series in shown:
        cells = _cells(series, spark, width >= _WIDE)
        table.add_row(*(cells if width >= _PLACES else [cells[0], *cells[2:]]))
    title = Text("Behaviour", style="bold")
    hidden = len(state.series) - len(shown)
    return _panel(table, title.append(f" · {hidden} more", style=f"not bold {SOFT}") if hidden else title)


def _chosen(series: Sequence[SeriesView], rows: int) -> list[SeriesView]:
    """Return what fits, in the order given, but never a steady series in the place of a changed one."""
    urgent = sorted(range(len(series)), key=lambda index: (series[index].state is not SeriesState.CHANGED, index))
    return [series[index] for index in sorted(urgent[:rows])]


def _cells(series: SeriesView, spark: int, titled: bool) -> list[Text]:
    changed = series.state is SeriesState.CHANGED
    style = f"bold {ACCENT}" if changed else "default"
    was = series.baseline.value if series.baseline else None
    return [
        Text(_clean(series.title if titled else series.metric), style=style),
        Text(_clean(series.where), style=style if changed else SOFT),
        Text(short(was, series.unit), style=SOFT),
        Text(short(series.current, series.unit), style=style),
        # The baseline lies at half the height, so that a rise and a fall both show.
        Text(sparkline(series.history, spark, ceiling=2 * (was or 0.0)), style=ACCENT if changed else "cyan"),
        _state(series),
    ]


def _state(series: SeriesView) -> Text:
    if series.state is SeriesState.CHANGED:
        since = f" {clock(series.changed_at)}" if series.changed_at is not None else ""
        return Text(f"CHANGED{since}", style=f"bold {ACCENT}")
    if series.state is SeriesState.WATCHING:
        return Text("watching", style=CALM)
    word = "learning" if series.state is SeriesState.LEARNING else "strict"
    return Text(f"{word} {series.learned:,} of {series.needed:,}", style=SOFT)


# --- ticker and page -------------------------------------------------------------------------------------------------


def _ticker(ticks: Sequence[Tick]) -> Panel:
    lines = Text(no_wrap=True, overflow="ellipsis")
    for index, tick in enumerate(ticks):
        lines.append("\n" if index else "").append(f"{clock(tick.t)}  ", style=SOFT)
        lines.append(_clean(tick.text), style=f"bold {ACCENT}" if tick.accent else "default")
    return _panel(lines, Text("Seen", style="bold"))


def _page_lines(page: LivePage, width: int) -> list[str]:
    """Return the page's lines as they wrap within the panel, so that their number is known."""
    inner = max(10, width - 4)
    found: list[str] = []
    for line in visible(page.text).expandtabs(4).splitlines():
        pieces = [line[start : start + inner] for start in range(0, len(line), inner)] or [""]
        found += pieces
    return found


def _page_rows(page: LivePage, width: int, room: int) -> int:
    """Return the lines the page gets: all it has, unless the few most urgent series would vanish."""
    kept = _HEADER + _BORDERS + _LEAST_SERIES
    return max(0, min(len(_page_lines(page, width)), room - kept))


def _page(page: LivePage, rows: int, width: int) -> Panel:
    lines = _page_lines(page, width)
    if len(lines) > rows:
        lines = [*lines[: rows - 1], f"… {len(lines) - rows + 1} more lines"]
    title = Text(f"PAGE · {_clean(page.severity)} · {clock(page.at)} UTC", style=f"bold reverse {ACCENT}")
    return _panel(Text("\n".join(lines), no_wrap=True, overflow="crop"), title, ACCENT)
