"""river's detectors as detectors of this system, for users who know them and want them.

river's objects are not plain data, so what is kept is what they were fed: the values since the last alarm, at most
20,000 of a series, of which the older half is dropped when they are full. A restart feeds them again and arrives at
the same state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Observation, Progress, SeriesSettings
from undertow.drift.statistics.proportions import jeffreys
from undertow.drift.verdict import Estimate

__all__ = ["River", "RiverDetector"]

_KEPT = 20_000
_RECENT = 100  # values whose mean is reported as the level after the change


class River(Protocol):
    """What is used of a river detector."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last value raised an alarm."""
        ...

    def update(self, x: float) -> object:
        """Take one value."""
        ...


class _Fed(msgspec.Struct):
    """What one series was fed since its last alarm: values, and how many of them with each window's start.

    `seen` counts all that it was ever fed.
    """

    values: list[float] = []
    windows: list[tuple[float, int]] = []
    seen: int = 0


class RiverDetector(ABC):
    """Feeds one river object per series, event by event in a reproducible order within a window.

    Its alarms are outside the budget of false pages; the monitor marks and caps them.
    """

    name: str
    budgeted = False

    def __init__(self, settings: Mapping[int, SeriesSettings], min_events: int, strict_events: int) -> None:
        self._settings, self._strict_events = settings, strict_events
        self._fed: dict[int, _Fed] = {}
        self._river: dict[int, River] = {}

    @abstractmethod
    def _make(self) -> River:
        """Return a fresh river detector."""

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; `share` is not used: river's parameters say how often it is wrong."""
        alarms: list[Alarm] = []
        index, values, counts = window.cells
        for i, series in enumerate(window.series.tolist()):
            mine = index == i
            alarms += self._feed(series, np.repeat(values[mine], counts[mine]), window)
        return alarms

    def _feed(self, series: int, values: np.ndarray[Any, np.dtype[np.float64]], window: Observation) -> list[Alarm]:
        order = np.random.default_rng(abs(int(window.start))).permutation(len(values))
        fed = self._fed.setdefault(series, _Fed())
        if len(fed.values) >= _KEPT:
            self._forget(series, fed)
        fed.windows.append((window.start, len(values)))
        fed.seen += len(values)
        river = self._river.get(series) or self._rebuild(series)
        for value in values[order].tolist():
            fed.values.append(value)
            river.update(value)
            if river.drift_detected:
                alarm = self._alarm(series, fed, window)
                self._fed[series] = _Fed(seen=fed.seen)
                self._river.pop(series)
                return [alarm]
        return []

    def _forget(self, series: int, fed: _Fed) -> None:
        dropped = 0
        while fed.windows and len(fed.values) - dropped > _KEPT // 2:
            dropped += fed.windows.pop(0)[1]
        del fed.values[:dropped]
        self._river.pop(series, None)

    def _rebuild(self, series: int) -> River:
        river = self._river[series] = self._make()
        for value in self._fed[series].values:
            river.update(value)
        return river

    def _alarm(self, series: int, fed: _Fed, window: Observation) -> Alarm:
        width = int(getattr(self._river[series], "width", 0)) or _RECENT
        recent = max(min(width, len(fed.values) - 1), 1)
        before = self._estimate(series, fed.values[:-recent])
        after = self._estimate(series, fed.values[-recent:])
        direction = "up" if after.value > before.value else "down"
        changed_at = _start_of(fed, len(fed.values) - recent)
        return Alarm(
            series=series,
            kind="page" if self._harmful(series, direction) and fed.seen >= self._strict_events else "notice",
            direction=direction,
            changed_at=changed_at,
            changed_from=fed.windows[0][0],
            changed_to=window.end,
            before=before,
            after=after,
            events=recent,
            statistic=float("nan"),
            threshold=float("nan"),
            reason=f"river's {self.name} detected a change; its alarms are outside the budget of false pages",
        )

    def _harmful(self, series: int, direction: str) -> bool:
        settings = self._settings.get(series % SERIES_METRICS)
        return settings is None or settings.harm in {direction, "both"}

    def _estimate(self, series: int, values: list[float]) -> Estimate:
        array = np.array(values or [0.0])
        settings = self._settings.get(series % SERIES_METRICS)
        if settings is None or settings.scale == "share":
            low, high = jeffreys(float(array.sum()), float(len(array)))
            return Estimate(float(array.mean()), low, high, len(array))
        half = 1.96 * float(array.std()) / len(array) ** 0.5
        levels = array.mean() + np.array([-half, 0.0, half])
        low, value, high = (np.exp(levels) if settings.scale == "log" else levels).tolist()
        return Estimate(value, low, high, len(array))

    def pageable(self, since: float) -> NDArray[np.int64]:
        """Return none: these series spend nothing of the budget."""
        return np.zeros(0, np.int64)

    def progress(self, series: int) -> Progress | None:
        """Return how far the series is."""
        fed = self._fed.get(series)
        if fed is None:
            return None
        level = self._estimate(series, fed.values)
        return Progress(fed.seen, self._strict_events, self._strict_events, level, None)

    def accept(self, series: int) -> None:  # noqa: B027 (there is no old level to forget)
        """Do nothing: after an alarm these detectors know the new level only."""

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level before and since a time, None if one of them is unknown."""
        fed = self._fed.get(series)
        if fed is None:
            return None
        split = sum(count for start, count in fed.windows if start < since)
        if not 0 < split < len(fed.values):
            return None
        return self._estimate(series, fed.values[:split]), self._estimate(series, fed.values[split:])

    def snapshot(self) -> dict[str, Any]:
        """Return what each series was fed."""
        return {"fed": {str(series): msgspec.to_builtins(fed) for series, fed in self._fed.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot; the river objects are fed again when they are next needed."""
        self._fed = {int(series): msgspec.convert(fed, _Fed) for series, fed in state["fed"].items()}
        self._river = {}


def _start_of(fed: _Fed, position: int) -> float:
    seen = 0
    for start, count in fed.windows:
        seen += count
        if seen > position:
            return start
    return fed.windows[-1][0]
