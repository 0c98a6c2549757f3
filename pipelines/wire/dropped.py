"""Counts what decoders leave out of readable events, by field name, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OTHER", "Dropped"]

NAMES = 100  # field names counted one by one; the others count together
OTHER = "(other fields)"


class Dropped:
    """A tally of left-out fields.

    Examples
    --------
    >>> tally = Dropped()
    >>> tally.add("debug")
    >>> tally.counts
    {'debug': 1}
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each field was left out."""
        return self._counts

    def add(self, name: str) -> None:
        """Count one field of that name."""
        key = name if name in self._counts or len(self._counts) < NAMES else OTHER
        self._counts[key] = self._counts.get(key, 0) + 1
