"""What people page with today, on hourly rates of the same signals: at most one page a series and day.

An hour-of-week band, a test of the day after a new version against the week before it, a static threshold, and |z| of
the hour against everything before. Each has one knob.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scorecard.traffic import HOUR, WEEK, Floats, Ints, RateTraffic

__all__ = ["RULES", "Hours", "Rule", "days_paged", "first_page", "hours"]

HISTORY = 21 * 24  # hours that only teach
WATCHED = 7 * 24
_AFTER = 24  # hours after a new version in which it is tested


class Hours(NamedTuple):
    """Events and hits (series, hours), and the hour in which each series got a new version."""

    events: Ints
    hits: Ints
    version: Ints


def hours(before: RateTraffic, after: RateTraffic, weekly: float, series: int, change: int, seed: int) -> Hours:
    """Return four weeks of hourly counts; hours from the watched `change` on come from `after`."""
    rng, columns = np.random.default_rng([41, seed]), []
    for hour in range(HISTORY + WATCHED):
        traffic = before if hour < HISTORY + change else after
        columns.append(traffic.draw(rng, hour * HOUR, weekly * HOUR / WEEK, series))
    events, hits = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    return Hours(events, hits, rng.integers(HISTORY, HISTORY + WATCHED, series))


def _standard(hits: Floats | Ints, events: Floats | Ints, rate: Floats, uncertainty: Floats | float = 0.0) -> Floats:
    """Return |z| of counts against a rate that itself rests on 1/uncertainty events for each of these."""
    variance = np.maximum(events * rate * (1 - rate), 1e-9) * (1 + uncertainty)
    score: Floats = np.abs(hits - events * rate) / np.sqrt(variance)
    return score


def _band(seen: Hours) -> Floats:
    past = [part[:, :HISTORY].reshape(len(part), 3, WATCHED).sum(axis=1) for part in (seen.events, seen.hits)]
    rate = (past[1] + 0.5) / (past[0] + 1)
    return _standard(seen.hits[:, HISTORY:], seen.events[:, HISTORY:], rate, 1 / 3)


def _z_test(seen: Hours) -> Floats:
    events, hits = (part.cumsum(axis=1)[:, HISTORY - 1 : -1] for part in (seen.events, seen.hits))
    return _standard(seen.hits[:, HISTORY:], seen.events[:, HISTORY:], (hits + 0.5) / (events + 1))


def _static(seen: Hours) -> Floats:
    """Return hourly rates over the usual one of all series; hours of fewer than 20 events say nothing."""
    usual = seen.hits[:, :HISTORY].sum() / seen.events[:, :HISTORY].sum()
    events = seen.events[:, HISTORY:]
    rate: Floats = seen.hits[:, HISTORY:] / np.maximum(events, 1) / usual
    return np.where(events >= 20, rate, 0.0)


def _before_after(seen: Hours) -> Floats:
    scores = np.zeros((len(seen.events), WATCHED))
    events, hits = (np.pad(part.cumsum(axis=1), ((0, 0), (1, 0))) for part in (seen.events, seen.hits))
    row = np.arange(len(scores))
    week = seen.version - WATCHED
    before = [part[row, seen.version] - part[row, week] for part in (events, hits)]
    for length in range(1, _AFTER + 1):
        end = np.minimum(seen.version + length, HISTORY + WATCHED)
        after = [part[row, end] - part[row, seen.version] for part in (events, hits)]
        rate = (before[1] + after[1] + 0.5) / (before[0] + after[0] + 1)
        expected = (before[1] + 0.5) / (before[0] + 1)
        gap = np.abs(after[1] / np.maximum(after[0], 1) - expected)
        error = np.sqrt(rate * (1 - rate) * (1 / np.maximum(after[0], 1) + 1 / np.maximum(before[0], 1)))
        scores[row, end - HISTORY - 1] = np.maximum(scores[row, end - HISTORY - 1], gap / error)
    return scores


class Rule(NamedTuple):
    """A score of each watched hour (series, hours); beyond the knob it pages. `default` is what people write."""

    name: str
    score: Callable[[Hours], Floats]
    default: float | None

    def knob(self, seen: Hours, pages: float) -> float:
        """Return the knob at which there are so many pages."""
        most = np.sort(_days(self.score(seen)).ravel())[::-1]
        return float(most[min(math.ceil(pages), len(most) - 1)])


RULES = (
    Rule("hour-of-week band", _band, 3.0),
    Rule("before/after test per version", _before_after, 1.96),
    Rule("static threshold", _static, 2.0),
    Rule("|z| of the hour", _z_test, 3.0),
    Rule("always", lambda seen: np.full((len(seen.events), WATCHED), np.inf), 0.0),
    Rule("never", lambda seen: np.zeros((len(seen.events), WATCHED)), np.inf),
)


def _days(score: Floats) -> Floats:
    return score.reshape(len(score), 7, 24).max(axis=2)


def days_paged(score: Floats, knob: float) -> int:
    """Return the pages, one a series and day."""
    return int((_days(score) > knob).sum())


def first_page(score: Floats, knob: float, change: int) -> Floats:
    """Return the hours from the change to the end of the hour that pages, infinity where none does."""
    fired = score[:, change:] > knob
    return np.where(fired.any(axis=1), fired.argmax(axis=1) + 1.0, np.inf)
