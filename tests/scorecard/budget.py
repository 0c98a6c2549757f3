"""Equal budget: ours by formula, and what people page with today, tuned to the same pages a week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from scorecard import ours, rivals, today
from scorecard.nulls import RATES
from scorecard.ours import RATE, Kind
from scorecard.section import Bar, Row, Section, Size
from scorecard.traffic import DAY, HOUR, WEEK, RateTraffic
from scorecard.yardstick import Change, Measured, optimal_delay, rate_of, share_of

__all__ = ["sections"]

WEEKLY, BUDGET = 20_000.0, 10.0
USUAL = {"season": 0.5, "sessions": 0.2}  # what the knobs are tuned on
CHANGES = (Change(0.003, 0.11), Change(0.01, 0.03), Change(0.02, 0.06), Change(0.1, 0.02))
_TAUGHT = 4  # times as many series as are watched are tuned on
_AT = 12  # hour of the watched week in which the change comes
_BY_EVENT = ("ADWIN", "PageHinkley", "DDM", "EDDM", "HDDM_A", "HDDM_W")


def sections(size: Size) -> list[Section]:
    return [_changes(size), _nulls(size)]


# -- changes ----------------------------------------------------------------------------------------------------------


def _changes(size: Size) -> Section:
    nominal = WEEKLY * 1000 / BUDGET
    jobs = [partial(_change_rows, change, nominal, size) for change in (CHANGES[1:2] if size.quick else CHANGES)]
    return Section(
        "budget",
        "Equal budget: changes under a daily cycle and sessions",
        "Series of 20,000 events a week with a daily cycle of ±50 % and sessions of four, three weeks of history. The "
        "rules of today look at hourly rates; their knobs are tuned, for each rate, on 4,000 series-weeks of this very "
        "traffic to 10 pages in 1,000 series-weeks. Ours has a budget of 10 for 1,000 series and is not tuned. The "
        "change "
        "comes at noon of the first day, either with a new version (so that the version test sees it) or silently; "
        "missed: not paged within a week. Delay is the median, in hours and as a multiple of D* at the same run "
        "length.",
        ("change", "detector", "knob", "median hours", "multiple of D*", "missed", "missed if silent"),
        jobs,
        figure="Equal budget: share of changes that are missed within a week",
    )


def _change_rows(change: Change, nominal: float, size: Size) -> list[Row]:
    best = optimal_delay(change, nominal) / WEEKLY * WEEK / HOUR
    before, after = (RateTraffic(rate, **USUAL) for rate in change)
    rows = [_our_row(change, best, before, after, size)]
    count = size.series if not size.quick else 200
    teach = today.hours(before, before, WEEKLY, _TAUGHT * count, 0, 1)
    silent = today.hours(before, after, WEEKLY, count, _AT, 2)
    told = silent._replace(version=np.full(count, today.HISTORY + _AT))
    for rule in today.RULES:
        knob = (
            rule.knob(teach, BUDGET * len(teach.events) / 1000)
            if rule.name not in {"always", "never"}
            else rule.default
        )
        delays = [today.first_page(rule.score(seen), knob or 0.0, _AT) for seen in (told, silent)]
        rows.append(_told(change, rule.name, f"{knob:.3g}", best, delays))
    return rows


def _our_row(change: Change, best: float, before: RateTraffic, after: RateTraffic, size: Size) -> Row:
    moment = today.HISTORY * HOUR + _AT * HOUR if not size.quick else 4.5 * DAY
    series = max(size.series // 5, 10)
    found = ours.pages_after(Kind(ours.rates, RATE), before, after, WEEKLY, series, BUDGET, moment) / HOUR
    return _told(change, "**ours, by formula**", "–", best, [found, found])


def _told(
    change: Change, name: str, knob: str, best: float, delays: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]]
) -> Row:
    median = _median(delays[0])
    missed = [share_of(int(np.isinf(delay).sum()), len(delay)).scaled(100) for delay in delays]
    cells = [str(change), name, knob, str(median), str(median.scaled(1 / best)), *(f"{each} %" for each in missed)]
    return Row(cells, {"missed": missed[1]}, [Bar(f"{change}, {name.strip('*')}", missed[1], name.startswith("**"))])


def _median(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Measured:
    """Return the median, and the order statistics that bracket it in 95 % of samples."""
    ordered = np.sort(values)
    half = 0.98 * math.sqrt(len(ordered))
    low, high = (min(max(int(len(ordered) / 2 + side * half), 0), len(ordered) - 1) for side in (-1, 1))
    return Measured(float(ordered[len(ordered) // 2]), float(ordered[low]), float(ordered[high]))


# -- the same knobs where nothing changes -----------------------------------------------------------------------------


def _nulls(size: Size) -> Section:
    names = list(RATES)[:4] if size.quick else list(RATES)
    return Section(
        "budget nulls",
        "Equal budget: pages where nothing changes",
        "Pages in 1,000 series-weeks of 20,000 events, rate 1 %, with the knobs that send 10 under the daily cycle "
        "with "
        "sessions; ours (two weeks of history) at a budget of 10, river's detectors as shipped (one week of history, "
        "few series: "
        "so the wide intervals).",
        ("detector", *names),
        [partial(_our_null, names, size), partial(_rule_nulls, names, size)]
        + [partial(_river_null, name, names, size) for name in (_BY_EVENT[3:4] if size.quick else _BY_EVENT)],
    )


def _our_null(names: Sequence[str], size: Size) -> list[Row]:
    cells, days = [], 14.0 if not size.quick else 3.5
    for name in names:
        traffic = RateTraffic(0.01, **RATES[name])
        series = max(size.series // 2, 1)
        count = ours.false_pages(
            Kind(ours.rates, RATE), traffic, WEEKLY, series, BUDGET * series / 1000, days, size.watched
        )
        cells.append(str(rate_of(count, series / 1000 * size.watched / 7)))
    return [Row(["**ours, by formula**", *cells])]


def _rule_nulls(names: Sequence[str], size: Size) -> list[Row]:
    count = size.series if not size.quick else 200
    usual = RateTraffic(0.01, **USUAL)
    teach = today.hours(usual, usual, WEEKLY, _TAUGHT * count, 0, 3)
    knobs = [
        rule.default if rule.name in {"always", "never"} else rule.knob(teach, BUDGET * _TAUGHT * count / 1000)
        for rule in today.RULES
    ]
    found: list[list[str]] = [[rule.name] for rule in today.RULES]
    shipped: list[list[str]] = [[f"{rule.name}, at {rule.default:g}"] for rule in today.RULES[:4] if rule.default]
    for name in names:
        traffic = RateTraffic(0.01, **RATES[name])
        seen = today.hours(traffic, traffic, WEEKLY, count, 0, 4)
        for rule, knob, cells in zip(today.RULES, knobs, found, strict=True):
            cells.append(str(rate_of(today.days_paged(rule.score(seen), knob or 0.0), count / 1000)))
        for rule, cells in zip(today.RULES, shipped, strict=False):
            cells.append(str(rate_of(today.days_paged(rule.score(seen), rule.default or 0.0), count / 1000)))
    return [Row(cells) for cells in found + shipped]


def _river_null(rival_name: str, names: Sequence[str], size: Size) -> list[Row]:
    rival, series, cells = rivals.RIVALS[rival_name], size.streams, []
    for name in names:
        traffic, rng = RateTraffic(0.01, **RATES[name]), np.random.default_rng(26)
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
