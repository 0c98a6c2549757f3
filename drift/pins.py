"""The pins of an installation: which of them governs a series, and the sums that it holds of it.

A series is compared with one pin, the newest that covers it. A period of days is *held* from the end of its last day
on; before that nothing is compared with it. The sums of a reference file are taken anew for each comparison, on the
scales of the series that exist by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.days import Days, Sums
from undertow.drift.detector import Observation
from undertow.drift.pin import MOST_DAYS, Pin, date_of
from undertow.drift.segments import Group
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Series
from undertow.drift.windows import ClosedWindow, cells_of

__all__ = ["PINS_LIMIT", "Governed", "Pins", "Read"]

PINS_LIMIT = 100  # at once

Ints = NDArray[np.int64]
Read = Callable[[ClosedWindow], Observation]  # a window's numbers, on the scales of the series


class Governed(NamedTuple):
    """The series that are compared: row, number, index of the pin, its sums, and the day after which days count."""

    rows: Ints
    series: Ints
    pin: Ints
    sums: Floats  # (n, Sums.WIDTH); a file has infinitely many days: it does not wander
    since: Ints


class _Held(NamedTuple):
    """The sums that a pin holds, by series number in order."""

    series: Ints
    sums: Floats

    def of(self, series: Ints) -> Floats:
        """Return the sums of each series, 0 for one that is not held."""
        found = np.zeros((len(series), Sums.WIDTH))
        if len(self.series):
            at = np.minimum(np.searchsorted(self.series, series), len(self.series) - 1)
            same = self.series[at] == series
            found[same] = self.sums[at[same]]
        return found


class Pins:
    """Holds the pins, newest last.

    Parameters
    ----------
    read
        Returns the numbers of a window on the scales of its series, without learning from it.
    """

    def __init__(self, groups: Sequence[Group], catalogue: Catalogue, days: Days, read: Read) -> None:
        self._groups, self._catalogue, self._days, self._read = groups, catalogue, days, read
        self.pins: list[Pin] = []
        self._held: dict[str, _Held] = {}

    def check(self, pin: Pin) -> None:
        """Refuse a pin that nothing could be compared with.

        Raises
        ------
        ValueError
            There is one of that id, there are too many, or nothing is known of what it pins; the message says which.
        """
        if any(pin.id == known.id for known in self.pins):
            raise ValueError(f"pin {pin.id} is there already; `undertow pins` lists it")
        if len(self.pins) >= PINS_LIMIT:
            raise ValueError(f"there are {PINS_LIMIT} pins, which is the limit; `undertow unpin` those not needed")
        if not self._covers(pin, self._days.series).any():
            raise ValueError(f"no series is known of {pin.scope}; `undertow status` lists those that are")
        if pin.kind == "days":
            self._check_days(pin)
        elif not len(
            (self._sums_of_version(pin, pin.last) if pin.kind == "version" else self._sums_of_file(pin)).series
        ):
            raise ValueError(f"{pin.source} says nothing of {pin.scope} over a whole day; pin something else")

    def _check_days(self, pin: Pin) -> None:
        known = max(self._days.first or 0, self._days.oldest)
        if pin.first < known:
            raise ValueError(
                f"the days before {date_of(known)} are not known as a whole any more, and {pin.source} begins earlier; "
                "pin later days, or a --reference file with the events of those"
            )

    def add(self, pin: Pin) -> None:
        """Take a pin; it goes before the older ones. At the limit one that was not checked takes the oldest's place."""
        if len(self.pins) >= PINS_LIMIT:
            self.remove(self.pins[0].id)
        self.pins.append(pin)
        self.hold(self._days.last)

    def remove(self, pin: str) -> None:
        """Drop a pin; an older one that covers the same series governs them again."""
        self.pins = [known for known in self.pins if known.id != pin]
        self._held.pop(pin, None)

    def hold(self, last: int) -> None:
        """Hold the pins whose days have all been seen by the end of the day `last`."""
        for pin in self.pins:
            if pin.id not in self._held and self._days.today >= 0 and (pin.kind != "days" or pin.last <= last):
                if pin.kind == "days":
                    self._held[pin.id] = self._sums_of_days(pin)
                elif pin.kind == "version":
                    self._held[pin.id] = self._sums_of_version(pin, last)

    def is_held(self, pin: Pin) -> bool:
        """Return whether series are compared with it by now."""
        return pin.kind == "reference" or pin.id in self._held

    def governed(self) -> Governed:
        """Return the series that a pin governs and holds sums of."""
        series = self._days.series
        which = np.full(len(series), -1, np.int64)
        sums = np.zeros((len(series), Sums.WIDTH))
        since = np.full(len(series), -1, np.int64)
        for index in reversed(range(len(self.pins))):
            pin = self.pins[index]
            mine = np.flatnonzero((which < 0) & self._covers(pin, series))
            which[mine] = index
            sums[mine] = self._held_by(pin).of(self._keys(pin, series[mine]))
            since[mine] = pin.last if pin.kind != "reference" else -1
        kept = np.flatnonzero(sums[:, Sums.EVENTS] > 0)
        return Governed(kept, series[kept], which[kept], sums[kept], since[kept])

    def _covers(self, pin: Pin, series: Ints) -> NDArray[np.bool_]:
        if pin.series:
            return np.isin(series, [number for one in pin.series if (number := self._number(one)) is not None])
        groups = np.array([pin.covers_group(g.service, g.environment, g.segment) for g in self._groups], bool)
        metrics = np.array([bool(name) and pin.covers_metric(name) for name in self._catalogue.names])
        covered: NDArray[np.bool_] = groups[series // SERIES_METRICS] & metrics[series % SERIES_METRICS]
        return covered

    def _number(self, series: Series) -> int | None:
        group = Group(series.service, series.environment, series.segment)
        metric = self._catalogue.numbers.get(series.metric)
        if metric is None or group not in self._groups:
            return None
        return self._groups.index(group) * SERIES_METRICS + metric

    def _held_by(self, pin: Pin) -> _Held:
        if pin.kind == "reference":
            return self._sums_of_file(pin)
        return self._held.get(pin.id) or _Held(np.zeros(0, np.int64), np.zeros((0, Sums.WIDTH)))

    def _keys(self, pin: Pin, series: Ints) -> Ints:
        """Return under which number the pin holds what each series is compared with."""
        if pin.version is None:
            return series
        groups = self._groups
        whole = {(g.service, g.environment): number for number, g in enumerate(groups) if not g.segment}
        by_group = np.array([whole.get((g.service, g.environment), -1) for g in groups], np.int64)
        return by_group[series // SERIES_METRICS] * SERIES_METRICS + series % SERIES_METRICS

    # -- what is held --------------------------------------------------------------------------------------------------

    def _sums_of_days(self, pin: Pin) -> _Held:
        order = np.argsort(self._days.series)
        mine = order[self._covers(pin, self._days.series[order])]
        return _Held(self._days.series[mine], self._days.total(mine, pin.first, pin.last))

    def _sums_of_version(self, pin: Pin, last: int) -> _Held:
        """Return the sums of the version's slice, under the numbers of the whole of its service."""
        slices = [number for number, g in enumerate(self._groups) if pin.version and g.segment == (pin.version,)]
        mine = np.flatnonzero(
            np.isin(self._days.series // SERIES_METRICS, slices) & self._covers(pin, self._days.series)
        )
        numbers = self._keys(pin, self._days.series[mine])
        order = np.argsort(numbers)
        sums = self._days.total(mine[order], last - MOST_DAYS + 1, last)
        seen = sums[:, Sums.EVENTS] > 0
        return _Held(numbers[order][seen], sums[seen])

    def _sums_of_file(self, pin: Pin) -> _Held:
        """Return what the file says of each series that is there by now, whatever the file's environment."""
        parts = [
            (group * SERIES_METRICS + self._catalogue.numbers[part.metric], part.bins, part.counts)
            for group, known in enumerate(self._groups)
            if pin.covers_group(known.service, known.environment, known.segment)
            for part in pin.reference
            if part.segment == known.segment and part.metric in self._catalogue.numbers
        ]
        said = self._read(ClosedWindow(0.0, 0.0, cells_of(parts)))
        order = np.argsort(said.series)
        columns = [said.events, said.sums, said.squares, said.raw, np.full(len(order), np.inf)]
        return _Held(said.series[order], np.stack(columns, axis=1)[order])

    # -- state ---------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as arrays and plain data."""
        return {
            "pins": msgspec.to_builtins(self.pins),
            "held": {pin: [held.series, held.sums] for pin, held in self._held.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        self.pins = msgspec.convert(state["pins"], list[Pin])
        self._held = {pin: _Held(*held) for pin, held in state["held"].items()}
