"""Every new version beside the others: what calls on it were like, and what calls without it were like meanwhile.

A version (a model, prompt, set of tools, entry of the configuration) is new when it is first seen later than its
service's own beginning. From then on, for a day, each measure of the service's calls is added up twice: for those on
it, and for those not on it, as far as their operation runs on it at all, since a prompt for answers is not to be
compared with calls that sort tickets. Events are added up by window and count once their window is closed, so neither
their order nor their batches matter. Calls at the same time differ by the version alone if it was given out by chance:
so this tells a culprit from a bystander, and it is what the card of each new version is made of, given once when enough
calls have run on it, or its time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from undertow.drift.averages import NOTHING, Average
from undertow.drift.cards import Card, Measured, card_rows
from undertow.drift.definition import DefinitionKey, defining, definition_key, shortened
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import Metric
from undertow.drift.rollouts import PERIODS, period_of, rollout_of_counts
from undertow.drift.statistics.proportions import Floats
from undertow.drift.sums import SUMMED, Ints, average_of_sums, units_of_values

__all__ = ["Newcomer", "Newcomers", "Seen"]

Pair = tuple[str, str]  # dimension, value
Where = tuple[str, str]  # service, environment
Level = Callable[[str, float, Sequence[str]], Average]  # of a metric before a time, in some operations
Before = Callable[[Where], Level]

Key = tuple[Where, str, tuple[Pair, ...]]  # with the operation, "" for none

_VERSION = 2


class Newcomer(msgspec.Struct):
    """A new version and the sums since it came, (metrics, 3) of events, units and squares: on it and not on it.

    Only calls of the operations that run on it count on either side. `grown` are the calls on it and not on it by their
    age since then, in the periods of `rollouts`; `told` that its card was given.
    """

    dimension: str
    value: str
    first_seen: float
    on: Ints
    off: Ints
    grown: tuple[list[int], list[int]]
    operations: dict[str, None]
    told: bool = False

    @property
    def calls(self) -> int:
        """How many ran on it."""
        return sum(self.grown[0])


class _Part(NamedTuple):
    """Calls of an open window that ran on the same: when the first was, how many, and their sums."""

    first: float
    calls: int
    sums: Ints

    def __add__(self, other: _Part) -> _Part:  # type: ignore[override]  # a sum, no longer tuple
        return _Part(min(self.first, other.first), self.calls + other.calls, self.sums + other.sums)


class _Service(NamedTuple):
    first: float
    known: dict[Pair, None]
    followed: dict[Pair, Newcomer]


Sums = dict[str, list[int]]  # metric → events, units, squares; those without an event left out


class _Kept(msgspec.Struct, array_like=True):
    """A newcomer as plain data: metrics by name, since their numbers may be others in the next configuration."""

    dimension: str
    value: str
    first_seen: float
    on: Sums
    off: Sums
    grown: tuple[list[int], list[int]]
    operations: list[str]
    told: bool


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """Calls of one window and one operation that ran on the same: when the first was, how many, sums by metric."""

    window: float
    where: Where
    operation: str
    pairs: list[Pair]
    first: float
    calls: int
    sums: Sums


class _State(msgspec.Struct):
    version: int
    dropped: int
    services: list[tuple[Where, float, list[Pair], list[_Kept]]]
    open: list[Seen]


class Newcomers:
    """Follows new versions, per (service, environment).

    A version followed holds 2 kB; all limits reached, 500 versions are 1 MB.

    Parameters
    ----------
    metrics
        What the columns of the measures are; categories are left out, and the metrics in `off`.
    baseline_s
        What is first seen within so long of the service's own first event was there from the start.
    follow_s
        A version is new for so long.
    card_calls, card_s
        Its card is given when so many calls have run on it, or after so long.
    max_followed, max_all
        New versions followed at once, by service and in all; the oldest gives way.
    max_known
        Versions remembered per service; beyond it the oldest is forgotten, and would be new again.

    Attributes
    ----------
    dropped
        Versions that gave way to a limit.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        off: Collection[str] = (),
        baseline_s: float = 600.0,
        follow_s: float = 86_400.0,
        card_calls: int = 1_000,
        card_s: float = 43_200.0,
        max_followed: int = 16,
        max_all: int = 500,
        max_known: int = 4_096,
    ) -> None:
        self._columns = [
            column for column, metric in enumerate(metrics) if metric.family in SUMMED and metric.name not in off
        ]
        self._metrics = [metrics[column] for column in self._columns]
        self._numbers = {metric.name: number for number, metric in enumerate(self._metrics)}
        self.baseline_s, self.follow_s = baseline_s, follow_s
        self.card_calls, self.card_s = card_calls, card_s
        self.max_followed, self.max_all, self.max_known = max_followed, max_all, max_known
        self.dropped = 0
        self._services: dict[Where, _Service] = {}
        self._open: dict[float, dict[Key, _Part]] = {}

    def observe(self, events: Sequence[Interaction], values: Floats, windows: Floats) -> None:
        """Take events with their measures (n, columns), NaN where there is none, and the start of their windows."""
        numbers: dict[tuple[float, str | None, DefinitionKey], int] = {}
        rows, parts = [], []
        for row, (event, window) in enumerate(zip(events, windows.tolist(), strict=True)):
            if (event.kind is Kind.CALL or event.kind is Kind.TOOL) and event.shadow_of is None:
                rows.append(row)
                parts.append(numbers.setdefault((window, event.operation, definition_key(event)), len(numbers)))
        if not rows:
            return
        mine, part_of = np.array(rows, np.int64), np.array(parts, np.int64)
        order = np.lexsort((np.array([events[row].time for row in rows]), part_of))
        mine, begins = mine[order], np.searchsorted(part_of[order], np.arange(len(numbers)))
        sums = self._summed(values[mine][:, self._columns], begins)
        calls = np.diff(np.r_[begins, len(mine)]).tolist()
        for number, ((window, *_), first) in enumerate(zip(numbers, mine[begins].tolist(), strict=True)):
            self._add_part(window, events[first], _Part(events[first].time, calls[number], sums[number]))

    def advance(self, until: float) -> None:
        """Close the windows that begin before `until`, oldest first; no more of their events may come."""
        for window in sorted(window for window in self._open if window < until):
            parts = sorted(self._open.pop(window).items(), key=lambda item: (item[1].first, item[0]))
            for (where, operation, pairs), part in parts:
                self._meet(where, operation, pairs, part.first)
            for (where, operation, pairs), part in parts:
                self._count(where, operation, pairs, part, window)

    def hand_over(self, until: float, most: int = 500) -> list[Seen]:
        """Return what the windows that begin before `until` hold, and forget it: somebody else follows what is new.

        Of each window those with the most calls; the rest is counted as dropped.
        """
        windows = sorted(window for window in self._open if window < until)
        found = [self._seen(window, self._open.pop(window)) for window in windows]
        self.dropped += sum(max(len(seen) - most, 0) for seen in found)
        return [one for seen in found for one in sorted(seen, key=lambda one: -one.calls)[:most]]

    def open_before(self, until: float) -> list[Seen]:
        """Return what the open windows that begin before `until` hold."""
        windows = sorted(window for window in self._open if window < until)
        return [one for window in windows for one in self._seen(window, self._open[window])]

    def take_over(self, seen: Iterable[Seen]) -> None:
        """Add what others have handed over, of windows that are open here."""
        for one in seen:
            key = (one.where, one.operation, tuple(one.pairs))
            part, parts = _Part(one.first, one.calls, self._numbered(one.sums)), self._open.setdefault(one.window, {})
            parts[key] = parts[key] + part if key in parts else part

    def expire(self, watermark: float) -> None:
        """Stop following what is no longer new."""
        for state in self._services.values():
            for pair, newcomer in list(state.followed.items()):
                if newcomer.first_seen + self.follow_s <= watermark:
                    del state.followed[pair]

    def due(self, until: float, before: Before) -> list[Card]:
        """Return the cards of versions that have by now carried enough calls, or had long enough; each once.

        `before` returns, for a service, how to ask for the level of a metric before a time in some operations.
        """
        cards = []
        for where, newcomer in self._untold():
            if newcomer.calls >= self.card_calls or newcomer.first_seen + self.card_s <= until:
                newcomer.told = True
                cards.append(self._card(where, newcomer, until, before(where)))
        return cards

    def left(self, until: float, before: Before) -> list[Card]:
        """Return the cards that are not due yet as they stand: the input has ended, and may yet go on."""
        return [self._card(where, newcomer, until, before(where)) for where, newcomer in self._untold()]

    def _untold(self) -> list[tuple[Where, Newcomer]]:
        services = sorted(self._services.items())
        return [(where, one) for where, state in services for one in state.followed.values() if not one.told]

    def levels(
        self, service: str, environment: str, dimension: str, value: str, metric: str
    ) -> tuple[Average, Average]:
        """Return the level of a metric on a new version and, at the same time, not on it."""
        newcomer = self._newcomer(service, environment, dimension, value)
        if newcomer is None or metric not in self._numbers:
            return NOTHING, NOTHING
        return self._average(newcomer.on, metric), self._average(newcomer.off, metric)

    def operations(self, service: str, environment: str, dimension: str, value: str) -> list[str]:
        """Return the operations that run on a new version, "" for calls without one; none when it is not followed."""
        newcomer = self._newcomer(service, environment, dimension, value)
        return list(newcomer.operations) if newcomer else []

    def rollout_s(self, service: str, environment: str, dimension: str, value: str) -> float:
        """Return for how many seconds the share of a new version went on growing; 0 for a step."""
        newcomer = self._newcomer(service, environment, dimension, value)
        return rollout_of_counts(*newcomer.grown) if newcomer else 0.0

    def cards(self, service: str, environment: str, until: float, before: Before) -> list[Card]:
        """Return the cards of the versions that are new now as they stand, oldest first; `before` as in `due`."""
        where = service, environment
        state = self._services.get(where)
        return [self._card(where, one, until, before(where)) for one in (state.followed.values() if state else ())]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data: names, hashes and sums."""
        services = [
            (where, state.first, list(state.known), [self._kept(one) for one in state.followed.values()])
            for where, state in sorted(self._services.items())
        ]
        parts = [one for window, parts in sorted(self._open.items()) for one in self._seen(window, parts)]
        return dict(msgspec.to_builtins(_State(_VERSION, self.dropped, services, parts)))

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; ValueError if it has another version."""
        if state.get("version") != _VERSION:
            raise ValueError(f"newcomers: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State)
        self.dropped = restored.dropped
        self._services = {
            where: _Service(
                first, dict.fromkeys(known), {(one.dimension, one.value): self._followed(one) for one in kept}
            )
            for where, first, known, kept in restored.services
        }
        self._open = {}
        self.take_over(restored.open)

    def _seen(self, window: float, parts: Mapping[Key, _Part]) -> list[Seen]:
        return [
            Seen(window, where, operation, list(pairs), part.first, part.calls, self._named(part.sums))
            for (where, operation, pairs), part in sorted(parts.items(), key=lambda item: item[0])
        ]

    def _kept(self, one: Newcomer) -> _Kept:
        on, off = self._named(one.on), self._named(one.off)
        return _Kept(one.dimension, one.value, one.first_seen, on, off, one.grown, list(one.operations), one.told)

    def _followed(self, kept: _Kept) -> Newcomer:
        on, off = self._numbered(kept.on), self._numbered(kept.off)
        operations = dict.fromkeys(kept.operations)
        return Newcomer(kept.dimension, kept.value, kept.first_seen, on, off, kept.grown, operations, kept.told)

    def _named(self, sums: Ints) -> Sums:
        return {metric.name: row for metric, row in zip(self._metrics, sums.tolist(), strict=True) if row[0]}

    def _numbered(self, sums: Sums) -> Ints:
        found = self._nothing()
        for metric, row in sums.items():
            if metric in self._numbers:
                found[self._numbers[metric]] = row
        return found

    # -- what is new --------------------------------------------------------------------------------------------------

    def _meet(self, where: Where, operation: str, pairs: Sequence[Pair], time: float) -> None:
        """Remember what calls of an operation ran on from this time; follow what of it is new."""
        service = self._services.setdefault(where, _Service(time, {}, {}))
        unseen = [pair for pair in pairs if pair not in service.known]
        service.known.update(dict.fromkeys(unseen))
        while len(service.known) > self.max_known:
            del service.known[next(iter(service.known))]
        if time > service.first + self.baseline_s:
            self._follow(service.followed, unseen, time)
        for newcomer in (service.followed[pair] for pair in pairs if pair in service.followed):
            if len(newcomer.operations) < self.max_followed:
                newcomer.operations[operation] = None

    def _follow(self, followed: dict[Pair, Newcomer], born: Sequence[Pair], time: float) -> None:
        for dimension, value in born:
            if len(followed) >= self.max_followed:
                del followed[next(iter(followed))]
                self.dropped += 1
            elif sum(len(state.followed) for state in self._services.values()) >= self.max_all:
                self.dropped += 1
                continue
            grown = ([0] * PERIODS, [0] * PERIODS)
            followed[dimension, value] = Newcomer(dimension, value, time, self._nothing(), self._nothing(), grown, {})

    def _newcomer(self, service: str, environment: str, dimension: str, value: str) -> Newcomer | None:
        state = self._services.get((service, environment))
        return state.followed.get((dimension, shortened(value))) if state else None

    # -- sums ---------------------------------------------------------------------------------------------------------

    def _nothing(self) -> Ints:
        return np.zeros((len(self._metrics), 3), np.int64)

    def _summed(self, values: Floats, begins: Ints) -> Ints:
        """Return the sums of rows that follow one another, (parts, metrics, 3)."""
        units, known = units_of_values(self._metrics, values)
        sums: Ints = np.stack([np.add.reduceat(part, begins, axis=0) for part in (known, units, units**2)], axis=2)
        return sums

    def _add_part(self, window: float, event: Interaction, part: _Part) -> None:
        pairs = tuple((dimension, shortened(value)) for dimension, value in defining(event))
        key = (event.service, event.environment), event.operation or "", pairs
        parts = self._open.setdefault(window, {})
        parts[key] = parts[key] + part if key in parts else part

    def _count(self, where: Where, operation: str, pairs: Sequence[Pair], part: _Part, window: float) -> None:
        """Count calls of a closed window for or beside each version that runs for their operation."""
        for pair, newcomer in self._services[where].followed.items():
            if operation not in newcomer.operations:
                continue
            is_on = pair in pairs
            sums, grown = (newcomer.on, newcomer.grown[0]) if is_on else (newcomer.off, newcomer.grown[1])
            sums += part.sums  # in place
            grown[period_of(window - newcomer.first_seen)] += part.calls

    def _average(self, sums: Ints, metric: str) -> Average:
        number = self._numbers[metric]
        return average_of_sums(self._metrics[number].family, *sums[number].tolist())

    # -- cards --------------------------------------------------------------------------------------------------------

    def _card(self, where: Where, newcomer: Newcomer, until: float, before: Level) -> Card:
        told = sorted(metric.name for metric, sums in zip(self._metrics, newcomer.on, strict=True) if sums[0])
        operations = list(newcomer.operations)
        measured = [
            Measured(
                metric,
                self._metrics[self._numbers[metric]].family,
                before(metric, newcomer.first_seen, operations),
                self._average(newcomer.off, metric),
                self._average(newcomer.on, metric),
            )
            for metric in told
        ]
        return Card(
            *where,
            newcomer.dimension,
            newcomer.value,
            newcomer.first_seen,
            until,
            newcomer.calls,
            sum(newcomer.grown[1]),
            card_rows(measured),
        )
