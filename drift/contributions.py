"""What each slice of traffic contributes to a change, its own level apart from its share of the traffic.

A mean is the sum over a dimension's values of share × level. Its change splits exactly, before and after treated alike
(Kitagawa 1955, Components of a difference between two rates, JASA 50):

    rate of a slice = (share before + share after) / 2 × (level after − level before)
    mix  of a slice = (share after − share before) × (level in the middle − that of all traffic)

Shares add up to 1, so taking off the level of all traffic changes no sum and lets a slice that grew count only for
what makes it different. The level of a slice that is there only before or only after counts as unchanged: what it
brings is mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import sqrt

import msgspec

from undertow.drift.averages import NOTHING, Average, Shift, remainder

__all__ = ["NO_VALUE", "Breakdown", "Contribution", "Slice", "breakdowns", "completed"]

NO_VALUE = "(none)"  # events that carry no value of the dimension


class Slice(msgspec.Struct, frozen=True):
    """The level of the events with one value of one dimension, before and after."""

    dimension: str
    value: str
    shift: Shift


class Contribution(msgspec.Struct, frozen=True):
    """What one slice contributed, in the unit of the mean; `rate` + `mix` over all values is the whole change."""

    value: str
    rate: float
    mix: float
    share_before: float
    share_after: float

    @property
    def total(self) -> float:
        """Both effects together."""
        return self.rate + self.mix


class Breakdown(msgspec.Struct, frozen=True):
    """The change by the values of one dimension, the largest contribution first.

    `rate_error` and `mix_error` are the standard errors of the two sums.
    """

    dimension: str
    rate: float
    mix: float
    rate_error: float
    mix_error: float
    parts: tuple[Contribution, ...]


def completed(slices: Sequence[Slice], whole: Shift) -> dict[str, list[Slice]]:
    """Return the slices by dimension, each with the events that carry no value as a slice of their own."""
    found: dict[str, list[Slice]] = {}
    for dimension, group in groupby(sorted(slices, key=_place), key=lambda one: one.dimension):
        known = list(group)
        rest = Shift(
            remainder(whole.before, [one.shift.before for one in known]),
            remainder(whole.after, [one.shift.after for one in known]),
        )
        none = [Slice(dimension, NO_VALUE, rest)] if rest.before.events or rest.after.events else []
        found[dimension] = known + none
    return found


def breakdowns(slices: Sequence[Slice], whole: Shift) -> list[Breakdown]:
    """Return what the values of each dimension contributed to the change of the whole.

    Examples
    --------
    >>> before, after = Average(100, 0.10, 0.01), Average(100, 0.16, 0.01)
    >>> a = Slice("region", "eu", Shift(Average(50, 0.05, 0.01), Average(20, 0.05, 0.01)))
    >>> b = Slice("region", "us", Shift(Average(50, 0.15, 0.01), Average(80, 0.1875, 0.01)))
    >>> found = breakdowns([a, b], Shift(before, after))[0]
    >>> round(found.rate, 4), round(found.mix, 4), round(found.rate + found.mix, 4)
    (0.0244, 0.0356, 0.06)
    """
    if not (whole.before.events and whole.after.events):
        return []
    return [_breakdown(dimension, parts) for dimension, parts in completed(slices, whole).items()]


def _place(one: Slice) -> tuple[str, str]:
    return one.dimension, one.value


def _breakdown(dimension: str, slices: Sequence[Slice]) -> Breakdown:
    totals = [sum(one.shift.before.events for one in slices), sum(one.shift.after.events for one in slices)]
    levels = [_levels(one.shift) for one in slices]
    shares = [(one.shift.before.events / totals[0], one.shift.after.events / totals[1]) for one in slices]
    centre = sum((p * a + q * b) / 2 for (p, q), (a, b) in zip(shares, levels, strict=True))
    parts = [
        Contribution(one.value, (p + q) / 2 * (b - a), (q - p) * ((a + b) / 2 - centre), p, q)
        for one, (p, q), (a, b) in zip(slices, shares, levels, strict=True)
    ]
    off_centre = [((a + b) / 2 - centre) ** 2 for a, b in levels]
    mix_variance = sum(
        distance * (p / totals[0] + q / totals[1]) for distance, (p, q) in zip(off_centre, shares, strict=True)
    )
    return Breakdown(
        dimension,
        sum(part.rate for part in parts),
        sum(part.mix for part in parts),
        sqrt(sum(_rate_variance(one.shift, p + q) for one, (p, q) in zip(slices, shares, strict=True))),
        sqrt(mix_variance),
        tuple(sorted(parts, key=lambda part: (-abs(part.total), part.value))),
    )


def _levels(shift: Shift) -> tuple[float, float]:
    """Return the level before and after; where one of them is not known, the other stands for it."""
    before, after = shift.before, shift.after
    if not before.events:
        return (after.mean, after.mean) if after.events else (0.0, 0.0)
    return before.mean, after.mean if after.events else before.mean


def _rate_variance(shift: Shift, shares: float) -> float:
    if not (shift.before.events and shift.after.events):
        return 0.0
    return (shares / 2) ** 2 * (_variance(shift.before) + _variance(shift.after))


def _variance(average: Average) -> float:
    return 0.0 if average == NOTHING else average.error**2
