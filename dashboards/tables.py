"""Plain tables as text: for `undertow sql`, the state of all series and the list of incidents."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from undertow.dashboards.markup import visible
from undertow.dashboards.model import IncidentView, SeriesState, SeriesView
from undertow.dashboards.units import clock, duration, short, stamp

__all__ = ["incidents_table", "series_status_table", "table"]

LONGEST = 120  # characters of a cell; the rest is cut and the cut is shown
_WIDEST = 10_000


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as an aligned text table: numbers to the right, NULL for None, one line for each row.

    Tabs, newlines and control characters of a value are shown, not obeyed; a value longer than 120 characters is cut.

    Examples
    --------
    >>> print(table(["service", "calls", "cost"], [("support", 1240, None), ("billing", 7, 0.25)]))
     service   calls   cost
    ────────────────────────
     support    1240   NULL
     billing       7   0.25
    """
    held = [list(row) for row in rows]
    drawn = Table(box=SIMPLE_HEAD, show_edge=False)
    for index, name in enumerate(columns):
        numeric = _numeric([row[index] for row in held])
        drawn.add_column(Text(_line(name)), justify="right" if numeric else "left", no_wrap=True)
    for row in held:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return _text(drawn)


def _numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) and abs(value) < 1e15 else str(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return _line(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _line(text: str) -> str:
    text = visible(text).replace("\n", "⏎").replace("\t", "␉")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _text(drawn: Table) -> str:
    console = Console(file=io.StringIO(), width=_WIDEST, color_system=None, highlight=False, emoji=False, markup=False)
    with console.capture() as capture:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def series_status_table(series: Sequence[SeriesView]) -> str:
    """Return which series can page now, which are learning and how far they are.

    Examples
    --------
    >>> view = SeriesView(title="latency of calls", metric="latency", unit="seconds", where="support",
    ...                   state=SeriesState.LEARNING, learned=840, needed=2000)
    >>> print(series_status_table([view]))
     series    metric    state                   baseline   now   can page
    ───────────────────────────────────────────────────────────────────────
     support   latency   learning 840 of 2,000   –          –     no
    """
    columns = ["series", "metric", "state", "baseline", "now", "can page"]
    return table(columns, [_status(each) for each in series])


_CAN_PAGE = {
    SeriesState.LEARNING: "no",
    SeriesState.STRICT: "large changes",
    SeriesState.WATCHING: "yes",
    SeriesState.CHANGED: "yes",
}


def _status(series: SeriesView) -> list[str]:
    baseline = short(series.baseline.value, series.unit) if series.baseline else "–"
    return [
        series.where,
        series.metric,
        state_text(series),
        baseline,
        short(series.current, series.unit),
        _CAN_PAGE[series.state],
    ]


def state_text(series: SeriesView) -> str:
    """Return the state of a series in words."""
    if series.state is SeriesState.CHANGED and series.changed_at is not None:
        return f"changed since {stamp(series.changed_at)}"
    if series.state in {SeriesState.LEARNING, SeriesState.STRICT}:
        return f"learning {series.learned:,} of {series.needed:,}"
    return str(series.state)


def incidents_table(incidents: Sequence[IncidentView]) -> str:
    """Return one line for each incident: when it changed, how bad, what, and whether it is over."""
    columns = ["id", "changed (UTC)", "severity", "service", "what", "paged", "state"]
    return table(columns, [_incident(each) for each in incidents])


def _incident(incident: IncidentView) -> list[str]:
    paged = clock(incident.paged_at) if incident.paged_at is not None else "no"
    state = "open"
    if incident.resolved_at is not None:
        state = f"{incident.resolution or 'resolved'} after {duration(incident.resolved_at - incident.changed_at)}"
    return [
        incident.id,
        stamp(incident.changed_at),
        incident.severity,
        incident.service,
        incident.headline,
        paged,
        state,
    ]
