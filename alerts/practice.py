"""Promise and practice: how many urgent pages went out each week, and how many of them somebody marked as false."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from undertow.alerts.incident import Change, ChangeKind, Incident, Severity

__all__ = ["Practice", "PracticeState", "PracticeWeek"]

WEEK = 7 * 86_400.0
_MONDAY = 4 * 86_400.0  # the epoch began on a Thursday
_KEPT = 53  # weeks
_COUNTED = ("pages", "outside", "false", "accepted")
_URGENT = (Severity.ERROR, Severity.CRITICAL)


class PracticeWeek(msgspec.Struct):
    """The urgent pages of one week (event time, from Monday 00:00 UTC).

    `outside` are those that nothing but rules and detectors without a budget asked for.
    """

    start: float
    pages: int = 0
    outside: int = 0
    false: int = 0
    accepted: int = 0


class PracticeState(msgspec.Struct):
    """The weeks with pages, and the event time from which they were counted."""

    since: float | None = None
    weeks: list[PracticeWeek] = []


class Practice:
    """Counts what was told and what became of it, by the week in which it was told.

    Parameters
    ----------
    outside
        Names of what pages outside the budget.

    Examples
    --------
    >>> practice = Practice(outside=["rule"])
    >>> practice.take([], now=0.0)
    >>> practice.summary(allowed=2.0, now=3 * WEEK)["allowed"]
    6.0
    """

    def __init__(self, outside: Iterable[str], state: PracticeState | None = None) -> None:
        self._outside = frozenset(outside)
        self._since = state.since if state else None
        self._weeks = {week.start: week for week in state.weeks} if state else {}

    def take(self, changes: Iterable[Change], now: float) -> None:
        """Count the pages of urgent incidents, and what somebody says of them when they are closed."""
        self._since = now if self._since is None else self._since
        for change in changes:
            incident = change.incident
            if incident.severity not in _URGENT or incident.paged_at is None or change.silent:
                continue
            week = self._week(incident.paged_at)
            if change.kind.notifies:
                week.pages += 1
                week.outside += self._is_outside(incident)
            elif change.kind is ChangeKind.RESOLVE:
                week.false += incident.resolution == "false"
                week.accepted += incident.resolution == "accepted"

    def summary(self, allowed: float, now: float) -> dict[str, Any]:
        """Return promise beside practice, as plain values.

        Parameters
        ----------
        allowed
            False pages a week.
        now
            Event time.
        """
        counted = {name: sum(getattr(week, name) for week in self._weeks.values()) for name in _COUNTED}
        weeks = min((now - self._since) / WEEK, _KEPT) if self._since is not None else 0.0
        return {"weeks": weeks, "allowed": allowed * weeks, **counted, "by_week": msgspec.to_builtins(self._ordered())}

    def snapshot(self) -> PracticeState:
        """Return the state as plain data."""
        return PracticeState(self._since, [msgspec.structs.replace(week) for week in self._ordered()])

    def _ordered(self) -> list[PracticeWeek]:
        return sorted(self._weeks.values(), key=lambda week: week.start)

    def _week(self, time: float) -> PracticeWeek:
        start = (time - _MONDAY) // WEEK * WEEK + _MONDAY
        week = self._weeks.setdefault(start, PracticeWeek(start))
        for old in sorted(self._weeks)[:-_KEPT]:
            del self._weeks[old]
        return week

    def _is_outside(self, incident: Incident) -> bool:
        return all(verdict.detector in self._outside for verdict in incident.verdicts if verdict.kind == "page")
