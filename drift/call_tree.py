"""Which call caused which, inside one task: enough of the tree to see a tool that comes back to itself."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from undertow.drift.interaction import Interaction, Kind

__all__ = ["CallTree", "cause_of"]

_T = TypeVar("_T")
_MAX_NODES = 64  # events remembered, and parents waited for; the oldest go first
_MAX_DEPTH = 64  # ancestors looked at
_MAX_TOOLS = 8  # tools counted below one parent


class _Node(msgspec.Struct, array_like=True, gc=False):
    """An event that was seen; `tool` and `asked` are 0 for a model call."""

    time: float
    parent: int
    tool: int  # hash of the tool's name
    asked: int  # hash of the name with the arguments


class _Below(msgspec.Struct, array_like=True, gc=False):
    """What was seen below an event that has not come yet: how often each tool stands on one path."""

    time: float  # of the latest child
    counts: dict[int, int]


class CallTree(msgspec.Struct, array_like=True):
    """The links of a task's latest events, in whatever order they come.

    A parent that ends after its child encloses it: there a tool's name alone counts, since work that comes back to
    the tool inside itself has not come to an end. A parent that ended before only came first, as in any agent that
    does one thing after the other: there the arguments must be the same too.

    Examples
    --------
    >>> tree = CallTree()
    >>> [tree.nested(id, float(id), id + 1, tool, tool) for id, tool in ((1, 7), (2, 0), (3, 7), (4, 0), (5, 7))]
    [1, 1, 2, 2, 3]
    """

    nodes: dict[int, _Node] = {}
    below: dict[int, _Below] = {}

    def size(self) -> int:
        """Return how many links it holds."""
        return len(self.nodes) + len(self.below)

    def nested(self, key: int, time: float, parent: int, tool: int, asked: int) -> int:
        """Take an event and return how often one tool stands on the longest path through it.

        `key` and `parent` are hashes of ids, 0 for no parent; `time` is when the event ended.
        """
        inner = self.below.pop(key, None)
        counts = dict(inner.counts) if inner is not None and inner.time <= time else {}
        if tool:
            counts[tool] = counts.get(tool, 0) + 1
        _keep(self.nodes, key, _Node(time, parent, tool, asked))
        return self._above(key, time, parent, counts, asked)

    def _above(self, key: int, time: float, parent: int, counts: dict[int, int], asked: int) -> int:
        """Count the ancestors too, leave the counts with the first one that has not come, and return the largest."""
        enclosing, repeats, passed = True, int(asked > 0), {key}
        while parent not in passed and len(passed) <= _MAX_DEPTH and (node := self.nodes.get(parent)) is not None:
            passed.add(parent)
            enclosing = enclosing and node.time >= time
            if node.tool and enclosing:
                counts[node.tool] = counts.get(node.tool, 0) + 1
            elif asked and node.asked == asked:
                repeats += 1
            time, parent = node.time, node.parent
        if parent and enclosing and counts and parent not in self.nodes:
            self._wait(parent, time, counts)
        return max(repeats, max(counts.values(), default=0))

    def _wait(self, parent: int, time: float, counts: dict[int, int]) -> None:
        known = self.below.get(parent)
        if known is None:
            _keep(self.below, parent, _Below(time, dict(list(counts.items())[:_MAX_TOOLS])))
            return
        known.time = max(known.time, time)
        for tool, count in counts.items():
            if tool in known.counts or len(known.counts) < _MAX_TOOLS:
                known.counts[tool] = max(known.counts.get(tool, 0), count)


def cause_of(event: Interaction) -> str | None:
    """Return the id of what caused an event: its parent, or the call that a tool's run belongs to.

    Examples
    --------
    >>> cause_of(Interaction(id="2", time=0.0, service="s", kind=Kind.TOOL, about="1"))
    '1'
    """
    return event.about if event.parent is None and event.kind is Kind.TOOL else event.parent


def _keep(table: dict[int, _T], key: int, value: _T) -> None:
    if key not in table and len(table) >= _MAX_NODES:
        del table[next(iter(table))]
    table[key] = value
