"""Labels above a chart, in lanes, so that none covers another and no label's line runs through a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Label", "Placed", "place"]

_CHARACTER = 5.9  # mean advance of an 11-pixel sans-serif, rounded up
_LONGEST = 30
_SPACE = 4.0


@dataclass(frozen=True)
class Label:
    """A text that belongs at pixel `x`; `kind` is its CSS class; `must` for one that others make room for."""

    x: float
    text: str
    kind: str
    must: bool = False


@dataclass(frozen=True)
class Placed:
    """A label with its lane (0 is next to the plot), the pixels that its text takes, and the text that fits."""

    label: Label
    lane: int
    left: float
    right: float
    text: str


def place(labels: Sequence[Label], left: float, right: float, lanes: int = 3) -> tuple[list[Placed], list[Label]]:
    """Return the labels that find room between `left` and `right`, and those that do not.

    Labels that must stand come first, the others in their order while there is room.

    Examples
    --------
    >>> placed, crowded = place([Label(50, "prompt v2", "version"), Label(52, "model b", "version")], 0, 200, lanes=1)
    >>> [p.text for p in placed], [c.text for c in crowded]
    (['prompt v2'], ['model b'])
    """
    chosen: list[Label] = []
    placed: list[Placed] = []
    crowded: list[Label] = []
    for label in sorted(labels, key=lambda label: not label.must):
        attempt = _lay_out([*chosen, label], left, right, lanes)
        if attempt is None:
            crowded.append(label)
        else:
            chosen, placed = [*chosen, label], attempt
    return placed, crowded


def _lay_out(labels: Sequence[Label], left: float, right: float, lanes: int) -> list[Placed] | None:
    """Return all labels placed, or None. From right to left: a line then falls left of the texts below its own."""
    placed: list[Placed] = []
    for label in sorted(labels, key=lambda label: -label.x):
        candidates = (_candidate(label, lane, left, right) for lane in range(lanes))
        free = next((each for each in candidates if not any(_collide(each, other) for other in placed)), None)
        if free is None:
            return None
        placed.append(free)
    return placed


def _candidate(label: Label, lane: int, left: float, right: float) -> Placed:
    text = label.text if len(label.text) <= _LONGEST else label.text[: _LONGEST - 1] + "…"
    width = len(text) * _CHARACTER
    begin = label.x + _SPACE if label.x + _SPACE + width <= right else max(left, label.x - _SPACE - width)
    return Placed(label, lane, begin, begin + width, text)


def _collide(one: Placed, other: Placed) -> bool:
    if one.lane == other.lane:
        return one.left - _SPACE < other.right and other.left - _SPACE < one.right
    upper, lower = (one, other) if one.lane > other.lane else (other, one)
    return lower.left < upper.label.x < lower.right
