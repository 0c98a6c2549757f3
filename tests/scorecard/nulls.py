"""Traffic in which nothing changes but what honest traffic does: false pages at budgets of 1 and 10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from scorecard import ours
from scorecard.ours import LENGTH, RATE, Kind
from scorecard.section import Goal, Row, Section, Size
from scorecard.traffic import LengthTraffic, RateTraffic
from scorecard.yardstick import Measured, rate_of

__all__ = ["sections"]

BUDGETS = (1.0, 10.0)
_BUSY = 10  # of so many series with high traffic one is simulated
WIDE = 0.1  # of the wander: more than the band allows for, until the days have taught it


class Load(NamedTuple):
    """How busy a series is, and how long it has been known when it may first page."""

    name: str
    weekly: float
    learned_days: float


LOADS = (Load("1,400", 1400.0, 10.0), Load("20k", 20_000.0, 3.5), Load("600k", 600_000.0, 3.5))
RATES: dict[str, dict[str, Any]] = {
    "independent": {},
    "season ±50 %": {"season": 0.5},
    "sessions of 4, correlation .2": {"sessions": 0.2},
    "retries, variance factor 3": {"retries": 0.5},
    "volume by hour 1:19, by day 1:3": {"swing": True},
    "weekends −30 %": {"weekly": 0.3},
    "wander, AR(1) of a day, sd .1": {"wander": WIDE},
    "season, sessions, swings and wander": {"season": 0.5, "sessions": 0.2, "swing": True, "wander": WIDE},
}
_SOFT = {"weekends −30 %": 14.0, "wander, AR(1) of a day, sd .1": 14.0, "season, sessions, swings and wander": 14.0}
LENGTHS: dict[str, dict[str, Any]] = {
    "independent, normal": {},
    "heavy tails, t₃": {"shape": "t3"},
    "capped at the 85th percentile": {"shape": "capped"},
    "season ±30 %": {"season": 0.3},
    "each like the one before, .3": {"sequence": 0.3},
    "volume by hour 1:19, by day 1:3": {"swing": True},
    "day noise 5 %": {"noise": 0.05},
}
_DAYS_TEACH = {"day noise 5 %": 14.0}
WANDER_REASON = (
    "the wander is estimated from whole days of the series' own; with two weeks of them 3.8 times their sd is "
    "still an estimate, and every series whose sd comes out too small pages"
)


def sections(size: Size) -> list[Section]:
    return [_rates(size), _lengths(size), _rare(size), _tiny(size)]


def _loads(size: Size) -> tuple[Load, ...]:
    return LOADS[1:2] if size.quick else LOADS


def _some(size: Size, nulls: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return dict(list(nulls.items())[:2]) if size.quick else nulls


def _series(size: Size, load: Load) -> int:
    return max(size.series // (_BUSY if load.weekly > 100_000 else 1), 1)


def _null_row(name: str, kind: Kind, traffic: type[Any], knobs: dict[str, Any], load: Load, size: Size) -> list[Row]:
    """Return pages in 1,000 series-weeks at each budget of 1,000 series."""
    series, days = _series(size, load), max(load.learned_days, (_SOFT | _DAYS_TEACH).get(name, 0.0))
    data, cells = {}, []
    for budget in BUDGETS if not size.quick else BUDGETS[1:]:
        of_these = budget * series / 1000  # the share of each series is that of an installation of 1,000
        count = ours.false_pages(kind, traffic(**knobs), load.weekly, series, of_these, days, size.watched)
        data[f"{budget:g}"] = rate_of(count, series / 1000 * size.watched / 7)
        cells.append(str(data[f"{budget:g}"]))
    return [Row([name, load.name, f"{series:,}", f"{days:g}", *cells], data)]


def _goals(kind: str, soft: Sequence[str], reason: str) -> Any:
    def goals(rows: Sequence[Row]) -> list[Goal]:
        return [
            Goal(
                f"{kind}, {row.cells[0]}, {row.cells[1]} events a week: false pages on a budget of {name}",
                round(float(name) + 2 * math.sqrt(float(name)), 1),
                pages,
                reason if row.cells[0] in soft else "",
            )
            for row in rows
            for name, pages in row.data.items()
        ]

    return goals


_HEADER = ("traffic", "events a week", "series", "days known", "pages on a budget of 1", "on a budget of 10")
_TEXT = (
    "Pages in 1,000 series-weeks after the days that only teach, with their exact Poisson interval. Where fewer series "
    "than 1,000 were simulated, one page counts for several."
)


def _header(size: Size) -> Sequence[str]:
    return _HEADER if not size.quick else (*_HEADER[:-2], _HEADER[-1])


def _rates(size: Size) -> Section:
    jobs = [
        partial(_null_row, name, Kind(ours.rates, RATE), RateTraffic, {"rate": 0.01, **knobs}, load, size)
        for name, knobs in _some(size, RATES).items()
        for load in _loads(size)
    ]
    told = "A rate of 1 %, as the monitor follows it: δ = .1, season to be learned, pages from an odds ratio of 1.25."
    return Section(
        "null rates",
        "False pages of rates",
        f"{told} {_TEXT}",
        _header(size),
        jobs,
        _goals("rates", list(_SOFT), WANDER_REASON),
    )


def _lengths(size: Size) -> Section:
    jobs = [
        partial(_null_row, name, Kind(ours.gaussian, LENGTH), LengthTraffic, knobs, load, size)
        for name, knobs in _some(size, LENGTHS).items()
        for load in _loads(size)[-2:]
    ]
    told = "Logs with sd .7, as the monitor follows them: δ = .05, season to be learned, pages from a ratio of 1.1."
    return Section(
        "null lengths",
        "False pages of lengths",
        f"{told} {_TEXT}",
        _header(size),
        jobs,
        _goals("lengths", list(_DAYS_TEACH), WANDER_REASON),
    )


# -- low traffic, tiny changes ----------------------------------------------------------------------------------------


def _rare(size: Size) -> Section:
    load = Load("140 (20 a day)", 140.0, 14.0)
    jobs = [
        partial(_null_row, name, Kind(ours.rates, RATE), RateTraffic, {"rate": rate}, load, size)
        for name, rate in (("1 %", 0.01), ("20 %", 0.2))
    ]
    told = "Series of 20 events a day that have just learned enough to speak (the strict form, from 200 events on)."
    return Section(
        "null rare", "False pages of low traffic", f"{told} {_TEXT}", _header(size), jobs, _goals("rates of", [], "")
    )


class Tiny(NamedTuple):
    name: str
    kind: Kind
    before: RateTraffic | LengthTraffic
    after: RateTraffic | LengthTraffic


TINY = (
    Tiny("refusals 2 → 2.1 % (odds × 1.05)", Kind(ours.rates, RATE), RateTraffic(0.02), RateTraffic(0.021)),
    Tiny("refusals 2 → 2.35 % (odds × 1.18)", Kind(ours.rates, RATE), RateTraffic(0.02), RateTraffic(0.0235)),
    Tiny("lengths × 1.03", Kind(ours.gaussian, LENGTH), LengthTraffic(), LengthTraffic(level=5.0 + math.log(1.03))),
    Tiny("lengths × 1.07", Kind(ours.gaussian, LENGTH), LengthTraffic(), LengthTraffic(level=5.0 + math.log(1.07))),
)


def _tiny(size: Size) -> Section:
    return Section(
        "tiny",
        "Small true changes at high traffic",
        "600,000 events a week, changed for three and a half days; smaller than `page_from`, so none may page. "
        "Notices are the record of it.",
        ("change", "series", "series that paged", "series with a notice"),
        [partial(_tiny_row, tiny, size) for tiny in (TINY[1:2] if size.quick else TINY)],
        lambda rows: [Goal(f"pages a series of: {row.cells[0]}", 0.01, row.data["pages"]) for row in rows],
    )


def _tiny_row(tiny: Tiny, size: Size) -> list[Row]:
    series = max(size.series // _BUSY, 2)
    found = ours.small_change(tiny.kind, tiny.before, tiny.after, series, 0.5 if size.quick else 3.5)
    pages, notices = (rate_of(len(found[how]), series) for how in ("page", "notice"))
    data: dict[str, Measured] = {"pages": pages}
    return [Row([tiny.name, f"{series:,}", str(pages), str(notices)], data)]
