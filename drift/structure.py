"""The structure of JSON answers as one readable name: keys and types, no values.

`{items:[{id:number}],status:string}`: keys are sorted; the elements of an array share one shape, the union of theirs;
`null` carries no type, so that a key that is null counts as left out; integers and other numbers are the same; keys
that are data are `*` (`undertow.drift.keys`). What a limit leaves out is `…`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from undertow.drift.keys import ANY, key_names
from undertow.drift.shapes import CUT, render, shortened, united

__all__ = ["BEYOND", "BROKEN", "TEXT", "Shape", "shape_of"]

TEXT = "text"  # an answer without JSON
BROKEN = "broken JSON"
BEYOND = "JSON beyond the limits"

DEPTH = 8  # levels of nesting
WIDTH = 64  # keys of an object
ELEMENTS = 100  # of an array, from its beginning
NODES = 2_000  # keys and elements of an answer
_MAP_OBJECTS = 4  # keys with objects of one shape: a map, its keys are data
_MAP_SCALARS = 24  # likewise with values of one type
_MOST_CACHED = 4_000  # characters of keys and shapes that are remembered

_SCALARS = {str: "string", int: "number", float: "number", bool: "boolean", type(None): ""}


class Shape(NamedTuple):
    """The name of a structure, and the limits that left something out of it: "depth", "width", "elements", "nodes"."""

    name: str
    limits: frozenset[str] = frozenset()


def shape_of(value: Any) -> Shape:
    """Return the shape of a decoded object or array.

    A name has at most 380 characters; a longer one shows fewer levels, then fewer keys, and ends with a hash of the
    whole. Keys of a map (four or more that lead to objects of one shape, above 24 that lead to one type) are data.

    Examples
    --------
    >>> shape_of({"total": 7.5, "items": [{"id": 1, "note": None}, {"id": "x", "tags": []}]}).name
    '{items:[{id:number|string,tags:[]}],total:number}'
    >>> shape_of({"2024-05-01": 3, "2024-05-02": 4}).name
    '{*:number}'
    """
    walk = _Walk()
    return Shape(shortened(walk.shape(value, 1)), frozenset(walk.limits))


class _Walk:
    """One walk over an answer, within its limits."""

    def __init__(self) -> None:
        self.limits: set[str] = set()
        self._left = NODES

    def shape(self, value: Any, depth: int) -> str:
        """Return the full shape of a value, "" for null."""
        scalar = _SCALARS.get(type(value))
        if scalar is not None:
            return scalar
        room = self._left
        if room <= 0 or depth > DEPTH:
            self.limits.add("depth" if depth > DEPTH else "nodes")
            return CUT
        self._left -= len(value)
        return self._object(value, depth, room) if type(value) is dict else self._array(value, depth)

    def _object(self, value: dict[str, Any], depth: int, room: int) -> str:
        if len(value) > room:
            self.limits.add("nodes")
            value = dict(islice(value.items(), room))
        shapes = tuple(
            [
                _SCALARS[type(inner)] if type(inner) in _SCALARS else self.shape(inner, depth + 1)
                for inner in value.values()
            ]
        )
        short = len(value) <= WIDTH and len("".join((*value, *shapes))) <= _MOST_CACHED
        shape, cut = _cached_object_shape(tuple(value), shapes) if short else _object_shape(tuple(value), shapes)
        if cut:
            self.limits.add("width")
        return shape

    def _array(self, value: list[Any], depth: int) -> str:
        if len(value) > ELEMENTS:
            self.limits.add("elements")
            value = value[:ELEMENTS]
        shapes = {self.shape(inner, depth + 1) for inner in value}
        shapes.discard("")
        return f"[{shapes.pop() if len(shapes) == 1 else united(frozenset(shapes))}]"


def _object_shape(keys: Sequence[str], shapes: Sequence[str]) -> tuple[str, bool]:
    """Return the shape of an object, and whether keys had to be left out."""
    typed = [(key, shape) for key, shape in zip(keys, shapes, strict=True) if shape]
    if _is_map([shape for _, shape in typed]):
        return f"{{{ANY}:{typed[0][1]}}}", False
    known: dict[str, set[str]] = {}
    for name, (_, shape) in zip(key_names([key for key, _ in typed]), typed, strict=True):
        known.setdefault(name, set()).add(shape)
    kept = {name: united(frozenset(known[name])) for name in sorted(known)[:WIDTH]}
    return render(kept, cut=len(known) > WIDTH), len(known) > WIDTH


_cached_object_shape = lru_cache(maxsize=2048)(_object_shape)


def _is_map(shapes: Sequence[str]) -> bool:
    """Return whether the keys that lead to these are data: they are many, and all lead to the same."""
    enough = _MAP_OBJECTS if shapes and "{" in shapes[0] else _MAP_SCALARS + 1
    return len(shapes) >= enough and len(set(shapes)) == 1
