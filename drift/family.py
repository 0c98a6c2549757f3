"""A family of series that share one kind of likelihood: what it must say, and the state of all its series.

The state is a struct of arrays: row i of every array is series i. An *episode* is a change that has not recovered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Progress, SeriesSettings
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate
from undertow.drift.weekly import WeeklyBaselines

__all__ = ["EVIDENCE_FLOOR", "Episode", "Family", "Moved"]

EVIDENCE_FLOOR = -60.0  # ln R of a statistic that has just begun

Ints = NDArray[np.int64]


class Episode(msgspec.Struct):
    """A change that has not recovered: the level it left, the level it went to, and the test of a return."""

    sums: list[float]  # the baseline before the change
    before: Estimate
    level_before: float  # link scale, without season
    level_after: float
    changed_at: float
    changed_to: float
    told: float  # level of the last page, link scale; before the first one the level that was left
    alarms: list[float]  # when its alarms were raised, oldest first
    shift: float  # by which the daily profile was moved along, link scale
    back: float = 0.0  # evidence of a return
    back_sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * Slot.WIDTH)  # since the evidence rose


class Moved(msgspec.Struct, array_like=True):
    """What an alarm told: since when, and how far from the level of all hours, link scale."""

    at: float
    effect: float


class Family(ABC):
    """What a family says of its likelihood, and the rows of its series.

    Parameters
    ----------
    settings
        By metric number.
    min_events, strict_events
        Baseline events before ordinary paging, and before the strict form may page large changes.
    """

    name: str
    budgeted = True
    log_weights: Floats
    directions: Floats  # of the alternatives: +1 up, −1 down
    arrays: ClassVar[dict[str, float]] = {  # one row a series → what a new series begins with
        "_evidence": EVIDENCE_FLOOR,
        "_segment": 0.0,
        "_part": 0.0,
        "_small": 0.0,
        "_stated": 0.0,
    }

    def __init__(self, settings: Mapping[int, SeriesSettings], min_events: int, strict_events: int) -> None:
        size = max(settings) + 1
        self._settings = {name: np.zeros(size) for name in ("band", "page_from", "season", "up", "down", "log")}
        for metric, values in settings.items():
            self._settings["band"][metric] = values.band
            self._settings["page_from"][metric] = values.page_from
            self._settings["season"][metric] = values.season
            self._settings["up"][metric] = values.harm in {"up", "both"}
            self._settings["down"][metric] = values.harm in {"down", "both"}
            self._settings["log"][metric] = values.scale == "log"
        self._min_events, self._strict_events = min_events, strict_events
        self.baselines = WeeklyBaselines()
        self._series: Ints = np.zeros(0, np.int64)
        self._rows: Ints = np.full(0, -1, np.int64)
        components = len(self.log_weights)
        self._evidence: Floats = np.zeros((0, components))  # ln R_k
        self._segment: Floats = np.zeros((0, components))  # G_k
        self._part: Floats = np.zeros((0, Slot.WIDTH))  # the block being filled
        self._small: Floats = np.zeros((0, 3))  # the small block being filled: events, sum, expected
        self._stated: NDArray[np.bool_] = np.zeros(0, bool)  # somebody said what is usual, at every hour
        self._episodes: dict[int, Episode] = {}
        self._moves: dict[int, list[Moved]] = {}  # alarms of the last days, oldest first

    # -- what a family says -------------------------------------------------------------------------------------------

    @abstractmethod
    def _link(self, events: Floats, sums: Floats) -> Floats:
        """Return the level on the link scale."""

    @abstractmethod
    def _mean(self, link: Floats) -> Floats:
        """Return the expected value of one event at a level of the link scale."""

    @abstractmethod
    def _moved(self, events: Floats, sums: Floats, shift: float) -> Floats:
        """Return the sums as they would be with the level moved by `shift` on the link scale."""

    @abstractmethod
    def _flattened(self, events: Floats, sums: Floats, usual: Floats, flat: Floats) -> Floats:
        """Return the sums as they would be if an event's expected value were `flat` and not `usual`."""

    @abstractmethod
    def _season(self, rows: Ints, time: float) -> Floats:
        """Return the known daily profile's shift of the level, link scale."""

    @abstractmethod
    def _dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        """Return the clustering of the baseline's blocks (correlation, or variance factor) plus standard errors."""

    @abstractmethod
    def _factor(self, rows: Ints) -> Floats:
        """Return the clustering with one standard error as a factor on the variance of sums, at least 1."""

    @abstractmethod
    def _spread(self, rows: Ints, part: Floats) -> tuple[Floats, Floats]:
        """Return for a block its squared deviation beyond the independent one, and its weight."""

    @abstractmethod
    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        """Return ln L_k (rows, components) of a part against the band reaching `up` and `down` on the link scale."""

    @abstractmethod
    def _margin(self, rows: Ints, z: float) -> tuple[Floats, Floats]:
        """Return how far the baseline's limits at z standard errors lie above and below its level, link scale."""

    @abstractmethod
    def _gain(self, row: int, slots: Floats) -> Floats:
        """Return the log-likelihood that each slot gains by a level of its own over the expected one."""

    @abstractmethod
    def _return_ratio(self, row: int, part: Floats, before: float, after: float) -> float:
        """Return ln P(part | level before) − ln P(part | level after), the levels on the link scale."""

    @abstractmethod
    def _estimate(self, row: int, sums: Floats) -> Estimate:
        """Return a level in the metric's own unit with its 95 % interval."""

    @abstractmethod
    def _noise(self, rows: Ints, events: Floats, sums: Floats) -> Floats:
        """Return the sampling variance of a level on the link scale."""

    # -- levels --------------------------------------------------------------------------------------------------------

    def _learned_levels(self, rows: Ints) -> Floats:
        """Return the levels that were learned, without the daily profile; link scale."""
        sums = self.baselines.sums[rows]
        return self._link(sums[:, Slot.EVENTS], sums[:, Slot.FLAT])

    def _known(self, rows: Ints) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = self.baselines.sums[rows, Slot.EVENTS] >= self._strict_events
        return known

    def _effect(self, part: Floats) -> float:
        """Return how far a part's level lies from the expected one, link scale."""
        events = part[[Slot.EVENTS]]
        return float((self._link(events, part[[Slot.SUM]]) - self._link(events, part[[Slot.EXPECTED]]))[0])

    def _flat(self, sums: Floats) -> float:
        """Return the level of these sums without the daily profile, link scale."""
        return float(self._link(sums[[Slot.EVENTS]], sums[[Slot.FLAT]])[0])

    def _error(self, row: int, sums: Floats) -> float:
        """Return the standard error of the level of these sums, link scale."""
        return float(np.sqrt(self._noise(np.array([row]), sums[[Slot.EVENTS]], sums[[Slot.SUM]])[0]))

    # -- rows, status and state ---------------------------------------------------------------------------------------

    def _metric_of(self, rows: Ints) -> Ints:
        metrics: Ints = self._series[rows] % SERIES_METRICS
        return metrics

    def _rows_of(self, series: Ints, since: Floats) -> Ints:
        if len(series) and series.max() >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.full(int(series.max()) + 1024 - len(self._rows), -1, np.int64)])
        fresh = self._rows[series] < 0
        if fresh.any():
            start = len(self._series)
            self._series = np.concatenate([self._series, series[fresh]])
            self._rows[series[fresh]] = np.arange(start, len(self._series))
            self._grow(len(self._series), since[fresh])
        rows: Ints = self._rows[series]
        return rows

    def _grow(self, rows: int, born: Floats) -> None:
        self.baselines.grow(rows, born)
        for name, fill in self.arrays.items():
            array = getattr(self, name)
            extra = np.full((rows - len(array), *array.shape[1:]), fill, array.dtype)
            setattr(self, name, np.concatenate([array, extra]))

    def pageable(self, since: float) -> Ints:
        """Return the series that may page and had events since a time."""
        learned = self.baselines.learned(np.arange(len(self._series)))
        return self._series[(learned >= self._strict_events) & (self.baselines.heard >= since)]

    def progress(self, series: int) -> Progress | None:
        """Return how far the series is."""
        if series >= len(self._rows) or self._rows[series] < 0:
            return None
        row = int(self._rows[series])
        sums = self.baselines.sums[row]
        episode = self._episodes.get(row)
        level = episode.before if episode else self._estimate(row, sums)
        learned = self._min_events if self._stated[row] else int(self.baselines.learned(np.array([row]))[0])
        return Progress(learned, self._strict_events, self._min_events, level, episode.changed_at if episode else None)

    def clustering(self, series: Ints) -> Floats:
        """Return by how much sums of many events of each series vary beyond independent ones, at least 1."""
        rows = np.where(series < len(self._rows), self._rows[np.minimum(series, len(self._rows) - 1)], -1)
        factors = np.ones(len(series))
        factors[rows >= 0] = self._factor(rows[rows >= 0])
        return factors

    def accept(self, series: int) -> None:
        """Take the level of a changed series as its normal one: nothing is left to recover from."""
        if series < len(self._rows) and self._rows[series] >= 0:
            row = int(self._rows[series])
            if self._episodes.pop(row, None):
                self._stated[row] = False

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level before and since a time, None if one of them is unknown."""
        if series >= len(self._rows) or self._rows[series] < 0:
            return None
        row = int(self._rows[series])
        slots = np.concatenate([self.baselines.history(row), self._part[[row]]])
        episode = self._episodes.get(row)
        if episode and episode.changed_to >= since:  # the baseline has restarted: it holds what came after
            return episode.before, self._estimate(row, self.baselines.before(row, slots[:0]) + slots[-1])
        later = slots[:, Slot.START] >= since
        after, before = slots[later].sum(axis=0), self.baselines.before(row, slots[:-1][later[:-1]])
        if not after[Slot.EVENTS] or not before[Slot.EVENTS]:
            return None
        return self._estimate(row, before), self._estimate(row, after)

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        state: dict[str, Any] = {name: getattr(self, name) for name in ("_series", "_rows", *self.arrays)}
        episodes = {str(row): msgspec.to_builtins(episode) for row, episode in self._episodes.items()}
        moves = {str(row): msgspec.to_builtins(moved) for row, moved in self._moves.items()}
        return {**state, "baselines": self.baselines.snapshot(), "episodes": episodes, "moves": moves}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        for name in ("_series", "_rows", *self.arrays):
            setattr(self, name, state[name])
        self.baselines.restore(state["baselines"])
        self._episodes = {int(row): msgspec.convert(episode, Episode) for row, episode in state["episodes"].items()}
        self._moves = {int(row): msgspec.convert(moved, list[Moved]) for row, moved in state["moves"].items()}
