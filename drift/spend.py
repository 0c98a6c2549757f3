"""What is spent: totals of closed hours by service, model and principal, and where the month is heading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any

import msgspec

from undertow.drift.bounded import Bounded, Key
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.prices import MOST_COST, Charge
from undertow.drift.projection import HISTORY_HOURS, HOUR_S, PICO, Projection, month_of, project
from undertow.drift.usage import Fault, Usage, usage_of

__all__ = ["OTHER", "Spend", "SpendConfig", "SpendRow", "Totals", "added_up"]

OTHER = "(other)"
_VERSION = 1
_MODELS = 1_000  # (service, environment, model) kept apart when there are too many principals
_PRINCIPALS = 4_096  # pseudonyms remembered, so that most calls need no hash
_ROUNDING = 4  # picodollars: four parts, each rounded
_LATEST = 1e11  # seconds since the epoch: what lies beyond is no time


class SpendConfig(msgspec.Struct, frozen=True):
    """Limits, each with what happens at it.

    Parameters
    ----------
    max_keys
        (service, environment, model, principal) kept apart in an open hour; the others are added up by model.
    max_rows
        Rows of a service in a closed hour: those that cost most; the others are added up by model.
    max_services
        (service, environment) whose hours are kept for projections; the others are projected together.
    """

    max_keys: int = 50_000
    max_rows: int = 500
    max_services: int = 200


class Totals(msgspec.Struct, array_like=True, gc=False):
    """Sums of integers, so that totals of parts add up to the totals of the whole, whatever the order.

    Parameters
    ----------
    calls, unpriced
        Calls, and those of them whose cost is not known.
    tasks
        Tasks that closed; only in rows without model and principal, since a task may use several.
    plain, cached, written, output, reasoning
        Tokens: input neither cached nor written, read from and written to a cache; output, and its part of reasoning.
    cost
        Picodollars.
    cost_plain, cost_cached, cost_written, cost_output
        The parts of it for these tokens; what is missing to `cost` is fees and what cannot be told apart.
    """

    calls: int = 0
    unpriced: int = 0
    tasks: int = 0
    plain: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int = 0
    cost_plain: int = 0
    cost_cached: int = 0
    cost_written: int = 0
    cost_output: int = 0

    def add(self, other: Totals) -> None:
        """Add the other's sums to these.

        Examples
        --------
        >>> totals = Totals(calls=1, cost=5)
        >>> totals.add(Totals(calls=2, cost=7))
        >>> totals.calls, totals.cost
        (3, 12)
        """
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def count(self, usage: Usage | None, charge: Charge | None) -> None:
        """Add one call."""
        self.calls += 1
        if usage is not None:
            self.plain += usage.plain
            self.cached += usage.cached
            self.written += usage.written
            self.output += usage.output
            self.reasoning += usage.reasoning
        if charge is None:
            self.unpriced += 1
            return
        plain, output = round(charge.plain * PICO), round(charge.output * PICO)
        cached, written = round(charge.cached * PICO), round(charge.written * PICO)
        cost, parts = round(charge.total * PICO), plain + output + cached + written
        self.cost += parts if abs(cost - parts) < _ROUNDING else cost  # what is left is a fee, never a rounding
        self.cost_plain += plain
        self.cost_output += output
        self.cost_cached += cached
        self.cost_written += written


class SpendRow(msgspec.Struct, frozen=True):
    """Totals of one hour. The same hour and key may come again, when something arrived late: rows add up.

    Parameters
    ----------
    hour
        Its start, seconds since the epoch.
    model
        What answered, else what was asked for; empty when the event says neither, and in the row of the tasks.
    principal
        Pseudonym of who asks or pays; empty when the event does not say, "(other)" for those added up.
    """

    hour: float
    service: str
    environment: str
    model: str
    principal: str
    totals: Totals


def added_up(rows: Iterable[SpendRow], by: Callable[[SpendRow], str]) -> dict[str, Totals]:
    """Return the totals of rows by one of their names.

    Examples
    --------
    >>> rows = [SpendRow(0.0, "support", "", model, "", Totals(calls=2)) for model in ("small", "large", "small")]
    >>> {model: totals.calls for model, totals in added_up(rows, lambda row: row.model).items()}
    {'small': 4, 'large': 2}
    """
    sums: dict[str, Totals] = {}
    for row in rows:
        sums.setdefault(by(row), Totals()).add(row.totals)
    return sums


class _Hours(dict[int, int]):
    """Picodollars by number of the hour, of one service."""

    def add(self, other: _Hours) -> None:
        for hour, cost in other.items():
            self[hour] = self.get(hour, 0) + cost


class Spend:
    """Adds up calls, tokens and money by hour, and closes an hour once the watermark has passed it.

    Every call counts, late ones and shadow traffic too: it was paid for. Within the limits the rows of an hour add up
    to the same totals in whatever order its events come; beyond them those kept apart are still the same. A call with
    impossible figures is refused, counted in `refused`, and changes nothing else. What tools cost is not counted.

    Parameters
    ----------
    pseudonym
        Turns who asks or pays into the keyed hash under which they are kept; the plain name is in no state.

    Examples
    --------
    >>> from undertow.drift.prices import Price, PriceTable
    >>> prices, spend = PriceTable({"small": Price(input=1.0, output=4.0)}), Spend(lambda user: "7f3a")
    >>> for hour in range(3):
    ...     call = Interaction(id=str(hour), time=hour * 3600.0, service="support", model="small", user="ana")
    ...     call.input_tokens, call.output_tokens = 1_000_000, 250_000
    ...     rows = spend.observe(call, prices.charge(call), watermark=call.time)
    >>> [(row.hour, row.model, row.principal, row.totals.calls, row.totals.cost) for row in rows]
    [(3600.0, 'small', '7f3a', 1, 2000000000000)]
    >>> spend.projection(7200.0, "support").spent
    6.0
    """

    def __init__(self, pseudonym: Callable[[str], str], config: SpendConfig | None = None) -> None:
        self._pseudonym = lru_cache(maxsize=_PRINCIPALS)(pseudonym)
        self._config = config or SpendConfig()
        self._open: dict[int, Bounded[Totals]] = {}
        self._due = float("inf")  # end of the earliest open hour
        self._history: Bounded[_Hours] = Bounded(self._config.max_services, _Hours, _to_other)
        self.refused: Counter[str] = Counter()  # calls by why their figures cannot be true
        self.folded = 0  # calls in rows of "(other)"

    def observe(self, event: Interaction, charge: Charge | None, watermark: float) -> list[SpendRow]:
        """Count a call and return the rows of the hours that its watermark closes.

        `charge` is what the price table says, None when the call could not be priced; `watermark` is the one after
        this event. Events of other kinds only let time pass.
        """
        rows = self.expire(watermark) if watermark >= self._due else []
        if event.kind is Kind.CALL:
            usage = usage_of(event)
            fault = usage if isinstance(usage, Fault) else _fault(event, charge)
            if fault is not None or isinstance(usage, Fault):
                self.refused[str(fault)] += 1
                return rows
            model = event.response_model or event.model or ""
            principal = self._pseudonym(event.user) if event.user else ""
            key = (event.service, event.environment, model, principal)
            self._hour(event.time).cell(key).count(usage, charge)
        return rows

    def observe_task(self, service: str, environment: str, closed_at: float) -> None:
        """Count a task in the hour in which it closed."""
        if 0 <= closed_at < _LATEST:
            self._hour(closed_at).cell((service, environment, "", "")).tasks += 1

    def expire(self, watermark: float) -> list[SpendRow]:
        """Close the hours that have ended, oldest first; their rows in the order of their keys."""
        due = sorted(hour for hour in self._open if (hour + 1) * HOUR_S <= watermark)
        rows = [row for hour in due for row in self._close(hour)]
        self._due = (min(self._open) + 1) * HOUR_S if self._open else float("inf")
        return rows

    def close_all(self) -> list[SpendRow]:
        """Close everything: the stream has ended."""
        return self.expire(float("inf"))

    def projections(self, now: float) -> dict[tuple[str, str], Projection]:
        """Return what the calendar month (UTC) of `now` will cost, by service and environment."""
        return {(owner[0], owner[1]): project(hours, now, *month_of(now)) for owner, hours in self._hourly().items()}

    def projection(self, now: float, service: str, environment: str = "") -> Projection:
        """Return what the calendar month (UTC) of `now` will cost a service."""
        return project(self._hourly().get((service, environment), {}), now, *month_of(now))

    def snapshot(self) -> dict[str, Any]:
        """Return the open hours and the history as plain data."""
        return {
            "version": _VERSION,
            "refused": dict(self.refused),
            "folded": self.folded,
            "open": [(hour, _plain(table)) for hour, table in sorted(self._open.items())],
            "history": _plain(self._history),
        }

    @classmethod
    def build(
        cls, pseudonym: Callable[[str], str], config: SpendConfig | None = None, state: dict[str, Any] | None = None
    ) -> Spend:
        """Return a spend that goes on from a snapshot, or begins; other limits hold from here on."""
        spend = cls(pseudonym, config)
        if state is None:
            return spend
        if state.get("version") != _VERSION:
            raise ValueError(
                f"spend: snapshot version {state.get('version')!r} is not {_VERSION}; start from an older position"
            )
        spend.refused.update(state["refused"])
        spend.folded = state["folded"]
        for hour, levels in state["open"]:
            spend._hour(hour * HOUR_S).restore([[_totals(*cell) for cell in level] for level in levels])
        spend._history.restore([[(tuple(key), _Hours(hours)) for key, hours in level] for level in state["history"]])
        return spend

    # -- hours --------------------------------------------------------------------------------------------------------

    def _hour(self, time: float) -> Bounded[Totals]:
        hour = int(time // HOUR_S)
        table = self._open.get(hour)
        if table is None:
            by_model = Bounded(_MODELS, Totals, _to_other)
            table = self._open[hour] = Bounded(self._config.max_keys, Totals, _to_model, by_model)
            self._due = min(self._due, float((hour + 1) * HOUR_S))
        return table

    def _close(self, hour: int) -> Iterator[SpendRow]:
        cells = sorted(self._open.pop(hour).items(), key=_owner)
        for owner, items in groupby(cells, key=_owner):
            for key, totals in self._largest(list(items)):
                self._remember(owner, hour, totals.cost)
                self.folded += totals.calls if OTHER in (key[2], key[3]) else 0
                yield SpendRow(float(hour * HOUR_S), key[0], key[1], key[2], key[3], totals)

    def _largest(self, cells: list[tuple[Key, Totals]]) -> list[tuple[Key, Totals]]:
        """Return the cells that cost most, the others added up by model."""
        if len(cells) > self._config.max_rows:
            cells = sorted(cells, key=lambda cell: (-cell[1].cost, -cell[1].calls, cell[0]))
        kept = dict(cells[: self._config.max_rows])
        for key, totals in cells[self._config.max_rows :]:
            kept.setdefault(_to_model(key), Totals()).add(totals)
        return sorted(kept.items())

    def _remember(self, owner: Key, hour: int, cost: int) -> None:
        if not cost:
            return
        hours = self._history.cell(owner)
        hours[hour] = hours.get(hour, 0) + cost
        if len(hours) > HISTORY_HOURS:
            oldest = max(hours) - HISTORY_HOURS + 1
            for old in [known for known in hours if known < oldest]:
                del hours[old]

    def _hourly(self) -> dict[Key, _Hours]:
        """Return the hours of each service, closed and open."""
        hourly: dict[Key, _Hours] = {}
        for owner, hours in self._history.items():
            hourly.setdefault(owner, _Hours()).add(hours)
        for hour, table in self._open.items():
            for cell in table.items():
                hours = hourly.setdefault(_owner(cell), _Hours())
                hours[hour] = hours.get(hour, 0) + cell[1].cost
        return dict(sorted(hourly.items()))


def _fault(event: Interaction, charge: Charge | None) -> Fault | None:
    if not 0 <= event.time < _LATEST:  # false for NaN, too
        return Fault.TIME
    return Fault.COST if charge is not None and not 0 <= charge.total <= MOST_COST else None


def _to_model(key: Key) -> Key:
    return (*key[:3], OTHER)


def _to_other(key: Key) -> Key:
    return (OTHER,) * len(key)


def _owner(cell: tuple[Key, Totals]) -> Key:
    return cell[0][:2]


def _totals(key: list[str], sums: list[int]) -> tuple[Key, Totals]:
    return tuple(key), Totals(*sums)


def _plain(table: Bounded[Any]) -> list[list[tuple[Key, list[Any]]]]:
    return [[(key, _list(cell)) for key, cell in sorted(level)] for level in table.levels()]


def _list(cell: Totals | _Hours) -> list[Any]:
    return sorted(cell.items()) if isinstance(cell, _Hours) else list(msgspec.structs.astuple(cell))
