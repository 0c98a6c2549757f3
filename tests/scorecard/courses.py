"""Changes that are not one step of a whole service: in one slice, in two steps, slowly."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from bench import pins
from scipy.special import expit, logit

from scorecard import ours
from scorecard.ours import RATE, Kind, Watch
from scorecard.section import Goal, Row, Section, Size
from scorecard.traffic import DAY, HOUR, WEEK, Floats, LengthTraffic, RateTraffic
from scorecard.yardstick import Change, Measured, mean_of, median_of, rate_of, ratio, share_of
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS

__all__ = ["sections"]


def sections(size: Size) -> list[Section]:
    return [_slices(size), _worsening(size), _ramps(size), _pinned_nulls(size)]


# -- in one slice -----------------------------------------------------------------------------------------------------

_SERVICE = 200_000.0  # events a week
_SHARE = 0.1  # of the service that changes
_IN_SLICE = Change(0.01, 0.11)
_IN_ALL = Change(0.01, 0.01 + _SHARE * (_IN_SLICE.after - _IN_SLICE.before))


def _slices(size: Size) -> Section:
    return Section(
        "slices",
        "A change that lives in a tenth of the traffic",
        f"{_SERVICE:,.0f} events a week; in a tenth of them {_IN_SLICE}, so {_IN_ALL} over all. A budget of one page a "
        "week, over 1,000 series without slices, and over 11,000 where each is also followed in ten slices: that is "
        "the logarithm that slicing costs. As shipped, a week of history.",
        ("followed", "events of the service", "hours"),
        [partial(_slice_rows, size)],
    )


def _slice_rows(size: Size) -> list[Row]:
    found = {
        "the whole": _service_events(_IN_ALL, 1.0, 1000, size),
        "the slice, one of eleven series": _service_events(_IN_SLICE, _SHARE, 11_000, size),
    }
    rows = [Row([name, str(delay), str(delay.scaled(WEEK / HOUR / _SERVICE))]) for name, delay in found.items()]
    times = ratio(*found.values())
    return [*rows, Row(["times faster", str(times), "–"])]


def _service_events(change: Change, share: float, series: int, size: Size) -> Measured:
    """Return the mean events of the service until a page, for a series that gets this share of them."""
    learned = int(share * _SERVICE) if not size.quick else 2000
    kind = Kind(ours.rates, RATE, pace=WEEK / learned)
    return ours.delays(kind, change, learned * series, learned, size, step=5).mean.scaled(1 / share)


# -- in two steps -----------------------------------------------------------------------------------------------------

_STEPS = (0.02, 0.06, 0.3)


def _worsening(size: Size) -> Section:
    return Section(
        "worsening",
        "A change that gets worse",
        "2 → 6 %, and 5,000 events later 6 → 30 %, while the first episode is open. One page a week over 1,000 series, "
        "20,000 events a week, a week of history; windows of 20 events.",
        ("step", "paged", "mean events to the page"),
        [partial(_worsening_rows, size)],
    )


def _worsening_rows(size: Size) -> list[Row]:
    lasting, pace, step, series = 5000, WEEK / 20_000, 20, size.runs // 4
    rng, watch = np.random.default_rng(51), Watch(ours.rates(), Share(1 / 1000), series)
    delays = np.full((2, series), np.inf)
    for at in range(0, size.learned + 2 * lasting, step):
        stage = 0 if at < size.learned else 1 + (at - size.learned) // lasting
        hits = rng.binomial(step, _STEPS[stage], series)
        for number, how in watch.show(at * pace, step * pace, np.full(series, step), hits):
            if stage and how == "page":
                after = at + step - size.learned - (stage - 1) * lasting
                delays[stage - 1, number] = min(delays[stage - 1, number], after)
    names = (f"{before:.0%} → {after:.0%}" for before, after in itertools.pairwise(_STEPS))
    return [_step_row(name, found) for name, found in zip(names, delays, strict=True)]


def _step_row(name: str, delays: Floats) -> Row:
    found = delays[np.isfinite(delays)]
    return Row([name, f"{share_of(len(found), len(delays)).scaled(100)} %", str(mean_of(found.tolist()))])


# -- slowly -----------------------------------------------------------------------------------------------------------

_DAILY = 20_000  # events
_RAMPED = 60  # days
_GROWN = {"refusals at 1 %": pins.Traffic(0.01, _DAILY), "refusals at 10 %": pins.Traffic(0.1, _DAILY)} | {
    "lengths": pins.Traffic(None, _DAILY)
}
_MOST_DAYS = {0.01: 21.0, 0.03: 10.0}  # by growth a day


def _ramps(size: Size) -> Section:
    cases = [(name, growth) for name in _GROWN for growth in _MOST_DAYS]
    return Section(
        "ramps",
        "Slow ramps",
        f"A level that grows day by day, {_DAILY:,} events a day, one page a week over 1,000 series; medians of the "
        f"days until the first page, of {_RAMPED} days. Learning: against the baseline that learns, a week of history. "
        "Pinned: the same week pinned, compared once a day; a change below `page_from` is told, not paged, so rates "
        "that grow by 1 % a day cannot page before day 23.",
        ("metric", "growth a day", "series", "learning: paged", "pinned: told", "pinned: paged"),
        [partial(_ramp_row, *case, size) for case in (cases[1:2] if size.quick else cases)],
        lambda rows: [
            Goal(f"days until a pinned {name} page, +{growth:.0%} a day", _MOST_DAYS[growth], row.data["paged"])
            for (name, growth), row in zip(cases[1:2] if size.quick else cases, rows, strict=True)
        ],
    )


def _ramp_row(name: str, growth: float, size: Size) -> list[Row]:
    traffic, series = _GROWN[name]._replace(growth=growth), max(size.series // 10, 10)
    days = _RAMPED if not size.quick else 14
    learning = median_of(_learning_days(traffic, series, days).tolist())
    told, paged = (median_of(found.tolist()) for found in _pinned_days(traffic, series, days))
    cells = [name, f"+{growth:.0%}", f"{series}", str(learning), str(told), str(paged)]
    return [Row(cells, {"paged": paged})]


def _pinned_days(traffic: pins.Traffic, series: int, days: int) -> Floats:
    """Return the days from the pin until each series is told of, and paged."""
    found = np.full((2, series), np.inf)
    for day, alarm in pins.follow(traffic, series, days, seed=53):
        index, heard = alarm.series // SERIES_METRICS, 2 if alarm.kind == "page" else 1
        found[:heard, index] = np.minimum(found[:heard, index], day)
    return found


def _learning_days(traffic: pins.Traffic, series: int, days: int) -> Floats:
    """Return the days from the end of the first week until each series pages."""
    rng, found = np.random.default_rng(52), np.full(series, np.inf)
    watch = Watch(ours.lengths() if traffic.level is None else ours.rates(), Share(1 / 1000), series)
    for at in np.arange(0.0, (7 + days) * DAY, HOUR).tolist():
        since = max(at / DAY - 7, 0.0)
        grown = np.log1p(traffic.growth) * since
        hourly: RateTraffic | LengthTraffic = LengthTraffic(level=5 + grown)
        if traffic.level is not None:
            hourly = RateTraffic(float(expit(logit(traffic.level) + grown)))
        for number, how in watch.show(at, HOUR, *hourly.draw(rng, at, traffic.events_a_day / 24, series)):
            if since and how == "page":
                found[number] = since
                watch.alive[number] = False
    return found


# -- pinned, and nothing changes --------------------------------------------------------------------------------------

_WATCHED_DAYS = 28
_BENIGN: dict[str, dict[str, Any]] = {
    "even": {},
    "days ± 5 %": {"wander": 0.05},
    "weekends − 20 %": {"weekend": 0.2},
}
_STEADY = {
    f"{name}, {kind}": traffic._replace(**knobs) for name, traffic in _GROWN.items() for kind, knobs in _BENIGN.items()
}


def _pinned_nulls(size: Size) -> Section:
    return Section(
        "null pinned",
        "False pages against a pinned week",
        f"Four weeks after a pinned one, {_DAILY:,} events a day, a budget of one page a week over 1,000 series: pages "
        "in 1,000 series-weeks. Days differ independently of one another.",
        ("metric, traffic", "series", "pages"),
        [partial(_pinned_null_row, name, size) for name in (list(_STEADY)[:1] if size.quick else _STEADY)],
        lambda rows: [
            Goal("false pages on a budget of 1, pinned: the worst", 3.0, max(row.data["pages"] for row in rows))
        ],
    )


def _pinned_null_row(name: str, size: Size) -> list[Row]:
    series = size.series * 2
    alarms = pins.follow(_STEADY[name], series, _WATCHED_DAYS, seed=54)
    pages = rate_of(sum(alarm.kind == "page" for _, alarm in alarms), series / 1000 * _WATCHED_DAYS / 7)
    return [Row([name, f"{series:,}", str(pages)], {"pages": pages})]
