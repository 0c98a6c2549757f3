"""A plan as it is shown: plain values, and the text that says them on a terminal.

What can be found is told as levels in the metric's own unit; `None` is "not within that time, however large".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from undertow.dashboards.tables import table
from undertow.dashboards.units import number, short
from undertow.drift.metrics import parent_of

__all__ = ["Direction", "Plan", "SeriesPlan", "plan_text", "sentences", "sides", "where"]

_LISTED = 60  # series in the table; --json lists all
_WORDY = 12  # series up to which each is told in sentences
_A = {"hour": "an hour", "day": "a day", "week": "a week"}


class Direction(msgspec.Struct, frozen=True):
    """What can be found of a rise, or of a fall.

    Parameters
    ----------
    pages
        Whether a change this way hurts; otherwise it is a notice.
    band
        The farthest level that is never significant: benign wander.
    page_from
        The nearest level that is worth a page; what lies between is a notice.
    within
        The nearest level that is told within an hour, a day and a week.
    other
        The same if budget or traffic were another: by "budget ÷ 10", "budget × 10", "traffic ÷ 10", "traffic × 10".
    curve
        Delay in seconds and the nearest level that is told within it.
    """

    pages: bool
    band: float
    page_from: float
    within: dict[str, float | None]
    other: dict[str, dict[str, float | None]]
    curve: list[tuple[float, float]]


class SeriesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One series: what is usual, what hides changes, and how small a change is found.

    Parameters
    ----------
    events_per_week
        None while it is not known.
    hidden_by
        What makes the band as wide as it is: "band", "wander", "daily cycle not known yet", "young baseline".
    reason
        Why there is no plan; empty where there is one.
    """

    service: str
    environment: str
    segment: dict[str, str]
    metric: str
    unit: str
    level: float
    learned: int
    events_per_week: float | None = None
    hidden_by: str = ""
    reason: str = ""
    rise: Direction | None = None
    fall: Direction | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All series of an installation, and the budget that they share."""

    false_pages_per_week: float
    series_sharing: int
    until: float
    series: list[SeriesPlan]


def where(one: SeriesPlan) -> str:
    """Return the place of a series as people read it."""
    place = one.service + (f"/{one.environment}" if one.environment else "")
    return " ".join([place, *(f"{name}={value}" for name, value in one.segment.items())])


def plan_text(plan: Plan) -> str:
    """Return the plan as people read it: a table, what another order would buy, and sentences where they are few."""
    head = (
        f"budget: {plan.false_pages_per_week:g} false pages a week, shared by {plan.series_sharing} series; "
        "the smallest change that is paged within …"
    )
    planned = sorted((one for one in plan.series if not one.reason), key=_order)
    columns = ["series", "metric", "a week", "usual", *_A.values(), "hidden by"]
    lines = [head, table(columns, [_row(one) for one in planned[:_LISTED]])]
    if len(planned) > _LISTED:
        lines.append(f"… and {len(planned) - _LISTED} more: --json lists all, --metric and --slice choose")
    others = planned if len(planned) <= _WORDY else [one for one in planned if _order(one)[:2] == (0, 0)][:_LISTED]
    lines += ["", "the same within a day, if budget or traffic were another:", _others(others)] if others else []
    lines += ["", *(sentences(one) for one in planned)] if len(planned) <= _WORDY else []
    lines += ["", *_unplanned([one for one in plan.series if one.reason])]
    return "\n".join(lines).rstrip()


def sentences(one: SeriesPlan) -> str:
    """Return what a plan says of one series.

    Examples
    --------
    >>> rise = Direction(True, 0.023, 0.026, {"hour": 0.034, "day": 0.026, "week": 0.026}, {}, [])
    >>> print(sentences(SeriesPlan(service="support", environment="", segment={"region": "eu"}, metric="refusal_rate",
    ...     unit="share of events", level=0.021, learned=9000, events_per_week=50_000, hidden_by="band", rise=rise)))
    refusal_rate of support region=eu (50,000 events a week): a rise from 2.1 % is paged if it goes to 3.4 % within an
    hour, to 2.6 % within a day, to 2.6 % within a week. What ends below 2.6 % is never paged. What stays below 2.3 % is
    not even recorded (band).
    """
    told = [_sentence(one, word, side) for word, side in (("rise", one.rise), ("fall", one.fall)) if side]
    return f"{one.metric} of {where(one)} ({number(one.events_per_week or 0)} events a week): {' '.join(told)}"


def _sentence(one: SeriesPlan, word: str, side: Direction) -> str:
    beyond = "below" if word == "rise" else "above"
    found = [
        f"to {short(level, one.unit)} within {_A[horizon]}"
        for horizon, level in side.within.items()
        if level is not None
    ]
    verb = "paged" if side.pages else "recorded (this way it hurts nobody)"
    start = f"a {word} from {short(one.level, one.unit)} is "
    if not found:
        return f"{start}not found within a week, however large."
    least = f"What ends {beyond} {short(side.page_from, one.unit)} is never paged. " if side.pages else ""
    hidden = f"What stays {beyond} {short(side.band, one.unit)} is not even recorded ({one.hidden_by})."
    return f"{start}{verb} if it goes {', '.join(found)}. {least}{hidden}"


def _order(one: SeriesPlan) -> tuple[int, int, str]:
    """Whole services before slices, metrics before their tails."""
    return len(one.segment), parent_of(one.metric) != one.metric, where(one)


def _row(one: SeriesPlan) -> list[str]:
    cells = [_cell(one, {name: side.within.get(horizon) for name, side in sides(one)}) for horizon in _A]
    volume = number(one.events_per_week or 0)
    return [where(one), one.metric, volume, short(one.level, one.unit), *cells, one.hidden_by]


def _others(series: Sequence[SeriesPlan]) -> str:
    names = list(dict.fromkeys(name for one in series for _, side in sides(one) for name in side.other))
    rows = []
    for one in series:
        cells = [_cell(one, {mark: side.other.get(name, {}).get("day") for mark, side in sides(one)}) for name in names]
        now = _cell(one, {mark: side.within.get("day") for mark, side in sides(one)})
        rows.append([where(one), one.metric, now, *cells])
    return table(["series", "metric", "as it is", *names], rows)


def sides(one: SeriesPlan) -> list[tuple[str, Direction]]:
    """Return the directions that page, or both where neither does, by their arrows."""
    sides = [(arrow, side) for arrow, side in (("↑", one.rise), ("↓", one.fall)) if side is not None]
    return [(arrow, side) for arrow, side in sides if side.pages] or sides


def _cell(one: SeriesPlan, levels: dict[str, float | None]) -> str:
    return "  ".join(f"{arrow} {short(level, one.unit)}" for arrow, level in levels.items())


def _unplanned(series: Sequence[SeriesPlan]) -> list[str]:
    """Return a line a reason: how many series it keeps from a plan, and some of them."""
    lines = []
    for reason in dict.fromkeys(one.reason for one in series):
        mine = [f"{one.metric} of {where(one)}" for one in series if one.reason == reason]
        more = f" and {len(mine) - 3} more" if len(mine) > 3 else ""
        lines.append(f"{reason}: {', '.join(mine[:3])}{more}")
    return lines
