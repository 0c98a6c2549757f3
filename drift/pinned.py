"""Pinned references: once a day each series that a pin governs is compared with it, so that no ramp is learned away.

An episode begins when the evidence reaches 7/b: a page when the level lies `page_from` or further from the pin's in a
direction that hurts, a notice before that, each told once. After a page the days to come are compared with the days
that were told, so worsening is seen; the episode ends when whole days lie at the pin's level again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import DAY
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.comparisons import WIDTHS, Comparison, Evidence
from undertow.drift.days import Days, Sums
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.pin import Pin
from undertow.drift.pins import Governed, Pins, Read
from undertow.drift.segments import Group
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["Compared", "PinStatus", "Pinned"]

_PRECISION = 0.25  # of the way back: the standard error below which days say whether the level is back
_WEEK = 7

Ints = NDArray[np.int64]


class Standing(msgspec.Struct):
    """A series that has left its pin: what was told of it, and since when its days are compared with that."""

    pin: str
    since: int
    level: float  # link scale, as told last
    alarms: list[float] = []  # when they were raised, oldest first
    changed_at: float = 0.0
    told: list[float] | None = None  # sums of the days that a page told of


class Compared(NamedTuple):
    """One series beside its pin, as of the last whole day."""

    series: int
    pin: str
    before: Estimate
    now: Estimate | None  # None before a whole day has followed
    days: int  # of the latter
    statistic: float
    threshold: float
    changed_at: float | None


class PinStatus(NamedTuple):
    """One pin: whether series are compared with it by now, and those that are."""

    pin: Pin
    held: bool
    compared: list[Compared]


class Pinned:
    """Keeps daily sums of all series, the pins, and what has left them.

    Parameters
    ----------
    settings
        By metric number.
    groups, catalogue
        The groups and the metrics by number.
    read
        Returns the numbers of a window on the scales of its series, without learning from it.
    clustering
        Returns by how much sums of many events of each series vary beyond independent ones.
    """

    name = "pinned"

    def __init__(
        self,
        settings: Mapping[int, SeriesSettings],
        groups: Sequence[Group],
        catalogue: Catalogue,
        read: Read,
        clustering: Callable[[Ints], Floats],
    ) -> None:
        self._settings, self._clustering = settings, clustering
        self._days = Days()
        self._pins = Pins(groups, catalogue, self._days, read)
        self._standings: dict[int, Standing] = {}
        self._quiet_since: dict[int, int] = {}  # the day on which a series was back at its pin
        self._governed = self._pins.governed()
        self._shown: tuple[tuple[int, float], list[Compared]] | None = None

    @property
    def compared(self) -> Ints:
        """The series that are compared and so share the budget."""
        return self._governed.series

    # -- windows in ----------------------------------------------------------------------------------------------------

    def turn(self, time: float) -> bool:
        """Return whether a day is over, now that a window begins at `time`; if so, say anew which series are compared.

        Then comes `look`, before the window is added.
        """
        ended = self._days.ended(time)
        if ended:
            self._pins.hold(self._days.today)
            self._govern()
        return ended

    def add(self, numbers: Observation, watched: NDArray[np.bool_]) -> None:
        """Add a window to the day it began on; `watched` says of each metric number whether it is followed."""
        mine = watched[numbers.series % SERIES_METRICS]
        sums = np.stack([numbers.events, numbers.sums, numbers.squares, numbers.raw], axis=1)
        self._days.add(numbers.start, numbers.series[mine], numbers.since[mine], sums[mine])

    # -- pins ----------------------------------------------------------------------------------------------------------

    @property
    def last_day(self) -> int:
        """The last whole day, counted from the epoch."""
        return self._days.last

    @property
    def ids(self) -> list[str]:
        """The ids of all pins, newest last."""
        return [pin.id for pin in self._pins.pins]

    def check(self, pin: Pin) -> None:
        """Refuse a pin that nothing could be compared with; ValueError says why."""
        self._pins.check(pin)

    def pin(self, pin: Pin) -> None:
        """Take a pin; it governs the series that it covers from now on."""
        self._pins.add(pin)
        self._govern()

    def unpin(self, pin: str) -> None:
        """Drop a pin, and what was told of series that had left it."""
        self._pins.remove(pin)
        self._govern()

    def statuses(self, share: Share) -> list[PinStatus]:
        """Return all pins, newest last, with the series that are compared with them as of the last whole day."""
        as_of = (self._days.last, share.pages_per_week)
        if self._shown is None or self._shown[0] != as_of:  # it changes once a day and may be asked for every second
            self._shown = as_of, list(self._beside(share))
        found: dict[str, list[Compared]] = {pin.id: [] for pin in self._pins.pins}
        for compared in self._shown[1]:
            found[compared.pin].append(compared)
        return [PinStatus(pin, self._pins.is_held(pin), found[pin.id]) for pin in self._pins.pins]

    def _govern(self) -> None:
        """Look up anew which series are compared, and with what; of those with another pin now nothing was told."""
        self._governed, self._shown = self._pins.governed(), None
        pin_of = {s: self._pins.pins[p].id for s, p in zip(*(a.tolist() for a in self._governed[1:3]), strict=True)}
        self._standings = {s: known for s, known in self._standings.items() if pin_of.get(s) == known.pin}
        self._quiet_since = {s: day for s, day in self._quiet_since.items() if s in pin_of}

    def forget(self, series: int) -> bool:
        """Drop what was told of a series, whose level somebody has accepted; return whether it is compared."""
        self._standings.pop(series, None)
        self._shown = None
        return series in self._governed.series

    # -- the daily look ------------------------------------------------------------------------------------------------

    def look(self, end: float, share: Share) -> list[Alarm]:
        """Compare the days up to today, which is over, and say what is to be told at the event time `end`."""
        if not len(self.compared):
            return []
        governed, last = self._governed, self._days.today
        look = self._comparison(governed, last)
        found = look.evidence()
        returned = {i: width for i in self._left() if (width := self._back_after(i, look, last)) is not None}
        back = {i: self._recovered(i, look, width, last, end) for i, width in returned.items()}
        limits = share.daily_thresholds(governed.series)
        fired = [i for i in np.flatnonzero(found.statistic >= limits).tolist() if i not in back]
        told = [self._alarm(i, look, found, float(limits[i]), last, end) for i in fired]
        return [alarm for alarms in [*back.values(), *told] for alarm in alarms]

    def _comparison(self, governed: Governed, last: int) -> Comparison:
        metrics = (governed.series % SERIES_METRICS).tolist()
        settings = [self._settings[metric] for metric in metrics]
        reference, since = governed.sums.copy(), governed.since.copy()
        for i, series in enumerate(governed.series.tolist()):
            since[i] = max(since[i], self._quiet_since.get(series, -1))
            known = self._standings.get(series)
            if known and known.told is not None:
                reference[i], since[i] = known.told, known.since
        return Comparison(
            rate=np.array([one.scale == "share" for one in settings], bool),
            log=np.array([one.scale == "log" for one in settings], bool),
            band=np.array([one.band for one in settings]),
            factor=np.maximum(self._clustering(governed.series), 1),
            reference=reference,
            recent=self._days.recent(governed.rows, last),
            since=np.minimum(last - since, WIDTHS[-1]),
        )

    def _left(self) -> list[int]:
        """Return which of the governed series have left their pin."""
        return [i for i, series in enumerate(self._governed.series.tolist()) if series in self._standings]

    # -- leaving the pin -----------------------------------------------------------------------------------------------

    def _alarm(self, i: int, look: Comparison, found: Evidence, threshold: float, last: int, end: float) -> list[Alarm]:
        """Return what is to be told of a series whose evidence suffices; nothing when that has been told."""
        width, series = int(found.width[i]), int(self._governed.series[i])
        sums, pinned = _days(look, i, width), self._governed.sums[i]
        level, reference = self._level(i, look, sums), self._level(i, look, pinned)
        known = self._standings.get(series)
        kind = self._kind(series, level, reference, known)
        if kind is None:
            return []
        before, now = look.estimate(i, pinned), look.estimate(i, sums)
        latest, earliest, newest = look.change(i, float(found.direction[i]))
        alarm = Alarm(
            series=series,
            kind=kind,
            direction="up" if level > reference else "down",
            changed_at=(last - latest + 1) * DAY,
            changed_from=(last - earliest) * DAY,
            changed_to=(last - newest + 2) * DAY,
            before=before,
            after=now,
            events=int(_days(look, i, latest)[Sums.EVENTS]),
            statistic=float(found.statistic[i]),
            threshold=threshold,
            reason=_reason(self._pin(i), before, now, width, float(found.statistic[i]), threshold),
        )
        self._standings[series] = Standing(
            pin=self._pin(i).id,
            since=last,
            level=level,
            alarms=[*(known.alarms if known else []), end],
            changed_at=known.changed_at if known else alarm.changed_at,
            told=sums.tolist() if kind == "page" else None,
        )
        return [alarm]

    def _kind(self, series: int, level: float, pinned: float, known: Standing | None) -> str | None:
        """Judge a level by its distance from the pin's, and from what was told before; None when that says it all."""
        settings, off = self._settings[series % SERIES_METRICS], level - pinned
        harmful = settings.harm in {"both", "up" if off > 0 else "down"}
        told = known.level - pinned if known and known.told is not None else 0.0
        beyond = abs(off) - abs(told) if off * told > 0 else abs(off)
        if harmful and beyond >= settings.page_from:
            return "page"
        return None if known else "notice"

    def _level(self, i: int, look: Comparison, sums: Floats) -> float:
        return float(look.level(sums[None], slice(i, i + 1))[0])

    def _pin(self, i: int) -> Pin:
        return self._pins.pins[int(self._governed.pin[i])]

    # -- coming back ---------------------------------------------------------------------------------------------------

    def _back_after(self, i: int, look: Comparison, last: int) -> int | None:
        """Return how many days lie at the pin's level: the fewest that say it clearly, all later than the alarm."""
        series, one = int(self._governed.series[i]), slice(i, i + 1)
        known, pinned = self._standings[series], self._governed.sums[[i]]
        reference = float(look.level(pinned, one)[0])
        for width in WIDTHS[last - known.since >= WIDTHS].tolist():
            sums = look.window(width, one)
            error = float(np.sqrt(look.noise(sums, one) + look.noise(pinned, one) + look.spread(sums, one))[0])
            if sums[0, Sums.EVENTS] and error <= _PRECISION * abs(known.level - reference):
                level = float(look.level(sums, one)[0])
                near = abs(level - reference) < self._settings[series % SERIES_METRICS].page_from + error
                return width if near and abs(level - reference) < abs(level - known.level) else None
        return None

    def _recovered(self, i: int, look: Comparison, width: int, last: int, end: float) -> list[Alarm]:
        series = int(self._governed.series[i])
        known, before = self._standings.pop(series), look.estimate(i, self._governed.sums[i])
        self._quiet_since[series] = last
        now = look.estimate(i, _days(look, i, width))
        reference = self._level(i, look, self._governed.sums[i])
        return [
            Alarm(
                series=series,
                kind="recovered",
                direction="down" if known.level > reference else "up",
                changed_at=end,
                changed_from=end,
                changed_to=end,
                before=before,
                after=now,
                events=now.events,
                statistic=0.0,
                threshold=0.0,
                reason=f"back at {now.value:.4g} over {now.events} events, against {before.value:.4g} in pin "
                f"{known.pin} ({self._pin(i).source})",
                opened_at=opened_at,
            )
            for opened_at in known.alarms
        ]

    # -- status and state ----------------------------------------------------------------------------------------------

    def _beside(self, share: Share) -> Iterator[Compared]:
        """Return every compared series beside its pin: the last week, as far as it is later than the pin."""
        governed, last = self._governed, self._days.last
        if not len(self.compared):
            return
        look = self._comparison(governed, last)
        statistic, limits = look.evidence().statistic, share.daily_thresholds(governed.series)
        for i, series in enumerate(governed.series.tolist()):
            days = int(np.clip(last - governed.since[i], 0, _WEEK))
            sums = _days(look, i, days) if days else np.zeros(Sums.WIDTH)
            known = self._standings.get(series)
            yield Compared(
                series=series,
                pin=self._pin(i).id,
                before=look.estimate(i, governed.sums[i]),
                now=look.estimate(i, sums) if sums[Sums.EVENTS] else None,
                days=int(sums[Sums.DAYS]),
                statistic=float(statistic[i]),
                threshold=float(limits[i]),
                changed_at=known.changed_at if known else None,
            )

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        standings = {str(series): msgspec.to_builtins(known) for series, known in self._standings.items()}
        quiet = {str(series): day for series, day in self._quiet_since.items()}
        return {
            "days": self._days.snapshot(),
            "pins": self._pins.snapshot(),
            "standings": standings,
            "quiet_since": quiet,
            "governed": list(self._governed),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        self._days.restore(state["days"])
        self._pins.restore(state["pins"])
        self._standings = {
            int(series): msgspec.convert(known, Standing) for series, known in state["standings"].items()
        }
        self._quiet_since = {int(series): day for series, day in state["quiet_since"].items()}
        self._governed = Governed(*state["governed"])


def _days(look: Comparison, i: int, width: int) -> Floats:
    """Return the sums of one series over its last days."""
    sums: Floats = look.window(width, slice(i, i + 1))[0]
    return sums


def _reason(pin: Pin, before: Estimate, now: Estimate, width: int, statistic: float, threshold: float) -> str:
    days = "the last day" if width == 1 else f"the last {width} days"
    return (
        f"{days} at {now.value:.4g} [{now.low:.4g}, {now.high:.4g}] against {before.value:.4g} "
        f"[{before.low:.4g}, {before.high:.4g}] in pin {pin.id} ({pin.source}): evidence {statistic:.1f} of "
        f"{threshold:.1f} needed"
    )
