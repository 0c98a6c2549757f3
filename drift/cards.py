"""The card of a new version: each metric on it beside the same without it, with intervals, and how far both may differ.

A version that changes nothing has a card too: it says how large a difference would have been seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, hypot, inf, log

import msgspec
from scipy.special import ndtri

from undertow.drift.averages import Average, estimate_of, linked
from undertow.drift.metrics import Family
from undertow.drift.verdict import Estimate

__all__ = ["Card", "CardRow", "Measured", "card_rows", "farthest"]

_BESIDE = 0.1  # of the calls on a version must run without it for the two to be compared
_SURE = 0.01  # chance that a card marks anything when nothing differs
_LEAST = 1e-12  # of a positive level, before its logarithm is taken


class Measured(msgspec.Struct, frozen=True):
    """One metric: before a version came, since then without it, and on it."""

    metric: str
    family: Family
    before: Average
    off: Average
    on: Average

    @property
    def is_beside(self) -> bool:
        """Whether it is compared with calls without it at the same time: as long as there are some."""
        return self.off.events >= _BESIDE * self.on.events

    @property
    def other(self) -> Average:
        """What calls on it are compared with."""
        return self.off if self.is_beside else self.before


class CardRow(msgspec.Struct, frozen=True):
    """One metric on a new version and beside it, in the metric's own unit.

    Parameters
    ----------
    beside
        `other` is the level of calls without it at the same time; else that of calls before it came.
    z
        The difference in standard errors; 0 where there is nothing to compare with.
    sure
        It would stand out among all metrics of the card.
    apart
        How far the two may lie apart, `farthest`.
    """

    metric: str
    beside: bool
    other: Estimate
    on: Estimate
    z: float
    sure: bool
    apart: float


class Card(msgspec.Struct, frozen=True):
    """What is different on a new version, the clearest difference first.

    `calls` ran on it until `until`, `without` of the same operations did not.
    """

    service: str
    environment: str
    dimension: str
    value: str
    first_seen: float
    until: float
    calls: int
    without: int
    rows: tuple[CardRow, ...]

    @property
    def share(self) -> float:
        """Its share of the calls of its operations since it came."""
        return self.calls / max(self.calls + self.without, 1)


def card_rows(measured: Iterable[Measured]) -> tuple[CardRow, ...]:
    """Return the rows of a card, the clearest difference first.

    Examples
    --------
    >>> from undertow.drift.averages import NOTHING, average_of
    >>> off, on = average_of(Family.RATE, 900, 18, 18), average_of(Family.RATE, 300, 60, 60)
    >>> (row,) = card_rows([Measured("refusal_rate", Family.RATE, NOTHING, off, on)])
    >>> row.sure, row.other.value, row.on.value
    (True, 0.02, 0.2)
    """
    known = list(measured)
    limit = -float(ndtri(_SURE / (2 * max(len(known), 1))))
    rows = [_row(one, limit) for one in known]
    return tuple(sorted(rows, key=lambda row: (-abs(row.z), row.metric)))


def farthest(family: Family, one: Estimate, other: Estimate) -> float:
    """Return how far two levels may lie apart: the far end of the 95 % interval of their difference.

    The interval is put together from those of the two (Zou & Donner 2008, Construction of confidence limits about
    effect measures, Statistics in Medicine 27; for rates Newcombe's). In the metric's own unit; of positive levels the
    ratio less one. Infinite where one of them is not known.

    Examples
    --------
    >>> round(farthest(Family.RATE, Estimate(0.020, 0.013, 0.031, 1000), Estimate(0.022, 0.015, 0.033, 1000)), 3)
    0.015
    >>> round(farthest(Family.POSITIVE, Estimate(104, 100, 108, 500), Estimate(100, 97, 103, 500)), 3)
    0.092
    """
    if not (one.events and other.events):
        return inf
    scale = _logarithm if family is Family.POSITIVE else float
    (a, a_low, a_high), (b, b_low, b_high) = (tuple(map(scale, (e.value, e.low, e.high))) for e in (one, other))
    most = max(a - b + hypot(a_high - a, b - b_low), b - a + hypot(b_high - b, a - a_low))
    return exp(most) - 1 if family is Family.POSITIVE else most


def _row(one: Measured, limit: float) -> CardRow:
    z = _difference(one)
    on, other = estimate_of(one.family, one.on), estimate_of(one.family, one.other)
    return CardRow(one.metric, one.is_beside, other, on, z, abs(z) >= limit, farthest(one.family, on, other))


def _difference(one: Measured) -> float:
    (level, error), (other, other_error) = linked(one.family, one.on), linked(one.family, one.other)
    spread = hypot(error, other_error)
    return (level - other) / spread if 0 < spread < inf else 0.0


def _logarithm(level: float) -> float:
    return log(max(level, _LEAST))
