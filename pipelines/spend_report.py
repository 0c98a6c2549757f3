"""Spend in the store: its rows as columns, and what `undertow spend` reads back from them.

The rows of an hour add up, so every question is a sum over the table `spend`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from undertow.drift.decomposition import Decomposition, Moved, decompose, moved_shares
from undertow.drift.prices import DatedPrice, PriceTable
from undertow.drift.projection import HISTORY_HOURS, HOUR_S, Projection, month_of, project
from undertow.drift.retirement import ModelSeen, Retirements, Retiring
from undertow.drift.spend import SpendRow, Totals
from undertow.pipelines.rows import Columns

__all__ = ["PriceChange", "Query", "ServiceSpend", "SpendReport", "spend_columns", "spend_report"]

# What a row sums up, by the name of its column in the store and in `Totals`.
_SUMS = {
    "calls": "calls",
    "unpriced_calls": "unpriced",
    "tasks": "tasks",
    "input_tokens": "plain",
    "cached_tokens": "cached",
    "cache_write_tokens": "written",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
    "picodollars": "cost",
    "input_picodollars": "cost_plain",
    "cached_picodollars": "cost_cached",
    "cache_write_picodollars": "cost_written",
    "output_picodollars": "cost_output",
}
_DAY_S = 86_400.0

TOTALS_SQL = f"""\
SELECT service, environment, model, principal, hour >= fromUnixTimestamp({{split:Int64}}) AS later,
       {", ".join(f"sum({name})" for name in _SUMS)}
FROM spend
WHERE hour >= fromUnixTimestamp({{since:Int64}}) AND hour < fromUnixTimestamp({{until:Int64}})
GROUP BY service, environment, model, principal, later"""  # noqa: S608 (names of this file)
HOURS_SQL = """\
SELECT service, environment, toInt64(intDiv(toUnixTimestamp(hour), 3600)) AS number, sum(picodollars)
FROM spend
WHERE hour >= fromUnixTimestamp({since:Int64}) AND hour <= fromUnixTimestamp({until:Int64})
GROUP BY service, environment, number"""
LATEST_SQL = "SELECT max(toUnixTimestamp(hour)) FROM spend"
PROVIDERS_SQL = """\
SELECT if(response_model != '', response_model, model) AS name, provider, count() AS calls
FROM interactions
WHERE kind = 'call' AND name != ''
  AND time >= fromUnixTimestamp({since:Int64}) AND time < fromUnixTimestamp({until:Int64})
