"""Silences set while the watch runs: what `undertow silence`, `undertow silences` and `undertow lift` ask of its port.

They touch no verdict, so they are not in the journal: the wall clock decides, and `silences.json` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
import xxhash

from undertow.alerts.formats import utc
from undertow.alerts.matcher import Matcher
from undertow.alerts.silences import Silence
from undertow.pipelines.server import ControlError

__all__ = ["SILENCING", "Silencing", "asked", "shown"]

SILENCING = ("silence", "lift")
_HOUR_S = 3600.0
_ABOUT = Matcher.__struct_fields__


class _Pages(Protocol):
    def silence(self, silence: Silence) -> None: ...
    def lift(self, key: str) -> bool: ...
    def silences(self) -> Sequence[Silence]: ...


class Silencing:
    """Takes what people ask about silences.

    Parameters
    ----------
    pages
        Whose pages are held back.
    held
        Returns (incident, until, why) of the pages that are held back.
    clock
        Wall clock, seconds since the epoch.
    """

    def __init__(
        self, pages: _Pages, held: Callable[[float], Sequence[tuple[str, float, str]]], clock: Callable[[], float]
    ) -> None:
        self._pages, self._held, self._clock = pages, held, clock

    def take(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Set a silence, or lift one.

        Raises
        ------
        ControlError
            It has no end, no reason or says nothing that can be read; or none has the id.
        """
        if action == "lift":
            if not self._pages.lift(str(arguments.get("id", ""))):
                raise ControlError(
                    f"no silence '{arguments.get('id')}' was set while this runs; `undertow silences` lists them, and "
                    "those of the configuration are changed there"
                )
            return {"lifted": arguments["id"]}
        silence = asked(arguments, self._clock())
        self._pages.silence(silence)
        return shown(silence)

    def active(self) -> dict[str, Any]:
        """Return the silences that hold now, and the pages that they hold back."""
        held = self._held(self._clock())
        return {
            "silences": [shown(silence) for silence in self._pages.silences()],
            "held": [{"incident": incident, "until": utc(until), "why": why} for incident, until, why in held],
        }


def asked(arguments: Mapping[str, Any], now: float) -> Silence:
    """Return the silence that somebody asks for at `now`, wall clock.

    Raises
    ------
    ControlError
        It has no end, no reason or says nothing that can be read.
    """
    known = {*_ABOUT, "reason", "by", "hours", "until"}
    if unknown := arguments.keys() - known:
        raise ControlError(f"a silence has no '{min(unknown)}'; it has {', '.join(sorted(known))}")
    if not all(isinstance(value, str) for value in arguments.values()):
        raise ControlError("all arguments are texts")
    named = {name: arguments[name].split(",") for name in _ABOUT if arguments.get(name)}
    key = xxhash.xxh3_64_hexdigest(msgspec.json.encode([sorted(arguments.items()), now]))[:8]
    try:
        about = msgspec.convert(named, Matcher)
        ends = _end(arguments, now)
        said = {"reason": arguments.get("reason", ""), "by": arguments.get("by", "")}
        return Silence(id=key, matcher=about, starts_at=now, ends_at=ends, **said)
    except ValueError as error:
        raise ControlError(str(error)) from error


def _end(arguments: Mapping[str, str], now: float) -> float:
    if bool(arguments.get("hours")) == bool(arguments.get("until")):
        raise ValueError("a silence needs an end: either 'hours' from now, or 'until' a time such as 2026-12-01T20:00Z")
    if arguments.get("hours"):
        return now + _HOUR_S * float(arguments["hours"])
    end = datetime.fromisoformat(arguments["until"])
    if end.tzinfo is None:
        raise ValueError(f"'{arguments['until']}' does not say in which time zone; write an offset, or Z for UTC")
    return end.timestamp()


def shown(silence: Silence) -> dict[str, Any]:
    """Return a silence as plain values."""
    until = utc(silence.ends_at)
    return {
        "id": silence.id,
        "about": str(silence.matcher),
        "until": until,
        "by": silence.by,
        "reason": silence.reason,
    }
