"""The monitor's own health: does it keep up, what it leaves out, whom it has told, what it stores."""

from __future__ import annotations

from undertow.dashboards.board import Board, Kind, Panel, PromQL, Row, Sql
from undertow.dashboards.board_sql import marks

__all__ = ["BOARD"]

_ALL = "1 = 1"
_WRONG = ("retries", "refused", "lost")


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
        "Kafka: messages a second, by role",
        "Read, and sent. Empty for `undertow run`, as all panels of this row.",
        PromQL("sum by (role) (rate(undertow_loop_messages_total[$__rate_interval]))", "{{role}} read"),
        PromQL("sum by (role) (rate(undertow_loop_outputs_total[$__rate_interval]))", "{{role}} sent"),
    ),
    _lines(
        "Kafka: positions committed a second, by role",
        "A role that reads and commits nothing will read again from where it was.",
        PromQL("sum by (role) (rate(undertow_loop_commits_total[$__rate_interval]))", "{{role}}"),
    ),
    _lines(
        "Kafka: share of time by step",
        "Polling, taking (of which decoding and counting are parts), producing, waiting for the broker's word.",
        PromQL("sum by (role, step) (rate(undertow_loop_seconds_total[$__rate_interval]))", "{{role}} {{step}}"),
        unit="percentunit",
    ),
    _lines(
        "Kafka: seconds of a round, 95 % are shorter",
        "A round with messages, without the wait for them.",
        PromQL(
            "histogram_quantile(0.95, sum by (role, le) (rate(undertow_loop_batch_seconds_bucket[$__rate_interval])))",
            "{{role}}",
        ),
        unit="s",
    ),
    _lines(
        "Kafka: partitions, ours and held",
        "Held are those behind which something takes no more: ClickHouse, the broker, another partition's claim.",
        PromQL("sum by (role) (undertow_loop_assigned)", "{{role}}"),
        PromQL("sum by (role) (undertow_loop_held)", "{{role}} held"),
    ),
    _lines(
        "Kafka: sent, not acknowledged",
        "Beyond 32 MiB a process reads nothing more.",
        PromQL("sum by (role) (undertow_loop_unacknowledged_bytes)", "{{role}}"),
        unit="bytes",
    ),
    _lines(
        "Detect: age of the last window that was judged",
        "Wall clock less the end of the window; of each process the partition that is furthest behind.",
        PromQL("time() - (undertow_last_closed_window_seconds > 0)", "{{instance}}"),
        unit="s",
    ),
    _lines(
        "Pager: how many tell",
        "One, always: none means that nobody is paged.",
        PromQL("sum(undertow_pager_active)", "active"),
    ),
    _lines(
        "Store: rows and blocks a second",
        "Taken by ClickHouse, repeats included.",
        PromQL("sum(rate(undertow_store_rows_total[$__rate_interval]))", "rows"),
        PromQL("sum(rate(undertow_store_blocks_total[$__rate_interval]))", "blocks"),
    ),
    _lines(
        "Store: what went wrong, a second",
        "Attempts that failed; blocks that went to the dead letters, and that Kafka had dropped before they were read.",
        *(PromQL(f"sum(rate(undertow_store_{name}_total[$__rate_interval]))", name) for name in _WRONG),
    ),
    _lines(
        "Store: ClickHouse takes nothing",
        "Since when; Kafka keeps the rows meanwhile.",
        PromQL("undertow_store_away_seconds", "{{instance}}"),
        unit="s",
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
