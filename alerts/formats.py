"""Numbers and times as on-call reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from undertow.drift.metrics import described, parent_of
from undertow.drift.verdict import Estimate

__all__ = ["clock", "duration", "format_estimate", "format_level", "format_move", "relative", "rfc3339", "title", "utc"]

UNKNOWN = "unknown"
SYMBOLS = frozenset({"share of events", "seconds", "US dollars"})  # written as a sign beside each number
LEVEL_UNITS = {"latency_p50": "seconds", "latency_p95": "seconds", "latency_p99": "seconds"}


def title(metric: str) -> str:
    """Return the metric's title, or its name in words when nobody declared it.

    Examples
    --------
    >>> title("output_length"), title("latency_p50"), title("score.helpful")
    ('length of answers', 'latency p50', 'helpful score')
    """
    known = described(metric)
    return known.title if known else metric.replace("_", " ")


def format_level(metric: str, value: float | None) -> str:
    """Write a level in the metric's unit.

    Examples
    --------
    >>> format_level("refusal_rate", 0.0213), format_level("latency", 0.9), format_level("cost_per_task", 0.00234)
    ('2.1 %', '0.9 s', '$0.00234')
    >>> format_level("output_length", 1234.5), format_level("latency", 0.045), format_level("latency", None)
    ('1,234 characters', '45 ms', 'unknown')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    unit = _unit(metric)
    if unit == "share of events":
        return _percent(value)
    if unit == "seconds":
        return f"{_number(1e3 * value)} ms" if abs(value) < 0.1 else f"{_number(value)} s"
    if unit == "US dollars":
        return f"${_number(value)}"
    return f"{_number(value)} {unit}".rstrip()


def format_move(metric: str, before: float | None, after: float | None) -> str:
    """Write a level before and after, the unit once where it is a word.

    Examples
    --------
    >>> format_move("refusal_rate", 0.021, 0.114), format_move("output_length", 812, 560)
    ('2.1 % → 11.4 %', '812 → 560 characters')
    """
    unit = _unit(metric)
    first = format_level(metric, before)
    if unit not in SYMBOLS:
        first = first.removesuffix(f" {unit}")
    return f"{first} → {format_level(metric, after)}"


def format_estimate(metric: str, estimate: Estimate) -> str:
    """Write a level with its 95 % interval, the unit once where it is a word.

    Examples
    --------
    >>> format_estimate("refusal_rate", Estimate(0.021, 0.019, 0.024, 4000))
    '2.1 % [1.9 %, 2.4 %]'
    >>> format_estimate("output_length", Estimate(812, 731, 893, 4000))
    '812 [731, 893] characters'
    """
    word = f" {_unit(metric)}" if _unit(metric) not in SYMBOLS else ""
    value, low, high = (
        format_level(metric, level).removesuffix(word) for level in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]{word}".rstrip()


def relative(before: float, after: float) -> str:
    """Write a ratio as people say it: a percentage, and a factor from twice on.

    Examples
    --------
    >>> relative(100, 69), relative(100, 122), relative(100, 450), relative(0, 5)
    ('−31 %', '+22 %', '×4.5', 'from 0')
    """
    if not (math.isfinite(before) and math.isfinite(after)):
        return UNKNOWN
    if before <= 0:
        return "from 0"
    if after >= 2 * before:
        return f"×{_trim(f'{after / before:.1f}')}"
    percent = 100 * (after / before - 1)
    return f"{'−' if percent < 0 else '+'}{abs(percent):.0f} %"


def utc(at: float) -> str:
    """Write an event time to the second.

    Examples
    --------
    >>> utc(1_700_000_000.9)
    '2023-11-14 22:13:20 UTC'
    """
    moment = _moment(at)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else UNKNOWN


def clock(at: float, beside: float) -> str:
    """Write an event time to the minute, with its date when `beside` lies on another day.

    Examples
    --------
    >>> clock(1_700_000_000, 1_700_000_600), clock(1_700_000_000, 1_700_100_000)
    ('22:13 UTC', '2023-11-14 22:13 UTC')
    """
    moment, other = _moment(at), _moment(beside)
    if moment is None:
        return UNKNOWN
    same_day = other is not None and moment.date() == other.date()
    return moment.strftime("%H:%M UTC" if same_day else "%Y-%m-%d %H:%M UTC")


def rfc3339(at: float) -> str | None:
    """Write an event time for machines, to the millisecond; None for what is no time.

    Examples
    --------
    >>> rfc3339(1_700_000_000.25)
    '2023-11-14T22:13:20.250Z'
    """
    moment = _moment(at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def duration(seconds: float) -> str:
    """Write a span of time in its two largest units.

    Examples
    --------
    >>> duration(8), duration(95), duration(7_800), duration(1_209_600)
    ('8 s', '1 min 35 s', '2 h 10 min', '14 d')
    """
    if not math.isfinite(seconds):
        return UNKNOWN
    left, parts = round(abs(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _unit(metric: str) -> str:
    known = described(metric)
    if known:
        return known.unit
    return LEVEL_UNITS.get(metric, "") if parent_of(metric) == metric else "share of events"


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{_trim(f'{percent:.1f}') if abs(percent) >= 1 else _significant(percent, 2)} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else _significant(value, 3)


def _significant(value: float, digits: int) -> str:
    if abs(value) < 1e-9:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _trim(f"{value:.{decimals}f}")


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(at: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return None
