"""Which incidents a route or a silence is about."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from undertow.alerts.incident import Incident, Severity
from undertow.drift.metrics import parent_of

__all__ = ["Matcher"]


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """Says yes to an incident when each field that is set does; a field that is empty says nothing.

    Parameters
    ----------
    service, environment, metric
        Patterns as in file names (`payments-*`), of which one must fit. An incident has the metrics of its findings
        that are worth a page, and with a tail (`latency.high`) its metric (`latency`) too; a summary page has none.
    severity
        The severities meant.

    Examples
    --------
    >>> str(Matcher(service=("payments-*",), severity=(Severity.CRITICAL,)))
    'service payments-*, severity critical'
    >>> str(Matcher())
    'everything'
    """

    service: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    metric: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()

    def __str__(self) -> str:
        fields = (("service", self.service), ("environment", self.environment), ("metric", self.metric))
        said = [f"{name} {' or '.join(wanted)}" for name, wanted in (*fields, ("severity", self.severity)) if wanted]
        return ", ".join(said) or "everything"

    def matches(self, incident: Incident) -> bool:
        """Tell whether the incident is meant, as one of its services has it (`services.parts`)."""
        return (
            _fits(self.service, [incident.service])
            and _fits(self.environment, [incident.environment])
            and _fits(self.metric, _metrics(incident))
            and (not self.severity or incident.severity in self.severity)
        )


def _fits(patterns: Iterable[str], values: Iterable[str]) -> bool:
    wanted, found = list(patterns), list(values)
    return not wanted or any(fnmatchcase(value, pattern) for value in found for pattern in wanted)


def _metrics(incident: Incident) -> list[str]:
    named = [verdict.series.metric for verdict in incident.verdicts if verdict.kind == "page"]
    return [*named, *map(parent_of, named)]
