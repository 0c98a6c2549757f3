"""Pins as people ask for them and read them: from the words of a command to a pin, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from undertow.dashboards.tables import table
from undertow.drift.baselines import DAY
from undertow.drift.metrics import Family, resolve
from undertow.drift.monitor import PinnedSeries
from undertow.drift.pin import FEWEST_DAYS, MOST_DAYS, Pin, ReferencePart, date_of, day_number, pin_id
from undertow.drift.pinned import Pinned, PinStatus
from undertow.drift.verdict import Series

__all__ = ["ACTIONS", "PinError", "accepted_pin", "check", "pin_of", "pins_text", "status_of_pins", "take"]

REASON_LIMIT = 500  # characters
ACTIONS = ("pin", "unpin")  # of the control API
_KINDS = ("days", "version", "reference")
_LISTED = 60


class PinError(ValueError):
    """What was asked for is no pin; the message says why and the way out."""


def check(pinned: Pinned, action: str, asked: Mapping[str, str], now: float) -> None:
    """Refuse what cannot be pinned or unpinned at the event time `now`; ValueError says why."""
    if action == "pin":
        pinned.check(pin_of(asked, now, pinned.last_day))
    elif asked.get("id") not in pinned.ids:
        raise PinError(f"no pin '{asked.get('id')}'; `undertow pins` lists those that there are")


def take(pinned: Pinned, action: str, asked: Mapping[str, str], now: float) -> dict[str, Any]:
    """Do what `check` has let pass; return what to answer."""
    if action == "unpin":
        pinned.unpin(asked["id"])
        return {"unpinned": asked["id"]}
    pin = pin_of(asked, now, pinned.last_day)
    pinned.pin(pin)
    return {"pinned": pin.id, "scope": pin.scope, "source": pin.source}


def pin_of(asked: Mapping[str, str], at: float, last: int) -> Pin:
    """Return the pin that somebody asked for at the event time `at`, when `last` was the last whole day.

    Raises
    ------
    PinError
        A word of it cannot be used.

    Examples
    --------
    >>> asked = {"service": "support", "days": "2026-03-02..2026-03-08", "reason": "before the move"}
    >>> pin = pin_of(asked, at=0.0, last=20_521)
    >>> pin.scope, pin.source, pin.last - pin.first
    ('support all metrics', '2026-03-02..2026-03-08', 6)
    """
    chosen = [kind for kind in _KINDS if asked.get(kind)]
    if len(chosen) != 1 or not asked.get("service"):
        raise PinError("a pin wants --service and one of --days FROM..TO, --version dimension=value, --reference FILE")
    reason = asked.get("reason", "").strip()
    if not reason or len(reason) > REASON_LIMIT:
        raise PinError(f"a pin wants a --reason of at most {REASON_LIMIT} characters: somebody will ask why")
    segment = (_pair(asked["slice"], "--slice"),) if asked.get("slice") else None
    first, last = _period(asked["days"]) if asked.get("days") else (0, last)
    return Pin(
        id=pin_id(*sorted(asked.items()), at),
        kind=chosen[0],  # type: ignore[arg-type]  # one of the three kinds, by the keys asked
        source=asked.get("file", "") or asked[chosen[0]],
        service=asked["service"],
        environment=asked.get("environment") or None,
        metric=_metric(asked.get("metric", "")),
        segment=segment,
        first=first,
        last=last,
        version=_pair(asked["version"], "--version") if asked.get("version") else None,
        reference=_reference(asked.get("reference", "")),
        reason=reason,
        by=asked.get("by", ""),
        at=at,
    )


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise PinError(f"{option} {text} is not of the form dimension=value, such as prompt_version=v47")
    return name, value


def _metric(name: str) -> str:
    try:
        family = resolve(name).family if name else None
    except KeyError as error:
        raise PinError(f"--metric {name}: {error.args[0]}") from error
    if family in {Family.CATEGORY, Family.VECTOR}:
        raise PinError(
            f"--metric {name}: shares of categories and embeddings cannot be compared with a pin; see --help"
        )
    return name


def _period(text: str) -> tuple[int, int]:
    try:
        first, last = (day_number(day) for day in text.split(".."))
    except ValueError as error:
        raise PinError(f"--days {text} is not of the form 2026-03-02..2026-03-08: {error}") from error
    if not FEWEST_DAYS <= last - first + 1 <= MOST_DAYS:
        raise PinError(f"--days {text} are {last - first + 1} days; pin {FEWEST_DAYS} to {MOST_DAYS} whole days")
    return first, last


def _reference(text: str) -> tuple[ReferencePart, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[ReferencePart, ...]) if text else ()
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise PinError(f"the reference cannot be used: {error}; `undertow pin --reference FILE` makes it") from error


def accepted_pin(series: Sequence[Series], changed_to: float, reason: str, by: str, at: float, last: int) -> Pin:
    """Return the pin of the level that somebody has accepted: the first seven whole days after the change.

    Examples
    --------
    >>> series = [Series("s", "", (), "latency")]
    >>> accepted_pin(series, changed_to=90_000.0, reason="", by="", at=95_000.0, last=0).source
    '1970-01-03..1970-01-09'
    """
    first = max(-int(-changed_to // DAY), last - MOST_DAYS + 1)
    period = f"{date_of(first)}..{date_of(first + FEWEST_DAYS - 1)}"
    return Pin(
        id=pin_id(*series, period, at),
        kind="days",
        source=period,
        service=series[0].service,
        environment=series[0].environment,
        series=tuple(series),
        first=first,
        last=first + FEWEST_DAYS - 1,
        reason=reason or "accepted",
        by=by,
        at=at,
    )


def status_of_pins(statuses: Iterable[tuple[PinStatus, Sequence[PinnedSeries]]], now: float) -> list[dict[str, Any]]:
    """Return what `undertow pins` lists, as plain values; `now` is event time."""
    return [
        {
            "id": status.pin.id,
            "source": status.pin.source,
            "scope": status.pin.scope,
            "reason": status.pin.reason,
            "by": status.pin.by,
            "pinned_at": status.pin.at,
            "age_days": max(now - status.pin.at, 0.0) / DAY,
            "held": status.held,
            "series": [_series_status(one) for one in compared],
        }
        for status, compared in statuses
    ]


def _series_status(one: PinnedSeries) -> dict[str, Any]:
    series, compared = one
    return {
        "service": series.service,
        "environment": series.environment,
        "segment": dict(series.segment),
        "metric": series.metric,
        "level": compared.before.value,
        "low": compared.before.low,
        "high": compared.before.high,
        "now": compared.now and compared.now.value,
        "now_low": compared.now and compared.now.low,
        "now_high": compared.now and compared.now.high,
        "days": compared.days,
        "evidence": compared.statistic if math.isfinite(compared.statistic) else None,
        "needed": compared.threshold,
        "changed_at": compared.changed_at,
    }


def pins_text(pins: Sequence[Mapping[str, Any]]) -> str:
    """Return the pins as people read them: each with what it is, and its series, most evidence first."""
    if not pins:
        return "Nothing is pinned; `undertow pin --service S --days FROM..TO --reason TEXT` pins a good week."
    return "\n\n".join(_pin_text(pin) for pin in pins)


def _pin_text(pin: Mapping[str, Any]) -> str:
    by = f" by {pin['by']}" if pin["by"] else ""
    waits = "" if pin["held"] else "; waits for its days to be over"
    head = f"{pin['id']}  {pin['scope']}: {pin['source']}, pinned {pin['age_days']:.0f} days ago{by}{waits}"
    chosen = sorted(pin["series"], key=lambda one: (one["changed_at"] is None, -(one["evidence"] or -math.inf)))
    rows = [
        (
            " ".join(f"{name}={value}" for name, value in one["segment"].items()) or "all",
            one["metric"],
            f"{one['level']:.4g} [{one['low']:.4g}, {one['high']:.4g}]",
            "–" if one["now"] is None else f"{one['now']:.4g} [{one['now_low']:.4g}, {one['now_high']:.4g}]",
            one["days"],
            "changed" if one["changed_at"] is not None else _so_far(one),
        )
        for one in chosen[:_LISTED]
    ]
    more = [f"… and {len(chosen) - _LISTED} more: --json lists all"] if len(chosen) > _LISTED else []
    shown = [table(["slice", "metric", "pinned", "last days", "days", "evidence"], rows)] if rows else []
    return "\n".join([head, f"          {pin['reason']}", *shown, *more])


def _so_far(one: Mapping[str, Any]) -> str:
    return "–" if one["evidence"] is None else f"{one['evidence']:.1f} of {one['needed']:.1f}"
