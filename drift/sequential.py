"""The Shiryaev–Roberts rule that all families share: blocks, evidence and threshold.

Per series and alternative k the statistic is R_k ← (R_k + n)·L_k at the end of a block of n ≥ 50 events, closed by
count; between blocks (R_k + 50)·L_k(part) is compared and not stored. A series alarms when ln Σ w_k R_k ≥ ln(N/b) and
the log-likelihood ratio of the segment itself, max_k G_k with G_k ← max(G_k, 0) + ln L_k, reaches ln 100. The
likelihood ratio is taken against the edge of a band of benign wander, so its expectation is at most 1 wherever the
level lies in the band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import DAY, Slot
from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation
from undertow.drift.episodes import BLOCK, EpisodicFamily
from undertow.drift.family import EVIDENCE_FLOOR
from undertow.drift.statistics.proportions import Floats

__all__ = ["SMALL_BLOCK", "SequentialDetector"]

SMALL_BLOCK = 10.0  # overdispersion is estimated from two block sizes, the larger one counts
_OWN_EVIDENCE = float(np.log(100.0))

Ints = NDArray[np.int64]


class SequentialDetector(EpisodicFamily):
    """Everything but the likelihood, which a family's own file adds."""

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; return what it makes the detector say."""
        rows = self._rows_of(window.series, window.since)
        flat = self._fill(rows, window)
        self._watch_days(rows, window, flat)
        alarms = self._recoveries(rows, window, flat)
        filled = self._part[rows, Slot.EVENTS]  # 0 where a recovery has just put the old baseline back
        look = rows[(filled >= BLOCK) | (self._interesting(window) & (filled > 0))]
        if len(look):
            closes = self._part[look, Slot.EVENTS] >= BLOCK
            alarms += self._judge(look, closes, window, share)
        return alarms

    def _interesting(self, window: Observation) -> NDArray[np.bool_]:
        """Return which series are worth an interim read: those where something happened in this window."""
        happened: NDArray[np.bool_] = window.sums != 0
        return happened

    def _fill(self, rows: Ints, window: Observation) -> Floats:
        """Add the window to the blocks being filled; return its sums without the daily profile."""
        level = self._learned_levels(rows)
        usual = self._mean(level + self._season(rows, window.start))
        flat = self._flattened(window.events, window.sums, usual, self._mean(level))
        fresh = self._part[rows, Slot.EVENTS] == 0
        self._part[rows[fresh], Slot.START] = window.start
        self._part[rows, Slot.END] = window.end
        expected = usual * window.events
        added = np.stack([window.events, window.sums, window.squares, window.raw, expected, flat], axis=1)
        self._part[rows, Slot.EVENTS : Slot.FLAT + 1] += added
        self._small[rows] += added[:, [0, 1, 4]]
        self._close_small(rows[self._small[rows, 0] >= SMALL_BLOCK])
        self.baselines.record_hours(rows, window.start, window.events, window.sums)
        self.baselines.record_volumes(rows, window.end, window.events)
        return flat

    def _close_small(self, rows: Ints) -> None:
        if len(rows):
            small = self._small[rows]
            part = np.zeros((len(rows), Slot.WIDTH))
            part[:, [Slot.EVENTS, Slot.SUM, Slot.EXPECTED]] = small
            self._part[rows, Slot.SMALL : Slot.LARGE] += self._clustering(rows, part)
            self._small[rows] = 0

    def _watch_days(self, rows: Ints, window: Observation, flat: Floats) -> None:
        day = window.start // DAY
        ended = self.baselines.start_day(rows, day)
        if len(ended):
            events, sums = self.baselines.days[ended, 1], self.baselines.days[ended, 2]
            enough = (events >= BLOCK) & self.baselines.whole_day(ended)
            ended, events, sums = ended[enough], events[enough], sums[enough]
            self.baselines.wander.record(ended, day * DAY, self._link(events, sums), self._noise(ended, events, sums))
        self.baselines.record_day(rows, day, window.events, flat)

    def _judge(self, rows: Ints, closes: NDArray[np.bool_], window: Observation, share: Share) -> list[Alarm]:
        part = self._part[rows]
        up, down = self._band(rows, window.start, share)
        ratios = self._log_ratios(rows, part, up, down)
        credit = np.log(np.maximum(part[:, Slot.EVENTS], BLOCK))[:, None]
        evidence = np.logaddexp(self._evidence[rows], credit) + ratios
        segment = np.maximum(self._segment[rows], 0) + ratios
        statistic: Floats = np.logaddexp.reduce(evidence + self.log_weights, axis=1)
        limits = share.thresholds(self._series[rows], self.baselines.weekly_events(rows))
        known = self._known(rows)
        fired = (statistic >= limits) & (segment.max(axis=1) >= _OWN_EVIDENCE) & known
        evidence, segment = np.where(known[:, None], (evidence, segment), [[[EVIDENCE_FLOOR]], [[0.0]]])
        stay = closes & ~fired
        self._commit(rows[stay], evidence[stay], segment[stay])
        return [
            alarm
            for i in np.flatnonzero(fired)
            for alarm in self._alarm(
                int(rows[i]), window, float(statistic[i]), float(limits[i]), self.directions[int(np.argmax(segment[i]))]
            )
        ]

    def _band(self, rows: Ints, time: float, share: Share) -> tuple[Floats, Floats]:
        """Return how far the benign band reaches above and below the expected level, link scale."""
        metrics = self._metric_of(rows)
        season = self._settings["season"][metrics] * self.baselines.unknown_season(rows, time) * ~self._stated[rows]
        width = np.maximum(np.maximum(self._settings["band"][metrics], self._wander(rows, time)), season)
        young = self._young(rows)
        up, down = self._margin(rows, share.z)
        return width + np.where(young, up, 0), width + np.where(young, down, 0)

    def _young(self, rows: Ints) -> NDArray[np.bool_]:
        """Return which baselines still err so much that only what their limits exclude may page."""
        young: NDArray[np.bool_] = self.baselines.learned(rows) < self._min_events
        return young

    def _wander(self, rows: Ints, time: float) -> Floats:
        """Return how far levels may wander from day to day: not at all on a series' first day."""
        widths = self.baselines.wander.widths(rows)
        return np.where((time - self.baselines.born[rows] < DAY) | self._stated[rows], 0.0, widths)

    def _commit(self, rows: Ints, evidence: Floats, segment: Floats) -> None:
        """Close the blocks of these rows: store their evidence and hand them to the baseline."""
        if not len(rows):
            return
        self._evidence[rows] = np.maximum(evidence, EVIDENCE_FLOOR)
        self._segment[rows] = segment
        part = self._part[rows]
        part[:, Slot.LARGE : Slot.LEARNED] = self._clustering(rows, part)
        unknown = ~self._known(rows)
        part[unknown, Slot.EXPECTED] = part[unknown, Slot.SUM]  # there was nothing to expect yet
        self._learn_clustering(rows[self._stated[rows]], part[self._stated[rows]])
        self.baselines.push(rows, part)
        for row in rows[unknown & self._known(rows)].tolist():
            self._measure_past(row)
        self._part[rows] = 0

    def _learn_clustering(self, rows: Ints, part: Floats) -> None:
        """Learn at once how blocks scatter, around their own level, where the usual one is stated and not learned."""
        own = self.baselines.slots[rows].sum(axis=1) + part
        around = part.copy()
        around[:, Slot.EXPECTED] = part[:, Slot.EVENTS] * self._mean(self._link(own[:, Slot.EVENTS], own[:, Slot.SUM]))
        self.baselines.sums[rows, Slot.LARGE : Slot.LEARNED] += self._clustering(rows, around)

    def _measure_past(self, row: int) -> None:
        """Measure how the blocks scatter that were seen before there was a level: around their own, which costs one."""
        past = self.baselines.history(row)
        total = past.sum(axis=0)
        past[:, Slot.EXPECTED] = past[:, Slot.EVENTS] * self._mean(self._link(total[[Slot.EVENTS]], total[[Slot.SUM]]))
        spread, weight = self._spread(np.full(len(past), row), past)
        measured = [spread.sum() + 1, (spread**2).sum(), weight.sum() - weight.mean()]
        self.baselines.sums[row, Slot.LARGE : Slot.LEARNED] += measured

    def _clustering(self, rows: Ints, part: Floats) -> Floats:
        """Return spread, its square and its weight for blocks; nothing while there is no level to measure it from."""
        spread, weight = self._spread(rows, part)
        return np.where(self._known(rows)[:, None], np.stack([spread, spread**2, weight], axis=1), 0.0)
