"""Why the bill changed: a change of spend as a product of volume, calls, tokens, cache and prices, to the last cent.

The spend of a period is a sum over models and kinds of tokens, each of them a product:

    tasks x calls a task x the model's share of the calls x its tokens a call x the kind's share of them x its price

(kinds: plain, cached and cache-written input, output). The logarithmic mean Divisia index (LMDI) weighs the change of
each factor by the logarithmic mean of the term's spend before and after. It is exact, treats before and after alike,
and the effects of parts add up to those of the whole.

References
----------
B. W. Ang, "The LMDI approach to decomposition analysis: a practical guide", Energy Policy 33 (2005), 867-871; for zeros
B. W. Ang and N. Liu, "Handling zero values in the LMDI decomposition approach", Energy Policy 35 (2007), 238-246.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import fsum, log, log1p, nan
from typing import NamedTuple

import msgspec

from undertow.drift.projection import PICO
from undertow.drift.spend import Totals

__all__ = ["EFFECTS", "Decomposition", "Effect", "Moved", "decompose", "moved_shares"]

# In the order of the product: where a term comes out of nothing, the first factor that was zero has brought it.
EFFECTS = {
    "volume": "tasks (calls where there are none)",
    "calls_per_task": "calls a task takes",
    "model_mix": "which models are called",
    "input_per_call": "input tokens a call",
    "output_per_call": "output tokens a call",
    "tokens_per_call": "tokens a call, where the cost of input and output cannot be told apart",
    "cache_share": "shares of the input read from and written to the cache",
    "price": "price of a token",
}


class Effect(msgspec.Struct, frozen=True):
    """What one factor has done.

    Parameters
    ----------
    dollars
        Its part of the change; the parts add up to the change.
    log
        The same on the logarithmic scale: they add up to log(after / before), and exp(log) is a factor.
    models
        Its part by model, the largest change first.
    """

    name: str
    dollars: float
    log: float
    models: tuple[tuple[str, float], ...]


class Decomposition(msgspec.Struct, frozen=True):
    """A change of spend and what has made it.

    Parameters
    ----------
    before, after
        US dollars in a unit of time (`before_s`, `after_s`).
    effects
        The largest part first; those that have done nothing are left out.
    unpriced
        Share of calls without a known cost, before and after: where it moves, part of the change is not seen.
    """

    before: float
    after: float
    effects: tuple[Effect, ...]
    unpriced: tuple[float, float]


class Moved(msgspec.Struct, frozen=True):
    """A share that moved."""

    name: str
    before: float
    after: float


class _Period(NamedTuple):
    """Totals by model with what they share; `volume` is that of a unit of time."""

    models: Mapping[str, Totals]
    calls: int
    volume: float
    calls_per_task: float


class _Term(NamedTuple):
    """One product: spend in dollars and its factors by name, in the order of `EFFECTS`."""

    dollars: float
    factors: dict[str, float]


_NOTHING = Totals()


def decompose(
    before: Mapping[str, Totals],
    after: Mapping[str, Totals],
    tasks: tuple[int, int] = (0, 0),
    seconds: tuple[float, float] = (1.0, 1.0),
) -> Decomposition:
    """Return what has made the spend change between two periods.

    A long context that is dearer by the token, an hour at another tariff and a discount are changes of price. Calls
    without a known cost are left out: what they cost is not in the change either.

    Parameters
    ----------
    before, after
        Totals by model. Where a cost was stated for a model that no table knows, its tokens have one price for all.
    tasks
        Tasks before and after; without them volume is calls.
    seconds
        Lengths of the periods, when they differ: spend and volume are then per second.

    Examples
    --------
    >>> def of(calls, tokens, price):
    ...     money = calls * tokens * price
    ...     return {"small": Totals(calls=calls, plain=calls * tokens, cost=money, cost_plain=money)}
    >>> found = decompose(of(100, 1000, 1_000_000), of(200, 1000, 1_500_000), tasks=(100, 100))
    >>> found.before, round(found.after, 9)
    (0.1, 0.3)
    >>> [(effect.name, round(effect.log, 3), round(effect.dollars, 3)) for effect in found.effects]
    [('calls_per_task', 0.693, 0.126), ('price', 0.405, 0.074)]
    """
    if not (tasks[0] and tasks[1]):
        tasks = (0, 0)
    old, new = _period(before, tasks[0], seconds[0]), _period(after, tasks[1], seconds[1])
    parts: dict[str, defaultdict[str, float]] = {name: defaultdict(float) for name in EFFECTS}
    for model in sorted(before.keys() | after.keys()):
        whole = before.get(model, _NOTHING), after.get(model, _NOTHING)
        apart = any(_is_apart(totals) for totals in whole)
        for one, other in zip(_terms(old, model, apart), _terms(new, model, apart), strict=True):
            for name, dollars in _effects(one, other):
                parts[name][model] += dollars
    spent = [fsum(totals.cost for totals in period.values()) / PICO for period in (before, after)]
    spent = [dollars / length for dollars, length in zip(spent, seconds, strict=True)]
    mean = _log_mean(spent[0], spent[1])
    effects = [_effect(name, models, mean) for name, models in parts.items() if any(models.values())]
    return Decomposition(
        spent[0],
        spent[1],
        tuple(sorted(effects, key=lambda effect: (-abs(effect.dollars), effect.name))),
        (_unpriced(before), _unpriced(after)),
    )


def moved_shares(before: Mapping[str, int], after: Mapping[str, int]) -> list[Moved]:
    """Return who makes up which share of two totals, the largest change first.

    Examples
    --------
    >>> moved_shares({"app": 90, "eval": 10}, {"app": 100, "eval": 300})[0]
    Moved(name='app', before=0.9, after=0.25)
    """
    sums = sum(before.values()), sum(after.values())
    moved = [
        Moved(name, before.get(name, 0) / (sums[0] or 1), after.get(name, 0) / (sums[1] or 1))
        for name in before.keys() | after.keys()
    ]
    return sorted(moved, key=lambda one: (-abs(one.after - one.before), one.name))


def _period(models: Mapping[str, Totals], tasks: int, seconds: float) -> _Period:
    if not seconds > 0:
        raise ValueError(f"seconds = {seconds} is no length of a period; give a positive number")
    calls = sum(_priced(totals) for totals in models.values())
    return _Period(models, calls, (tasks or calls) / seconds, calls / tasks if tasks else 1.0)


def _priced(totals: Totals) -> int:
    """Return the calls that have a cost: others would look like cheap ones."""
    return totals.calls - totals.unpriced


def _is_apart(totals: Totals) -> bool:
    """Return whether the cost is known by kind of token, or is not one of tokens at all."""
    if not totals.cost:
        return False
    by_kind = totals.cost_plain or totals.cost_cached or totals.cost_written or totals.cost_output
    return bool(by_kind) or not (totals.plain or totals.cached or totals.written or totals.output)


def _terms(period: _Period, model: str, apart: bool) -> Iterator[_Term]:
    """Yield the products of a model: `apart` by kind of token and fees, else all tokens at one price."""
    totals = period.models.get(model, _NOTHING)
    tokens = totals.plain + totals.cached + totals.written
    if not apart:
        yield _term(period, totals, "tokens_per_call", tokens + totals.output, tokens + totals.output, totals.cost)
        return
    kinds = (
        ("input_per_call", tokens, totals.plain, totals.cost_plain),
        ("input_per_call", tokens, totals.cached, totals.cost_cached),
        ("input_per_call", tokens, totals.written, totals.cost_written),
        ("output_per_call", totals.output, totals.output, totals.cost_output),
    )
    for name, group, kind, cost in kinds:
        yield _term(period, totals, name, group, kind, cost)
    fees = totals.cost - sum(cost for _, _, _, cost in kinds)
    calls = _priced(totals)
    yield _term(period, totals, "tokens_per_call", calls, calls, fees)  # a fee is a price of the call


def _term(period: _Period, totals: Totals, name: str, group: int, kind: int, cost: int) -> _Term:
    """Return the product whose factors multiply to the spend on `kind` tokens, a part of `group`."""
    calls = _priced(totals)
    factors = {
        "volume": period.volume,
        "calls_per_task": period.calls_per_task,
        "model_mix": calls / period.calls if period.calls else 0.0,
        name: group / calls if calls else 0.0,
        "cache_share": kind / group if group else 0.0,
        "price": max(cost, 0) / kind / PICO if kind else 0.0,
    }
    dollars = 1.0
    for factor in factors.values():
        dollars *= factor
    return _Term(dollars, factors)


def _effects(old: _Term, new: _Term) -> Iterator[tuple[str, float]]:
    """Yield each factor's part of the change of a term, in dollars."""
    if not (old.dollars and new.dollars):
        empty = new if old.dollars else old
        if old.dollars != new.dollars:
            yield next(name for name, factor in empty.factors.items() if not factor), new.dollars - old.dollars
        return
    mean = _log_mean(old.dollars, new.dollars)
    for name, factor in new.factors.items():
        if factor != old.factors[name]:
            yield name, mean * log(factor / old.factors[name])


def _log_mean(one: float, other: float) -> float:
    """Return the logarithmic mean: between the geometric and the arithmetic one; NaN where one is zero."""
    if not (one > 0 and other > 0):
        return nan
    if one == other:
        return one
    change = (other - one) / one
    return (other - one) / (log1p(change) if abs(change) < 0.5 else log(other / one))


def _effect(name: str, models: Mapping[str, float], mean: float) -> Effect:
    dollars = fsum(models.values())
    parts = sorted(((model, part) for model, part in models.items() if part), key=lambda one: (-abs(one[1]), one[0]))
    return Effect(name, dollars, dollars / mean, tuple(parts))


def _unpriced(models: Mapping[str, Totals]) -> float:
    calls = sum(totals.calls for totals in models.values())
    return sum(totals.unpriced for totals in models.values()) / calls if calls else 0.0
