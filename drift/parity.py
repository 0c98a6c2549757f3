"""Parity: values of one dimension that should behave alike, such as regions or environments, compared with one another.

A slice of its own is watched for change by its own series; a difference that has always been there is not news to
them. Here the user has said that a dimension's values are to be alike (`parity`), so what is tested is not a change but
the difference itself: each value against all the others, in the same windows. What moves all of them together, a daily
cycle or a new model for everybody, cancels; no baseline is needed, and no history.

Given the k + k' hits of a block of n events of one value and n' of the others, k is binomial with the share
π(x) = n·x/(n' + n·x), where x is the ratio of the two rates: exactly for rare hits, with too wide a spread for common
ones, which errs towards silence. Likelihood ratios against the edge of the benign band are e-values, whatever the level
does; the Shiryaev–Roberts rule adds them up, so that a difference that begins tomorrow is found like one that stands.
Each comparison is one of the series that share the budget.

References
----------
Przyborowski & Wilenski 1940 (the conditional test of two Poisson means); Shin, Ramdas & Rinaldo, E-detectors (arXiv
2203.03532); Turner, Ly & Grünwald, Generic E-variables for exact sequential k-sample tests (arXiv 2106.02693).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlogy

from undertow.drift.budget import VOLUME_SPANS, Share, volume_after, weekly_volume
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.segments import Group
from undertow.drift.statistics.proportions import Floats, jeffreys
from undertow.drift.verdict import Estimate

__all__ = ["ENVIRONMENT", "Parity"]

ENVIRONMENT = "environment"  # compares the environments of a service, each as a whole

_BLOCK = 50.0  # events of the value, and of the others, in a block at the least
_FEWEST_BLOCKS = 10  # with hits, in which the clustering has been measured before anything is said
_RATIOS = np.log(np.array([1.25, 1.6, 2.5, 5.0, 15.0, 0.8, 0.6, 0.3]))
_LOG_WEIGHTS = np.log(np.array([0.15, 0.2, 0.15, 0.1, 0.05, 0.1, 0.15, 0.1]))
_FLOOR = -60.0
_OWN_EVIDENCE = float(np.log(100.0))
_EQUAL_AGAIN = float(np.log(1e5))  # looked at in every block of a difference that lasts

Ints = NDArray[np.int64]


class _Sums:
    """Columns of what is added up."""

    EVENTS, HITS, OTHER_EVENTS, OTHER_HITS = range(4)


class _Difference(msgspec.Struct):
    """A difference that has been told and still stands."""

    opened_at: float
    log_ratio: float
    before: Estimate  # the others, when it was told
    equal: float = 0.0  # evidence that it is over
    sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * 4)  # since that evidence rose


class Parity:
    """Compares the values of some dimensions, rate by rate; struct of arrays, row i of each is one comparison.

    Cannot see: a difference that grows while it stands; what all values do together; values that are never seen at the
    same time as others.

    Parameters
    ----------
    dimensions
        Whose values should be alike; "environment" compares the environments of each service.
    groups
        The groups by number; it may grow.
    settings
        Of the rates to compare, by metric number; band and page_from are logarithms of a ratio here.
    strict_events
        Events of a value before anything is said of it.

    Examples
    --------
    Answers in one region break their schema three times as often as in the other, from the first event on:

    >>> groups = [Group("s", ""), Group("s", "", (("region", "eu"),)), Group("s", "", (("region", "us"),))]
    >>> parity = Parity(["region"], groups, {7: SeriesSettings(band=0.1, page_from=0.2, season=0, harm="up")}, 200)
    >>> rng, none = np.random.default_rng(1), np.zeros(2)
    >>> for start in range(0, 3000, 10):
    ...     hits, series = rng.binomial(20, [0.06, 0.02]).astype(float), np.array([1, 2]) * SERIES_METRICS + 7
    ...     window = Observation(start, start + 10, series, none + 20, hits, hits, hits, none + start, ())
    ...     for alarm in parity.observe(window, Share.of(1.0, 64)):
    ...         print(alarm.kind, alarm.direction, groups[alarm.series // SERIES_METRICS].segment)
    page up (('region', 'eu'),)
    notice down (('region', 'us'),)
    """

    name = "parity"
    _ARRAYS = ("_series", "_part", "_started", "_totals", "_spread", "_evidence", "_segment", "_since", "_began",
               "_born", "_centre", "_volumes", "_heard")  # fmt: skip

    def __init__(
        self, dimensions: Sequence[str], groups: Sequence[Group], settings: Mapping[int, SeriesSettings], strict: int
    ) -> None:
        self._dimensions, self._groups, self._settings, self._strict = set(dimensions), groups, settings, strict
        self._families: list[int] = []  # by group: the number of its (service, environment, dimension), −1 for none
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._rows: dict[int, int] = {}
        self._told: dict[int, _Difference] = {}
        self._series: Ints = np.zeros(0, np.int64)
        self._part = np.zeros((0, 4))  # the block being filled; columns of `_Sums`
        self._totals = np.zeros((0, 4))  # of all blocks
        self._since = np.zeros((0, len(_RATIOS), 4))  # since the evidence for a ratio rose
        self._spread = np.zeros(
            (0, 3)
        )  # squared deviations over expected ones less 1, their squares, and blocks with hits
        self._evidence = np.zeros((0, len(_RATIOS)))
        self._segment = np.zeros((0, len(_RATIOS)))
        self._began = np.zeros((0, len(_RATIOS)))
        self._started, self._born, self._heard, self._centre = (np.zeros(0) for _ in range(4))
        self._volumes = np.zeros((0, len(VOLUME_SPANS)))

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window of all rates; return what the comparisons say."""
        rows, sums = self._compared(window) if self._dimensions else (np.zeros(0, np.int64), np.zeros((0, 4)))
        if not len(rows):
            return []
        self._started[rows] = np.where(self._part[rows].any(axis=1), self._started[rows], window.start)
        self._part[rows] += sums
        full = rows[(self._part[rows, _Sums.EVENTS] >= _BLOCK) & (self._part[rows, _Sums.OTHER_EVENTS] >= _BLOCK)]
        return self._judge(full, window.end, share) if len(full) else []

    def pageable(self, since: float) -> Ints:
        """Return the series whose comparison may page and had events since a time: they share the budget."""
        return self._series[(self._totals[:, _Sums.EVENTS] >= self._strict) & (self._heard >= since)]

    def accept(self, series: int) -> None:
        """Take a difference that was told as one that may stand: from now on it is what others are compared with."""
        row = self._rows.get(series, -1)
        if row in self._told:
            self._centre[row] = self._told.pop(row).log_ratio
            self._forget(row)

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        told = {str(row): msgspec.to_builtins(difference) for row, difference in self._told.items()}
        return {**{name: getattr(self, name) for name in self._ARRAYS}, "told": told}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        for name in self._ARRAYS:
            setattr(self, name, state[name])
        self._rows = {series: row for row, series in enumerate(self._series.tolist())}
        self._told = {int(row): msgspec.convert(one, _Difference) for row, one in state["told"].items()}

    # -- who is compared with whom ------------------------------------------------------------------------------------

    def _compared(self, window: Observation) -> tuple[Ints, Floats]:
        """Return the rows of the comparisons that this window adds to, and what it adds."""
        groups, metrics = np.divmod(window.series, SERIES_METRICS)
        family = self._family(int(groups.max(initial=-1)))[groups]
        mine = (family >= 0) & np.isin(metrics, list(self._settings))
        series, counts = window.series[mine], np.stack([window.events[mine], window.sums[mine]], axis=1)
        key, index = np.unique(family[mine] * SERIES_METRICS + metrics[mine], return_inverse=True)
        total = np.zeros((len(key), 2))
        np.add.at(total, index, counts)
        others = total[index] - counts
        return self._rows_of(series, window.start), np.concatenate([counts, others], axis=1)

    def _family(self, last: int) -> Ints:
        """Return for each group up to `last` the number of the dimension that it is a value of, −1 for none."""
        for group in self._groups[len(self._families) : last + 1]:
            dimension = group.segment[0][0] if group.segment else ENVIRONMENT
            named = (group.service, group.environment if group.segment else "", dimension)
            known = dimension in self._dimensions
            self._families.append(self._numbers.setdefault(named, len(self._numbers)) if known else -1)
        return np.array(self._families, np.int64)

    def _rows_of(self, series: Ints, time: float) -> Ints:
        fresh = [number for number in series.tolist() if number not in self._rows]
        if fresh:
            self._rows.update({number: len(self._series) + i for i, number in enumerate(fresh)})
            self._series = np.concatenate([self._series, np.array(fresh, np.int64)])
            for name in self._ARRAYS[1:]:
                array = getattr(self, name)
                fill = {"_evidence": _FLOOR, "_born": time, "_heard": time}.get(name, 0.0)
                setattr(self, name, np.concatenate([array, np.full((len(fresh), *array.shape[1:]), fill)]))
        return np.array([self._rows[number] for number in series.tolist()], np.int64)

    # -- evidence -----------------------------------------------------------------------------------------------------

    def _judge(self, rows: Ints, now: float, share: Share) -> list[Alarm]:
        sums = self._part[rows]
        ratios = self._log_ratios(rows, sums) / self._clustering(rows)[:, None]
        evidence = np.logaddexp(self._evidence[rows], np.log(sums[:, [_Sums.EVENTS]])) + ratios
        segment = np.maximum(self._segment[rows], 0) + ratios
        self._follow(rows, sums)
        statistic = np.logaddexp.reduce(evidence + _LOG_WEIGHTS, axis=1)
        limits = share.thresholds(self._series[rows], self._weekly_events(rows, sums[:, _Sums.EVENTS], now))
        standing = np.isin(rows, list(self._told))  # what has been told is followed by the test of its end
        able = (
            ~standing & (self._totals[rows, _Sums.EVENTS] >= self._strict) & (self._spread[rows, 2] >= _FEWEST_BLOCKS)
        )
        fired = able & (statistic >= limits) & (segment.max(axis=1) >= _OWN_EVIDENCE)
        self._evidence[rows] = np.where(able[:, None], np.maximum(evidence, _FLOOR), _FLOOR)
        self._segment[rows] = np.where(able[:, None], segment, 0.0)
        self._part[rows] = 0
        ended = [alarm for i in np.flatnonzero(standing) for alarm in self._test_equal(int(rows[i]), sums[i], now)]
        begun = [self._alarm(int(rows[i]), now, float(statistic[i]), float(limits[i])) for i in np.flatnonzero(fired)]
        return ended + begun

    def _weekly_events(self, rows: Ints, events: Floats, now: float) -> Floats:
        """Return the events a week, at the volume of late, after so many more of them."""
        gone = (now - self._heard[rows])[:, None]
        self._volumes[rows] = volume_after(self._volumes[rows], gone, events[:, None])
        self._heard[rows] = now
        return weekly_volume(self._volumes[rows], (now - self._born[rows])[:, None])

    def _follow(self, rows: Ints, sums: Floats) -> None:
        """Add a block to all that was seen, to the clustering, and to what was seen since the evidence rose."""
        fresh = self._segment[rows] <= 0
        self._since[rows] = np.where(fresh[:, :, None], 0, self._since[rows]) + sums[:, None, :]
        self._began[rows] = np.where(fresh, self._started[rows, None], self._began[rows])
        self._totals[rows] += sums
        share = _share(sums, _log_ratio(self._totals[rows]))
        hits = sums[:, _Sums.HITS] + sums[:, _Sums.OTHER_HITS]
        variance = np.maximum(hits, 1) * share * (1 - share)
        spread = np.where(hits > 0, (sums[:, _Sums.HITS] - hits * share) ** 2 / variance - 1, 0.0)
        self._spread[rows] += np.stack([spread, spread**2, hits > 0], axis=1)

    def _log_ratios(self, rows: Ints, sums: Floats) -> Floats:
        """Return ln L (rows, ratios) of blocks against the edge of the benign band."""
        band = np.array([self._setting(row).band for row in rows.tolist()])[:, None]
        edge = self._centre[rows, None] + np.sign(_RATIOS) * band
        many = sums[:, None, :]
        return _log_likelihood(many, edge + _RATIOS) - _log_likelihood(many, edge)

    def _clustering(self, rows: Ints) -> Floats:
        """Return by how much the hits of blocks scatter more than independent ones, plus one standard error."""
        spread, squares, blocks = self._spread[rows].T
        factor: Floats = np.maximum(1 + (spread + np.sqrt(squares)) / np.maximum(blocks, 1), 1.0)
        return factor

    def _setting(self, row: int) -> SeriesSettings:
        return self._settings[int(self._series[row] % SERIES_METRICS)]

    def _forget(self, row: int) -> None:
        self._evidence[row], self._segment[row], self._since[row] = _FLOOR, 0.0, 0.0

    # -- what is said -------------------------------------------------------------------------------------------------

    def _alarm(self, row: int, now: float, statistic: float, limit: float) -> Alarm:
        best = int(self._segment[row].argmax())
        since, began = self._since[row, best], float(self._began[row, best])
        after, before = self._levels(row, since)
        log_ratio = float(_log_ratio(since))
        setting = self._setting(row)
        harmful = setting.harm in {"both", "up" if log_ratio > 0 else "down"}
        large = abs(log_ratio - self._centre[row]) >= setting.page_from
        self._told[row] = _Difference(now, log_ratio, before)
        alarm = Alarm(
            series=int(self._series[row]),
            kind="page" if harmful and large else "notice",
            direction="up" if log_ratio > 0 else "down",
            changed_at=began,
            changed_from=began,
            changed_to=now,
            before=before,
            after=after,
            events=after.events,
            statistic=statistic,
            threshold=limit,
            reason=(
                f"{after.events} events at {after.value:.4g} [{after.low:.4g}, {after.high:.4g}] against "
                f"{before.value:.4g} [{before.low:.4g}, {before.high:.4g}] of the other values in the same windows: "
                f"evidence {statistic:.1f} of {limit:.1f} needed"
            ),
        )
        self._forget(row)
        return alarm

    def _test_equal(self, row: int, block: Floats, now: float) -> Iterator[Alarm]:
        """Say that a difference is over when a block of equal rates has become so much likelier than one of it."""
        told = self._told[row]
        near = self._centre[row] + np.sign(told.log_ratio - self._centre[row]) * self._setting(row).band
        equal, apart = _log_likelihood(block, np.array([near, told.log_ratio]))
        gain = float(equal - apart) / float(self._clustering(np.array([row]))[0])
        told.sums = (block + told.sums if told.equal > 0 else block).tolist()
        told.equal = max(told.equal, 0.0) + gain
        if told.equal < _EQUAL_AGAIN:
            return
        after, _ = self._levels(row, np.array(told.sums))
        del self._told[row]
        self._forget(row)
        yield Alarm(
            series=int(self._series[row]),
            kind="recovered",
            direction="down" if told.log_ratio > 0 else "up",
            changed_at=now,
            changed_from=now,
            changed_to=now,
            before=told.before,
            after=after,
            events=after.events,
            statistic=told.equal,
            threshold=_EQUAL_AGAIN,
            reason=f"as the other values again: {after.value:.4g} over {after.events} events",
            opened_at=told.opened_at,
        )

    def _levels(self, row: int, sums: Floats) -> tuple[Estimate, Estimate]:
        """Return the rate of the value and that of the others, with their intervals."""
        factor = float(self._clustering(np.array([row]))[0])
        mine, others = ((float(sums[i]), float(sums[i + 1])) for i in (0, 2))
        return _estimate(*mine, factor), _estimate(*others, factor)


def _share(sums: Floats, log_ratio: Floats) -> Floats:
    """Return π: which part of all hits falls to the value if its rate is so many times that of the others."""
    share: Floats = expit(np.log(sums[..., _Sums.EVENTS] / sums[..., _Sums.OTHER_EVENTS]) + log_ratio)
    return share


def _log_likelihood(sums: Floats, log_ratio: Floats) -> Floats:
    """Return ln P(hits of the value | all hits) up to a term free of the ratio."""
    share = _share(sums, log_ratio)
    likelihood: Floats = xlogy(sums[..., _Sums.HITS], share) + xlogy(sums[..., _Sums.OTHER_HITS], 1 - share)
    return likelihood


def _log_ratio(sums: Floats) -> Floats:
    """Return the logarithm of how many times the others' rate the value's is, half a hit added to each."""
    mine = (sums[..., _Sums.HITS] + 0.5) / (sums[..., _Sums.EVENTS] + 1)
    others = (sums[..., _Sums.OTHER_HITS] + 0.5) / (sums[..., _Sums.OTHER_EVENTS] + 1)
    ratio: Floats = np.log(mine / others)
    return ratio


def _estimate(events: float, hits: float, inflation: float) -> Estimate:
    low, high = jeffreys(hits, events, inflation)
    return Estimate(hits / events if events else 0.0, low, high, int(events))
