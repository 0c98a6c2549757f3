"""Where a change is: in some slices, everywhere alike, or not to be told yet.

Under "everywhere alike" each slice has moved by the same amount on the link scale. Values of a dimension are ordered by
how much further they moved than all traffic and cut in two where the two sides differ most; the difference is judged as
one of all contrasts that the dimension offers (Scheffé) or, for a single value, as one of so many values (Bonferroni),
and as one of so many dimensions. So a slice is named only if it would stand out among all that were looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import copysign, exp, hypot, log, sqrt

import msgspec
from scipy.special import chdtrc, gammaln, log_ndtr

from undertow.drift.averages import Average, Shift, distance_from, error_at, linked, pooled
from undertow.drift.contributions import Slice, completed
from undertow.drift.metrics import Family

__all__ = ["Carriers", "carriers"]

_ALPHA = 0.005  # chance of naming a slice when all moved alike; with some ten hits a slice it is twice that
_LEAST_EVENTS = 10  # on both sides of the change, for a slice to be compared
_LARGE = 0.1  # share of the traffic from which a slice must show the change before all are said to
_CLEAR = 2.0  # standard errors
_STILL = 0.25  # part of the change inside a slice up to which what is outside counts as unmoved


class Carriers(msgspec.Struct, frozen=True):
    """Where the change is.

    Parameters
    ----------
    kind
        "slice": in `values` of `dimension`, hardly outside. "uneven": everywhere, more there. "alike": everywhere
        alike. "unclear": too few events to tell.
    inside, outside
        Levels there and elsewhere; of "alike" and "unclear" `inside` is all traffic.
    chance
        Of so large a difference if all had moved alike, corrected for the search.
    """

    kind: str
    inside: Shift
    outside: Shift | None = None
    dimension: str = ""
    values: tuple[str, ...] = ()
    chance: float = 1.0


class _Move(msgspec.Struct, frozen=True):
    """How far a slice moved on the link scale, how much further than all traffic, and the error of either."""

    slice: Slice
    distance: float
    excess: float
    error: float


class _Cut(msgspec.Struct, frozen=True):
    """A dimension in two parts, and the log of the chance of their difference."""

    inside: tuple[_Move, ...]
    outside: tuple[_Move, ...]
    log_chance: float


def carriers(family: Family, slices: Sequence[Slice], whole: Shift) -> Carriers:
    """Return where the change from `whole.before` to `whole.after` is.

    Examples
    --------
    >>> def rate(events, hits):
    ...     from undertow.drift.averages import average_of
    ...     return average_of(Family.RATE, events, hits, hits)
    >>> eu = Slice("region", "eu", Shift(rate(5000, 20), rate(500, 2)))
    >>> ap = Slice("region", "ap", Shift(rate(5000, 20), rate(500, 18)))
    >>> found = carriers(Family.RATE, [eu, ap], Shift(rate(10000, 40), rate(1000, 20)))
    >>> found.kind, found.dimension, found.values
    ('slice', 'region', ('ap',))
    """
    common = linked(family, whole.after)[0] - linked(family, whole.before)[0]
    groups = {dimension: _moves(family, group, common) for dimension, group in completed(slices, whole).items()}
    groups = {dimension: moves for dimension, moves in groups.items() if len(moves) > 1}
    best = _best(groups, copysign(1.0, common))
    if best is not None and best[1].log_chance <= log(_ALPHA):
        return _named(*best)
    return Carriers("alike" if _all_show_it(groups, common, whole.after) else "unclear", whole)


def _moves(family: Family, slices: Sequence[Slice], common: float) -> list[_Move]:
    return [
        _move(family, one, common)
        for one in slices
        if min(one.shift.before.events, one.shift.after.events) >= _LEAST_EVENTS
    ]


def _move(family: Family, one: Slice, common: float) -> _Move:
    """Measure a slice, with the error of one that moved like all others: so a lucky slice looks no surer than it is."""
    before, error = linked(family, one.shift.before)
    after, expected = one.shift.after, before + common
    excess = distance_from(family, after, expected)
    return _Move(one, linked(family, after)[0] - before, excess, hypot(error, error_at(family, after, expected)))


def _best(moves: Mapping[str, Sequence[_Move]], sign: float) -> tuple[str, _Cut] | None:
    cuts = [(dimension, cut) for dimension, group in moves.items() for cut in _cuts(group, sign)]
    if not cuts:
        return None
    dimension, cut = min(cuts, key=lambda found: (found[1].log_chance, found[0]))
    return dimension, msgspec.structs.replace(cut, log_chance=cut.log_chance + log(len(moves)))


def _cuts(moves: Sequence[_Move], sign: float) -> Iterator[_Cut]:
    """Yield each way to cut the values, ordered by how far they went in the direction of the whole."""
    ordered = sorted(moves, key=lambda move: (-sign * move.excess, move.slice.value))
    for size in range(1, len(ordered)):
        inside, outside = tuple(ordered[:size]), tuple(ordered[size:])
        z = _contrast(inside, outside)
        log_chance = _log_chance(z**2, len(ordered) - 1)
        if min(size, len(ordered) - size) == 1:
            log_chance = min(log_chance, float(log_ndtr(-abs(z))) + log(2 * len(ordered)))
        yield _Cut(inside, outside, log_chance)


def _log_chance(square: float, freedom: int) -> float:
    """Return ln of the chance that χ² exceeds this; its leading term where the chance is too small for a float."""
    chance = float(chdtrc(freedom, square))
    if chance > 0:
        return log(chance)
    return (freedom / 2 - 1) * log(square / 2) - square / 2 - float(gammaln(freedom / 2))


def _contrast(inside: Sequence[_Move], outside: Sequence[_Move]) -> float:
    (one, error), (other, other_error) = (_mean(moves, [move.excess for move in moves]) for moves in (inside, outside))
    return (one - other) / hypot(error, other_error)


def _mean(moves: Sequence[_Move], values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of a value of each move, weighted by precision, and its error."""
    weights = [1 / move.error**2 for move in moves]
    total = sum(weights)
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / total, 1 / sqrt(total)


def _named(dimension: str, cut: _Cut) -> Carriers:
    (distance, _), (outside, error) = (
        _mean(moves, [move.distance for move in moves]) for moves in (cut.inside, cut.outside)
    )
    still = abs(outside) <= max(_STILL * abs(distance), _CLEAR * error) or outside * distance < 0
    return Carriers(
        "slice" if still else "uneven",
        _together(cut.inside),
        _together(cut.outside),
        dimension,
        tuple(sorted(move.slice.value for move in cut.inside)),
        exp(min(cut.log_chance, 0.0)),
    )


def _together(moves: Sequence[_Move]) -> Shift:
    shifts = [move.slice.shift for move in moves]
    return Shift(pooled(shift.before for shift in shifts), pooled(shift.after for shift in shifts))


def _all_show_it(moves: Mapping[str, Sequence[_Move]], common: float, after: Average) -> bool:
    """Tell whether every large slice has itself moved the way of the whole."""
    large = [
        move for group in moves.values() for move in group if move.slice.shift.after.events >= _LARGE * after.events
    ]
    return bool(large) and all(
        move.distance * common > 0 and abs(move.distance) > _CLEAR * move.error for move in large
    )
