"""Traffic in which nothing changes but what honest traffic does: false pages at budgets of 1 and 10."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from scorecard import ours
from scorecard.ours import LENGTH, RATE, Kind
from scorecard.section import Goal, Row, Section, Size
from scorecard.traffic import DAY, LengthTraffic, RateTraffic, arriving, silent, surging, swinging
from scorecard.yardstick import rate_of

__all__ = ["BUDGETS", "LOADS", "RATES", "Load", "Null", "null_row", "sections"]

BUDGETS = (1.0, 10.0)
_BUSY = 10  # of so many series with high traffic one is simulated
_SILENCE = 14.0
_NEW = -1.0  # days: nothing is known when the watched week begins
SESSIONS, RETRIES, WANDER = 0.2, 0.5, 0.1
UNLIKE = np.random.default_rng(5).permutation(np.geomspace(0.001, 0.2, 1000))  # rates


class Load(NamedTuple):
    """How busy a series is, and how many days it has been known when it may first page."""

    name: str
    weekly: float
    days: float


LOW, MIDDLE, HIGH = LOADS = Load("1,400", 1400.0, 10.0), Load("20k", 20_000.0, 3.5), Load("600k", 600_000.0, 3.5)


_BUSIER = [MIDDLE, HIGH]


class Null(NamedTuple):
    """Traffic that is known for so many days, the least of them, and the loads it is shown at."""

    traffic: Callable[[float], RateTraffic | LengthTraffic]
    days: float = 0.0
    loads: Sequence[Load] = LOADS


RATES = {
    "independent": Null(lambda days: RateTraffic(0.01)),
    "season ±50 %": Null(lambda days: RateTraffic(0.01, season=0.5)),
    "sessions of 4, correlation .2": Null(lambda days: RateTraffic(0.01, sessions=SESSIONS)),
    "retries, variance factor 3": Null(lambda days: RateTraffic(0.01, retries=RETRIES)),
    "retries, three times the history": Null(lambda days: RateTraffic(0.01, retries=RETRIES), 30.0, [LOW]),
    "rates from .1 to 20 %, sessions": Null(lambda days: RateTraffic(UNLIKE, sessions=SESSIONS), loads=[LOW, MIDDLE]),
    "volume by hour 1:19, by day 1:3": Null(lambda days: RateTraffic(0.01, volume=swinging)),
    "volume × 30 from the watched week on": Null(
        lambda days: RateTraffic(0.01, sessions=SESSIONS, volume=surging(days * DAY)), loads=[LOW, MIDDLE]
    ),
    "silent for two weeks, then back": Null(
        lambda days: RateTraffic(0.01, season=0.5, volume=silent((days - _SILENCE) * DAY, days * DAY)),
        LOADS[0].days + _SILENCE,
        [LOW, MIDDLE],
    ),
    "new series all through the week": Null(
        lambda days: RateTraffic(0.01, season=0.5, volume=arriving(0.0, 7 * DAY)), _NEW, [LOW, MIDDLE]
    ),
    "weekends −30 %": Null(lambda days: RateTraffic(0.01, weekly=0.3), 14.0),
    "weekends −30 %, four weeks known": Null(lambda days: RateTraffic(0.01, weekly=0.3), 28.0, _BUSIER),
    "wander, AR(1) of a day, sd .1": Null(lambda days: RateTraffic(0.01, wander=WANDER), 14.0),
    "wander, from the first day on": Null(lambda days: RateTraffic(0.01, wander=WANDER), _NEW),
    "season, sessions, swings and wander": Null(
        lambda days: RateTraffic(0.01, season=0.5, sessions=SESSIONS, volume=swinging, wander=WANDER), 14.0
    ),
}
LENGTHS = {
    "independent, normal": Null(lambda days: LengthTraffic(), loads=_BUSIER),
    "heavy tails, t₃": Null(lambda days: LengthTraffic("t3"), loads=[MIDDLE]),
    "capped at the 85th percentile": Null(lambda days: LengthTraffic("capped"), loads=[MIDDLE]),
    "season ±30 %": Null(lambda days: LengthTraffic(season=0.3), loads=_BUSIER),
    "each like the one before, .3": Null(lambda days: LengthTraffic(sequence=0.3), loads=[MIDDLE]),
    "volume by hour 1:19, by day 1:3": Null(lambda days: LengthTraffic(volume=swinging), loads=[MIDDLE]),
    "day noise 5 %": Null(lambda days: LengthTraffic(noise=0.05), 14.0, _BUSIER),
    "day noise 5 %, from the first day on": Null(lambda days: LengthTraffic(noise=0.05), _NEW, _BUSIER),
}
NULLS = {"rates": (Kind(ours.rates, RATE), RATES), "lengths": (Kind(ours.lengths, LENGTH), LENGTHS)}


def sections(size: Size) -> list[Section]:
    return [_section("rates", size), _section("lengths", size), _rare(size), _tiny(size)]


def null_row(kind: str, name: str, load: Load, size: Size) -> list[Row]:
    """Return pages in 1,000 series-weeks at each budget of 1,000 series."""
    detector, nulls = NULLS[kind]
    null = nulls[name]
    days = max(load.days, null.days) if null.days >= 0 else 0.0
    return _row(name, detector, partial(null.traffic, days), load, days, size)


def _row(
    name: str, kind: Kind, traffic: Callable[[], RateTraffic | LengthTraffic], load: Load, days: float, size: Size
) -> list[Row]:
    series = size.series // (_BUSY if load.weekly > 100_000 else 1)
    shares = [budget / 1000 for budget in BUDGETS]  # of each series, in an installation of 1,000
    counts = ours.false_pages(kind, traffic, load.weekly, series, shares, days, size.watched)
    weeks = series / 1000 * size.watched / 7
    data = {budget: rate_of(count, weeks) for budget, count in zip(BUDGETS, counts, strict=True)}
    cells = [f"**{pages}**" if pages.value > _most(budget) else str(pages) for budget, pages in data.items()]
    return [
        Row(
            [name, load.name, f"{series:,}", f"{days:g}", *cells],
            {f"{budget:g}": each for budget, each in data.items()},
        )
    ]


def _most(budget: float) -> float:
    """Return how many pages are no surprise where so many are allowed."""
    return budget + 2 * math.sqrt(budget)


def _goals(kind: str, rows: Sequence[Row]) -> list[Goal]:
    goals = []
    for budget in BUDGETS:
        name = f"{budget:g}"
        worst = max(rows, key=lambda row: row.data[name])
        where = f"{worst.cells[0]}, {worst.cells[1]} a week"
        kept = sum(row.data[name].value <= _most(budget) for row in rows)
        label = f"false pages on a budget of {name}, {kind}: kept by {kept} of {len(rows)}; the worst ({where})"
        goals.append(Goal(label, round(_most(budget), 1), worst.data[name], "wander"))
    return goals


_HEADER = ("traffic", "events a week", "series", "days known", "pages on a budget of 1", "on a budget of 10")
_TEXT = (
    "Pages in 1,000 series-weeks after the days that only teach, with their exact Poisson interval. Where fewer series "
    "than 1,000 were simulated, one page counts for several. Bold: more than b + 2√b."
)
_TOLD = {
    "rates": "A rate of 1 %, as the monitor follows it: δ = .1, a daily cycle to be learned, pages from an odds ratio "
    "of 1.25.",
    "lengths": "Logs with sd .7, as the monitor follows them: δ = .05, a daily cycle to be learned, pages from a "
    "ratio of 1.1.",
}


def _section(kind: str, size: Size) -> Section:
    _, nulls = NULLS[kind]
    jobs = [
        partial(null_row, kind, name, load, size)
        for name, null in list(nulls.items())[: 2 if size.quick else None]
        for load in ([MIDDLE] if size.quick else null.loads)
    ]
    told = f"{_TOLD[kind]} {_TEXT}"
    return Section(f"null {kind}", f"False pages of {kind}", told, _HEADER, jobs, partial(_goals, kind))


# -- low traffic, tiny changes ----------------------------------------------------------------------------------------


def _rare(size: Size) -> Section:
    told = "Series of 20 events a day that have just learned enough to speak (the strict form, from 200 events on)."
    jobs = [partial(_rare_row, name, rate, size) for name, rate in (("1 %", 0.01), ("20 %", 0.2))]
    return Section(
        "null rare", "False pages of low traffic", f"{told} {_TEXT}", _HEADER, jobs, partial(_goals, "low traffic")
    )


def _rare_row(name: str, rate: float, size: Size) -> list[Row]:
    load = Load("140 (20 a day)", 140.0, 14.0)
    return _row(name, Kind(ours.rates, RATE), partial(RateTraffic, rate), load, load.days, size)


class Tiny(NamedTuple):
    """A true change that is too small to be worth a page."""

    kind: Kind
    before: RateTraffic | LengthTraffic
    after: RateTraffic | LengthTraffic


TINY = {
    "refusals 2 → 2.1 % (odds × 1.05)": Tiny(Kind(ours.rates, RATE), RateTraffic(0.02), RateTraffic(0.021)),
    "refusals 2 → 2.35 % (odds × 1.18)": Tiny(Kind(ours.rates, RATE), RateTraffic(0.02), RateTraffic(0.0235)),
    "lengths × 1.03": Tiny(Kind(ours.lengths, LENGTH), LengthTraffic(), LengthTraffic(level=5.0 + math.log(1.03))),
    "lengths × 1.07": Tiny(Kind(ours.lengths, LENGTH), LengthTraffic(), LengthTraffic(level=5.0 + math.log(1.07))),
}


def _tiny(size: Size) -> Section:
    return Section(
        "tiny",
        "Small true changes at high traffic",
        "600,000 events a week, changed for three and a half days; smaller than `page_from`, so none may page. "
        "Notices are the record of it.",
        ("change", "series", "pages a series", "notices a series"),
        [partial(_tiny_row, name, size) for name in list(TINY)[slice(1, 2) if size.quick else slice(None)]],
        lambda rows: [Goal(f"pages a series of: {row.cells[0]}", 0.01, row.data["pages"]) for row in rows],
    )


def _tiny_row(name: str, size: Size) -> list[Row]:
    series = max(size.series // _BUSY, 2)
    found = ours.small_change(*TINY[name], series, 0.5 if size.quick else 3.5)
    pages, notices = (rate_of(len(found[how]), series) for how in ("page", "notice"))
    return [Row([name, f"{series:,}", str(pages), str(notices)], {"pages": pages})]