GROUP BY name, provider"""

Query = Callable[[str, Mapping[str, Any]], Sequence[tuple[Any, ...]]]


class PriceChange(msgspec.Struct, frozen=True):
    """A list price that changed between two periods while the model was in use."""

    model: str
    dated: DatedPrice


class ServiceSpend(msgspec.Struct, frozen=True):
    """What a service spent.

    Parameters
    ----------
    change
        From the period before to the last one.
    principals
        Shares of the spend by who asks or pays, the largest change first.
    """

    service: str
    environment: str
    projection: Projection
    change: Decomposition
    principals: list[Moved]


class SpendReport(msgspec.Struct, frozen=True):
    """What `undertow spend` shows; times in seconds since the epoch.

    Parameters
    ----------
    days
        Length of the two periods that are compared.
    unpriced
        Calls of the last period by model that has no price.
    """

    now: float
    days: float
    services: list[ServiceSpend]
    price_changes: list[PriceChange]
    retiring: list[Retiring]
    unpriced: dict[str, int]


class _Sums(NamedTuple):
    """One line of the answer to `TOTALS_SQL`."""

    service: str
    environment: str
    model: str
    principal: str
    later: bool
    totals: Totals


def spend_columns(rows: Sequence[SpendRow]) -> Columns:
    """Return the columns of `spend`.

    Examples
    --------
    >>> columns = spend_columns([SpendRow(3600.0, "support", "", "small", "", Totals(calls=2, cost=5))])
    >>> columns["hour"], columns["calls"], columns["picodollars"]
    ([3600.0], [2], [5])
    """
    names = "hour service environment model principal"
    columns: Columns = {name: [getattr(row, name) for row in rows] for name in names.split()}
    return columns | {column: [getattr(row.totals, name) for row in rows] for column, name in _SUMS.items()}


def spend_report(
    query: Query, prices: PriceTable, retirements: Retirements, days: float = 7.0, now: float | None = None
) -> SpendReport | None:
    """Return what was spent in the last `days` against the days before; None when the store has no spend yet.

    Parameters
    ----------
    query
        Answers a statement with parameters.
    now
        Seconds since the epoch; by default the end of the last hour stored, so that an old log answers too.
    """
    if now is None:
        ((latest,),) = query(LATEST_SQL, {})
        if not latest:
            return None
        now = float(latest) + HOUR_S
    since, split = now - 2 * days * _DAY_S, now - days * _DAY_S
    sums = [
        _Sums(service, environment, model, principal, bool(later), _totals(sums))
        for service, environment, model, principal, later, *sums in query(
            TOTALS_SQL, {"since": int(since), "split": int(split), "until": int(now)}
        )
    ]
    seen = query(PROVIDERS_SQL, {"since": int(split), "until": int(now)})
    models = [ModelSeen(model, provider or None, calls) for model, provider, calls in seen]
    return SpendReport(
        now,
        days,
        _services(sums, _hours(query, now), now),
        _price_changes(prices, models, since, now),
        retirements.due(models, now),
        _unpriced(sums),
    )


def _totals(sums: Sequence[int]) -> Totals:
    return Totals(**dict(zip(_SUMS.values(), sums, strict=True)))


def _hours(query: Query, now: float) -> dict[tuple[str, str], dict[int, int]]:
    """Return picodollars by hour for each service, as far back as projections look."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for service, environment, hour, cost in query(
        HOURS_SQL, {"since": int(now) - HISTORY_HOURS * HOUR_S, "until": int(now)}
    ):
        found.setdefault((service, environment), {})[hour] = cost
    return found


def _services(
    sums: Sequence[_Sums], hours: Mapping[tuple[str, str], Mapping[int, int]], now: float
) -> list[ServiceSpend]:
    services = []
    for key in sorted({(one.service, one.environment) for one in sums}):
        own = [one for one in sums if (one.service, one.environment) == key]
        before, after = ([one for one in own if one.later is later] for later in (False, True))
        tasks = sum(one.totals.tasks for one in before), sum(one.totals.tasks for one in after)
        change = decompose(_by(before, "model"), _by(after, "model"), tasks)
        principals = moved_shares(*({n: t.cost for n, t in _by(p, "principal").items()} for p in (before, after)))
        services.append(ServiceSpend(*key, project(hours.get(key, {}), now, *month_of(now)), change, principals))
    return sorted(services, key=lambda one: -one.change.after)


def _by(sums: Sequence[_Sums], name: str) -> dict[str, Totals]:
    found: dict[str, Totals] = {}
    for one in sums:
        if one.totals.calls:
            found.setdefault(getattr(one, name), Totals()).add(one.totals)
    return found


def _price_changes(prices: PriceTable, models: Sequence[ModelSeen], since: float, now: float) -> list[PriceChange]:
    changes = (
        PriceChange(seen.model, dated)
        for seen in sorted(models, key=lambda one: (one.model, one.provider or ""))
        for dated in prices.changes(seen.provider, seen.model, since, now)
    )
    return list(dict.fromkeys(changes))


def _unpriced(sums: Sequence[_Sums]) -> dict[str, int]:
    by_model = _by([one for one in sums if one.later], "model")
    calls = {model or "(no model named)": totals.unpriced for model, totals in by_model.items() if totals.unpriced}
    return dict(sorted(calls.items(), key=lambda one: (-one[1], one[0])))
