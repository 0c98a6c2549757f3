"""Changes that are not one step of a whole service: in one slice, in two steps, slowly."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np

from scorecard import ours
from scorecard.ours import RATE, Kind, Watch
from scorecard.section import Row, Section, Size
from scorecard.traffic import DAY, HOUR, WEEK, RateTraffic
from scorecard.yardstick import Change, Measured, mean_of, median_of, ratio, share_of
from undertow.drift.budget import Share

__all__ = ["sections"]


def sections(size: Size) -> list[Section]:
    return [_slices(size), _worsening(size), _ramps(size)]


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


def _step_row(name: str, delays: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Row:
    found = delays[np.isfinite(delays)]
    return Row([name, f"{share_of(len(found), len(delays)).scaled(100)} %", str(mean_of(found.tolist()))])


# -- slowly -----------------------------------------------------------------------------------------------------------

_DAILY = 20_000.0  # events
_RAMPED = 60  # days


def _ramps(size: Size) -> Section:
    return Section(
        "ramps",
        "Slow ramps against a baseline that learns",
        f"A rate of 1 % that rises day by day; {_DAILY:,.0f} events a day, one page a week over 1,000 series, a week "
        f"of history; {_RAMPED} days are watched.",
        ("growth a day", "series", "median days to the first page", "paged"),
        [partial(_ramp_row, growth, size) for growth in ((0.01, 0.03) if not size.quick else (0.03,))],
    )


def _ramp_row(growth: float, size: Size) -> list[Row]:
    series, width = max(size.series // 10, 10), HOUR
    rng, watch, days = np.random.default_rng(52), Watch(ours.rates(), Share(1 / 1000), series), np.full(series, np.inf)
    lasting = _RAMPED if not size.quick else 14
    for at in np.arange(0.0, (7 + lasting) * DAY, width).tolist():
        since = max(at / DAY - 7, 0.0)
        traffic = RateTraffic(0.01 * (1 + growth) ** since)
        for number, how in watch.show(at, width, *traffic.draw(rng, at, _DAILY * width / DAY, series)):
            if since and how == "page":
                days[number] = min(days[number], since)
                watch.alive[number] = False
    found: Sequence[float] = days.tolist()
    paged = share_of(int(np.isfinite(days).sum()), series).scaled(100)
    return [Row([f"+{growth:.0%}", f"{series}", str(median_of(found)), f"{paged} %"])]
