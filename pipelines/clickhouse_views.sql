-- What on-call asks, as views: one definition each, documented with an example in docs/queries.md.
--
-- Edited in place: with the next version of the schema, which stands below, all of them are made anew. {since:String} and
-- the like are parameters: SELECT * FROM refusals(since = '2026-03-01 22:00', until = '2026-03-02T06:00Z'). Times are read
-- in any usual form; without a time zone they are UTC. A view shows the latest revision of what has revisions (FINAL).
--
-- Live calls only: shadow traffic is left out where nothing else is said. The tenant of a call is its attribute `tenant`;
-- without that it is the keyed hash of `user`, who asks or pays. A call without a task is a task of its own.

-- version: 5

CREATE OR REPLACE VIEW hours AS
SELECT hour, service, environment, any(rollups.segment) AS segment, metric,
       sum(rollups.windows) AS windows, sum(rollups.events) AS events,
       if(family = 'rate', sum(rollups.hits) / sum(rollups.events), NULL) AS rate,
       if(family = 'positive', exp(sum(log_sum) / sum(rollups.events)), NULL) AS typical,
       if(family = 'score', sum(value_sum) / sum(rollups.events), NULL) AS mean,
       if(family IN ('positive', 'score'), max(rollups.p99_highest), NULL) AS p99_highest
FROM rollups
GROUP BY hour, service, environment, metric, family, slice
ORDER BY hour, service, environment, metric, length(segment), slice
COMMENT 'Each metric by hour: rate, typical value (geometric mean) or mean, as its family has it';

CREATE OR REPLACE VIEW calls AS
SELECT *, if(attributes['tenant'] != '', attributes['tenant'], user) AS tenant
FROM interactions
WHERE kind = 'call' AND time >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
  AND time < parseDateTime64BestEffort({until:String}, 3, 'UTC')
COMMENT 'The calls of a time, each with its tenant; the other views are made of it';

CREATE OR REPLACE VIEW refusals AS
SELECT service, environment, operation, response_model, prompt_version,
       count(refused) AS answers, sum(refused) AS refusals, round(100 * refusals / answers, 1) AS percent
FROM calls(since = {since:String}, until = {until:String})
WHERE shadow_of = ''
GROUP BY service, environment, operation, response_model, prompt_version
HAVING answers > 0
ORDER BY percent DESC, answers DESC
COMMENT 'Refusal rate by operation, model that answered and prompt version';

CREATE OR REPLACE VIEW tasks AS
SELECT service, environment, if(one.task = '', id, one.task) AS task,
       argMin(one.tenant, time) AS tenant, argMin(one.operation, time) AS operation, min(time) AS first_call,
       dateDiff('millisecond', min(time - toIntervalMillisecond(round(1000 * ifNull(latency, 0)))), max(time)) / 1000
           AS seconds,
       count() AS calls, sum(length(tool_names)) AS tool_calls, sum(cost) AS dollars,
       countIf(cost_source = 'unpriced') AS unpriced_calls, max(ifNull(one.looping, 0)) AS looping
FROM calls(since = toString(parseDateTime64BestEffort({since:String}, 3, 'UTC') - INTERVAL 1 HOUR),
           until = toString(parseDateTime64BestEffort({until:String}, 3, 'UTC') + INTERVAL 1 HOUR)) AS one
WHERE shadow_of = ''
GROUP BY service, environment, task
HAVING first_call >= parseDateTime64BestEffort({since:String}, 3, 'UTC')
   AND first_call < parseDateTime64BestEffort({until:String}, 3, 'UTC')
ORDER BY dollars DESC NULLS LAST, first_call
COMMENT 'Tasks that began in a time, the dearest first; one that lasts longer than an hour may be cut';

CREATE OR REPLACE VIEW task_costs AS
SELECT service, environment, tenant, operation, countIf(unpriced_calls = 0) AS priced_tasks,
       round(quantileExactIf(0.5)(dollars, unpriced_calls = 0), 6) AS median,
       round(quantileExactIf(0.95)(dollars, unpriced_calls = 0), 6) AS p95,
       round(maxIf(dollars, unpriced_calls = 0), 6) AS dearest, countIf(unpriced_calls > 0) AS unpriced_tasks
FROM tasks(since = {since:String}, until = {until:String})
GROUP BY service, environment, tenant, operation
ORDER BY p95 DESC NULLS LAST, priced_tasks DESC
COMMENT 'Cost of a task in US dollars by tenant and operation; tasks with unpriced calls apart';

CREATE OR REPLACE VIEW slow_answers AS
SELECT time, id, service, environment, operation, response_model, round(latency, 2) AS seconds, output_length AS characters,
       substringUTF8(input, 1, 60) AS asked, substringUTF8(output, 1, 60) AS answered
FROM calls(since = {since:String}, until = {until:String})
WHERE shadow_of = '' AND latency IS NOT NULL
ORDER BY latency DESC, time
LIMIT 100
COMMENT 'The hundred slowest answers, with the beginning of what was asked and said';

CREATE OR REPLACE VIEW changes AS
SELECT verdicts.changed_at AS changed_at, verdicts.service AS service, verdicts.environment AS environment, segment, metric,
       direction, round(before, 4) AS before, round(after, 4) AS after, kind, verdicts.id AS verdict,
       told.id AS incident, told.state AS state, told.headline AS headline
