"""How all services behave: incidents, levels, mixes, money, and what changed."""

from __future__ import annotations

from undertow.dashboards.board import Board, Kind, Link, Panel, Row, Sql, Variable
from undertow.dashboards.board_sql import (
    ENVIRONMENT,
    OF_SERVICES,
    SEGMENT,
    SERVICES,
    TO_INCIDENT,
    level_by_service,
    marks,
)

__all__ = ["BOARD"]

_SERVICE = Variable("service", "Service", SERVICES, several=True)


def _number(title: str, sql: str, description: str, unit: str = "short") -> Panel:
    return Panel(
        title=title, kind=Kind.NUMBER, questions=(Sql(sql),), description=description, unit=unit, width=4, height=4
    )


_NUMBERS = (
    _number(
        "Open incidents",
        f"""SELECT countIf(state NOT IN ('resolved', 'accepted', 'false')) AS open
FROM incidents FINAL
WHERE {OF_SERVICES}""",
        "Incidents that last, whenever they were opened.",
    ),
    _number(
        "Urgent pages",
        f"""SELECT count() AS pages
FROM incidents FINAL
WHERE $__timeFilter(paged_at) AND severity IN ('error', 'critical') AND {OF_SERVICES}""",
        "Incidents of severity error or critical that were paged in this time.",
    ),
    _number(
        "Marked as false",
        f"""SELECT countIf(resolution = 'false') AS marked
FROM incidents FINAL
WHERE $__timeFilter(paged_at) AND {OF_SERVICES}""",
        "Pages that somebody marked as false (`undertow false`).",
    ),
    _number(
        "Calls",
        f"""SELECT count() AS calls
FROM interactions
WHERE $__timeFilter(time) AND kind = 'call' AND {OF_SERVICES}""",
        "Calls, late ones included.",
    ),
    _number(
        "Spent",
        f"""SELECT sum(picodollars) / 1e12 AS dollars
FROM spend
WHERE $__timeFilter(hour) AND {OF_SERVICES}""",
        "US dollars of the hours that begin in this time; calls without a price are not in it.",
        "currencyUSD",
    ),
    _number(
        "Answers that could not be priced",
        f"""SELECT sum(unpriced_calls) / greatest(sum(calls), 1) AS share
FROM spend
WHERE $__timeFilter(hour) AND {OF_SERVICES}""",
        "Share of calls whose model has no price: `undertow status` names the models.",
        "percentunit",
    ),
)

_INCIDENTS = Panel(
    title="Incidents",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT opened_at, severity, state, service, environment, headline, id,
    toUnixTimestamp64Milli(changed_from) - 3600000 AS begin,
    toUnixTimestamp64Milli(coalesce(resolved_at, opened_at)) + 3600000 AS end
FROM incidents FINAL
WHERE $__timeFilter(opened_at) AND {OF_SERVICES}
ORDER BY opened_at DESC
LIMIT 200"""),
    ),
    description="One row an incident, as it stands now; its id leads to its own board.",
    hidden=("begin", "end"),
    links=(TO_INCIDENT,),
    width=24,
)

_MIX = """SELECT $__timeInterval(window_start) AS time, category, sum(mixes.events) AS events
FROM mixes
WHERE $__timeFilter(window_start) AND metric = '{metric}' AND empty(segment) AND {condition}
GROUP BY time, category
ORDER BY time, category"""


def _mix(title: str, metric: str, description: str) -> Panel:
    return Panel(
        title=title,
        kind=Kind.LINES,
        questions=(Sql(_MIX.format(metric=metric, condition=OF_SERVICES)),),
        description=description,
        legend="${__field.labels.category}",
        stacked=True,
        width=8,
    )


_CHANGES = Panel(
    title="What changed",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT changed_at, detected_at, service, {SEGMENT} AS slice, metric, direction, before, after,
    kind, detector
FROM verdicts FINAL
WHERE $__timeFilter(detected_at) AND kind != 'recovered' AND {OF_SERVICES}
ORDER BY changed_at DESC
LIMIT 200"""),
    ),
    description="What the detectors said, notices included: level before and since, in the metric's own unit.",
    links=(Link("service", "undertow-service", "var-service=${__value.raw}&${__url_time_range}", "Its board"),),
    width=14,
)

_VERSIONS = Panel(
    title="Versions first seen",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT first_seen, service, dimension, value, events, declared
FROM versions FINAL
WHERE $__timeFilter(first_seen) AND {OF_SERVICES}
ORDER BY first_seen DESC
LIMIT 200"""),
    ),
    description="Models, prompts, tools and configurations that were new in this time, and what somebody declared.",
    width=10,
)

BOARD = Board(
    uid="undertow-overview",
    title="Undertow: behaviour",
    description="How all services behave: incidents, levels, mixes, money, and what changed.",
    variables=(ENVIRONMENT, _SERVICE),
    annotations=marks(OF_SERVICES),
    rows=(
        Row("Incidents", (*_NUMBERS, _INCIDENTS)),
        Row(
            "Behaviour",
            (
                level_by_service("refusal_rate"),
                level_by_service("schema_violation_rate"),
                level_by_service("truncation_rate"),
                level_by_service("empty_rate"),
                level_by_service("loop_rate"),
                level_by_service("tool_error_rate"),
                level_by_service("output_length"),
                level_by_service("input_length"),
                level_by_service("retrieval_score"),
            ),
        ),
        Row("What classic monitoring sees", (level_by_service("error_rate"), level_by_service("latency"))),
        Row(
            "Cost",
            (
                level_by_service("cost_per_task"),
                level_by_service("calls_per_task"),
                level_by_service("output_tokens"),
            ),
        ),
        Row(
            "Mixes",
            (
                _mix("Models that answered", "model_mix", "Shares of the models that answered."),
                _mix("Structures of answers", "output_structure", "Shares of the keys and types of JSON answers."),
                _mix("Tools that calls ask for", "tool_mix", "Shares of the sets of tools."),
            ),
        ),
        Row("Changes", (_CHANGES, _VERSIONS)),
    ),
)
