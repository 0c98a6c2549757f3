"""What people page with today, on hourly levels of the same signals: at most one page a series and day.

An hour-of-week band, a test of the day after a new version against the week before it, a static threshold, and |z| of
the hour against everything before. Each has one knob.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scorecard.ours import summed
from scorecard.traffic import HOUR, WEEK, Floats, Ints, LengthTraffic, RateTraffic

__all__ = ["HISTORY", "RULES", "WATCHED", "Hours", "Rule", "days_paged", "first_page", "hours"]

HISTORY = 21 * 24  # hours that only teach
WATCHED = 7 * 24
_AFTER = 24  # hours after a new version in which it is tested
_FEWEST = 20  # events in an hour below which a static threshold says nothing


class Counts(NamedTuple):
    """Events, and the sums and sums of squares of their values: of hits, or of logs."""

    events: Floats
    sums: Floats
    squares: Floats

    def part(self, which: Callable[[Floats], Floats]) -> Counts:
        return Counts(*(which(part) for part in self))

    @property
    def shares(self) -> bool:
        """Whether the values are hits, whose squares they are."""
        return self.squares is self.sums

    @property
    def level(self) -> Floats:
        prior = 0.5 if self.shares else 0.0
        level: Floats = (self.sums + prior) / np.maximum(self.events + 2 * prior, 1)
        return level

    @property
    def variance(self) -> Floats:
        """The variance of one value."""
        if self.shares:
            return self.level * (1 - self.level)
        return np.maximum(self.squares / np.maximum(self.events, 1) - self.level**2, 1e-9)


class Hours(NamedTuple):
    """Counts (series, hours), and the hour in which each series got a new version."""

    counts: Counts
    version: Ints

    @property
    def watched(self) -> Counts:
        return self.counts.part(lambda part: part[:, HISTORY:])


def hours(
    before: RateTraffic | LengthTraffic,
    after: RateTraffic | LengthTraffic,
    weekly: float,
    series: int,
    change: int,
    seed: int,
) -> Hours:
    """Return four weeks of hourly counts; hours from the watched `change` on come from `after`."""
    rng, columns = np.random.default_rng([41, seed]), []
    for hour in range(HISTORY + WATCHED):
        traffic = before if hour < HISTORY + change else after
        summary = summed(*traffic.draw(rng, hour * HOUR, weekly * HOUR / WEEK, series))
        columns.append((summary.events, summary.sums, summary.squares))
    events, sums, squares = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    if isinstance(before, RateTraffic):
        squares = sums
    return Hours(Counts(events, sums, squares), rng.integers(HISTORY, HISTORY + WATCHED, series))


# -- rules ------------------------------------------------------------------------------------------------------------


def _standard(now: Counts, past: Counts, uncertainty: Floats | float = 0.0) -> Floats:
    """Return |z| of levels against past ones, which rest on 1/uncertainty events for each of now's."""
    error = np.sqrt(past.variance * (1 + uncertainty) / np.maximum(now.events, 1))
    score: Floats = np.abs(now.sums / np.maximum(now.events, 1) - past.level) / error
    return np.where(now.events > 0, score, 0.0)


def _band(seen: Hours) -> Floats:
    same_hours = seen.counts.part(lambda part: part[:, :HISTORY].reshape(len(part), 3, WATCHED).sum(axis=1))
    return _standard(seen.watched, same_hours, 1 / 3)


def _z_test(seen: Hours) -> Floats:
    return _standard(seen.watched, seen.counts.part(lambda part: part.cumsum(axis=1)[:, HISTORY - 1 : -1]))


def _static(seen: Hours) -> Floats:
    """Return hourly levels over the usual one of all series, or under it where the level is a log."""
    usual = seen.counts.part(lambda part: part[:, :HISTORY].sum()).level
    now = seen.watched
    mean = now.sums / np.maximum(now.events, 1)
    times = mean / usual if now.shares else np.exp(np.abs(mean - usual))
    return np.where(now.events >= _FEWEST, times, 0.0)


def _before_after(seen: Hours) -> Floats:
    scores = np.zeros((len(seen.version), WATCHED))
    row = np.arange(len(scores))
    until = seen.counts.part(lambda part: np.pad(part.cumsum(axis=1), ((0, 0), (1, 0))))

    def between(start: Ints, end: Ints) -> Counts:
        return until.part(lambda part: part[row, end] - part[row, start])

    before = between(seen.version - WATCHED, seen.version)
    for length in range(1, _AFTER + 1):
        end = np.minimum(seen.version + length, HISTORY + WATCHED)
        after = between(seen.version, end)
        score = _standard(after, before, after.events / np.maximum(before.events, 1))
        scores[row, end - HISTORY - 1] = np.maximum(scores[row, end - HISTORY - 1], score)
    return scores


class Rule(NamedTuple):
    """A score of each watched hour (series, hours); beyond the knob it pages. `default` is what people write."""

    name: str
    score: Callable[[Hours], Floats]
    default: float
    tunable: bool = True

    def knob(self, seen: Hours, pages: float) -> float:
        """Return the knob at which there are so many pages."""
        if not self.tunable:
            return self.default
        most = np.sort(_days(self.score(seen)).ravel())[::-1]
        return float(most[min(math.ceil(pages), len(most) - 1)])


RULES = (
    Rule("hour-of-week band", _band, 3.0),
    Rule("before/after test per version", _before_after, 1.96),
    Rule("static threshold", _static, 2.0),
    Rule("|z| of the hour", _z_test, 3.0),
    Rule("always", lambda seen: np.full((len(seen.version), WATCHED), np.inf), 0.0, tunable=False),
    Rule("never", lambda seen: np.zeros((len(seen.version), WATCHED)), np.inf, tunable=False),
)


def _days(score: Floats) -> Floats:
    highest: Floats = score.reshape(len(score), 7, 24).max(axis=2)
    return highest


def days_paged(score: Floats, knob: float) -> int:
    """Return the pages, one a series and day."""
    return int((_days(score) > knob).sum())


def first_page(score: Floats, knob: float, change: int) -> Floats:
    """Return the hours from the change to the end of the hour that pages, infinity where none does."""
    fired = score[:, change:] > knob
    return np.where(fired.any(axis=1), fired.argmax(axis=1) + 1.0, np.inf)
