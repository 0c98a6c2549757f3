"""Shapes of JSON as texts, such as `{items:[{id:number}],status:string}`: read, united, shortened.

    shape  = kind ("|" kind)*
    kind   = "string" | "number" | "boolean" | object | array | "…"
    object = "{" (name ":" shape),* "…"? "}"
    array  = "[" shape? "]"

A shortened shape ends with `#` and a hash of the whole. Names hold none of the marks of this grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import xxhash

__all__ = ["CUT", "LONGEST_SHAPE", "Tree", "parse", "render", "shortened", "united"]

CUT = "…"  # something was left out here
LONGEST_SHAPE = 380  # characters
_MOST_READ = 20_000  # characters of a shape that is read
_DEEPEST = 32  # levels that are read
_MARKS = frozenset("{}[],:|")
_ENDS = frozenset("]},")
_TOKEN = re.compile(r"[{}\[\],:|]|[^{}\[\],:|]+")
_HASH = re.compile(r"#[0-9a-f]{8}$")


@dataclass
class Tree:
    """A shape taken apart: scalar kinds, the keys if it may be an object, the elements if it may be an array."""

    kinds: set[str] = field(default_factory=set)
    keys: dict[str, Tree] | None = None
    elements: Tree | None = None

    def add(self, other: Tree) -> None:
        """Take in another shape: the result stands for values of both."""
        self.kinds |= other.kinds
        if other.keys is not None:
            self.keys = {} if self.keys is None else self.keys
            for name, inner in other.keys.items():
                self.keys.setdefault(name, Tree()).add(inner)
        if other.elements is not None:
            self.elements = self.elements or Tree()
            self.elements.add(other.elements)

    def text(self, levels: int = _DEEPEST) -> str:
        """Return the shape; objects and arrays below so many levels are `…`."""
        parts = sorted(self.kinds - {CUT})
        if self.keys is not None:
            inner = {name: tree.text(levels - 1) for name, tree in sorted(self.keys.items()) if name != CUT}
            parts.append(render(inner, cut=CUT in self.keys) if levels > 0 else "{…}")
        if self.elements is not None:
            parts.append(f"[{self.elements.text(levels - 1)}]" if levels > 0 else "[…]")
        return "|".join([*parts, CUT] if CUT in self.kinds else parts)


def render(keys: Mapping[str, str], cut: bool = False) -> str:
    """Return an object's shape from the shapes of its keys, in their order."""
    inner = [f"{name}:{shape}" for name, shape in keys.items()]
    return "{" + ",".join([*inner, CUT] if cut else inner) + "}"


@lru_cache(maxsize=1024)
def _united(shapes: frozenset[str]) -> str:
    tree = Tree()
    for shape in shapes:
        tree.add(parse(shape))
    return tree.text()


def united(shapes: frozenset[str]) -> str:
    """Return the shape of values that have any of these.

    Examples
    --------
    >>> united(frozenset(["{id:number}", "{id:string,note:string}"]))
    '{id:number|string,note:string}'
    """
    if len(shapes) <= 1:
        return next(iter(shapes), "")
    return _united(shapes) if sum(map(len, shapes)) <= _MOST_READ else _united.__wrapped__(shapes)


@lru_cache(maxsize=1024)
def _shortened(shape: str) -> str:
    tree = parse(shape)
    room = LONGEST_SHAPE - 9
    texts: Iterable[str] = (tree.text(levels) for levels in (4, 3, 2, 1))
    fitting = next((text for text in texts if len(text) <= room), None)
    if fitting is None:
        fitting = tree.text(1)[: room - 3].rpartition(",")[0] + f",{CUT}}}"
    return f"{fitting}#{xxhash.xxh3_64_hexdigest(shape.encode())[:8]}"


def shortened(shape: str) -> str:
    """Return the shape in at most 380 characters: fewer levels, then fewer keys, and a hash of the whole."""
    if len(shape) <= LONGEST_SHAPE:
        return shape
    return _shortened(shape) if len(shape) <= _MOST_READ else _shortened.__wrapped__(shape)


def parse(shape: str) -> Tree:
    """Return a shape taken apart. Never raises: what is no shape, or is cut off, gives what can be read of it.

    Examples
    --------
    >>> sorted(parse("{id:number,tags:[string]}#0123abcd").keys)
    ['id', 'tags']
    """
    tokens = _TOKEN.findall(_HASH.sub("", shape[:_MOST_READ]))[::-1]
    return _shape(tokens, 0)


def _shape(tokens: list[str], depth: int) -> Tree:
    """Read one shape; the tokens stand in reverse, the next one last."""
    tree = Tree()
    while tokens and tokens[-1] not in _ENDS:
        mark = tokens.pop()
        if mark == "{" and depth < _DEEPEST:
            tree.add(Tree(keys=_keys(tokens, depth + 1)))
        elif mark == "[" and depth < _DEEPEST:
            tree.add(Tree(elements=_shape(tokens, depth + 1)))
            if tokens and tokens[-1] == "]":
                tokens.pop()
        elif mark not in _MARKS:
            tree.kinds.add(mark)
    return tree


def _keys(tokens: list[str], depth: int) -> dict[str, Tree]:
    keys: dict[str, Tree] = {}
    while tokens:
        name = tokens.pop()
        if name == "}":
            break
        if name not in _MARKS:
            keys[name] = Tree()
            if tokens and tokens[-1] == ":":
                tokens.pop()
                keys[name] = _shape(tokens, depth)
    return keys
