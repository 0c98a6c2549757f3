"""Our detectors, driven with windows of many series at once: run lengths, delays and false pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorecard.section import Size
from scorecard.traffic import DAY, HOUR, WEEK, Floats, Ints, LengthTraffic, RateTraffic, Rng
from scorecard.yardstick import Change, Measured, Shift, mean_of, run_length_of, share_of
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Detector, Observation, SeriesSettings
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.bounded_betting import BoundedBetting
from undertow.drift.detectors.rank_betting import RankBetting
from undertow.drift.metrics import METRICS, Family, Metric

__all__ = [
    "LENGTH",
    "PLAIN",
    "RATE",
    "Delays",
    "Kind",
    "Summary",
    "Watch",
    "delays",
    "false_pages",
    "independent",
    "lengths",
    "pages_after",
    "rates",
    "run_length",
    "scores",
    "settings",
    "small_change",
    "summed",
]

_MIN_EVENTS, _STRICT_EVENTS = 2000, 200
_TEACHING = 50  # events a window before a change

Draw = Callable[[Rng, float, float, int], tuple[Ints, NDArray[np.float64] | Ints]]


def settings(metric: Metric) -> SeriesSettings:
    """Return what the monitor tells a detector of a metric."""
    links = (math.log1p(metric.band), math.log(metric.page_from), math.log(metric.season))
    return SeriesSettings(*links, harm="both", scale="log" if metric.family is Family.POSITIVE else "share")


RATE, LENGTH = settings(METRICS["refusal_rate"]), settings(METRICS["output_length"])
PLAIN = SeriesSettings(0.0, 0.0, 0.0, "both")  # every change counts, no daily cycle is expected


class _Independent(BetaBinomial):
    """Knows that events are independent, as the goals with ρ = 0 say."""

    def _dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        return np.zeros(len(rows))


def rates(told: SeriesSettings = RATE) -> Detector:
    return BetaBinomial({0: told}, _MIN_EVENTS, _STRICT_EVENTS)


def independent(told: SeriesSettings = PLAIN) -> Detector:
    return _Independent({0: told}, _MIN_EVENTS, _STRICT_EVENTS)


def lengths(told: SeriesSettings = LENGTH) -> Detector:
    return RankBetting({0: told}, _MIN_EVENTS, _STRICT_EVENTS)


def scores(told: SeriesSettings) -> Detector:
    return BoundedBetting({0: told}, _MIN_EVENTS, _STRICT_EVENTS)


@dataclass(frozen=True)
class Summary:
    """A window of all series: events, sums and squares of their values, and values with the index of their series."""

    events: Floats
    sums: Floats
    squares: Floats
    index: Ints
    values: Floats

    def of(self, active: NDArray[np.bool_]) -> Summary:
        """Return the part of some series, renumbered."""
        mine = active[self.index]
        index = (np.cumsum(active) - 1)[self.index[mine]]
        return Summary(self.events[active], self.sums[active], self.squares[active], index, self.values[mine])


def summed(events: Ints, values: Floats | Ints) -> Summary:
    """Return the summary of a window: of hits (series,), or of values (series, most events) with NaN beyond them."""
    if values.ndim == 1:
        hits = values.astype(np.float64)
        return Summary(events.astype(np.float64), hits, hits, np.zeros(0, np.int64), np.zeros(0))
    index, place = np.nonzero(~np.isnan(values))
    totals = np.nansum(values, axis=1), np.nansum(values**2, axis=1)
    return Summary(events.astype(np.float64), *totals, index, values[index, place].astype(np.float64))


class Watch:
    """A detector, its share of the budget, and the series that it follows; `alive` says which are still shown to it."""

    def __init__(self, detector: Detector, share: Share, series: int) -> None:
        self._detector, self._share = detector, share
        self.alive = np.ones(series, bool)

    def alarms(self, at: float, width: float, summary: Summary) -> list[Alarm]:
        """Show a window to the series that are alive; return what it makes the detector say."""
        active = self.alive & (summary.events > 0)
        part = summary.of(active)
        numbers, since = np.flatnonzero(active) * SERIES_METRICS, np.full(len(part.events), at)
        cells = part.index, part.values, np.ones(len(part.index), np.int64)
        columns = numbers, part.events, part.sums, part.squares, part.sums, since, cells
        return self._detector.observe(Observation(at, at + width, *columns), self._share)

    def show(self, at: float, width: float, events: Ints, values: Floats | Ints) -> list[tuple[int, str]]:
        """Show a window; return which series alarm, and how."""
        found = self.alarms(at, width, summed(events, values))
        return [(alarm.series // SERIES_METRICS, alarm.kind) for alarm in found]


# -- equal run length: one event a second, no daily cycle -------------------------------------------------------------


class Kind(NamedTuple):
    """A way to detect: a detector, what it is told of the metric, and the seconds from an event to the next."""

    make: Callable[[SeriesSettings], Detector]
    told: SeriesSettings
    pace: float = 1.0

    def watch(self, run_length: float, series: int) -> Watch:
        return Watch(self.make(self.told), Share(WEEK / self.pace / run_length), series)

    def show(self, watch: Watch, at: int, events: int, values: Floats | Ints) -> set[int]:
        """Show each series that is alive so many events, of which the first is number `at`; return which alarm."""
        several = np.full(len(watch.alive), events)
        return {number for number, _ in watch.show(at * self.pace, events * self.pace, several, values)}


def _traffic(change: Change | Shift) -> Callable[[Rng, int, int, bool], Floats | Ints]:
    if isinstance(change, Change):
        return lambda rng, events, series, after: rng.binomial(events, change[after], series)
    logs, shift = LengthTraffic(sd=change.sd, level=change.level), math.log(change.factor)
    return lambda rng, events, series, after: logs.logs(rng, 0.0, np.full(series, events), shift * after)


def _taught(
    kind: Kind, watch: Watch, rng: Rng, draw: Callable[[Rng, int, int, bool], Floats | Ints], learned: int
) -> None:
    """Show a watch what it learns from; who alarms in the second half of that is no longer alive."""
    for at in range(0, learned, _TEACHING):
        events = min(_TEACHING, learned - at)
        early = kind.show(watch, at, events, draw(rng, events, len(watch.alive), False))
        if at >= learned // 2:
            watch.alive[list(early)] = False


def run_length(kind: Kind, change: Change | Shift, nominal: float, learned: int, series: int, step: int) -> Measured:
    """Return the events to the first alarm where nothing changes, over `nominal`; as many are watched."""
    rng, watch, draw = np.random.default_rng(21), kind.watch(nominal, series), _traffic(change)
    _taught(kind, watch, rng, draw, learned)
    exposure = alarms = 0
    for at in range(learned, int(learned + nominal), step):
        exposure += step * int(watch.alive.sum())
        fired = kind.show(watch, at, step, draw(rng, step, series, False))
        alarms += len(fired)
        watch.alive[list(fired)] = False
    return run_length_of(exposure, alarms).scaled(1 / nominal)


class Delays(NamedTuple):
    """Events from the change to the alarm, of those that came; the share that did not come; what fired before."""

    mean: Measured
    missed: Measured
    early: int


def delays(kind: Kind, change: Change | Shift, nominal: float, learned: int, size: Size, step: int = 1) -> Delays:
    """Return how long changes take to be found after `learned` events; a miss counts as `size.most`."""
    series, most = size.runs, size.most
    rng, watch, draw = np.random.default_rng(22), kind.watch(nominal, series), _traffic(change)
    _taught(kind, watch, rng, draw, learned)
    before, delay = int((~watch.alive).sum()), np.where(watch.alive, float(most), np.nan)
    for after in range(0, most, step):
        for number in kind.show(watch, learned + after, step, draw(rng, step, series, True)):
            delay[number] = after + step
            watch.alive[number] = False
        if not watch.alive.any():
            break
    kept = delay[~np.isnan(delay)]
    return Delays(mean_of(kept.tolist()), share_of(int((kept >= most).sum()), len(kept)), before)


# -- equal budget: weeks of traffic -----------------------------------------------------------------------------------


def false_pages(
    kind: Kind,
    traffic: Callable[[], RateTraffic | LengthTraffic],
    weekly: float,
    series: int,
    shares: Sequence[float],
    learned: float,
    watched: float = 7.0,
) -> list[int]:
    """Return the pages in `watched` days over `series` series with each share, after `learned` days that only teach.

    All shares see the same traffic. Who says nothing with one share says nothing with a smaller one, so the largest
    goes first.
    """
    found: dict[float, int] = {}
    for share in sorted(shares, reverse=True):
        alarms, pages = _alarms_and_pages(kind, traffic(), weekly, series, share, learned, watched)
        found[share] = pages
        if not alarms:
            break
    return [found.get(share, 0) for share in shares]


def _alarms_and_pages(
    kind: Kind,
    traffic: RateTraffic | LengthTraffic,
    weekly: float,
    series: int,
    share: float,
    learned: float,
    watched: float,
) -> tuple[int, int]:
    """Return all alarms, and the pages after the days that only teach."""
    rng, width = np.random.default_rng([23, int(weekly)]), window_of(weekly)
    watch, alarms, pages = Watch(kind.make(kind.told), Share(share), series), 0, 0
    for at in np.arange(0.0, (learned + watched) * DAY, width).tolist():
        shown = watch.show(at, width, *traffic.draw(rng, at, weekly * width / WEEK, series))
        alarms += len(shown)
        pages += sum(how == "page" for _, how in shown if at >= learned * DAY)
    return alarms, pages


def window_of(weekly: float) -> float:
    """Return the width of windows in seconds: two minutes for busy series, an hour for those of few events."""
    return 120.0 if weekly > 100_000 else 600.0 if weekly > 10_000 else HOUR


def small_change(
    kind: Kind, before: RateTraffic | LengthTraffic, after: RateTraffic | LengthTraffic, series: int, days: float
) -> dict[str, set[int]]:
    """Return which series paged and which got a notice in `days` after a change, at 600,000 events a week.

    As many days, with nothing but the level of before, teach.
    """
    rng, weekly, width = np.random.default_rng(24), 600_000.0, window_of(600_000.0)
    watch = Watch(kind.make(kind.told), Share(1 / 1000), series)
    found: dict[str, set[int]] = {"page": set(), "notice": set(), "recovered": set()}
    for at in np.arange(0.0, 2 * days * DAY, width).tolist():
        traffic = before if at < days * DAY else after
        for number, how in watch.show(at, width, *traffic.draw(rng, at, weekly * width / WEEK, series)):
            if at >= days * DAY:
                found[how].add(number)
    return found


def pages_after(
    kind: Kind,
    before: RateTraffic | LengthTraffic,
    after: RateTraffic | LengthTraffic,
    weekly: float,
    series: int,
    budget: float,
    change: float,
) -> Floats:
    """Return the seconds from `change` to each series' first page, infinity where there was none in the week."""
    rng, width = np.random.default_rng(25), 600.0
    watch = Watch(kind.make(kind.told), Share(budget / 1000), series)
    delay = np.full(series, np.inf)
    for at in np.arange(0.0, change + WEEK, width).tolist():
        traffic = before if at < change else after
        shown = watch.show(at, width, *traffic.draw(rng, at, weekly * width / WEEK, series))
        if at >= change:
            for number, how in shown:
                delay[number] = min(delay[number], at + width - change if how == "page" else np.inf)
            watch.alive &= np.isinf(delay)
            if not watch.alive.any():
                break
    return delay
