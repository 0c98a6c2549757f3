"""What is different between two shapes, and which keys moved between two mixes of shapes, in words for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from undertow.drift.shapes import CUT, Tree, parse

__all__ = ["Moved", "difference", "moved_paths"]

_MOST_NAMED = 5  # keys told by name in one part of a sentence
_SAME = 1e-9
_HIDDEN = "differs only in what the shape leaves out"


class Moved(NamedTuple):
    """A key and its type, such as `items[].id: number`, and the share of answers that had it before and after."""

    path: str
    before: float
    after: float


def difference(before: str, after: str) -> str:
    """Return what a structure lost, gained and changed, in words.

    Examples
    --------
    >>> difference("{summary:string,total:number}", "{exec_summary:string,total:string}")
    'key summary is gone, exec_summary is new; total: number → string'
    >>> difference("{total:number}", "text")
    'a JSON object with total → text'
    """
    if before == after:
        return "the same"
    old, new = parse(before), parse(after)
    if _told(old) != _told(new):
        return f"{_whole(old, before)} → {_whole(new, after)}"
    was, now = dict(_typed(old, "")), dict(_typed(new, ""))
    changed = [path for path in was if path in now and was[path] != now[path]]
    gone, come = _topmost(was, now, changed), _topmost(now, was, changed)
    parts = [_keys_told(gone, come), *_changes(changed, was, now)]
    return "; ".join(part for part in parts if part) or _HIDDEN


def moved_paths(before: Mapping[str, float], after: Mapping[str, float], limit: int = 10) -> list[Moved]:
    """Return the keys (with their types) whose share of answers moved most, largest move first.

    Both are distributions: shape → share of answers. A key inside an object that moved as far is not told again.

    Examples
    --------
    >>> was, now = {"{summary:string}": 1.0}, {"{summary:string}": 0.7, "{exec_summary:string}": 0.3}
    >>> moved_paths(was, now)
    [Moved(path='exec_summary: string', before=0.0, after=0.3), Moved(path='summary: string', before=1.0, after=0.7)]
    """
    was, now = _shares(before), _shares(after)
    moves = {key: now.get(key, 0.0) - was.get(key, 0.0) for key in {*was, *now}}
    found: list[Moved] = []
    told: list[tuple[str, float]] = []
    for path, kind in sorted(moves, key=lambda key: (-round(abs(moves[key]), 9), key)):
        move = moves[path, kind]
        if abs(move) < _SAME or len(found) == limit:
            break
        if not any(_inside(path, outer) and abs(move - by) < _SAME for outer, by in told):
            found.append(
                Moved(f"{path}: {kind}" if path else kind, was.get((path, kind), 0.0), now.get((path, kind), 0.0))
            )
            told.append((path, move))
    return found


def _shares(mix: Mapping[str, float]) -> dict[tuple[str, str], float]:
    shares: dict[tuple[str, str], float] = defaultdict(float)
    for shape, share in mix.items():
        for path, kind in _typed(parse(shape), ""):
            shares[path, kind] += share
    return shares


def _typed(tree: Tree, path: str) -> Iterable[tuple[str, str]]:
    """Return each path of a shape with its type, outer ones first."""
    yield path, _told(tree)
    for name, inner in (tree.keys or {}).items():
        if name != CUT:
            yield from _typed(inner, f"{path}.{name}" if path else name)
    if tree.elements is not None and (tree.elements.keys is not None or tree.elements.elements is not None):
        yield from _typed(tree.elements, f"{path}[]")


def _told(tree: Tree) -> str:
    """Return a type in words: what a key leads to."""
    kinds = sorted(tree.kinds - {CUT})
    if tree.keys is not None:
        kinds.append("object")
    if tree.elements is not None:
        inner = _told(tree.elements)
        kinds.append(f"list of {inner}s" if inner and " " not in inner else "list")
    return " or ".join(kinds) or CUT


def _whole(tree: Tree, name: str) -> str:
    """Return what an answer is, from outside."""
    if tree.keys is not None:
        keys = [key for key in tree.keys if key != CUT]
        return f"a JSON object with {_named(keys)}" if keys else "an empty JSON object"
    return f"a JSON {_told(tree)}" if tree.elements is not None else name


def _topmost(these: Mapping[str, str], others: Mapping[str, str], changed: Sequence[str]) -> list[str]:
    """Return the paths that the others lack, but for those inside another of them or inside a changed one."""
    found: list[str] = []
    for path in these:
        if path not in others and not any(_inside(path, outer) for outer in [*found, *changed]):
            found.append(path)
    return found


def _inside(path: str, outer: str) -> bool:
    return path.startswith((f"{outer}.", f"{outer}["))


def _keys_told(gone: Sequence[str], come: Sequence[str]) -> str:
    parts = [
        f"{_named(paths)} {'is' if len(paths) == 1 else 'are'} {what}"
        for paths, what in ((gone, "gone"), (come, "new"))
        if paths
    ]
    return f"{'key' if len(gone or come) == 1 else 'keys'} {', '.join(parts)}" if parts else ""


def _changes(paths: Sequence[str], was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    told = [f"{path or 'the answer'}: {was[path]} → {now[path]}" for path in paths[:_MOST_NAMED]]
    return [*told, f"{len(paths) - _MOST_NAMED} more types"] if len(paths) > _MOST_NAMED else told


def _named(paths: Sequence[str]) -> str:
    if len(paths) > _MOST_NAMED:
        return f"{', '.join(paths[:_MOST_NAMED])} and {len(paths) - _MOST_NAMED} more"
    return " and ".join(part for part in (", ".join(paths[:-1]), *paths[-1:]) if part)
