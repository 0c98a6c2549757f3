"""The traffic of a scenario: services side by side, block after block, in the order of event time.

Blocks of event time lie on one grid whatever the scenario's start and length, and each has random numbers of its own,
so a longer scenario begins with the same bytes and an incident changes nothing before it acts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.random import Generator

from undertow.drift.interaction import Interaction, Kind
from undertow.pipelines.simulator import cycles
from undertow.pipelines.simulator.columns import Arrivals, Calls, Floats
from undertow.pipelines.simulator.draws import Outcome, Row, draw_arrivals, draw_calls, steps_of, turn_out
from undertow.pipelines.simulator.journeys import events_per_arrival
from undertow.pipelines.simulator.render import Rendered, render, visitors
from undertow.pipelines.simulator.scenario import Planted, Scenario
from undertow.pipelines.simulator.world import SERVICES

__all__ = ["events", "generate", "labelled"]

_BLOCK_EVENTS = 2000  # large enough that numpy's calls cost little per event, small enough that blocks are soon ready
_BLOCK_S_MOST = 3600.0
_WARM_UP_S = 240.0  # so long before the start conversations begin, of which only what is after the start is emitted
_LATEST_S = 20.0  # what was planned for earlier than this before the start has ended by then


class _Pending(NamedTuple):
    """An event that waits until no earlier one can come; `number` decides between equal times."""

    time: float
    number: int
    rendered: Rendered


def generate(scenario: Scenario) -> Iterator[bytes]:
    r"""Yield the traffic as native JSON, a line (with its end) an event, in the order of time.

    Examples
    --------
    >>> line = next(generate(Scenario(seed=7)))
    >>> line.startswith(b'{"id":"1","time":177244200'), line.endswith(b"}\n")
    (True, True)
    """
    encode = msgspec.json.Encoder().encode
    for event in events(scenario):
        yield encode(event) + b"\n"


def events(scenario: Scenario) -> Iterator[Interaction]:
    """Yield the traffic as events, in the order of time.

    Examples
    --------
    >>> first = next(events(Scenario(seed=7, services=("search",))))
    >>> first.service, first.operation, first.id
    ('search', 'ask', '1')
    """
    return (event for event, _ in labelled(scenario))


def labelled(scenario: Scenario) -> Iterator[tuple[Interaction, Outcome]]:
    """Yield each event with how it turned out, which the event itself does not say: for judging classifiers."""
    sources = [_Source(scenario, service) for service in scenario.services]
    sources += [
        _Source(scenario, service, number, planted)
        for number, planted in enumerate(scenario.incidents, start=1)
        if planted.incident.volume(planted.strength) > 0
        for service in scenario.services
    ]
    ids = {service: count(1) for service in scenario.services}
    for _, _, (event, parent, outcome) in _ordered(scenario, sources):
        if event.time >= scenario.end:
            return
        if event.time >= scenario.start:
            event.id = str(next(ids[event.service]))
            _link(event, parent)
            yield event, outcome


def _link(event: Interaction, parent: Interaction | None) -> None:
    """Name the cause; one from before the start was never emitted and has no id."""
    if parent is None or not parent.id:
        return
    event.parent = parent.id
    if event.kind is Kind.TOOL:
        event.about = parent.id


def _ordered(scenario: Scenario, sources: list[_Source]) -> Iterator[_Pending]:
    """Merge the blocks by time: once a block is drawn, nothing earlier than its end can come."""
    block_s = min(_BLOCK_EVENTS / scenario.rate_per_s, _BLOCK_S_MOST)
    first = math.floor(max(scenario.start - _WARM_UP_S, 0.0) / block_s)
    last = math.ceil(scenario.end / block_s)
    numbers = count()
    pending: list[_Pending] = []
    for block in range(first, last):
        for source in sources:
            for rendered in source.block(block, block_s):
                heapq.heappush(pending, _Pending(rendered.event.time, next(numbers), rendered))
        ends = (block + 1) * block_s
        while pending and pending[0].time < ends:
            yield heapq.heappop(pending)
    while pending:
        yield heapq.heappop(pending)


class _Source:
    """Users of one service who arrive from one stream of random numbers: the quiet ones, or those an incident adds."""

    def __init__(self, scenario: Scenario, service: str, stream: int = 0, growth: Planted | None = None) -> None:
        shares = sum(SERVICES[name].share for name in scenario.services)
        self.scenario = scenario
        self.service = service
        self.key = (scenario.seed, list(SERVICES).index(service), stream)
        self.growth = growth
        self.rate = scenario.rate_per_s * SERVICES[service].share / shares / events_per_arrival(service)
        self.incidents = [planted for planted in scenario.incidents if service in planted.incident.services]

    def block(self, block: int, block_s: float) -> Iterator[Rendered]:
        """Yield the events of those who arrive in the block, arrival by arrival."""
        arrivals = self._arrivals(block, block_s)
        for planted in self.incidents:
            planted.incident.on_arrivals(arrivals, _share(planted, arrivals.time), planted.strength)
        steps, calls, numbers = draw_calls(self._rng(block, 1), arrivals, plans := steps_of(arrivals))
        self._wander(calls)
        for planted in self.incidents:
            planted.incident.on_calls(calls, _share(planted, calls.time), planted.strength)
        rows = turn_out(calls, steps, numbers, arrivals.business)
        at = 0
        for visitor, plan in zip(visitors(arrivals), plans, strict=True):
            own = self._seen(rows[at : at + len(plan)])
            at += len(plan)
            if own:
                yield from render(visitor, own, texts=self.scenario.texts, inline_schemas=self.scenario.inline_schemas)

    def _seen(self, rows: list[Row]) -> list[Row]:
        """Leave out the tasks that ended before the scenario's start, and what comes after its end."""
        while rows and rows[-1].time >= self.scenario.end:
            rows.pop()
        earliest = self.scenario.start - _LATEST_S
        if not rows or rows[-1].time < earliest:
            return []
        first = max(at for at, row in enumerate(rows) if row.step.opens_task and (row.time < earliest or at == 0))
        return rows[first:]

    def _arrivals(self, block: int, block_s: float) -> Arrivals:
        rng = self._rng(block, 0)
        starts = block * block_s
        levels = self._levels(starts, starts + block_s)
        most = cycles.volume_most(self.scenario.daily_cycle) * max(volume for volume, _, _ in levels.values())
        candidates = rng.poisson(self.rate * most * block_s)
        time = np.sort(rng.random(candidates)) * block_s + starts
        kept = rng.random(candidates) * most < cycles.volume(time, self.scenario.daily_cycle) * _of_day(levels, time, 0)
        time = time[kept]
        if self.growth is not None:
            growth = self.growth.incident.volume(self.growth.strength)
            time = time[rng.random(len(time)) < growth * _share(self.growth, time)]
        return draw_arrivals(rng, self.service, time, self.scenario.daily_cycle)

    def _wander(self, calls: Calls) -> None:
        """Apply the day's level to refusals and lengths."""
        if self.scenario.day_noise > 0 and len(calls):
            levels = self._levels(float(calls.time.min()), float(calls.time.max()))
            calls.refusal *= _of_day(levels, calls.time, 1)
            lengths = _of_day(levels, calls.time, 2)
            calls.verbosity *= lengths
            calls.wordiness *= lengths

    def _levels(self, since: float, until: float) -> dict[int, tuple[float, float, float]]:
        days = range(int(since // cycles.DAY_S), int(until // cycles.DAY_S) + 1)
        return cycles.day_levels(self.scenario.seed, self.scenario.day_noise, days)

    def _rng(self, block: int, part: int) -> Generator:
        return np.random.default_rng([*self.key, block, part])


def _of_day(levels: dict[int, tuple[float, float, float]], time: Floats, which: int) -> Floats:
    first = min(levels)
    table = np.array([levels[day][which] for day in sorted(levels)])
    chosen: Floats = table[(time // cycles.DAY_S).astype(np.int64) - first]
    return chosen


def _share(planted: Planted, time: Floats) -> Floats:
    """Return how far the change is out at each moment: 0 before, 1 once everybody has it, 0 again after `until`."""
    begun = time >= planted.at
    ended = time >= (math.inf if planted.until is None else planted.until)
    risen = np.clip((time - planted.at) / planted.ramp, 0.0, 1.0) if planted.ramp > 0 else np.ones(len(time))
    share: Floats = np.where(begun & ~ended, risen, 0.0)
    return share
