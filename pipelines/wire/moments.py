"""Times and durations as foreign logs write them → seconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["UNITS", "duration", "number", "seconds", "unit_in"]

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # how many make a second
_SPELLINGS = {
    "ms": "ms msec msecs millis milliseconds millisecond",
    "us": "us usec usecs micros microseconds microsecond",
    "ns": "ns nsec nsecs nanos nanoseconds nanosecond nano",
    "s": "s sec secs seconds second",
}
_UNIT_OF = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_FRACTION = re.compile(r"([.,]\d{1,6})\d*")
_SECONDS_BELOW = 1e11  # as a count of seconds: year 5138; as milliseconds: March 1973
_MAGNITUDES = ((1e11, "s"), (1e14, "ms"), (1e17, "us"), (1e20, "ns"))


def unit_in(name: str) -> str | None:
    """Return the unit that a field's name tells: its last word, or its first before "To".

    Examples
    --------
    >>> unit_in("duration_ms"), unit_in("latencyMs"), unit_in("msToFirstChunk"), unit_in("end_time_unix_nano")
    ('ms', 'ms', 'ms', 'ns')
    >>> unit_in("latency") is None
    True
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if words and words[-1] in _UNIT_OF and (len(words) > 1 or len(words[-1]) > 1):  # "s" alone may be anything
        return _UNIT_OF[words[-1]]
    if len(words) > 2 and words[1] == "to" and words[0] in _UNIT_OF:
        return _UNIT_OF[words[0]]
    return None


def number(value: Any) -> float:
    """Return a finite number, also from a text that holds one; ValueError otherwise.

    Examples
    --------
    >>> number("1.5"), number(2)
    (1.5, 2.0)
    """
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError, TypeError):
        raise ValueError("expected a number") from None
    if not math.isfinite(found):
        raise ValueError("number is NaN or infinite")
    return found


def duration(value: Any, unit: str | None) -> float:
    """Return a duration in seconds; a number without a unit counts seconds.

    Examples
    --------
    >>> duration(1369, "ms"), duration("0.5s", None)
    (1.369, 0.5)
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([\d.]+)\s*(ns|us|µs|ms|s)\s*", value)
        if match:
            return number(match[1]) / UNITS[match[2].replace("µ", "u")]
    return number(value) / UNITS[unit or "s"]


def seconds(value: Any, unit: str | None = None, form: str | None = None) -> float:
    """Return a moment as seconds since the epoch.

    Read are ISO 8601 in its usual spellings, HTTP dates, counts in s, ms, µs or ns (told apart by size when `unit` is
    None), `[seconds, nanoseconds]` pairs, and what `form` (as of strptime) describes. Without a zone it is UTC.

    Raises
    ------
    ValueError
        None of these.

    Examples
    --------
    >>> seconds("2025-01-24 09:20:46.847371"), seconds(1700000000000), seconds("Thu, 20 Nov 2025 12:06:07 GMT")
    (1737710446.847371, 1700000000.0, 1763640367.0)
    >>> seconds("07/02/2023, 21:28:40", form="%m/%d/%Y, %H:%M:%S")
    1688333320.0
    """
    if form is not None:
        return _formatted(value, form)
    if isinstance(value, list) and len(value) == 2:
        return number(value[0]) + number(value[1]) / UNITS["ns"]
    if isinstance(value, str) and not re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        return _from_text(value.strip())
    # Nanoseconds since the epoch do not fit a float; a whole number is divided as one.
    whole = isinstance(value, str) and value.strip().isdecimal() and len(value) <= 20
    return _from_number(int(value) if whole else value if type(value) is int else number(value), unit)


def _from_number(count: float, unit: str | None) -> float:
    if unit is None:
        unit = next((name for limit, name in _MAGNITUDES if abs(count) < limit), None)
    found = count / UNITS[unit] if unit and count < 1e20 else math.inf
    if not 0 <= found < _SECONDS_BELOW:
        raise ValueError("is not a time between 1970 and 5138")
    return found


def _from_text(text: str) -> float:
    try:
        found = datetime.fromisoformat(_FRACTION.sub(_micros, text, count=1))
    except ValueError:
        found = _http_date(text)
    return _utc(found)


def _micros(match: re.Match[str]) -> str:
    return "." + match[1][1:].ljust(6, "0")


def _http_date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        raise ValueError('is not a time in a known notation; describe it: "PATH as %d/%m/%Y %H:%M"') from None


def _formatted(value: Any, form: str) -> float:
    try:
        return _utc(datetime.strptime(str(value), form))  # noqa: DTZ007  # _utc adds the zone
    except ValueError:
        raise ValueError(f"does not match the time format {form}") from None


def _utc(moment: datetime) -> float:
    try:
        found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise ValueError("is not a time between 1970 and 5138") from None
    return _from_number(found, "s")
