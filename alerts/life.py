"""The life of an incident: open → paged → acknowledged → recovering → resolved, or accepted, or false."""

from __future__ import annotations

from undertow.alerts.formats import duration, utc
from undertow.alerts.incident import ChangeKind, Incident, Severity, State
from undertow.alerts.recovery import away, recovery

__all__ = ["acknowledge", "close", "is_back", "news", "standing", "state_of"]

ENDS = {"accepted": State.ACCEPTED, "false": State.FALSE}  # by resolution; every other one is RESOLVED


def is_back(incident: Incident) -> bool:
    """Tell whether every series that was worth a page is back at its baseline."""
    return not away(incident)


def state_of(incident: Incident) -> State:
    """Return the state of an incident that was told and is not over."""
    if len(away(incident)) < sum(verdict.kind == "page" for verdict in incident.verdicts):
        return State.RECOVERING
    return State.PAGED if incident.acknowledged_at is None else State.ACKNOWLEDGED


def news(incident: Incident, before: Severity) -> ChangeKind:
    """Bring the state of an incident that was told at the severity `before` up to date; return how to tell what is new.

    An acknowledged alert notifies nobody, however bad it gets. So where the severity has grown, the incident takes a
    new dedup key, and waits for somebody again.
    """
    severities = list(Severity)
    graver = severities.index(incident.severity) > severities.index(before)
    if graver:
        incident.step += 1
        incident.acknowledged_at, incident.acknowledged_by, incident.quiet = None, "", False
    incident.state = state_of(incident)
    return ChangeKind.ESCALATE if graver else ChangeKind.UPDATE


def acknowledge(incident: Incident, by: str, at: float, elsewhere: str = "", *, quiet: bool = False) -> bool:
    """Note that somebody has taken it; False when that says nothing new.

    `elsewhere` is the address under which they did, `quiet` says that they also closed it there: an update would open
    it anew.
    """
    first = incident.acknowledged_at is None
    new = first or (quiet and not incident.quiet)
    if first:
        incident.acknowledged_at, incident.acknowledged_by = at, by
    incident.elsewhere = elsewhere if first else elsewhere or incident.elsewhere
    incident.quiet = incident.quiet or quiet
    incident.state = state_of(incident)
    return new


def close(incident: Incident, resolution: str, at: float, by: str = "", reason: str = "") -> None:
    """Note how it ended."""
    incident.state = ENDS.get(resolution, State.RESOLVED)
    incident.resolved_at, incident.resolution = at, resolution
    incident.decided_by, incident.decision = by, reason


def standing(incident: Incident) -> str:
    """Return where the incident stands: since when it is known, who has it, what is back, or when and how it ended."""
    if incident.state.is_over and incident.resolved_at is not None:
        how = str(incident.state) if incident.state is not State.RESOLVED else f"resolved ({incident.resolution})"
        lasted = duration(incident.resolved_at - incident.changed_at)
        return f"{how} at {utc(incident.resolved_at)}, {lasted} after the change{_decided(incident)}"
    back = f"; {said}" if (said := recovery(incident)) else ""
    return f"{incident.state}, found {utc(incident.opened_at)}{_taken(incident)}{back}"


def _decided(incident: Incident) -> str:
    by = f", by {incident.decided_by}" if incident.decided_by else ""
    return by + (f": {incident.decision}" if incident.decision else "")


def _taken(incident: Incident) -> str:
    if incident.acknowledged_at is None:
        return ""
    by = f" by {incident.acknowledged_by}" if incident.acknowledged_by else ""
    return f", acknowledged{by} {utc(incident.acknowledged_at)}"
