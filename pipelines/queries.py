"""Queries worth knowing: what on-call asks the store, as shown in the documents, each with its answer in a test."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["QUERIES", "SavedQuery"]


class SavedQuery(NamedTuple):
    """One question and the SQL that answers it; "last day" ends at the newest row, so an old log answers too."""

    title: str
    sql: str


QUERIES: dict[str, SavedQuery] = {
    "refusals": SavedQuery(
        "Refusal rate by the model that answered and the prompt version, last day",
        """\
SELECT service, response_model, prompt_version,
       count(refused) AS answers, round(100 * avg(refused), 1) AS refused_percent
FROM interactions
WHERE kind = 'call' AND time > (SELECT max(time) FROM interactions) - INTERVAL 1 DAY
GROUP BY service, response_model, prompt_version
HAVING answers > 0
ORDER BY refused_percent DESC, answers DESC""",
    ),
    "task_costs": SavedQuery(
        "Cost of a task in US dollars by operation and tenant, median and 95th percentile; unpriced tasks apart",
        """\
SELECT operation, tenant, countIf(unpriced = 0) AS tasks, round(quantileIf(0.5)(dollars, unpriced = 0), 6) AS median,
       round(quantileIf(0.95)(dollars, unpriced = 0), 6) AS p95, countIf(unpriced > 0) AS unpriced_tasks
FROM (
    SELECT argMin(interactions.operation, time) AS operation, argMin(attributes['tenant'], time) AS tenant,
           sum(cost) AS dollars, countIf(cost_source = 'unpriced') AS unpriced
    FROM interactions
    WHERE kind = 'call'
    GROUP BY service, environment, if(task = '', id, task)
)
GROUP BY operation, tenant
ORDER BY p95 DESC NULLS LAST""",
    ),
    "changes": SavedQuery(
        "What changed, when and by how much, and what became of it, last week",
        """\
SELECT verdicts.changed_at AS changed_at, verdicts.service AS service, segment, metric, direction,
       round(before, 4) AS before, round(after, 4) AS after, kind,
       incidents.state AS incident, incidents.headline AS headline
FROM verdicts FINAL
LEFT JOIN (SELECT id, state, headline, arrayJoin(verdict_ids) AS verdict FROM incidents FINAL) AS incidents
    ON incidents.verdict = verdicts.id
WHERE detected_at > (SELECT max(detected_at) FROM verdicts) - INTERVAL 7 DAY AND kind != 'recovered'
ORDER BY changed_at DESC""",
    ),
    "slowest": SavedQuery(
        "The ten slowest answers of the last day, with what was asked and said",
        """\
SELECT time, id, operation, response_model, round(latency, 2) AS seconds, output_length AS characters,
       substringUTF8(input, 1, 60) AS asked, substringUTF8(output, 1, 60) AS answered
FROM interactions
WHERE latency IS NOT NULL AND time > (SELECT max(time) FROM interactions) - INTERVAL 1 DAY
ORDER BY latency DESC
LIMIT 10""",
    ),
    "dead_letters": SavedQuery(
        "What could not be read, by source, field and reason, with an example",
        """\
SELECT source, field, reason, count() AS lines, min(line) AS first_line, argMin(excerpt, line) AS example
FROM dead_letters
GROUP BY source, field, reason
ORDER BY lines DESC, source, field""",
    ),
}
