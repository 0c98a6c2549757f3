"""What the boards' questions to the store have in common: levels over several windows, slices, filters, marks."""

from __future__ import annotations

from undertow.dashboards.board import Annotation, Kind, Link, Panel, Sql, Variable
from undertow.drift.metrics import METRICS

__all__ = [
    "ENVIRONMENT",
    "LEVEL",
    "MOMENT",
    "OF_ENVIRONMENT",
    "OF_SERVICES",
    "SEGMENT",
    "SERVICES",
    "TO_INCIDENT",
    "UNITS",
    "level_by_service",
    "marks",
    "segment_of",
]

UNITS = {  # what `undertow.drift.metrics` calls them → what Grafana does
    "share of events": "percentunit",
    "share of input tokens": "percentunit",
    "seconds": "s",
    "US dollars": "currencyUSD",
}

# A level over several windows of one series: rates by their counts, quantities by the mean of their logarithms.
LEVEL = """multiIf(
    any(family) = 'rate', sum(hits) / sum(events),
    any(family) = 'positive', exp(sum(log_mean * events) / sum(events)),
    sum(mean * events) / sum(events))"""


def segment_of(column: str) -> str:
    """Return a slice as people read it."""
    pairs = f"arrayMap((dimension, value) -> concat(dimension, '=', value), mapKeys({column}), mapValues({column}))"
    return f"if(empty({column}), 'all traffic', arrayStringConcat({pairs}, ', '))"


SEGMENT = segment_of("segment")
MOMENT = "formatDateTime({}, '%Y-%m-%d %H:%i', 'UTC')"

SERVICES = Sql("""SELECT DISTINCT service
FROM windows
WHERE $__timeFilter(window_start)
ORDER BY service""")
ENVIRONMENT = Variable(
    "environment",
    "Environment",
    Sql("""SELECT DISTINCT environment
FROM windows
WHERE $__timeFilter(window_start)
ORDER BY environment"""),
    several=True,
)
OF_ENVIRONMENT = "$__conditionalAll(environment IN (${environment:singlequote}), $environment)"
OF_SERVICES = f"$__conditionalAll(service IN (${{service:singlequote}}), $service) AND {OF_ENVIRONMENT}"
TO_INCIDENT = Link(
    "id", "undertow-incident", "var-incident=${__value.raw}&from=${__data.fields.begin}&to=${__data.fields.end}", "Open"
)


def level_by_service(name: str, description: str = "") -> Panel:
    """Return the lines of one metric, one a service."""
    metric = METRICS[name]
    meaning = {
        "rate": "Events for which it is true, of those that carry it.",
        "positive": "The geometric mean: half as many calls of twice the size leave it as it is.",
        "score": "The mean.",
    }[metric.family]
    sql = f"""SELECT $__timeInterval(window_start) AS time, service, {LEVEL} AS level
FROM windows
WHERE $__timeFilter(window_start) AND metric = '{name}' AND empty(segment) AND {OF_SERVICES}
GROUP BY time, service
ORDER BY time, service"""
    return Panel(
        title=metric.title[0].upper() + metric.title[1:],
        kind=Kind.LINES,
        questions=(Sql(sql),),
        description=description or f"`{name}`. {meaning}",
        unit=UNITS.get(metric.unit, "short"),
        legend="${__field.labels.service}",
        width=8,
    )


def marks(condition: str) -> tuple[Annotation, ...]:
    """Return what is worth a mark on the time axes: changes, incidents, first-seen versions, declared deployments.

    `condition` says of which services, as a filter on `service` and `environment`.
    """
    changes = f"""SELECT changed_from AS time, changed_to AS timeEnd,
    concat(metric, ' ', direction, ' in ', {SEGMENT}, ' of ', service, ': ', reason) AS text, 'change' AS tags
FROM verdicts FINAL
WHERE $__timeFilter(changed_from) AND kind != 'recovered' AND {condition}
ORDER BY time LIMIT 500"""
    incidents = f"""SELECT opened_at AS time, coalesce(resolved_at, opened_at) AS timeEnd,
    headline AS text, severity AS tags
FROM incidents FINAL
WHERE $__timeFilter(opened_at) AND {condition}
ORDER BY time LIMIT 200"""
    return (
        Annotation("Changes", Sql(changes), "orange"),
        Annotation("Incidents", Sql(incidents), "red"),
        Annotation("Versions first seen", Sql(_versions("declared = ''", "'version'", condition)), "blue"),
        Annotation("Declared deployments", Sql(_versions("declared != ''", "'deployment'", condition)), "purple"),
    )


def _versions(which: str, tags: str, condition: str) -> str:
    return f"""SELECT first_seen AS time,
    concat(dimension, '=', value, ' of ', service, if(declared = '', '', concat(': ', declared))) AS text,
    {tags} AS tags
FROM versions FINAL
WHERE $__timeFilter(first_seen) AND {which} AND {condition}
ORDER BY time LIMIT 500"""
