"""Where the evidence of series stands between alarms, so that several can be judged together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.detector import Alarm, Observation
from undertow.drift.sequential import SequentialDetector
from undertow.drift.statistics.proportions import Floats

__all__ = ["StandingDetector", "Standings"]

Ints = NDArray[np.int64]


class Standings(NamedTuple):
    """Evidence of series at the end of their last blocks.

    `evidence` is ln(Σ w_k R_k / N): what e-values of one false alarm in N events, a week of the series, are worth;
    `own` the log-likelihood ratio of the segment itself.
    """

    series: Ints
    evidence: Floats
    own: Floats


class StandingDetector(SequentialDetector):
    """A detector whose evidence can be read, and which can be told to raise an alarm for it."""

    def standings(self, groups: NDArray[np.bool_], metrics: NDArray[np.bool_], now: float) -> Standings:
        """Return the evidence of those series of these groups and metrics (masks by number) that may page."""
        group, metric = np.divmod(self._series, len(metrics))
        rows = np.flatnonzero(groups[group] & metrics[metric])
        rows = rows[self._known(rows)]
        weekly = self.baselines.weekly_events(rows)
        statistic = np.logaddexp.reduce(self._evidence[rows] + self.log_weights, axis=1)
        return Standings(
            self._series[rows], statistic - np.log(np.maximum(weekly, 1.0)), self._segment[rows].max(axis=1)
        )

    def raise_alarm(self, series: int, window: Observation, statistic: float, limit: float) -> list[Alarm]:
        """Say of a series what it says when its evidence is enough, since others' evidence makes it so."""
        row = int(self._rows[series])
        if not self._part[row, Slot.EVENTS]:
            self._part[row, [Slot.START, Slot.END]] = window.start, window.end
        return self._alarm(row, window, statistic, limit, self.directions[int(np.argmax(self._segment[row]))])
