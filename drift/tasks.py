"""Tasks: the unit whose cost is counted, one user request through all its calls. Totals count once, when it closes."""

from __future__ import annotations

import heapq
from math import isfinite, nan
from struct import Struct
from typing import Any

import msgspec
import xxhash

from undertow.drift.call_tree import cause_of
from undertow.drift.ceiling import hits_ceiling
from undertow.drift.interaction import Interaction, Kind

__all__ = ["Task", "Tasks"]

Key = tuple[str, str, str]  # service, environment, task id
Dims = tuple[str | None, ...]

_VERSION = 1
_PICO = 1_000_000_000_000  # costs add up as integers: the sum does not depend on the order of the events
_SLACK = 1024
_LINK = Struct("<II")
_MAX_LINKS = 512 * _LINK.size  # bytes


class Task(msgspec.Struct, frozen=True, gc=False):
    """A task, or a part of one, that came to its end.

    Parameters
    ----------
    dims
        The dimensions of its first event.
    closed_at
        Event time at which it ended, seconds since the epoch: its last event and the idle time, its time limit, or the
        event that reached its limit of calls. A call without a task id ends at its own time.
    cost
        US dollars; NaN when a call could not be priced, or when there was none.
    priced
        Share of its calls that have a price; NaN without calls.
    tools
        Tools run: those reported by themselves, or those that the calls list, whichever are more.
    depth
        Calls and tools on the longest chain of parents; 0 when no event names what caused it. Of the task's first 512
        events: a longer chain counts as far as that.
    ceiling
        Whether one of its events says that it ran into a limit of steps.
    """

    service: str
    environment: str
    dims: Dims
    closed_at: float
    cost: float
    priced: float
    calls: int
    tools: int
    depth: int = 0
    ceiling: bool = False


class _Open(msgspec.Struct, array_like=True):
    """Totals of an open task. `due` is the deadline under which it stands in the heap, never above the true one."""

    first: tuple[float, str]  # time and id of the earliest event
    last: float
    dims: Dims
    due: float = 0.0
    picodollars: int = 0
    calls: int = 0
    priced: int = 0
    ran: int = 0
    listed: int = 0
    links: bytes = b""  # 32 bits of the hash of each event's id, then of its parent's, 0 for none
    linked: bool = False  # whether one of them names its parent
    ceiling: bool = False


