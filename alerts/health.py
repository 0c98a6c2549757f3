"""What is wrong with the watch itself, as incidents of their own kind: with their own wording, their own cap of pages.

A condition is paged when it has held for a minute, told anew when it grows graver, and resolved when it has been gone
for two. People acknowledge it as they do any incident; who calls it false, or normal, hears no more of it until it has
been gone. Times are wall clock, seconds since the epoch, and always an argument: these incidents are about the monitor
and its input, not about anything in the stream, so they are not replayed.
"""

from __future__ import annotations

import msgspec
import xxhash

from undertow.alerts.incident import Change, ChangeKind, Incident, Severity, State, tell
from undertow.alerts.life import acknowledge, close, news

__all__ = ["Condition", "Health", "HealthState"]

HOLD_S = 60.0
GONE_S = 120.0
DAY_S = 86_400.0


class Condition(msgspec.Struct, frozen=True):
    """Something that is wrong.

    Parameters
    ----------
    kind
        "silence", "coverage", "lag", "dead letters", "late events" or "store".
    service, environment
        Whose; "undertow" where it is about the whole watch.
    headline
        What, in one sentence.
    advice
        Where to look, a line each.
    """

    kind: str
    headline: str
    advice: tuple[str, ...]
    severity: Severity = Severity.ERROR
    service: str = "undertow"
    environment: str = ""

    @property
    def about(self) -> str:
        """What stays the same while it lasts."""
        return "\x1f".join((self.kind, self.service, self.environment))


class _Held(msgspec.Struct):
    incident: Incident
    seen_at: float


class HealthState(msgspec.Struct):
    """The conditions that hold, by what they are about, and the pages of the last day."""

    held: dict[str, _Held] = {}
    paged_at: list[float] = []
    capped: int = 0


class Health:
    """Turns conditions into changes of incidents.

    Parameters
    ----------
    pages_per_day
        Pages within any 24 hours; what is beyond is shown by the status and counted, and pages nobody.

    Examples
    --------
    >>> health, full = Health(pages_per_day=2), Condition("store", "the store takes no rows", ("disk full?",))
    >>> [change.kind.value for at in (0.0, 30.0, 60.0, 90.0) for change in health.update([full], at)]
    ['trigger']
    >>> [change.kind.value for change in health.update([], 300.0)]
    ['resolve']
    """

    def __init__(self, pages_per_day: int, state: HealthState | None = None) -> None:
        self._limit = pages_per_day
        self._state = state or HealthState()

    @property
    def incidents(self) -> list[Incident]:
        """What holds and nobody has closed, the oldest first."""
        return [held.incident for held in self._state.held.values() if not held.incident.state.is_over]

    @property
    def capped(self) -> int:
        """Pages that were beyond the cap so far."""
        return self._state.capped

    def update(self, conditions: list[Condition], now: float) -> list[Change]:
        """Take what is wrong at `now`, all of it, and return what is to be told."""
        changes = [change for condition in conditions for change in self._take(condition, now)]
        return changes + self._end(now)

    def acknowledge(
        self, incident_id: str, now: float, by: str = "", elsewhere: str = "", *, quiet: bool = False
    ) -> list[Change]:
        """Note that somebody has taken it; empty where that says nothing new, or none of this id was told."""
        return [
            tell(one, ChangeKind.ACKNOWLEDGE, now)
            for one in self._told(incident_id)
            if acknowledge(one, by, now, elsewhere, quiet=quiet)
        ]

    def close(self, incident_id: str, resolution: str, now: float, by: str = "", reason: str = "") -> list[Change]:
        """Close it by hand, as the new normal ("accepted") or as a false page ("false"), for as long as it lasts."""
        told = self._told(incident_id)
        for one in told:
            close(one, resolution, now, by, reason)
        return [tell(one, ChangeKind.RESOLVE, now) for one in told]

    def snapshot(self) -> HealthState:
        """Return the state as plain data."""
        return self._state

    def _told(self, incident_id: str) -> list[Incident]:
        return [one for one in self.incidents if one.id == incident_id and one.paged_at is not None]

    def _take(self, condition: Condition, now: float) -> list[Change]:
        held = self._state.held.setdefault(condition.about, _Held(_opened(condition, now), now))
        incident, before = held.incident, held.incident.severity
        held.seen_at = now
        if incident.state.is_over:
            return []
        incident.headline, incident.causes = condition.headline, _causes(condition)
        incident.severity = max(before, condition.severity, key=list(Severity).index)
        if incident.state is State.OPEN:
            return self._page(incident, now) if now - incident.opened_at >= HOLD_S else []
        if incident.paged_at is None or news(incident, before) is not ChangeKind.ESCALATE:
            return []
        return [tell(incident, ChangeKind.ESCALATE, now)]

    def _page(self, incident: Incident, now: float) -> list[Change]:
        incident.state = State.PAGED
        recent = [at for at in self._state.paged_at if now - DAY_S < at <= now]
        self._state.paged_at = recent
        if len(recent) >= self._limit:
            self._state.capped += 1
            return []
        self._state.paged_at.append(now)
        incident.paged_at = now
        return [tell(incident, ChangeKind.TRIGGER, now)]

    def _end(self, now: float) -> list[Change]:
        gone = [about for about, held in self._state.held.items() if now - held.seen_at >= GONE_S]
        over = [one for about in gone if not (one := self._state.held.pop(about).incident).state.is_over]
        for incident in over:
            close(incident, "recovered", now)
        return [tell(incident, ChangeKind.RESOLVE, now) for incident in over if incident.paged_at is not None]


def _opened(condition: Condition, now: float) -> Incident:
    return Incident(
        id=xxhash.xxh3_64_hexdigest(f"health\x1f{condition.about}\x1f{now!r}".encode()),
        service=condition.service,
        environment=condition.environment,
        state=State.OPEN,
        severity=condition.severity,
        opened_at=now,
        changed_at=now,
        changed_from=now,
        changed_to=now,
        headline=condition.headline,
        verdicts=[],
        about=condition.kind,
    )


def _causes(condition: Condition) -> list[dict[str, str]]:
    return [{"kind": "health", "text": line} for line in condition.advice]
