"""A share of events in blocks, and what is usual for it: for shares that only a fault moves far."""

from __future__ import annotations

import msgspec

__all__ = ["UsualShare"]

_HALF_LIFE_S = 3 * 86_400.0
_LEARNED, _LEARNED_S = 2000.0, 86_400.0  # events and seconds behind a usual share


class UsualShare(msgspec.Struct):
    """A share of the latest block, and its mean over the blocks before.

    Older blocks weigh less, half as much after three days, so that what lasts becomes the usual by itself.

    Parameters
    ----------
    least, span_s
        A block is closed with so many events and so many seconds.

    Examples
    --------
    >>> share = UsualShare(least=1000, span_s=60.0)
    >>> for hour in range(26):
    ...     _ = share.add(hits=990, of=1000, time=3600.0 * hour)
    >>> _ = share.add(hits=10, of=1000, time=3600.0 * 26)
    >>> round(share.usual, 2), share.latest, share.has_fallen_to(0.5)
    (0.99, 0.01, True)
    """

    least: int
    span_s: float
    latest: float = 0.0
    latest_of: int = 0
    first_at: float | None = None  # the first block
    closed_at: float | None = None  # the latest block
    began_at: float | None = None  # the block that is being filled
    hits: int = 0
    of: int = 0
    usual_hits: float = 0.0
    usual_of: float = 0.0

    @property
    def usual(self) -> float | None:
        """The usual share, None while it is not known: in the first day."""
        if self.first_at is None or self.closed_at is None or self.closed_at - self.first_at < _LEARNED_S:
            return None
        return self.usual_hits / self.usual_of if self.usual_of >= _LEARNED else None

    def add(self, hits: int, of: int, time: float) -> bool:
        """Count events; tell whether a block was closed."""
        self.began_at = time if self.began_at is None else self.began_at
        self.hits, self.of = self.hits + hits, self.of + of
        if self.of < self.least or time - self.began_at < self.span_s:
            return False
        self._fold(time)
        self.latest, self.latest_of, self.closed_at = self.hits / self.of, self.of, time
        self.first_at = time if self.first_at is None else self.first_at
        self.hits, self.of, self.began_at = 0, 0, time
        return True

    def has_fallen_to(self, part: float, least: float = 50.0) -> bool:
        """Tell whether the latest share is below that part of the usual one, and `least` events or more are missing."""
        usual = self.usual
        return usual is not None and self.latest < part * usual and usual * self.latest_of >= least

    def has_risen_to(self, times: float, limit: float) -> bool:
        """Tell whether the latest share is above `limit`, and above so many times the usual one."""
        return self.latest > max(limit, times * (self.usual or 0.0))

    def _fold(self, time: float) -> None:
        """Make the block before the one that closes now a part of what is usual."""
        if self.closed_at is None:
            return
        kept = 0.5 ** (max(time - self.closed_at, 0.0) / _HALF_LIFE_S)
        self.usual_hits = kept * self.usual_hits + self.latest * self.latest_of
        self.usual_of = kept * self.usual_of + self.latest_of