class Tasks:
    """Follows open tasks and closes each once.

    A task is (service, environment, task id); its events are the calls and tools that carry the id. It closes when the
    watermark reaches its deadline, `idle_s` after its latest event or `limit_s` after its earliest, or with its
    `limit_calls`-th call; what follows is a new part, counted by itself. A call without a task id is a task of its own
    and closes at once; a tool without one belongs to nothing.

    The tasks closed are a function of the events, their order and their watermarks alone, not of how they were
    batched. Within the lateness an event may come in any order: totals, deadline and dimensions stay the same.

    Parameters
    ----------
    idle_s, limit_s
        Seconds of event time.
    limit_calls
        Calls in one part.
    max_open
        Tasks followed at once. At the limit the one with the earliest deadline closes early, and `evicted` counts it.

    Examples
    --------
    >>> tasks = Tasks(idle_s=300.0, limit_s=3600.0, limit_calls=1000, max_open=10)
    >>> for second in (0.0, 20.0):
    ...     event = Interaction(id=str(second), time=second, service="support", task="t1")
    ...     closed = tasks.observe(event, ("refund",), 0.01, watermark=second)
    >>> tasks.calls_so_far(event), tasks.expire(319.0)
    (2, [])
    >>> tasks.expire(320.0)[0]
    Task(service='support', environment='', dims=('refund',), closed_at=320.0, cost=0.02, priced=1.0, calls=2, tools=0,
         depth=0, ceiling=False)
    """

    def __init__(self, idle_s: float, limit_s: float, limit_calls: int, max_open: int) -> None:
        for name, value in (
            ("idle_s", idle_s),
            ("limit_s", limit_s),
            ("limit_calls", limit_calls),
            ("max_open", max_open),
        ):
            if not value > 0:
                raise ValueError(f"{name} = {value} cannot bound a task; give a positive number")
        self.idle_s = idle_s
        self.limit_s = limit_s
        self.limit_calls = limit_calls
        self.max_open = max_open
        self.evicted = 0
        self._open: dict[Key, _Open] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._open)

    def observe(self, event: Interaction, dims: Dims, cost: float, watermark: float) -> list[Task]:
        """Count the event and return the tasks it closes: those overdue at its watermark first, by deadline and key.

        `cost` is the call's in dollars, NaN when it could not be priced; `watermark` is the one after this event.
        """
        heap = self._heap
        closed = self.expire(watermark) if heap and heap[0][0] <= watermark else []
        kind = event.kind
        if kind is not Kind.CALL and kind is not Kind.TOOL:
            return closed
        if event.task is not None:
            self._follow((event.service, event.environment, event.task), event, dims, cost, watermark, closed)
        elif kind is Kind.CALL:
            closed.append(_lone(event, dims, cost))
        return closed

    def calls_so_far(self, event: Interaction) -> int | None:
        """Return how many calls the open task of a call has made, this one included if it was observed just now.

        None for a tool, for a call without a task, and for the call that closed its task. What goes on inside a task
        is seen by it at once, long before the task closes.
        """
        if event.kind is not Kind.CALL or event.task is None:
            return None
        task = self._open.get((event.service, event.environment, event.task))
        return None if task is None else task.calls

    def expire(self, watermark: float) -> list[Task]:
        """Close every task whose deadline the watermark has reached, by deadline, then key."""
        closed: list[Task] = []
        while (due := self._next_due()) is not None and due <= watermark:
            closed.append(self._close(self._heap[0][1], due))
        return closed

    def close_all(self) -> list[Task]:
        """Close all open tasks at their deadlines: the stream has ended."""
        return self.expire(float("inf"))

    def _follow(
        self, key: Key, event: Interaction, dims: Dims, cost: float, watermark: float, closed: list[Task]
    ) -> None:
        task = self._open.get(key)
        if task is None:
            if len(self._open) >= self.max_open:
                closed.append(self._evict())
            task = self._open[key] = _Open((event.time, event.id), event.time, dims)
            self._schedule(key, task)
        elif event.time > task.last:
            task.last = event.time  # moves the deadline; the heap learns of it when the old one comes up
        elif event.time <= task.first[0] and (event.time, event.id) < task.first:
            task.first, task.dims = (event.time, event.id), dims
            if self._deadline(task) < task.due:
                self._schedule(key, task)
        _count(task, event, cost)
        if task.calls >= self.limit_calls:
            closed.append(self._close(key, max(task.last, watermark)))

    def _deadline(self, task: _Open) -> float:
        return min(task.last + self.idle_s, task.first[0] + self.limit_s)

    def _schedule(self, key: Key, task: _Open) -> None:
        task.due = self._deadline(task)
        heapq.heappush(self._heap, (task.due, key))
        if len(self._heap) > 2 * len(self._open) + _SLACK:  # tasks closed by other limits leave entries behind
            self._heap = [(task.due, key) for key, task in self._open.items()]
            heapq.heapify(self._heap)

    def _next_due(self) -> float | None:
        """Bring the open task with the earliest deadline to the top of the heap and return that deadline."""
        while self._heap:
            due, key = self._heap[0]
            task = self._open.get(key)
            if task is None or task.due != due:
                heapq.heappop(self._heap)
            elif (deadline := self._deadline(task)) > due:
                task.due = deadline
                heapq.heapreplace(self._heap, (deadline, key))
            else:
                return due
        return None

    def _evict(self) -> Task:
        due = self._next_due()
        self.evicted += 1
        return self._close(self._heap[0][1], due or 0.0)

    def _close(self, key: Key, at: float) -> Task:
        task = self._open.pop(key)
        whole = task.calls > 0 and task.priced == task.calls
        return Task(
            service=key[0],
            environment=key[1],
            dims=task.dims,
            closed_at=at,
            cost=task.picodollars / _PICO if whole else nan,
            priced=task.priced / task.calls if task.calls else nan,
            calls=task.calls,
            tools=max(task.ran, task.listed),
            depth=_depth(task.links) if task.linked else 0,
            ceiling=task.ceiling,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the open tasks as plain data."""
        return {
            "version": _VERSION,
            "evicted": self.evicted,
            "open": msgspec.to_builtins([(*key, task) for key, task in sorted(self._open.items())]),
        }

    @classmethod
    def build(
        cls, idle_s: float, limit_s: float, limit_calls: int, max_open: int, state: dict[str, Any] | None = None
    ) -> Tasks:
        """Return tasks that go on from a snapshot, or begin; other limits than the snapshot's hold from here on."""
        tasks = cls(idle_s, limit_s, limit_calls, max_open)
        if state is None:
            return tasks
        if state.get("version") != _VERSION:
            raise ValueError(
                f"tasks: snapshot version {state.get('version')!r} is not {_VERSION}; start from an older position"
            )
        tasks.evicted = state["evicted"]
        for service, environment, task_id, totals in state["open"]:
            task = msgspec.convert(totals, _Open)
            key = (service, environment, task_id)
            tasks._open[key] = task
            tasks._heap.append((task.due, key))
        heapq.heapify(tasks._heap)
        return tasks


def _count(task: _Open, event: Interaction, cost: float) -> None:
    if isfinite(cost):
        task.picodollars += round(cost * _PICO)
    if len(task.links) < _MAX_LINKS:
        cause = cause_of(event)
        task.linked |= cause is not None
        task.links += _LINK.pack(_short(event.id), 0 if cause is None else _short(cause))
    task.ceiling = task.ceiling or hits_ceiling(event)
    if event.kind is Kind.TOOL:
        task.ran += 1
        return
    task.calls += 1
    task.priced += isfinite(cost)
    if event.tool_calls:
        task.listed += len(event.tool_calls)


def _lone(event: Interaction, dims: Dims, cost: float) -> Task:
    tools = len(event.tool_calls) if event.tool_calls else 0
    priced = isfinite(cost)
    return Task(
        event.service,
        event.environment,
        dims,
        event.time,
        cost if priced else nan,
        float(priced),
        1,
        tools,
        ceiling=hits_ceiling(event),
    )


def _short(id: str) -> int:
    return xxhash.xxh32_intdigest(id.encode("utf-8", "replace")) or 1


def _depth(links: bytes) -> int:
    """Return how many events stand on the longest chain of parents; a parent that was not seen does not count."""
    parents = dict(_LINK.iter_unpack(links))
    depths = {0: 0}
    for start in parents:
        chain: list[int] = []
        event = start
        while event in parents and event not in depths:
            depths[event] = 0  # a circle of parents ends where it began
            chain.append(event)
            event = parents[event]
        depth = depths.get(event, 0)
        for link in reversed(chain):
            depth += 1
            depths[link] = depth
    return max(depths.values())
