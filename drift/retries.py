"""What fails again and again, without anybody waiting longer each time."""

from __future__ import annotations

import re

import msgspec

from undertow.drift.values import as_text

__all__ = ["Retries", "transient"]

_STORM = 5  # failures in a row; the usual client tries three times
_STORM_UNSURE = 10  # … when it is not known whether it was the same request
_BACKING_OFF = 1.3  # a pause so many times the one before is a backoff: such a failure does not count
_MOST = 8  # requests that are failing at once
_MAX_TEXT = 400  # characters of an error that are read
_TRANSIENT = re.compile(
    r"\b(?:408|409|425|429|500|502|503|504|529)\b|rate.?limit|too many requests|time(?:d)?.?out|overloaded|unavailable"
    r"|temporar|throttl|connection|quota|try again|busy"
)


class _Failing(msgspec.Struct, array_like=True, gc=False):
    last: float
    pause: float = 0.0
    count: int = 1


class Retries(msgspec.Struct, array_like=True):
    """Requests of one task that are failing, by a hash of what was asked.

    Examples
    --------
    >>> storm, patient = Retries(), Retries()
    >>> [storm.take(1, failed=True, time=0.2 * n, sure=True) for n in range(6)]
    [False, False, False, False, True, True]
    >>> [patient.take(1, failed=True, time=2.0 ** n, sure=True) for n in range(6)]
    [False, False, False, False, False, False]
    """

    failing: dict[int, _Failing] = {}

    def take(self, key: int, failed: bool, time: float, sure: bool) -> bool:
        """Return whether this attempt is one of a storm. `sure` says that equal keys mean equal requests."""
        known = self.failing.get(key)
        if not failed:
            if known is not None:
                del self.failing[key]
            return False
        if known is None:
            if len(self.failing) >= _MOST:
                del self.failing[next(iter(self.failing))]
            self.failing[key] = _Failing(time)
            return False
        pause = max(time - known.last, 0.0)
        known.count += pause <= known.pause * _BACKING_OFF or known.pause == 0.0
        known.pause, known.last = pause, max(time, known.last)
        return known.count >= (_STORM if sure else _STORM_UNSURE)


def transient(error: object) -> bool:
    """Return whether an error is one that a retry may heal.

    Examples
    --------
    >>> transient("429 Too Many Requests"), transient({"code": 503}), transient("no such column: price")
    (True, True, False)
    """
    return _TRANSIENT.search(as_text(error)[:_MAX_TEXT].lower()) is not None