FROM (SELECT * FROM verdicts FINAL WHERE kind != 'recovered') AS verdicts
GLOBAL LEFT JOIN (SELECT id, state, headline, arrayJoin(verdict_ids) AS verdict FROM incidents FINAL) AS told
    ON told.verdict = verdicts.id
ORDER BY changed_at DESC, verdict
COMMENT 'What changed, when and by how much, and the incident that tells of it';

CREATE OR REPLACE VIEW what_changed AS
WITH parseDateTime64BestEffort({at:String}, 3, 'UTC') - toIntervalSecond(round(60 * {minutes:Float64})) AS earliest,
     parseDateTime64BestEffort({at:String}, 3, 'UTC') + toIntervalSecond(round(60 * {minutes:Float64})) AS latest
SELECT time, what, service, environment, subject, detail
FROM (
    SELECT changed_at AS time, 'behaviour' AS what, service, environment,
           if(empty(segment), metric, concat(metric, ' ', toJSONString(segment))) AS subject,
           concat(direction, ' from ', toString(round(before, 4)), ' to ', toString(round(after, 4))) AS detail
    FROM verdicts FINAL
    WHERE kind != 'recovered' AND changed_from <= latest AND changed_to >= earliest
    UNION ALL
    SELECT first_seen AS time, 'version' AS what, service, environment, dimension AS subject,
           if(declared = '', value, concat(value, ': ', declared)) AS detail
    FROM versions FINAL
    WHERE first_seen BETWEEN earliest AND latest
    UNION ALL
    SELECT opened_at AS time, 'incident' AS what, service, environment, id AS subject, headline AS detail
    FROM incidents FINAL
    WHERE opened_at BETWEEN earliest AND latest
)
ORDER BY time, what, service, environment, subject
COMMENT 'Everything that changed about a time: behaviour, versions and declared changes, incidents opened';

CREATE OR REPLACE VIEW version_hours AS
SELECT toStartOfHour(time) AS hour, service, environment, part.1 AS dimension, part.2 AS value, count() AS calls,
       round(100 * calls / sum(calls) OVER (PARTITION BY hour, service, environment, dimension), 1) AS percent,
       min(time) AS first_call, max(time) AS last_call
FROM calls(since = {since:String}, until = {until:String})
ARRAY JOIN arrayConcat(
    [('model', toString(model)), ('response_model', toString(response_model)), ('prompt_version', toString(prompt_version)),
     ('instructions', toString(instructions)), ('tools', toString(tools))],
    arrayMap((name, value) -> (concat('config.', name), value), mapKeys(config), mapValues(config))) AS part
WHERE shadow_of = '' AND value != ''
GROUP BY hour, service, environment, dimension, value
ORDER BY hour, service, environment, dimension, calls DESC, value
COMMENT 'Which version was live when: calls of each model, prompt, set of tools and configuration value by hour';

CREATE OR REPLACE VIEW live_versions AS
SELECT service, environment, dimension, value, first_seen, last_seen, events, declared
FROM versions FINAL
WHERE first_seen <= parseDateTime64BestEffort({at:String}, 3, 'UTC')
  AND last_seen >= parseDateTime64BestEffort({at:String}, 3, 'UTC')
ORDER BY service, environment, dimension, first_seen DESC, value
COMMENT 'The versions seen before and after a time, the newest first; kept for good';

CREATE OR REPLACE VIEW spend_by AS
SELECT attributes[{label:String}] AS label, count() AS calls, sum(ifNull(cost, 0)) AS dollars,
       countIf(cost_source = 'unpriced') AS unpriced_calls, sum(ifNull(input_tokens, 0)) AS input_tokens,
       sum(ifNull(output_tokens, 0)) AS output_tokens
FROM calls(since = {since:String}, until = {until:String})
GROUP BY label
ORDER BY dollars DESC, calls DESC
COMMENT 'What was spent in US dollars by an attribute of the calls, such as team; shadow traffic costs too';

CREATE OR REPLACE VIEW spend_months AS
SELECT toStartOfMonth(hour) AS month, service, environment, model, principal, sum(picodollars) / 1e12 AS dollars,
       sum(spend.calls) AS calls, sum(spend.unpriced_calls) AS unpriced_calls
FROM spend
WHERE spend.calls > 0
GROUP BY month, service, environment, model, principal
ORDER BY month DESC, dollars DESC
COMMENT 'What was spent in US dollars by month, model and who asked; kept 12 times as long as the calls';

CREATE OR REPLACE VIEW dead_letter_reasons AS
SELECT source, field, reason, count() AS kept, min(stored) AS first_stored, max(stored) AS last_stored,
       min(offset) AS first_offset, argMin(excerpt, offset) AS example
FROM dead_letters
GROUP BY source, field, reason
ORDER BY kept DESC, source, field, reason
COMMENT 'What could not be read, with an example; of each reason the first 50 are kept, then one in 1,000';

CREATE OR REPLACE VIEW pages_by_week AS
SELECT toMonday(paged_at) AS week, count() AS pages, countIf(resolution = 'false') AS marked_false
FROM incidents FINAL
WHERE paged_at IS NOT NULL AND severity IN ('error', 'critical')
GROUP BY week
ORDER BY week
COMMENT 'Promise and practice: urgent pages by week, and those that somebody marked as false';
