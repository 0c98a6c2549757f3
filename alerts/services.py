"""An incident that is in several services: which these are, what it is to each of them, and who is told of which."""

from __future__ import annotations

from itertools import islice

import msgspec

from undertow.alerts.incident import Incident
from undertow.alerts.moves import briefly
from undertow.alerts.ranking import lead, ranked
from undertow.drift.verdict import Verdict

__all__ = ["beyond", "parts", "services_of"]

LINES = 12
SERVICES_NAMED = 8


def services_of(incident: Incident) -> list[str]:
    """Return the services of the incident: the one that opened it, then those worth a page, then the rest, by name."""
    paged = {verdict.series.service for verdict in incident.verdicts if verdict.kind == "page"}
    named = {incident.service, *(verdict.series.service for verdict in incident.verdicts)}
    return sorted(named, key=lambda name: (name != incident.service, name not in paged, name))


def parts(incident: Incident) -> list[Incident]:
    """Return the incident as each of its services has it: under its name, with its verdicts."""
    mine: dict[str, list[Verdict]] = {}
    for verdict in incident.verdicts:
        mine.setdefault(verdict.series.service, []).append(verdict)
    if len(mine) <= 1:
        return [incident]
    return [
        msgspec.structs.replace(incident, service=name, verdicts=verdicts) for name, verdicts in sorted(mine.items())
    ]


def beyond(incident: Incident) -> list[tuple[str, list[str]]]:
    """Return what a page says beyond one service and one team, by section, without what there is nothing to say of."""
    sections = {"services": _service_lines, "teams": _team_lines, "split": _split_lines}
    return [(name, lines) for name, said in sections.items() if (lines := said(incident))]


def _service_lines(incident: Incident) -> list[str]:
    """Return one line for each service with what moved there most; none for an incident of one service."""
    found = {part.service: part for part in parts(incident)}
    if len(found) <= 1:
        return []
    lines = [f"{name}: {_moved(found[name])}" for name in islice(filter(found.get, services_of(incident)), LINES)]
    return lines + ([f"and {len(found) - LINES} more"] if len(found) > LINES else [])


def _team_lines(incident: Incident) -> list[str]:
    """Return who is told of which services, a line each, the reader first; none where all are told of all."""
    channels = sorted(incident.teams, key=lambda name: (name != incident.told_to, name))
    lines = [
        f"{name}{' (this page)' if name == incident.told_to else ''}: {_several(incident.teams[name])}"
        for name in channels
    ]
    return [*lines, f"all of it is incident {incident.id}"] if lines else []


def _split_lines(incident: Incident) -> list[str]:
    """Return from which incident this one was split off, and which ones were from it."""
    of = [f"from incident {incident.parted_from}: other versions were new here"] if incident.parted_from else []
    return of + [f"incident {key} has left: other versions were new there" for key in incident.parted]


def _moved(part: Incident) -> str:
    """Return how a service's foremost metric moved, and how many further metrics did."""
    others = len(ranked(part.verdicts)) - 1
    return briefly(lead(part.verdicts)) + (f" and {others} more metric{'s' * (others > 1)}" if others else "")


def _several(names: list[str]) -> str:
    more = len(names) - SERVICES_NAMED
    return ", ".join(names[:SERVICES_NAMED]) + (f" and {more} more" if more > 0 else "")
