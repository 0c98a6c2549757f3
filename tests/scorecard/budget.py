"""Equal budget: ours by formula, and what people page with today, tuned to the same pages a week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from scorecard import ours, rivals, today
from scorecard.nulls import RATES, SESSIONS
from scorecard.ours import LENGTH, RATE, Kind
from scorecard.section import Bar, Row, Section, Size
from scorecard.traffic import DAY, HOUR, WEEK, Floats, LengthTraffic, RateTraffic
from scorecard.yardstick import Change, Shift, median_of, optimal_delay, rate_of, share_of

__all__ = ["sections"]

WEEKLY, BUDGET = 20_000.0, 10.0
CHANGES = (Change(0.003, 0.11), Change(0.01, 0.03), Change(0.02, 0.06), Change(0.1, 0.02))
SHIFTS = (Shift(0.8), Shift(1.3), Shift(0.5))
_TAUGHT = 2  # times as many series as are watched are tuned on
_AT = 12  # hour of the watched week in which the change comes
_BY_EVENT = ("ADWIN", "PageHinkley", "DDM", "EDDM", "HDDM_A", "HDDM_W")
_NULLS = (
    "independent",
    "season ±50 %",
    "sessions of 4, correlation .2",
    "retries, variance factor 3",
    "volume by hour 1:19, by day 1:3",
    "wander, AR(1) of a day, sd .1",
)


def sections(size: Size) -> list[Section]:
    return [_changes(size), _nulls(size)]


class Case(NamedTuple):
    """A change in usual traffic, and the detector of ours that follows it."""

    change: Change | Shift
    kind: Kind
    before: RateTraffic | LengthTraffic
    after: RateTraffic | LengthTraffic


def _case(change: Change | Shift) -> Case:
    if isinstance(change, Change):
        rates = (RateTraffic(rate, season=0.5, sessions=SESSIONS) for rate in change)
        return Case(change, Kind(ours.rates, RATE), *rates)
    lengths = (LengthTraffic(season=0.3, noise=0.05, level=5 + shift) for shift in (0.0, math.log(change.factor)))
    return Case(change, Kind(ours.lengths, LENGTH), *lengths)


# -- changes ----------------------------------------------------------------------------------------------------------


def _changes(size: Size) -> Section:
    jobs = [partial(_change_rows, change, size) for change in ((CHANGES[1],) if size.quick else (*CHANGES, *SHIFTS))]
    return Section(
        "budget",
        "Equal budget: changes in usual traffic",
        f"Series of {WEEKLY:,.0f} events a week with three weeks of history: rates with a daily cycle of ±50 % and "
        "sessions of four, lengths with a daily cycle of ±30 % and day noise of 5 %. The rules of today look at hourly "
        f"levels; their knobs are tuned, for each level, on {_TAUGHT * size.series:,} series-weeks (lengths: a "
        f"quarter) of this very traffic to {BUDGET:g} pages in 1,000 series-weeks. Ours has a budget of {BUDGET:g} for "
        "1,000 series, is not tuned, and spends less. The change comes at noon of the first day, either with a new "
        "version (so that the version test sees it) or silently; missed: not paged within a week. Delay is the median, "
        "in hours and as a multiple of D* at the same run length.",
        ("change", "detector", "knob", "median hours", "multiple of D*", "missed", "missed if silent"),
        jobs,
        figure="Equal budget: share of silent changes that are missed within a week, %",
    )


def _change_rows(change: Change | Shift, size: Size) -> list[Row]:
    best = optimal_delay(change, WEEKLY * 1000 / BUDGET) / WEEKLY * WEEK / HOUR
    case = _case(change)
    rows = [_our_row(case, best, size)]
    count = (size.series if isinstance(change, Change) else size.series // 4) if not size.quick else 200
    teach = today.hours(case.before, case.before, WEEKLY, _TAUGHT * count, 0, 1)
    silent = today.hours(case.before, case.after, WEEKLY, count, _AT, 2)
    with_version = silent._replace(version=np.full(count, today.HISTORY + _AT))
    for rule in today.RULES:
        knob = rule.knob(teach, BUDGET * len(teach.version) / 1000)
        delays = [today.first_page(rule.score(seen), knob, _AT) for seen in (with_version, silent)]
        rows.append(_told(change, rule.name, f"{knob:.3g}", best, delays))
    return rows


def _our_row(case: Case, best: float, size: Size) -> Row:
    moment = (today.HISTORY + _AT) * HOUR if not size.quick else 4.5 * DAY
    series = max(size.series // 5, 10)
    found = ours.pages_after(case.kind, case.before, case.after, WEEKLY, series, BUDGET, moment) / HOUR
    return _told(case.change, "**ours, by formula**", "–", best, [found, found])


def _told(change: Change | Shift, name: str, knob: str, best: float, delays: Sequence[Floats]) -> Row:
    median = median_of(delays[0].tolist())
    missed = [share_of(int(np.isinf(delay).sum()), len(delay)).scaled(100) for delay in delays]
    cells = [str(change), name, knob, str(median), str(median.scaled(1 / best)), *(f"{each} %" for each in missed)]
    return Row(cells, {"missed": missed[1]}, [Bar(f"{change}, {name.strip('*')}", missed[1], name.startswith("**"))])


# -- the same knobs where nothing changes -----------------------------------------------------------------------------


def _nulls(size: Size) -> Section:
    return Section(
        "budget nulls",
        "Equal budget: pages where nothing changes",
        f"Pages in 1,000 series-weeks of 20,000 events, rate 1 %, with the knobs that send {BUDGET:g} under the daily "
        f"cycle with sessions; ours (two weeks of history) at a budget of {BUDGET:g}, river's detectors as shipped "
        f"(one week of history, {size.streams} series or fewer: so the wide intervals).",
        ("detector", *_NULLS),
        [partial(_our_null, size), partial(_rule_nulls, size)]
        + [partial(_river_null, name, size) for name in (_BY_EVENT[3:4] if size.quick else _BY_EVENT)],
    )


_KNOWN = 14.0  # days that teach


def _our_null(size: Size) -> list[Row]:
    cells, days = [], _KNOWN if not size.quick else 3.5
    for name in _NULLS:
        series = max(size.series // 2, 1)
        traffic = partial(RATES[name].traffic, days)
        count = ours.false_pages(Kind(ours.rates, RATE), traffic, WEEKLY, series, [BUDGET / 1000], days, size.watched)
        cells.append(str(rate_of(count[0], series / 1000 * size.watched / 7)))
    return [Row(["**ours, by formula**", *cells])]


def _rule_nulls(size: Size) -> list[Row]:
    count = size.series if not size.quick else 200
    usual = _case(CHANGES[1]).before
    teach = today.hours(usual, usual, WEEKLY, _TAUGHT * count, 0, 3)

    @cache
    def seen(name: str) -> today.Hours:
        traffic = RATES[name].traffic(_KNOWN)
        return today.hours(traffic, traffic, WEEKLY, count, 0, 4)

    def row(label: str, rule: today.Rule, knob: float) -> Row:
        pages = [today.days_paged(rule.score(seen(name)), knob) for name in _NULLS]
        return Row([label, *(str(rate_of(each, count / 1000)) for each in pages)])

    tuned = [row(rule.name, rule, rule.knob(teach, BUDGET * len(teach.version) / 1000)) for rule in today.RULES]
    usually = [row(f"{rule.name}, at {rule.default:g}", rule, rule.default) for rule in today.RULES if rule.tunable]
    return tuned + usually


def _river_null(rival_name: str, size: Size) -> list[Row]:
    rival, cells = rivals.RIVALS[rival_name], []
    series = rival.streams(size.streams)
    for name in _NULLS:
        traffic, rng = RATES[name].traffic(7.0), np.random.default_rng(26)
        windows = [
            traffic.draw(rng, at, WEEKLY * 600 / WEEK, series) for at in np.arange(0.0, 2 * WEEK, 600.0).tolist()
        ]
        streams = (
            [x for events, hits in windows for x in _shuffled(rng, int(events[one]), int(hits[one]))]
            for one in range(series)
        )
        learned = sum(int(events.sum()) for events, _ in windows[:1008]) // series
        count = rivals.pages(rival, rival.default or 0.0, streams, learned)
        cells.append(str(rate_of(count, series / 1000)))
    return [Row([f"{rival_name}, as shipped", *cells])]


def _shuffled(rng: np.random.Generator, events: int, hits: int) -> list[int]:
    """Return the events of a window; their order within ten minutes is not simulated."""
    values = np.zeros(events, int)
    values[rng.permutation(events)[:hits]] = 1
    found: list[int] = values.tolist()
    return found
