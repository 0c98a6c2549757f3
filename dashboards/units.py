"""Numbers, durations and times as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from undertow.drift.verdict import Estimate

__all__ = ["between", "change_text", "clock", "duration", "interval", "number", "quantity", "short", "stamp", "tick"]

SHARE = "share of events"
_LARGEST = 1e300  # beyond it, and for what is no number, a percentage or milliseconds would overflow
_LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def number(value: float) -> str:
    """Return the value with three significant digits.

    Examples
    --------
    >>> [number(v) for v in (0, 0.00213, 2, 21.37, 1240.4, 3_456_789)]
    ['0', '0.00213', '2', '21.4', '1,240', '3.46 M']
    """
    size = abs(value)
    if not math.isfinite(value) or size == 0:
        return "0" if size == 0 else "–"
    if size >= 999_500:
        return f"{value / 1e6:,.3g} M" if size < 1e9 else f"{value:.3g}"
    decimals = min(12, max(0, 2 - math.floor(math.log10(size))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str) -> str:
    """Return the value with its unit.

    Examples
    --------
    >>> quantity(0.1142, "share of events"), quantity(0.84, "seconds"), quantity(0.0042, "US dollars")
    ('11.4 %', '840 ms', '$0.0042')
    >>> quantity(1240, "characters"), quantity(None, "seconds")
    ('1,240 characters', '–')
    """
    if value is None or not abs(value) <= _LARGEST:
        return "–"
    if unit in _WITH_UNIT:
        return _WITH_UNIT[unit](value)
    return f"{number(value)}{unit}" if unit.startswith("/") else f"{number(value)} {unit}".rstrip()


def short(value: float | None, unit: str) -> str:
    """Return the value where the unit stands elsewhere: percent, time and money keep their signs, the rest is bare.

    Examples
    --------
    >>> short(0.0214, "share of events"), short(0.5, "seconds"), short(1240, "characters")
    ('2.1 %', '500 ms', '1,240')
    """
    if value is None or not abs(value) <= _LARGEST:
        return "–"
    return _WITH_UNIT[unit](value) if unit in _WITH_UNIT else number(value)


def tick(value: float, unit: str) -> str:
    """Return the value as an axis shows it: `short`, but a share is not rounded further than any other number.

    Examples
    --------
    >>> tick(0.0025, "share of events"), tick(0.3, "share of events")
    ('0.25 %', '30 %')
    """
    return f"{number(100 * value)} %" if unit == SHARE else short(value, unit)


def _percent(share: float) -> str:
    points = 100 * share
    if points == 0 or abs(points) >= 99.95:
        return f"{points:.0f} %"
    return f"{points:.2g} %" if abs(points) < 0.1 else f"{points:.1f} %"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if abs(value) < 0.9995:
        return f"{number(1000 * value)} ms"
    return f"{number(value)} s" if abs(value) < 99.5 else duration(value)


def _dollars(value: float) -> str:
    sign = "−" if value < 0 else ""
    return f"{sign}${abs(value):,.2f}" if 1 <= abs(value) < 1000 else f"{sign}${number(abs(value))}"


_WITH_UNIT = {SHARE: _percent, "seconds": _seconds, "US dollars": _dollars}


def interval(estimate: Estimate, unit: str) -> str:
    """Return the 95 % interval of an estimate.

    Examples
    --------
    >>> interval(Estimate(0.11, 0.093, 0.131, 900), "share of events")
    '9.3 – 13.1 %'
    """
    low, high = short(estimate.low, unit), short(estimate.high, unit)
    low_number, _, low_unit = low.partition(" ")
    return f"{low_number if high.endswith(f' {low_unit}') else low} – {high}"


def change_text(before: float, after: float, unit: str) -> str:
    """Return how far a level moved: points for shares, percent or a factor for everything else.

    Examples
    --------
    >>> change_text(0.021, 0.114, "share of events"), change_text(200, 254, "characters")
    ('+9.3 points', '+27 %')
    >>> change_text(1, 35, "seconds"), change_text(0, 3, "calls")
    ('× 35', 'from zero')
    """
    if unit == SHARE:
        return f"{_signed(number(100 * (after - before)))} points"
    if before <= 0:
        return "from zero" if after > 0 else "no change"
    ratio = after / before
    if 0.5 < ratio < 2:
        return f"{_signed(f'{100 * (ratio - 1):.0f}')} %"
    return f"× {number(ratio)}"


def _signed(text: str) -> str:
    return f"−{text[1:]}" if text.startswith("-") else f"+{text}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units.

    Examples
    --------
    >>> [duration(s) for s in (8, 110, 7500, 273_600)]
    ['8 s', '1 min 50 s', '2 h 5 min', '3 d 4 h']
    """
    if not math.isfinite(seconds):
        return "–"
    rest = round(abs(seconds))
    parts: list[str] = []
    for name, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts or name == "s":
            parts.append(f"{count} {name}" if count or not parts else "")
    return " ".join(part for part in parts[:2] if part)


def _moment(t: float) -> datetime:
    return datetime.fromtimestamp(min(max(t, 0.0), _LAST_SECOND) if math.isfinite(t) else 0.0, UTC)


def clock(t: float, seconds: bool = True) -> str:
    """Return the UTC time of day.

    Examples
    --------
    >>> clock(1_700_000_000), clock(1_700_000_000, seconds=False)
    ('22:13:20', '22:13')
    """
    return f"{_moment(t):%H:%M:%S}" if seconds else f"{_moment(t):%H:%M}"


def stamp(t: float) -> str:
    """Return the UTC date and time.

    Examples
    --------
    >>> stamp(1_700_000_000)
    '2023-11-14 22:13:20'
    """
    return f"{_moment(t):%Y-%m-%d %H:%M:%S}"


def between(start: float, end: float) -> str:
    """Return a stretch of time with its UTC date, told once where both ends share it.

    Examples
    --------
    >>> between(1_700_000_000, 1_700_000_020)
    '2023-11-14 22:13:20 – 22:13:40'
    >>> between(1_700_000_000, 1_700_010_000)
    '2023-11-14 22:13:20 – 2023-11-15 01:00:00'
    """
    same = stamp(start)[:10] == stamp(end)[:10]
    return f"{stamp(start)} – {clock(end) if same else stamp(end)}"
