"""A table of bounded size whose content does not depend on the order in which its keys came."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, Self, TypeVar

import xxhash

__all__ = ["Addable", "Bounded", "Key"]

Key = tuple[str, ...]


class Addable(Protocol):
    """What can be merged: sums of integers."""

    def add(self, other: Self) -> None:
        """Add the other's sums to these."""
        ...


T = TypeVar("T", bound=Addable)


class Bounded(Generic[T]):
    """At most `limit` keys, those with the lowest hashes; what the others hold is added up under a coarser key.

    A key among the lowest of all was among the lowest whenever it came, so what it holds is whole; and the rest holds
    the sum of all others. Both are functions of what was added, not of its order.

    Parameters
    ----------
    limit
        Keys kept apart.
    new
        What a key begins with.
    fold
        The coarser key of one that is not kept.
    rest
        Where coarser keys are kept; None keeps them here, beyond the limit: `fold` must then end in one key.

    Examples
    --------
    >>> from collections import UserList
    >>> class Sum(UserList):
    ...     def add(self, other):
    ...         self.extend(other)
    >>> table = Bounded(2, Sum, lambda key: ("(other)",))
    >>> for name in "abcd":
    ...     table.cell((name,)).append(name)
    >>> sorted((key, sorted(cell)) for key, cell in table.items())
    [(('(other)',), ['a', 'c']), (('b',), ['b']), (('d',), ['d'])]
    """

    def __init__(
        self, limit: int, new: Callable[[], T], fold: Callable[[Key], Key], rest: Bounded[T] | None = None
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit = {limit} keeps nothing apart; give 1 or more")
        self._limit, self._new, self._fold, self._rest = limit, new, fold, rest
        self._cells: dict[Key, T] = {}
        self._folded: dict[Key, T] = {}  # the rest's own cells when it is kept here
        self._largest: list[tuple[int, Key]] = []  # heap of (−hash, key): the key to give up first is on top

    def __len__(self) -> int:
        return len(self._cells)

    def cell(self, key: Key) -> T:
        """Return what the key's sums are added to, its own or the rest's. Ask anew each time: a cell may move."""
        found = self._cells.get(key)
        return self._admit(key) if found is None else found

    def items(self) -> list[tuple[Key, T]]:
        """Return keys and cells, the coarser ones last."""
        return [item for level in self.levels() for item in level]

    def levels(self) -> list[list[tuple[Key, T]]]:
        """Return keys and cells by coarseness, the keys kept apart first: the state of the table."""
        deeper = [list(self._folded.items())] if self._rest is None else self._rest.levels()
        return [list(self._cells.items()), *deeper]

    def restore(self, levels: Sequence[Iterable[tuple[Key, T]]]) -> None:
        """Add what `levels` of another table said."""
        own, *deeper = levels
        for key, cell in own:
            self.cell(key).add(cell)
        if self._rest is not None:
            self._rest.restore(deeper)
        else:
            for key, cell in deeper[0]:
                self._coarse(key).add(cell)

    def _admit(self, key: Key) -> T:
        rank = -_hash(key)
        if len(self._cells) >= self._limit:
            if rank < self._largest[0][0]:
                return self._coarse(self._fold(key))
            _, given_up = heapq.heapreplace(self._largest, (rank, key))
            self._coarse(self._fold(given_up)).add(self._cells.pop(given_up))
        else:
            heapq.heappush(self._largest, (rank, key))
        cell = self._cells[key] = self._new()
        return cell

    def _coarse(self, key: Key) -> T:
        if self._rest is not None:
            return self._rest.cell(key)
        if key not in self._folded:
            self._folded[key] = self._new()
        return self._folded[key]


def _hash(key: Key) -> int:
    return xxhash.xxh3_64_intdigest("\x1f".join(key).encode("utf-8", "replace"))
