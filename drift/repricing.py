"""Prices that changed, as suspects: a model in use that costs something else from a moment on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from undertow.drift.prices import Price, PriceTable
from undertow.drift.suspicion import Suspect, origin_of

__all__ = ["PRICE", "described", "repriced"]

PRICE = "price"
_PARTS = {"input": "input", "output": "output", "cached": "cached input", "cache_write": "cache writes"}
_YEAR_S = 365 * 86_400.0
_DAYS = 365.0
_OPPOSED = -20.0  # evidence against a price that rose where costs fell


def repriced(
    prices: PriceTable, models: Iterable[tuple[str | None, str]], start: float, end: float, rose: bool
) -> Iterator[Suspect]:
    """Yield the models, given with their providers, whose price changed after `start` and not after `end`.

    `rose` says which way the cost went: a price that went the other way is no cause. One that everybody pays from then
    on has no calls beside it to compare with, so its time is all that speaks.

    Examples
    --------
    >>> from undertow.drift.prices import DatedPrice
    >>> table = PriceTable({"m": [DatedPrice(Price(2.5, 10.0)), DatedPrice(Price(5.0, 10.0), since=100.0)]})
    >>> [(one.value, one.declared, one.since) for one in repriced(table, [(None, "m")], 0.0, 200.0, rose=True)]
    [('m', 'input 2.5 → 5 $/M', 100.0)]
    """
    told: set[tuple[str, float]] = set()  # what moved and when: an alias and the model behind it are one
    for provider, model in models:
        changes = prices.changes(provider, model, start, end)
        a_year = len(prices.changes(provider, model, end - _YEAR_S, end))
        for dated in changes:
            before = prices.at(provider, model, dated.since - 1.0)
            if before is None or before == dated.price or (described(before, dated.price), dated.since) in told:
                continue
            told.add((described(before, dated.price), dated.since))
            yield Suspect(
                dimension=PRICE,
                value=model,
                origin=origin_of(PRICE),
                since=dated.since,
                until=dated.since,
                per_day=a_year / _DAYS,
                fit=0.0 if _goes(before, dated.price, rose) else _OPPOSED,
                declared=described(before, dated.price),
            )


def described(before: Price, after: Price) -> str:
    """Return which prices moved, in dollars per million tokens.

    Examples
    --------
    >>> described(Price(2.5, 10.0), Price(5.0, 20.0))
    'input 2.5 → 5, output 10 → 20 $/M'
    """
    moved = [f"{name} {old:g} → {new:g}" for name, old, new in _parts(before, after) if old != new]
    return f"{', '.join(moved)} $/M" if moved else "long contexts and fees alone"


def _goes(before: Price, after: Price, up: bool) -> bool:
    """Tell whether any price went that way, or none of those that are known moved."""
    moves = [new - old for _, old, new in _parts(before, after) if old != new]
    return not moves or any((move > 0) == up for move in moves)


def _parts(before: Price, after: Price) -> Iterator[tuple[str, float, float]]:
    """Yield the name of each price, and what it was and is; tokens without a price of their own are plain input."""
    for field, name in _PARTS.items():
        old, new = (getattr(price, field) for price in (before, after))
        if old is not None or new is not None:
            yield name, before.input if old is None else old, after.input if new is None else new
