"""A line of block characters, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, floor: float = 0.0, ceiling: float = 0.0) -> str:
    """Return the latest `width` values, at least from `floor` to `ceiling` high; a gap is a blank.

    Examples
    --------
    >>> sparkline([1, 2, None, 8], 6, floor=0)
    '  ▂▃ █'
    """
    latest = list(values)[-width:] if width > 0 else []
    seen = [value for value in latest if value is not None]
    low, high = min([floor, *seen]), max([ceiling, *seen])
    span = high - low or 1.0
    text = "".join(" " if value is None else _BLOCKS[min(7, int(8 * (value - low) / span))] for value in latest)
    return text.rjust(width)
