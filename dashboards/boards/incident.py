"""One incident: what moved, when, why perhaps, calls before and since, and that HTTP saw nothing."""

from __future__ import annotations

from undertow.dashboards.board import Board, Kind, Page, Panel, Row, Sql, Variable
from undertow.dashboards.board_sql import LEVEL, MOMENT, SEGMENT, marks

__all__ = ["BOARD"]

_THE_INCIDENT = "incidents FINAL WHERE id = ${incident:singlequote}"
_OF_ITS_SERVICE = " AND ".join(
    f"{name} = (SELECT any({name}) FROM {_THE_INCIDENT})" for name in ("service", "environment")
)
_ITS_VERDICTS = f"verdicts FINAL WHERE id IN (SELECT arrayJoin(verdict_ids) FROM {_THE_INCIDENT})"

_CHOICE = Variable(
    "incident",
    "Incident",
    Sql(f"""SELECT id, concat({MOMENT.format("opened_at")}, ' ', headline) AS shown
FROM incidents FINAL
ORDER BY opened_at DESC
LIMIT 500"""),
)

_SUMMARY = Panel(
    title="The incident",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT severity, state, service, environment, changed_at, opened_at, paged_at, resolved_at, resolution,
    headline, JSONExtractString(content, 'place') AS place, JSONExtractString(content, 'moved_by') AS moved_by
FROM {_THE_INCIDENT}"""),
    ),
    description="As it stands now. `undertow explain ID` tells it in words.",
    width=24,
    height=4,
)

_VERDICTS = Panel(
    title="What changed",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT metric, {SEGMENT} AS slice, direction, before, before_low, before_high,
    after, after_low, after_high, events, detected_at - changed_at AS seconds, detector, reason
FROM {_ITS_VERDICTS}
ORDER BY changed_at, metric, slice"""),
    ),
    description="Level before and since with 95 % intervals; events and seconds until it was seen.",
    units={"seconds": "s"},
    width=24,
)

_LEVELS = Panel(
    title="What moved, as a multiple of its level before",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, concat(metric, ' of ', slice) AS series,
    {LEVEL} / nullIf(any(moved.before), 0) AS multiple
FROM (SELECT *, {SEGMENT} AS slice FROM windows WHERE $__timeFilter(window_start) AND {_OF_ITS_SERVICE}) AS here
INNER JOIN (
    SELECT metric, {SEGMENT} AS slice, any(verdicts.before) AS before FROM {_ITS_VERDICTS}
    GROUP BY metric, slice) AS moved
    USING (metric, slice)
WHERE family IN ('rate', 'positive', 'score')
GROUP BY time, metric, slice
ORDER BY time, series"""),
    ),
    description="Rates, quantities and scores of the incident on one axis: 1 is the baseline.",
    legend="${__field.labels.series}",
    height=10,
)

_SHARES = Panel(
    title="Categories that moved",
    kind=Kind.LINES,
    questions=(
        Sql(f"""WITH moved AS (
    SELECT metric, {SEGMENT} AS slice, arrayJoin(mapKeys(moved_after)) AS category FROM {_ITS_VERDICTS})
SELECT time, concat(category, ' of ', slice) AS series, any(share) AS share
FROM (
    SELECT $__timeInterval(window_start) AS time, metric, {SEGMENT} AS slice, category,
        sum(mixes.events) / sum(sum(mixes.events)) OVER (PARTITION BY time, metric, slice) AS share
    FROM mixes
    WHERE $__timeFilter(window_start) AND {_OF_ITS_SERVICE} AND metric IN (SELECT metric FROM moved)
    GROUP BY time, metric, slice, category)
WHERE (metric, slice, category) IN (SELECT metric, slice, category FROM moved)
GROUP BY time, series
ORDER BY time, series"""),
    ),
    description="Shares of the structures, tools, labels … that moved most.",
    unit="percentunit",
    legend="${__field.labels.series}",
    height=10,
)

_CAUSES = Panel(
    title="What may have caused it",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT JSONExtractFloat(cause, 'probability') AS probability,
    JSONExtractString(cause, 'text') AS suspect
FROM (SELECT arrayJoin(JSONExtractArrayRaw(content, 'causes')) AS cause FROM {_THE_INCIDENT})
ORDER BY probability DESC"""),
    ),
    description="Suspects that were new around the change, with odds from their timing and from who carries them.",
    units={"probability": "percentunit"},
)

_HTTP = Panel(
    title="What classic monitoring says",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT JSONExtractString(level, 'metric') AS metric, JSONExtractFloat(level, 'before') AS before,
    JSONExtractFloat(level, 'after') AS since
FROM (SELECT arrayJoin(JSONExtractArrayRaw(content, 'http')) AS level FROM {_THE_INCIDENT})"""),
    ),
    description="Share of failed calls and median latency in seconds, before and since the change.",
)


def _classic(metric: str, title: str, unit: str) -> Panel:
    sql = f"""SELECT $__timeInterval(window_start) AS time, {LEVEL} AS level
FROM windows
WHERE $__timeFilter(window_start) AND metric = '{metric}' AND empty(segment) AND {_OF_ITS_SERVICE}
GROUP BY time
ORDER BY time"""
    return Panel(
        title=title,
        kind=Kind.LINES,
        questions=(Sql(sql),),
        description="Of the whole service, over the same time.",
        unit=unit,
    )


_EXAMPLES = Panel(
    title="Calls before and since",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT pair.1 AS side,
    fromUnixTimestamp64Milli(toInt64(1000 * JSONExtractFloat(pair.2, 'time')), 'UTC') AS time,
    JSONExtractString(pair.2, 'input') AS asked, JSONExtractString(pair.2, 'output') AS answered,
    JSONExtractString(pair.2, 'id') AS id
FROM (
    SELECT arrayJoin(arrayConcat(
        arrayMap(call -> ('before', call), JSONExtractArrayRaw(content, 'shown', 'before')),
        arrayMap(call -> ('since', call), JSONExtractArrayRaw(content, 'shown', 'since')))) AS pair
    FROM {_THE_INCIDENT})
ORDER BY side, time"""),
    ),
    description="Chosen to show the change; texts as the setting `content` keeps them.",
    width=24,
)

_REPORT = Page(
    "Report with charts",
    "http://localhost:8321/incidents/${incident}",
    "From the port of `undertow run`: open it on that machine, or through a tunnel to it.",
)

BOARD = Board(
    uid="undertow-incident",
    title="Undertow: one incident",
    description="What moved, when, why perhaps, calls before and since, and what HTTP metrics saw of it.",
    variables=(_CHOICE,),
    annotations=marks(_OF_ITS_SERVICE),
    pages=(_REPORT,),
    rows=(
        Row("The incident", (_SUMMARY, _VERDICTS)),
        Row("Over time", (_LEVELS, _SHARES)),
        Row("Why", (_CAUSES, _HTTP)),
        Row(
            "What classic monitoring sees",
            (_classic("error_rate", "Failed calls", "percentunit"), _classic("latency", "Latency", "s")),
        ),
        Row("Calls", (_EXAMPLES,)),
    ),
)
