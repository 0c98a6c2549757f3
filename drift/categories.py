"""Categories as numbers: the same name has the same number everywhere, so that counts of categories merge exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
import numpy as np
import xxhash

from undertow.drift.signal import Column

__all__ = ["BITS", "OTHER", "Categories", "CategoriesState", "number_of"]

BITS = 24  # of 200 categories, two share a number once in 800 installations
OTHER = "(others)"
_LONGEST = 400  # characters of a name that are kept
_NUMBERED = 16_384  # names whose number is not hashed again: nearly every event repeats the names of those before


class CategoriesState(msgspec.Struct):
    """The names that are remembered, by number, and how many were forgotten."""

    names: dict[int, str]
    forgotten: int = 0


@lru_cache(maxsize=_NUMBERED)
def number_of(name: str) -> int:
    """Return the number of a category: 24 bits of the hash of its name.

    Examples
    --------
    >>> number_of("search") == number_of("search"), 0 <= number_of("search") < 1 << BITS
    (True, True)
    """
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "replace")) & ((1 << BITS) - 1)


class Categories:
    """Remembers what the numbers stand for, up to a limit: beyond it the oldest name is forgotten, never its counts.

    Examples
    --------
    >>> categories = Categories(limit=100)
    >>> number = categories.numbers(["search", None])[0]
    >>> categories.name(int(number)), categories.name(1)
    ('search', '#000001')
    """

    def __init__(self, limit: int = 20_000, state: CategoriesState | None = None) -> None:
        if limit < 1:
            raise ValueError(f"limit = {limit} leaves no name to remember; give 1 or more")
        self._limit = limit
        self._names = dict(state.names) if state else {}
        self.forgotten = state.forgotten if state else 0

    def numbers(self, names: Iterable[str | None]) -> Column:
        """Return the number of each name, NaN for None."""
        return np.array([np.nan if name is None else self._number(name) for name in names], np.float64)

    def name(self, number: int) -> str:
        """Return the name behind a number, or the number itself when the name is forgotten; −1 is all the others."""
        return self._names.get(number, f"#{number:06x}") if number >= 0 else OTHER

    def known(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the names behind those of the numbers whose names are not forgotten."""
        return {number: self._names[number] for number in numbers if number in self._names}

    def remember(self, names: Mapping[int, str]) -> None:
        """Take names that somebody else has numbered."""
        for number, name in names.items():
            self._remember(number, name)

    def snapshot(self) -> CategoriesState:
        """Return the state as plain data."""
        return CategoriesState(dict(self._names), self.forgotten)

    def _number(self, name: str) -> int:
        number = number_of(name)
        self._remember(number, name)
        return number

    def _remember(self, number: int, name: str) -> None:
        if number in self._names:
            return
        if len(self._names) >= self._limit:
            del self._names[next(iter(self._names))]
            self.forgotten += 1
        self._names[number] = name[:_LONGEST]
