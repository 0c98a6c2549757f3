"""Silences: for a stated time, by somebody, for a reason, incidents of a kind wake nobody.

A silence holds pages back and loses none. The incident is opened, stored and shown on the console as ever; when the
silence ends, what it held back is told, as a warning where it is over by then. A wall clock decides, since a silence
is a promise about when telephones ring.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from undertow.alerts.formats import duration, utc
from undertow.alerts.incident import Incident
from undertow.alerts.matcher import Matcher
from undertow.alerts.services import parts

__all__ = ["LONGEST_S", "Silence", "Silences"]

LONGEST_S = 30 * 86_400.0


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Holds back the pages that it matches from `starts_at` to `ends_at`, wall clock in seconds since the epoch.

    Raises
    ------
    ValueError
        It ends before it starts, or lasts longer than 30 days, or gives no reason.

    Examples
    --------
    >>> about = Matcher(service=("payments",))
    >>> Silence(id="load", matcher=about, starts_at=0.0, ends_at=3600.0, reason="load test", by="anna").sentence
    'silenced until 1970-01-01 01:00:00 UTC by anna: load test'
    """

    id: str
    matcher: Matcher
    starts_at: float
    ends_at: float
    reason: str
    by: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.ends_at - self.starts_at <= LONGEST_S:
            raise ValueError(
                f"silence '{self.id}' would last {duration(self.ends_at - self.starts_at)} "
                f"from {utc(self.starts_at)}; it needs an end after its start and within {duration(LONGEST_S)}"
            )
        if not self.reason.strip():
            raise ValueError(f"silence '{self.id}' gives no reason; say why, for whoever wonders at night")

    @property
    def sentence(self) -> str:
        """Until when, by whom and why."""
        return f"silenced until {utc(self.ends_at)}{f' by {self.by}' if self.by else ''}: {self.reason}"


class Silences:
    """The silences of the configuration, and those that people set while it runs, kept in a file.

    Parameters
    ----------
    path
        Where the latter are kept; None keeps them in memory.
    configured
        The former.

    Raises
    ------
    ValueError
        The file is damaged.
    OSError
        The file cannot be read, or later on written.
    """

    def __init__(self, path: Path | None = None, configured: Iterable[Silence] = ()) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._configured = tuple(configured)
        self._set: dict[str, Silence] = {silence.id: silence for silence in self._read()}

    def add(self, silence: Silence, now: float) -> None:
        """Set a silence, in place of one with the same id; those that have ended are forgotten."""
        with self._lock:
            kept = {key: known for key, known in self._set.items() if known.ends_at > now}
            self._write(kept | {silence.id: silence})

    def end(self, key: str) -> bool:
        """Lift a silence before its end; False when none that people set has this id."""
        with self._lock:
            known = key in self._set
            if known:
                self._write({name: silence for name, silence in self._set.items() if name != key})
            return known

    def active(self, now: float) -> list[Silence]:
        """Return the silences that hold now, the first to end first."""
        held = [s for s in (*self._configured, *self._set.values()) if s.starts_at <= now < s.ends_at]
        return sorted(held, key=lambda silence: (silence.ends_at, silence.id))

    def on(self, incident: Incident, now: float) -> Silence | None:
        """Return the silence that holds the incident back the longest, if any does.

        One in several services is held back when each of them is silent, until the first is not.
        """
        holding = self.active(now)[::-1]
        by_service = [next((s for s in holding if s.matcher.matches(part)), None) for part in parts(incident)]
        return None if None in by_service else min(filter(None, by_service), key=lambda silence: silence.ends_at)

    def _read(self) -> list[Silence]:
        if self._path is None or not self._path.exists():
            return []
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Silence])
        except msgspec.DecodeError as error:
            raise ValueError(f"the silences in {self._path} cannot be read: {error}; move the file away") from error

    def _write(self, silences: dict[str, Silence]) -> None:
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(list(silences.values())))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        self._set = silences
