"""The monitor's own health: does it keep up, what it leaves out, whom it has told, what it stores."""

from __future__ import annotations

from undertow.dashboards.board import Board, Kind, Panel, PromQL, Row, Sql
from undertow.dashboards.board_sql import marks

__all__ = ["BOARD"]

_ALL = "1 = 1"


def _lines(title: str, description: str, *questions: PromQL, unit: str = "short", width: int = 8) -> Panel:
    return Panel(
        title=title, kind=Kind.LINES, questions=questions, description=description, unit=unit, width=width, height=7
    )


def _rate(counter: str, legend: str) -> PromQL:
    return PromQL(f"sum(rate(undertow_{counter}_total[$__rate_interval]))", legend)


_FLOW = (
    _lines(
        "Events a second",
        "Events counted once, and records read.",
        _rate("events", "events"),
        _rate("records", "records"),
    ),
    _lines("Lag", "Wall clock less watermark.", PromQL("undertow_lag_seconds", "{{instance}}"), unit="s"),
    _lines(
        "Windows and rows a second", "Windows closed, rows written.", _rate("windows", "windows"), _rate("rows", "rows")
    ),
)

_LEFT_OUT = (
    _lines(
        "Not counted, a second",
        "Unreadable records (dead letters), late events, duplicates, duplicates whose content differed.",
        *(_rate(name, name) for name in ("rejected", "late", "duplicates", "conflicts")),
    ),
    _lines(
        "Not measured, a second",
        "Calls of models without a price; answers whose schema could not be applied.",
        *(_rate(name, name) for name in ("unpriced", "unchecked")),
    ),
    _lines(
        "Beyond a limit, a second",
        "What was left out at a limit, by limit; slices beyond theirs are counted as (other).",
        PromQL("sum by (limit) (rate(undertow_limits_total[$__rate_interval])) > 0", "{{limit}}"),
        _rate("overflowed", "slices"),
    ),
)

_STATE = (
    _lines(
        "Series by state",
        "Learning, strict, watching, changed.",
        PromQL("sum by (state) (undertow_series)", "{{state}}"),
    ),
    _lines(
        "Held in memory",
        "Open windows and tasks.",
        PromQL("undertow_open_windows", "windows {{instance}}"),
        PromQL("undertow_open_tasks", "tasks {{instance}}"),
    ),
    _lines(
        "Conditions",
        "What is wrong with the watch or its input: `undertow status` says what.",
        PromQL("undertow_conditions", "{{instance}}"),
    ),
)

_TOLD = (
    _lines(
        "Incidents and pages",
        "Open incidents; changes that wait for a channel, that a silence holds back, that a channel refused for good.",
        PromQL("undertow_open_incidents", "open"),
        PromQL("undertow_undelivered", "waiting"),
        PromQL("undertow_silenced", "silenced"),
        PromQL("undertow_refused_deliveries_total", "refused"),
    ),
    _lines(
        "Oldest undelivered page",
        "A page that waits for its channel.",
        PromQL("undertow_undelivered_seconds", "{{instance}}"),
        unit="s",
    ),
    _lines(
        "Promise and practice",
        "Urgent pages of the last year; outside the budget; marked as false; whose level was accepted.",
        *(PromQL(f"undertow_urgent_{name}_total", name) for name in ("pages", "outside", "false", "accepted")),
    ),
)

_ROLES = (
    _lines(
        "Kafka: messages behind, by role",
        "Messages of the partitions that are read, not counted yet.",
        PromQL("sum by (role) (undertow_loop_lag)", "{{role}}"),
    ),
    _lines(
        "Kafka: messages read a second, by role",
        "Of a distributed installation; empty for `undertow run`.",
        PromQL("sum by (role) (rate(undertow_loop_messages_total[$__rate_interval]))", "{{role}}"),
    ),
    _lines(
        "Kafka: share of time by step",
        "Of one process: polling, taking, producing, waiting for the broker's word.",
        PromQL("sum by (role, step) (rate(undertow_loop_seconds_total[$__rate_interval]))", "{{role}} {{step}}"),
        unit="percentunit",
    ),
)

_STORE = (
    Panel(
        title="Dead letters by reason",
        kind=Kind.LINES,
        questions=(
            Sql("""SELECT $__timeInterval(stored) AS time, reason, count() AS lines
FROM dead_letters
WHERE $__timeFilter(stored)
GROUP BY time, reason
ORDER BY time, reason"""),
        ),
        description="Input that could not be read, by the wall clock.",
        legend="${__field.labels.reason}",
    ),
    Panel(
        title="Dead letters, latest example of each kind",
        kind=Kind.TABLE,
        questions=(
            Sql("""SELECT max(stored) AS latest, source, field, reason, count() AS lines,
    argMax(excerpt, stored) AS example
FROM dead_letters
WHERE $__timeFilter(stored)
GROUP BY source, field, reason
ORDER BY lines DESC
LIMIT 50"""),
        ),
        description="With the beginning of the line, as the setting `content` keeps it.",
    ),
    Panel(
        title="Late events",
        kind=Kind.LINES,
        questions=(
            Sql("""SELECT $__timeInterval(time) AS t, service, avg(late) AS share
FROM interactions
WHERE $__timeFilter(time)
GROUP BY t, service
ORDER BY t, service"""),
        ),
        description="Share of events that came after their window had closed: stored, judged by nobody.",
        unit="percentunit",
        legend="${__field.labels.service}",
    ),
    Panel(
        title="What the store holds",
        kind=Kind.TABLE,
        questions=(
            Sql("""SELECT table, sum(parts.rows) AS rows, sum(bytes_on_disk) AS bytes, max(modification_time) AS written
FROM system.parts AS parts
WHERE active AND database = currentDatabase()
GROUP BY table
ORDER BY bytes DESC"""),
        ),
        description="Rows and bytes on disk by table, and when it was last written.",
        units={"bytes": "bytes"},
    ),
)

BOARD = Board(
    uid="undertow-monitor",
    title="Undertow: the monitor itself",
    description="Does it keep up, what does it leave out, whom has it told, what does it store.",
    variables=(),
    annotations=marks(_ALL)[1:2],
    prometheus=True,
    rows=(
        Row("Flow", _FLOW),
        Row("Left out", _LEFT_OUT),
        Row("State", _STATE),
        Row("Told", _TOLD),
        Row("Roles of a distributed installation", _ROLES),
        Row("Store", _STORE),
    ),
)
