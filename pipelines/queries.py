"""Queries worth knowing: what on-call asks the store, as shown in the documents, each with its answer in a test.

Each asks a view of `clickhouse_views.sql`, where the question is defined.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["QUERIES", "SavedQuery"]


class SavedQuery(NamedTuple):
    """One question and the SQL that answers it."""

    title: str
    sql: str


# By the view that is asked.
QUERIES: dict[str, SavedQuery] = {
    "refusals": SavedQuery(
        "Refusals by the model that answered and the prompt version, last night",
        """\
WITH toStartOfDay(now('UTC')) AS midnight
SELECT * FROM refusals(since = midnight - INTERVAL 2 HOUR, until = midnight + INTERVAL 6 HOUR)""",
    ),
    "task_costs": SavedQuery(
        "Cost of a task in US dollars by tenant and operation, median and 95th percentile",
        "SELECT * FROM task_costs(since = now('UTC') - INTERVAL 7 DAY, until = now('UTC'))",
    ),
    "what_changed": SavedQuery(
        "What changed at 09:14, give or take a quarter of an hour: behaviour, versions, incidents",
        "SELECT * FROM what_changed(at = '2026-03-01 09:14', minutes = 15)",
    ),
    "spend_by": SavedQuery(
        "Spend by team this month; `label` is any attribute of the calls",
        "SELECT * FROM spend_by(label = 'team', since = toStartOfMonth(now('UTC')), until = now('UTC'))",
    ),
    "version_hours": SavedQuery(
        "Which prompt version was live when, and its share of the calls",
        """\
SELECT hour, service, value, calls, percent
FROM version_hours(since = '2026-03-01', until = '2026-03-02')
WHERE dimension = 'prompt_version'""",
    ),
    "live_versions": SavedQuery(
        "What was live at a moment, however long ago",
        "SELECT dimension, value, first_seen, last_seen FROM live_versions(at = '2026-03-01 09:14')",
    ),
    "tasks": SavedQuery(
        "The ten dearest tasks of the last day; ORDER BY seconds DESC, calls DESC or looping DESC finds others",
        "SELECT * FROM tasks(since = now('UTC') - INTERVAL 1 DAY, until = now('UTC')) ORDER BY dollars DESC LIMIT 10",
    ),
    "slow_answers": SavedQuery(
        "The slowest answers of the last day, with what was asked and said",
        "SELECT * FROM slow_answers(since = now('UTC') - INTERVAL 1 DAY, until = now('UTC')) LIMIT 10",
    ),
    "changes": SavedQuery(
        "What changed, when and by how much, and what became of it, last week",
        "SELECT * FROM changes WHERE changed_at > now() - INTERVAL 7 DAY",
    ),
    "hours": SavedQuery(
        "A metric by the hour, for as long as findings are kept",
        """\
SELECT hour, events, rate
FROM hours
WHERE service = 'support' AND metric = 'refusal_rate' AND empty(segment)""",
    ),
    "calls": SavedQuery(
        "Anything else about calls: what the other views are made of, with the tenant of each",
        """\
SELECT tenant, countIf(truncated) AS cut_off, count() AS calls
FROM calls(since = now('UTC') - INTERVAL 1 DAY, until = now('UTC'))
GROUP BY tenant
ORDER BY cut_off DESC""",
    ),
    "spend_months": SavedQuery(
        "Spend by month and model, beyond the retention of calls",
        "SELECT month, model, sum(dollars) AS dollars FROM spend_months GROUP BY month, model ORDER BY month, model",
    ),
    "dead_letter_reasons": SavedQuery(
        "What could not be read, by source, field and reason, with an example",
        "SELECT * FROM dead_letter_reasons",
    ),
    "pages_by_week": SavedQuery(
        "Promise and practice: urgent pages by week, and those that somebody marked as false",
        "SELECT * FROM pages_by_week",
    ),
}
