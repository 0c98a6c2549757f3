"""Which versions were first seen around a change: the suspects, the closest first."""

from __future__ import annotations

from collections.abc import Iterable

from undertow.alerts.incident import Incident, Version
from undertow.alerts.services import services_of

__all__ = ["around"]

BEFORE_S = 3600.0  # a version may take so long from its first call to enough traffic to show
LIMIT = 10  # suspects named; a change with more of them is a release, and the first ten say so


def around(incident: Incident, versions: Iterable[Version]) -> list[Version]:
    """Return the versions of the incident's services first seen in its change interval or the hour before, best first.

    Those inside the interval come before those ahead of it; among them a version that led the change comes before
    one that trailed it, the closer first. A version first seen after the interval is no suspect: the change was
    there without it.
    """
    mine = sorted(
        (version for version in versions if _concerns(version, incident)), key=lambda version: _rank(version, incident)
    )
    first = {(version.dimension, version.value): version for version in reversed(mine)}  # several services may share it
    return [version for version in mine if first[version.dimension, version.value] is version][:LIMIT]


def _concerns(version: Version, incident: Incident) -> bool:
    same = version.environment == incident.environment and version.service in services_of(incident)
    return same and incident.changed_from - BEFORE_S <= version.first_seen <= incident.changed_to


def _inside(version: Version, incident: Incident) -> bool:
    return incident.changed_from <= version.first_seen <= incident.changed_to


def _rank(version: Version, incident: Incident) -> tuple[bool, bool, float, str, str]:
    lead = incident.changed_at - version.first_seen
    return (not _inside(version, incident), lead < 0, abs(lead), version.dimension, version.value)
