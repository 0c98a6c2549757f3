"""What a detector can find from here on: its likelihood is asked what an average block of changed traffic gains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.budget import WEEK, Share
from undertow.drift.episodes import BLOCK
from undertow.drift.planning import SHIFTS, Prospects
from undertow.drift.standings import StandingDetector
from undertow.drift.statistics.proportions import Floats

__all__ = ["PlannedDetector"]

_CHUNK = 256  # series at a time: a table of gains has 5,000 numbers for each
_LONGEST_BLOCK = 1000.0  # events; what a longer one gains is told as if it were several of this length

Ints = NDArray[np.int64]


class PlannedDetector(StandingDetector):
    """A detector that says what it would find; a family adds what a block of changed traffic gains on average."""

    _reads_falls_within = True  # a block in which less happens than usual is read before it is full

    @abstractmethod
    def _expected_ratios(self, rows: Ints, block: Floats, up: Floats, down: Floats) -> Callable[[Floats], Floats]:
        """Return the function from shifts (rows, n) of the level to E ln L_k (rows, n, components) of a block."""

    @abstractmethod
    def _in_units(self, rows: Ints, levels: Floats) -> Floats:
        """Return levels of the link scale (rows, n) in the metric's own unit."""

    def prospects(self, share: Share, time: float, window_s: float) -> Iterator[Prospects]:
        """Yield what decides how small a change is found, for all series that may page, some at a time.

        Parameters
        ----------
        share
            Of the budget, as live windows are judged by.
        time
            Now, event time: a daily cycle that is not known yet hides more at some hours than at others.
        window_s
            Width of a window: evidence is added up when one closes.
        """
        rows = np.arange(len(self._series))
        able = rows[self._known(rows) & (self.baselines.heard > self.baselines.born)]
        for first in range(0, len(able), _CHUNK):
            yield self._prospects(able[first : first + _CHUNK], share, time, window_s)

    def in_units(self, series: Ints, levels: Floats) -> Floats:
        """Return levels (series, n) of the link scale in the metric's own unit; of scores, in standard deviations."""
        return self._in_units(self._rows[series], levels)

    def _prospects(self, rows: Ints, share: Share, time: float, window_s: float) -> Prospects:
        metrics, baselines = self._metric_of(rows), self.baselines
        weekly = baselines.weekly_events(rows)
        block = np.clip(weekly * window_s / WEEK, BLOCK, _LONGEST_BLOCK)
        up, down = self._band(rows, time, share)
        season = self._settings["season"][metrics] * baselines.unknown_season(rows, time)
        wander = self._wander(rows, time)
        width = np.maximum(np.maximum(self._settings["band"][metrics], wander), season)
        ratios = self._expected_ratios(rows, block, up, down)
        return Prospects(
            series=self._series[rows],
            level=self._learned_levels(rows),
            weekly=weekly,
            learned=baselines.learned(rows),
            block=block,
            limits=share.thresholds(self._series[rows], weekly),
            up=up,
            down=down,
            page_from=self._settings["page_from"][metrics],
            harm_up=self._settings["up"][metrics] > 0,
            harm_down=self._settings["down"][metrics] > 0,
            wander=wander,
            season=season,
            margin=np.maximum(up, down) - width,
            at_rest=np.moveaxis(ratios(np.zeros((len(rows), 1)))[:, 0], 1, 0),
            rises=np.moveaxis(ratios(np.tile(SHIFTS, (len(rows), 1))), 2, 0).copy(),
            falls=np.moveaxis(ratios(np.tile(-SHIFTS, (len(rows), 1))), 2, 0).copy(),
            log_weights=self.log_weights,
            read_within=self._reads_falls_within,
        )

    def _usual_block(self, rows: Ints, block: Floats) -> Floats:
        """Return a block (rows, WIDTH) of so many events and what is expected of it."""
        part = np.zeros((len(rows), Slot.WIDTH))
        part[:, Slot.EVENTS] = block
        part[:, Slot.EXPECTED] = block * self._mean(self._learned_levels(rows))
        return part
