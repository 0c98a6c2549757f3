"""The series of mixes: the state of all of them, as a struct of arrays; row i of every array is series i."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Observation, Progress, SeriesSettings
from undertow.drift.lines import Lines
from undertow.drift.mixes import COLUMNS, Kind, Mixes, cells
from undertow.drift.statistics.proportions import Floats, jeffreys
from undertow.drift.verdict import Estimate

__all__ = ["Departure", "MixSeries", "share_of"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Departure(msgspec.Struct):
    """A change that has not recovered; lists of levels (log odds) have one entry per column of the mix."""

    sums: list[float]  # the baseline before the change
    before: list[float]
    after: list[float]
    told: list[float]  # of the last page; before the first one what was left
    lead: int  # the column that moved most
    estimate: Estimate  # of its share before the change
    changed_at: float
    changed_to: float
    alarms: list[float]  # when its alarms were raised, oldest first
    back: float = 0.0  # evidence of a return
    back_sums: list[float] = msgspec.field(default_factory=list)  # since the evidence rose


class MixSeries:
    """Struct of arrays; `mixes` holds what is usual, `lines` who has which column.

    Parameters
    ----------
    settings
        By metric number.
    min_events, strict_events
        Baseline events before ordinary paging, and before the strict form may page large changes.
    """

    budgeted = True
    alternatives = 0  # tilts that are tried of each column

    def __init__(self, settings: Mapping[int, SeriesSettings], min_events: int, strict_events: int) -> None:
        self._settings = {name: np.zeros(max(settings) + 1) for name in ("band", "page_from", "season", "harmful")}
        for metric, values in settings.items():
            for name in ("band", "page_from", "season"):
                self._settings[name][metric] = getattr(values, name)
            self._settings["harmful"][metric] = values.harm != "none"
        self._min_events, self._strict_events = min_events, strict_events
        self.mixes, self.lines = Mixes(), Lines()
        self._series: Ints = np.zeros(0, np.int64)
        self._rows: Ints = np.zeros(0, np.int64)
        self._evidence: Floats = np.zeros((0, COLUMNS, self.alternatives))  # R of each tilt of each column
        self._segment: Floats = np.zeros((0, COLUMNS, self.alternatives))  # G, likewise
        self._weights: Floats = np.zeros((0, COLUMNS))
        self._standing: Floats = np.zeros(0)  # the weighted sum of R, or more
        self._part: Floats = np.zeros((0, self.mixes.sums.shape[1]))  # the block being filled
        self._departures: dict[int, Departure] = {}

    # -- rows, status and state ---------------------------------------------------------------------------------------

    def _rows_of(self, window: Observation) -> Ints:
        series = window.series
        if len(series) and series.max() >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.full(int(series.max()) + 1024 - len(self._rows), -1, np.int64)])
        fresh = self._rows[series] < 0
        if fresh.any():
            start = len(self._series)
            self._series = np.concatenate([self._series, series[fresh]])
            self._rows[series[fresh]] = np.arange(start, len(self._series))
            self._grow(len(self._series), window.since[fresh])
        rows: Ints = self._rows[series]
        return rows

    def _grow(self, rows: int, born: Floats) -> None:
        self.mixes.grow(rows, born)
        self.lines.grow(rows)
        for name in ("_evidence", "_segment", "_weights", "_standing", "_part"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]))]))

    def _row(self, series: int) -> int | None:
        known = series < len(self._rows) and self._rows[series] >= 0
        return int(self._rows[series]) if known else None

    def _setting(self, name: str, rows: Ints) -> Floats:
        return self._settings[name][self._series[rows] % SERIES_METRICS]

    def _known(self, rows: Ints) -> Bools:
        known: Bools = self.mixes.sums[rows, Slot.EVENTS] >= self._strict_events
        return known

    def pageable(self, since: float) -> Ints:
        """Return the series that may page and had events since a time."""
        learned = self.mixes.learned(np.arange(len(self._series)))
        return self._series[(learned >= self._strict_events) & (self.mixes.heard >= since)]

    def progress(self, series: int) -> Progress | None:
        """Return how far the series is; its level is the share of the commonest category, or of the one that moved."""
        row = self._row(series)
        if row is None:
            return None
        departure = self._departures.get(row)
        sums = self.mixes.sums[row]
        level = departure.estimate if departure else self._estimate(row, self._common(sums), sums)
        learned = int(self.mixes.learned(np.array([row]))[0])
        changed_at = departure.changed_at if departure else None
        return Progress(learned, self._strict_events, self._min_events, level, changed_at)

    def accept(self, series: int) -> None:
        """Take the shares of a changed series as its normal ones: nothing is left to recover from."""
        row = self._row(series)
        if row is not None:
            self._departures.pop(row, None)

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the share of the category that moved, or of the commonest, before and since a time."""
        row = self._row(series)
        if row is None:
            return None
        slots = np.concatenate([self.mixes.history(row), self._part[[row]]])
        departure = self._departures.get(row)
        if departure and departure.changed_to >= since:  # the baseline has restarted: it holds what came after
            after = self.mixes.before(row, slots[:0]) + slots[-1]
            return departure.estimate, self._estimate(row, departure.lead, after)
        later = slots[:, Slot.START] >= since
        after, before = slots[later].sum(axis=0), self.mixes.before(row, slots[:-1][later[:-1]])
        if not after[Slot.EVENTS] or not before[Slot.EVENTS]:
            return None
        column = departure.lead if departure else self._common(before)
        return self._estimate(row, column, before), self._estimate(row, column, after)

    _ARRAYS = ("_series", "_rows", "_evidence", "_segment", "_weights", "_standing", "_part")

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        state: dict[str, Any] = {name: getattr(self, name) for name in self._ARRAYS}
        departures = {str(row): msgspec.to_builtins(departure) for row, departure in self._departures.items()}
        parts = {"mixes": self.mixes.snapshot(), "lines": self.lines.snapshot(), "departures": departures}
        return {**state, **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        for name in self._ARRAYS:
            setattr(self, name, state[name])
        self.mixes.restore(state["mixes"])
        self.lines.restore(state["lines"])
        self._departures = {int(row): msgspec.convert(one, Departure) for row, one in state["departures"].items()}

    # -- shares as they are told --------------------------------------------------------------------------------------

    def _common(self, sums: Floats) -> int:
        """Return the column of the commonest category."""
        return int(cells(sums)[Kind.COUNT].argmax())

    def _estimate(self, row: int, column: int, sums: Floats) -> Estimate:
        """Return the share of a column with its 95 % interval."""
        events = float(sums[Slot.EVENTS])
        hits = float(np.clip(cells(sums)[Kind.COUNT, column], 0, events))  # what moved from the rest is not whole
        return share_of(hits, events, float(self.mixes.dispersion(np.array([row]), errors=0.0)[0, column]))


def share_of(hits: float, events: float, inflation: float) -> Estimate:
    """Return a share with its 95 % interval; clustering inflates its variance.

    Examples
    --------
    >>> share_of(10, 100, 1.0)
    Estimate(value=0.1, low=0.0525..., high=0.1701..., events=100)
    """
    low, high = jeffreys(hits, events, inflation)
    return Estimate(hits / events if events else 0.0, low, high, int(events))
