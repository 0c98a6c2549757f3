"""A channel's own limit of calls, below that of the service behind it."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]


class Pace:
    """At most `calls` calls in any `per_s` seconds; the calls of this process, by wall clock.

    Examples
    --------
    >>> pace = Pace(calls=1, per_s=60.0)
    >>> pace.wait_s(0.0), pace.note(0.0), pace.wait_s(45.0), pace.wait_s(60.0)
    (0.0, None, 15.0, 0.0)
    """

    def __init__(self, calls: int, per_s: float) -> None:
        self.calls, self.per_s = calls, per_s
        self._made: deque[float] = deque(maxlen=calls)

    def wait_s(self, now: float, spare: int = 0) -> float:
        """Return the seconds until a call is free, with `spare` calls left to others; 0 when one is."""
        while self._made and not now - self.per_s < self._made[0] <= now:  # too old, or of a clock that was put back
            self._made.popleft()
        excess = len(self._made) - (self.calls - spare)
        return self._made[excess] + self.per_s - now if excess >= 0 else 0.0

    def note(self, now: float) -> None:
        """Count a call that is about to be made."""
        self._made.append(now)
