"""The live view: HTTP metrics green on top, behaviour moving below, and the page when it leaves.

On a terminal it is redrawn in place; anywhere else (a pipe, a build log) it becomes plain lines, one for each thing
that happened.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live

from undertow.dashboards.frame import frame
from undertow.dashboards.markup import visible
from undertow.dashboards.model import HttpStat, LiveState, SeriesState
from undertow.dashboards.units import clock, quantity, short

__all__ = ["LiveView"]

_STEPS = 10  # progress lines of a whole run, where no terminal can be redrawn


class LiveView:
    r"""Shows one state after another; a context manager that leaves the last frame standing.

    Parameters
    ----------
    console
        Where to draw; standard output by default. Every call of `update` draws, so the caller sets the pace.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with LiveView(Console(file=out, width=80)) as view:
    ...     view.update(LiveState(title="support", clock=1_700_000_000.0, phase="watching", events=120))
    >>> out.getvalue()
    '22:13:20  watching, 120 events\n'
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._lines = _Lines(self._console)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, state: LiveState) -> None:
        """Draw the state, or print what is new in it."""
        if self._live is None:
            self._lines.update(state)
        else:
            self._live.update(self.render(state), refresh=True)

    def render(self, state: LiveState) -> RenderableType:
        """Return the frame for the console's present size; one line stays free for the cursor."""
        width, height = self._console.size
        return Group(*frame(state, width, height - 1))


class _Lines:
    """The same as lines: progress, ticker, changes of state, the page."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step: tuple[str, int] | None = None
        self._ticks = 0
        self._changed: set[tuple[str, str]] = set()
        self._paged: float | None = None

    def update(self, state: LiveState) -> None:
        step = (state.phase, int(_STEPS * (state.progress or 0.0)))
        if step != self._step:
            self._step = step
            self._say(state.clock, "  ".join([f"{state.phase}, {state.events:,} events", *map(_http, state.http)]))
        for tick in state.ticker[self._ticks :]:
            self._say(tick.t, tick.text)
        self._ticks = len(state.ticker)
        self._changes(state)
        if state.page is not None and state.page.at != self._paged:
            self._paged = state.page.at
            self._say(state.page.at, f"PAGE ({state.page.severity})")
            self._print("\n".join(f"    {line}" for line in visible(state.page.text).splitlines()))

    def _changes(self, state: LiveState) -> None:
        for series in state.series:
            key = (series.where, series.metric)
            if series.state is SeriesState.CHANGED and key not in self._changed:
                was = short(series.baseline.value, series.unit) if series.baseline else "–"
                now = quantity(series.current, series.unit)
                self._say(state.clock, f"changed: {series.title}, {series.where}: {was} → {now}")
        self._changed = {(each.where, each.metric) for each in state.series if each.state is SeriesState.CHANGED}

    def _say(self, t: float, text: str) -> None:
        self._print(f"{clock(t)}  {visible(text)}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _http(stat: HttpStat) -> str:
    return f"{stat.title} {quantity(stat.value, stat.unit)} {'ok' if stat.ok else 'NOT OK'}"
