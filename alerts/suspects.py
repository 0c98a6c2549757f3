"""Which versions were first seen around a change: the suspects, the likeliest first, and an honest unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from undertow.alerts.formats import duration, utc
from undertow.alerts.incident import Incident, Version

__all__ = ["around", "causes"]

BEFORE_S = 3600.0  # a version may take so long from its first call to enough traffic to show
LIMIT = 10  # suspects named; a change with more of them is a release, and the first ten say so


def around(incident: Incident, versions: Iterable[Version]) -> list[Version]:
    """Return the versions of the incident's service first seen in its change interval or the hour before, best first.

    Those inside the interval come before those ahead of it; among them a version that led the change comes before
    one that trailed it, the closer first. A version first seen after the interval is no suspect: the change was
    there without it.
    """
    mine = [version for version in versions if _concerns(version, incident)]
    return sorted(mine, key=lambda version: _rank(version, incident))[:LIMIT]


def causes(incident: Incident, suspects: Sequence[Version]) -> list[dict[str, Any]]:
    """Return the suspects as plain dicts with a sentence each; one of kind "unknown" when there are none.

    Two versions that were first seen within one change interval cannot be told apart by any statistic, and the text
    says so.
    """
    if not suspects:
        return [{"kind": "unknown", "text": _nothing(incident)}]
    together = [version for version in suspects if _inside(version, incident)]
    return [_cause(version, incident, together) for version in suspects]


def _concerns(version: Version, incident: Incident) -> bool:
    same = (version.service, version.environment) == (incident.service, incident.environment)
    return same and incident.changed_from - BEFORE_S <= version.first_seen <= incident.changed_to


def _inside(version: Version, incident: Incident) -> bool:
    return incident.changed_from <= version.first_seen <= incident.changed_to


def _rank(version: Version, incident: Incident) -> tuple[bool, bool, float, str, str]:
    lead = incident.changed_at - version.first_seen
    return (not _inside(version, incident), lead < 0, abs(lead), version.dimension, version.value)


def _cause(version: Version, incident: Incident, together: Sequence[Version]) -> dict[str, Any]:
    others = [f"{other.dimension}={other.value}" for other in together if other != version]
    text = _sentence(version, incident)
    if version in together and others:
        text += f"; it coincides with {', '.join(others)} and cannot be separated from it by these data"
    return {
        "kind": "version",
        "dimension": version.dimension,
        "value": version.value,
        "first_seen": version.first_seen,
        "lead_s": incident.changed_at - version.first_seen,
        "text": text,
    }


def _sentence(version: Version, incident: Incident) -> str:
    lead = incident.changed_at - version.first_seen
    when = f"{duration(lead)} {'before' if lead >= 0 else 'after'} the estimated change"
    declared = f', declared as "{version.declared}"' if version.declared else ""
    return f"{version.dimension}={version.value} was first seen {utc(version.first_seen)}, {when}{declared}"


def _nothing(incident: Incident) -> str:
    since, until = utc(incident.changed_from - BEFORE_S), utc(incident.changed_to)
    return f"no version of yours changed between {since} and {until}"
