"""The storm limit: so many pages an hour of event time, then one summary page that lists the rest.

Hours are those of the clock in UTC, so that a replay counts as the live run did. An incident beyond the limit is
kept, stored and resolved like any other; channels hear of it through the summary, which resolves when all that it
lists have, but not before its hour is over, since until then it may grow.
"""

from __future__ import annotations

import copy

import msgspec
import xxhash

from undertow.alerts.formats import clock
from undertow.alerts.incident import Change, ChangeKind, Incident, Severity, State, tell
from undertow.alerts.life import close, news

__all__ = ["LISTED_LIMIT", "Storm", "StormState"]

HOUR_S = 3600
LISTED_LIMIT = 100  # incidents that a summary names; beyond it, it gives their number
SERVICE = "undertow"  # a summary is about several services, so it is Undertow's own
SEVERITIES = list(Severity)


class Summary(msgspec.Struct):
    """One summary page and how many of the incidents it stands for are still open."""

    incident: Incident
    ends: float
    total: int = 0
    unresolved: int = 0


class StormState(msgspec.Struct):
    """The current hour, its pages, the summaries still open, and how many incidents were ever suppressed."""

    hour: int = -1
    pages: int = 0
    summaries: dict[str, Summary] = {}
    suppressed: int = 0


class Storm:
    """Counts pages by the hour of event time and speaks for those beyond the limit."""

    def __init__(self, pages_per_hour: int, state: StormState | None = None) -> None:
        self._limit = pages_per_hour
        self._state = copy.deepcopy(state or StormState())

    def admits(self, at: float) -> bool:
        """Count a page at that time; False when its hour is full."""
        if self._pages(at) >= self._limit:
            self._state.suppressed += 1
            return False
        self.count(at)
        return True

    def count(self, at: float) -> None:
        """Count a page at that time whatever the limit: an incident that was told by itself grew graver."""
        self._state.pages = self._pages(at) + 1

    def add(self, incident: Incident, at: float) -> Change:
        """Put the incident on its hour's summary page, which the first one opens, and note the summary's id in it."""
        hour = int(at // HOUR_S)
        key = xxhash.xxh3_64_hexdigest(f"storm\x1f{hour}".encode())
        known = key in self._state.summaries
        summary = self._state.summaries.setdefault(key, _opened(key, at, (hour + 1.0) * HOUR_S))
        incident.summary, before = key, summary.incident.severity
        _list(summary, incident, self._limit)
        return tell(summary.incident, news(summary.incident, before) if known else ChangeKind.TRIGGER, at)

    def grow(self, incident: Incident, at: float) -> list[Change]:
        """Tell the summary anew when an incident that it stands for is graver than all that it told."""
        summary = self._state.summaries.get(incident.summary)
        if summary is None or SEVERITIES.index(incident.severity) <= SEVERITIES.index(summary.incident.severity):
            return []
        before, summary.incident.severity = summary.incident.severity, incident.severity
        return [tell(summary.incident, news(summary.incident, before), at)]

    def settle(self, incident: Incident) -> None:
        """Note that an incident which a summary stands for is resolved."""
        if summary := self._state.summaries.get(incident.summary):
            summary.unresolved -= 1
            summary.incident.resolved_at = incident.resolved_at
            for cause in summary.incident.causes:
                cause["resolved"] = cause["resolved"] or cause["id"] == incident.id

    def close(self, until: float) -> list[Change]:
        """Resolve the summaries whose hour is over and whose incidents are all resolved."""
        over = [key for key, held in self._state.summaries.items() if not held.unresolved and held.ends <= until]
        return [_resolved(self._state.summaries.pop(key)) for key in over]

    def _pages(self, at: float) -> int:
        """Return the pages so far in the hour of that time, which becomes the current one."""
        hour = int(at // HOUR_S)
        if hour != self._state.hour:
            self._state.hour, self._state.pages = hour, 0
        return self._state.pages

    @property
    def suppressed(self) -> int:
        """Incidents told through a summary so far."""
        return self._state.suppressed

    def snapshot(self) -> StormState:
        """Return the state as plain data of its own."""
        return copy.deepcopy(self._state)


def _opened(key: str, at: float, ends: float) -> Summary:
    incident = Incident(
        id=key,
        service=SERVICE,
        environment="",
        state=State.PAGED,
        severity=Severity.WARNING,
        opened_at=at,
        changed_at=at,
        changed_from=at,
        changed_to=at,
        headline="",
        verdicts=[],
        paged_at=at,
    )
    return Summary(incident, ends)


def _list(summary: Summary, incident: Incident, limit: int) -> None:
    summary.total += 1
    summary.unresolved += 1
    page = summary.incident
    page.severity = max(page.severity, incident.severity, key=SEVERITIES.index)
    if len(page.causes) < LISTED_LIMIT:
        listed = {
            "kind": "incident",
            "id": incident.id,
            "text": f"{incident.headline} [{incident.id}]",
            "resolved": False,
        }
        page.causes.append(listed)
    since = clock(summary.ends - HOUR_S, summary.ends - HOUR_S)
    page.headline = (
        f"{summary.total} further incident{'s' * (summary.total > 1)} since {since}, beyond {limit} pages an hour"
    )


def _resolved(summary: Summary) -> Change:
    page = summary.incident
    at = max(summary.ends, page.resolved_at or summary.ends)
    close(page, "recovered", at)
    return tell(page, ChangeKind.RESOLVE, at)
