-- Undertow's tables, for the embedded ClickHouse and for a server alike.
--
-- The file is a list of versions. A store applies, in order, the versions it does not have yet and writes each into `meta`;
-- so a released version is never edited: a change is a new section at the end, marked `-- version: N`. Every statement may
-- run twice. {retention_days} and {history_days} come from the settings; a changed setting is applied to the tables' TTL on opening.
--
-- Times are event time, UTC. `stored` is when the row was written and what the TTL counts from, so that the replay of an
-- old log is kept as long as live traffic. Weeks are partitions: few enough for an insert block that spans months, small enough to expire.
-- An empty string, an empty map or NULL says that the event did not carry the field.
-- `non_replicated_deduplication_window`: a block whose token was among the last 10,000 (1,000 before version 5) is not inserted again.

-- version: 1

CREATE TABLE IF NOT EXISTS meta
(
    version UInt32 COMMENT 'Schema version that was applied',
    applied DateTime('UTC') DEFAULT now() COMMENT 'When it was applied'
)
ENGINE = MergeTree ORDER BY version
COMMENT 'Versions of this schema; the largest one is the store''s';

CREATE TABLE IF NOT EXISTS interactions
(
    id String COMMENT 'Unique within the service' CODEC(ZSTD(1)),
    time DateTime64(3, 'UTC') COMMENT 'When the call finished' CODEC(DoubleDelta, ZSTD(1)),
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    kind Enum8('call' = 0, 'tool' = 1, 'score' = 2, 'change' = 3) COMMENT 'What the event reports',
    operation LowCardinality(String) COMMENT 'Route, feature or step inside the service',
    agent LowCardinality(String) COMMENT 'Agent that made the call',
    model LowCardinality(String) COMMENT 'Model asked for',
    response_model LowCardinality(String) COMMENT 'Model that answered',
    provider LowCardinality(String) COMMENT 'Who serves the model',
    prompt_version LowCardinality(String) COMMENT 'The team''s label of the prompt',
    config Map(LowCardinality(String), String) COMMENT 'Other parts of the deployed behaviour' CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String) COMMENT 'Slices: region, tenant tier, language …, numbers and booleans as text' CODEC(ZSTD(1)),
    user String COMMENT 'Keyed hash of who asks or pays' CODEC(ZSTD(1)),
    instructions LowCardinality(String) COMMENT 'Hash of the system prompt',
    tools LowCardinality(String) COMMENT 'Hash of the tools offered',
    response_schema LowCardinality(String) COMMENT 'Name of the output''s JSON Schema, or its hash',
    input String COMMENT 'What the user said, as the content setting allows' CODEC(ZSTD(1)),
    output String COMMENT 'What the model answered, as the content setting allows' CODEC(ZSTD(1)),
    label LowCardinality(String) COMMENT 'Category that the output decided',
    tool_names Array(LowCardinality(String)) COMMENT 'Tools called, in order',
    tool_errors UInt16 COMMENT 'Tool calls that failed',
    documents UInt16 COMMENT 'Documents that retrieval supplied',
    retrieval_score Nullable(Float32) COMMENT 'Mean score of the documents',
    finish_reason LowCardinality(String) COMMENT 'Why the answer ended: stop, length, tool_calls, content_filter …',
    stop_sequence LowCardinality(String) COMMENT 'Sequence that ended the answer',
    input_tokens Nullable(UInt32) COMMENT 'Input tokens, cached and cache-written ones included' CODEC(ZSTD(1)),
    output_tokens Nullable(UInt32) COMMENT 'Output tokens, reasoning included' CODEC(ZSTD(1)),
    cached_tokens Nullable(UInt32) COMMENT 'Input tokens read from a cache' CODEC(ZSTD(1)),
    cache_write_tokens Nullable(UInt32) COMMENT 'Input tokens written to a cache' CODEC(ZSTD(1)),
    reasoning_tokens Nullable(UInt32) COMMENT 'Output tokens spent on reasoning' CODEC(ZSTD(1)),
    cost Nullable(Float64) COMMENT 'US dollars; NULL when it could not be priced, never 0 for that' CODEC(ZSTD(1)),
    cost_source Enum8('unpriced' = 0, 'stated' = 1, 'priced' = 2) COMMENT 'Who says the cost: nobody, the event, the price table',
    latency Nullable(Float32) COMMENT 'Seconds' CODEC(ZSTD(1)),
    time_to_first_token Nullable(Float32) COMMENT 'Seconds' CODEC(ZSTD(1)),
    http_status UInt16 COMMENT 'HTTP status, 0 when not stated' CODEC(T64, ZSTD(1)),
    error String COMMENT 'Error message, redacted' CODEC(ZSTD(1)),
    task String COMMENT 'Unit whose cost is counted' CODEC(ZSTD(1)),
    parent String COMMENT 'Event that caused this one' CODEC(ZSTD(1)),
    session String COMMENT 'Conversation' CODEC(ZSTD(1)),
    turn Nullable(UInt32) COMMENT 'Position in the conversation' CODEC(ZSTD(1)),
    scores Map(LowCardinality(String), Float64) COMMENT 'Evaluation results' CODEC(ZSTD(1)),
    shadow_of String COMMENT 'Live call whose input this one repeats' CODEC(ZSTD(1)),
    about String COMMENT 'Call that a score or tool belongs to' CODEC(ZSTD(1)),
    refused Nullable(UInt8) COMMENT '1 when the answer refuses; NULL when there is no answer to judge' CODEC(T64, ZSTD(1)),
    schema_valid Nullable(UInt8) COMMENT '1 when the answer satisfies its JSON Schema; NULL when it has none' CODEC(T64, ZSTD(1)),
    truncated Nullable(UInt8) COMMENT '1 when a length limit cut the answer' CODEC(T64, ZSTD(1)),
    empty Nullable(UInt8) COMMENT '1 when the answer has no content' CODEC(T64, ZSTD(1)),
    failed Nullable(UInt8) COMMENT '1 when classic monitoring counts an error' CODEC(T64, ZSTD(1)),
    input_length Nullable(UInt32) COMMENT 'Characters of the user''s input before redaction' CODEC(ZSTD(1)),
    output_length Nullable(UInt32) COMMENT 'Characters of the answer before redaction' CODEC(ZSTD(1)),
    late UInt8 COMMENT '1 when it came after its window had closed: stored, not counted' CODEC(T64, ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written' CODEC(DoubleDelta, ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_task task TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_session session TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_user user TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toMonday(time)
ORDER BY (service, environment, time)
TTL stored + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'One row per event, with what was measured on it';

CREATE TABLE IF NOT EXISTS windows
(
    window_start DateTime64(3, 'UTC') COMMENT 'Start of the event-time window' CODEC(DoubleDelta, ZSTD(1)),
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    segment Map(LowCardinality(String), String) COMMENT 'Slice of the traffic; empty is all of the service' CODEC(ZSTD(1)),
    metric LowCardinality(String) COMMENT 'Metric name',
    family Enum8('rate' = 0, 'positive' = 1) COMMENT 'How the metric is summarised',
    events UInt32 COMMENT 'Events that carried the metric' CODEC(T64, ZSTD(1)),
    hits Nullable(UInt32) COMMENT 'Rates: events for which it is true' CODEC(ZSTD(1)),
    log_mean Nullable(Float32) COMMENT 'Positive metrics: mean of the natural logarithm; exp of it is the geometric mean' CODEC(Gorilla, ZSTD(1)),
    p50 Nullable(Float32) COMMENT 'Positive metrics: median, in the metric''s unit' CODEC(Gorilla, ZSTD(1)),
    p99 Nullable(Float32) COMMENT 'Positive metrics: 99th percentile, in the metric''s unit' CODEC(Gorilla, ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(window_start)
ORDER BY (service, environment, metric, window_start)
TTL stored + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'One row per series and closed window: what dashboards draw';

CREATE TABLE IF NOT EXISTS verdicts
(
    id String COMMENT 'Function of series, window and kind' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'page, notice or recovered',
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    segment Map(LowCardinality(String), String) COMMENT 'Slice of the traffic; empty is all of the service' CODEC(ZSTD(1)),
    metric LowCardinality(String) COMMENT 'Metric name',
    direction LowCardinality(String) COMMENT 'up, down or shift',
    detected_at DateTime64(3, 'UTC') COMMENT 'End of the window that made the detector speak' CODEC(DoubleDelta, ZSTD(1)),
    changed_at DateTime64(3, 'UTC') COMMENT 'Estimated time of the change' CODEC(DoubleDelta, ZSTD(1)),
    changed_from DateTime64(3, 'UTC') COMMENT 'Start of the change time''s interval' CODEC(DoubleDelta, ZSTD(1)),
    changed_to DateTime64(3, 'UTC') COMMENT 'End of the change time''s interval' CODEC(DoubleDelta, ZSTD(1)),
    before Float64 COMMENT 'Level of the baseline, in the metric''s unit',
    before_low Float64 COMMENT 'Lower end of its 95 % interval',
    before_high Float64 COMMENT 'Upper end of its 95 % interval',
    before_events UInt64 COMMENT 'Events it rests on',
    after Float64 COMMENT 'Level since the change, in the metric''s unit',
    after_low Float64 COMMENT 'Lower end of its 95 % interval',
    after_high Float64 COMMENT 'Upper end of its 95 % interval',
    after_events UInt64 COMMENT 'Events it rests on',
    events UInt64 COMMENT 'Events of the series between change and detection',
    statistic Float64 COMMENT 'Evidence, in the detector''s own unit',
    threshold Float64 COMMENT 'What the evidence had to reach',
    detector LowCardinality(String) COMMENT 'Which detector spoke',
    reason String COMMENT 'One sentence: why' CODEC(ZSTD(1)),
    opened String COMMENT 'recovered: the verdict that it ends' CODEC(ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(stored)
ORDER BY (service, environment, detected_at, id)
TTL stored + toIntervalDay({history_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What the detectors said; one row per id with FINAL';

CREATE TABLE IF NOT EXISTS incidents
(
    id String COMMENT 'Stable: function of the verdict that opened it' CODEC(ZSTD(1)),
    revision UInt32 COMMENT 'Counts the incident''s changes; the largest one is the present',
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    state LowCardinality(String) COMMENT 'open, paged, acknowledged or recovering; resolved, accepted or false',
    severity LowCardinality(String) COMMENT 'info, warning, error or critical',
    opened_at DateTime64(3, 'UTC') COMMENT 'When it was opened',
    changed_at DateTime64(3, 'UTC') COMMENT 'Estimated time of the change',
    changed_from DateTime64(3, 'UTC') COMMENT 'Start of the change time''s interval',
    changed_to DateTime64(3, 'UTC') COMMENT 'End of the change time''s interval',
    paged_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the page was due; NULL when nobody was told',
    resolved_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was over; NULL while it lasts',
    resolution LowCardinality(String) COMMENT 'recovered, accepted, false or expired',
    headline String COMMENT 'The page''s first line' CODEC(ZSTD(1)),
    metrics Array(LowCardinality(String)) COMMENT 'Metrics that changed',
    verdict_ids Array(String) COMMENT 'The verdicts that it gathers' CODEC(ZSTD(1)),
    content String COMMENT 'The whole incident as JSON: verdicts, HTTP metrics, versions, causes' CODEC(ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (service, environment, id)
TTL stored + toIntervalDay({history_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Incidents; one row per id, its last revision, with FINAL';

CREATE TABLE IF NOT EXISTS dead_letters
(
    stored DateTime('UTC') DEFAULT now() COMMENT 'When it was refused' CODEC(DoubleDelta, ZSTD(1)),
    source LowCardinality(String) COMMENT 'File or stream it came from',
    line UInt64 COMMENT 'Line number, from 1' CODEC(ZSTD(1)),
    offset UInt64 COMMENT 'Byte offset of the line' CODEC(ZSTD(1)),
    reason LowCardinality(String) COMMENT 'Why it cannot be read',
    field LowCardinality(String) COMMENT 'The field at fault, when there is one',
    excerpt String COMMENT 'The beginning of the line, as the content setting allows' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(stored)
ORDER BY (source, stored, offset)
TTL stored + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Input that could not be read, with its position';

CREATE TABLE IF NOT EXISTS versions
(
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    dimension LowCardinality(String) COMMENT 'What defines behaviour: response_model, prompt_version, config.…',
    value String COMMENT 'Its value' CODEC(ZSTD(1)),
    first_seen DateTime64(3, 'UTC') COMMENT 'First event that carried it',
    last_seen DateTime64(3, 'UTC') COMMENT 'Last event that carried it',
    events UInt64 COMMENT 'Events that carried it',
    declared String COMMENT 'Description, when somebody declared the change' CODEC(ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written'
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (service, environment, dimension, value)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Versions seen; one row each, the latest, with FINAL; never expires';

-- version: 2

ALTER TABLE windows MODIFY COLUMN family Enum8('rate' = 0, 'positive' = 1, 'score' = 2) COMMENT 'How the metric is summarised';

ALTER TABLE windows ADD COLUMN IF NOT EXISTS mean Nullable(Float64) COMMENT 'Scores: mean, in the metric''s unit' CODEC(ZSTD(1)) AFTER log_mean;

ALTER TABLE windows MODIFY COLUMN p50 COMMENT 'Positive metrics and scores: median, in the metric''s unit';

ALTER TABLE windows MODIFY COLUMN p99 COMMENT 'Positive metrics and scores: 99th percentile, in the metric''s unit';

ALTER TABLE verdicts ADD COLUMN IF NOT EXISTS moved_before Map(LowCardinality(String), Float64) COMMENT 'Categories that moved: share before' CODEC(ZSTD(1)) AFTER after_events;

ALTER TABLE verdicts ADD COLUMN IF NOT EXISTS moved_after Map(LowCardinality(String), Float64) COMMENT 'Categories that moved: share since' CODEC(ZSTD(1)) AFTER moved_before;

-- version: 3

CREATE TABLE IF NOT EXISTS spend
(
    hour DateTime('UTC') COMMENT 'Start of the hour of event time' CODEC(DoubleDelta, ZSTD(1)),
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    model LowCardinality(String) COMMENT 'Model that answered, else the one asked for; empty in the row that counts tasks',
    principal String COMMENT 'Keyed hash of who asks or pays; "(other)": those beyond the limit, added up' CODEC(ZSTD(1)),
    calls UInt64 COMMENT 'Calls, late ones and shadow traffic included' CODEC(T64, ZSTD(1)),
    unpriced_calls UInt64 COMMENT 'Those of them whose cost is not known' CODEC(T64, ZSTD(1)),
    tasks UInt64 COMMENT 'Tasks that closed; only in rows without model and principal' CODEC(T64, ZSTD(1)),
    input_tokens UInt64 COMMENT 'Input tokens neither cached nor cache-written' CODEC(T64, ZSTD(1)),
    cached_tokens UInt64 COMMENT 'Input tokens read from a cache' CODEC(T64, ZSTD(1)),
    cache_write_tokens UInt64 COMMENT 'Input tokens written to a cache' CODEC(T64, ZSTD(1)),
    output_tokens UInt64 COMMENT 'Output tokens, reasoning included' CODEC(T64, ZSTD(1)),
    reasoning_tokens UInt64 COMMENT 'Output tokens spent on reasoning' CODEC(T64, ZSTD(1)),
    picodollars UInt64 COMMENT 'Cost: 1e12 are one US dollar; whole numbers, so that sums do not depend on their order' CODEC(T64, ZSTD(1)),
    input_picodollars UInt64 COMMENT 'The part of it for input_tokens' CODEC(T64, ZSTD(1)),
    cached_picodollars UInt64 COMMENT 'The part of it for cached_tokens' CODEC(T64, ZSTD(1)),
    cache_write_picodollars UInt64 COMMENT 'The part of it for cache_write_tokens' CODEC(T64, ZSTD(1)),
    output_picodollars UInt64 COMMENT 'The part of it for output_tokens; what is left are fees and costs stated for unknown models' CODEC(T64, ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toStartOfMonth(hour)
ORDER BY (service, environment, hour, model, principal)
TTL stored + toIntervalDay({history_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What was spent in an hour, by model and principal; the same hour may have several rows, which add up';

ALTER TABLE windows ADD COLUMN IF NOT EXISTS coverage Nullable(Float32) COMMENT 'Share of the slice''s calls in this window that carried what the metric needs; NULL for what is not measured call by call' CODEC(ZSTD(1)) AFTER events;

ALTER TABLE windows MODIFY COLUMN family Enum8('rate' = 0, 'positive' = 1, 'score' = 2, 'category' = 3, 'vector' = 4) COMMENT 'How the metric is summarised';

ALTER TABLE interactions ADD COLUMN IF NOT EXISTS looping Nullable(UInt8) COMMENT '1 when it repeats what its task did and brings nothing new; NULL when nobody can tell' CODEC(T64, ZSTD(1)) AFTER failed;

ALTER TABLE interactions ADD COLUMN IF NOT EXISTS categories Map(LowCardinality(String), String) COMMENT 'Metric → category: structure and format of the answer, mixes of tools, models, configurations' CODEC(ZSTD(1)) AFTER looping;

CREATE TABLE IF NOT EXISTS mixes
(
    window_start DateTime64(3, 'UTC') COMMENT 'Start of the event-time window' CODEC(DoubleDelta, ZSTD(1)),
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    segment Map(LowCardinality(String), String) COMMENT 'Slice of the traffic; empty is all of the service' CODEC(ZSTD(1)),
    metric LowCardinality(String) COMMENT 'Metric name',
    category String COMMENT 'One of the metric''s categories' CODEC(ZSTD(1)),
    events UInt32 COMMENT 'Events in it' CODEC(T64, ZSTD(1)),
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toMonday(window_start)
ORDER BY (service, environment, metric, window_start)
TTL stored + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'One row per category, series and closed window: shares are events divided by their sum';

-- version: 5
-- A block that is sent again follows its first sending by the blocks of a takeover, on a large installation thousands.

ALTER TABLE interactions MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE windows MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE mixes MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE verdicts MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE incidents MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE dead_letters MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE versions MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE spend MODIFY SETTING non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS rollups
(
    hour DateTime('UTC') COMMENT 'Start of the hour of event time' CODEC(DoubleDelta, ZSTD(1)),
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    metric LowCardinality(String) COMMENT 'Metric name',
    family LowCardinality(String) COMMENT 'How the metric is summarised',
    slice String COMMENT 'The segment as JSON text' CODEC(ZSTD(1)),
    segment SimpleAggregateFunction(any, Map(String, String)) COMMENT 'Slice of the traffic; empty is all of the service' CODEC(ZSTD(1)),
    windows SimpleAggregateFunction(sum, UInt64) COMMENT 'Windows of the hour that held anything' CODEC(T64, ZSTD(1)),
    events SimpleAggregateFunction(sum, UInt64) COMMENT 'Events that carried the metric' CODEC(T64, ZSTD(1)),
    hits SimpleAggregateFunction(sum, UInt64) COMMENT 'Rates: events for which it is true' CODEC(T64, ZSTD(1)),
    log_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Positive metrics: sum of the natural logarithms' CODEC(ZSTD(1)),
    value_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Scores: sum' CODEC(ZSTD(1)),
    p99_highest SimpleAggregateFunction(max, Float32) COMMENT 'Positive metrics and scores: the largest 99th percentile of a window' CODEC(ZSTD(1)),
    stored SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'When the last of it was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toStartOfMonth(hour)
ORDER BY (service, environment, metric, family, hour, slice)
TTL stored + toIntervalDay({history_days})
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Windows of an hour added up by series; rows of one series and hour add up, as the view hours does';

TRUNCATE TABLE rollups;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollups_from_windows TO rollups AS
SELECT toStartOfHour(window_start) AS hour, service, environment, metric, toString(one.family) AS family,
       toJSONString(one.segment) AS slice, any(CAST(one.segment, 'Map(String, String)')) AS segment,
       toUInt64(count()) AS windows, sum(toUInt64(one.events)) AS events, sum(toUInt64(ifNull(one.hits, 0))) AS hits,
       sum(ifNull(toFloat64(log_mean), 0) * one.events) AS log_sum, sum(ifNull(mean, 0) * one.events) AS value_sum,
       max(ifNull(p99, 0)) AS p99_highest, max(one.stored) AS stored
FROM windows AS one
GROUP BY hour, service, environment, metric, family, slice;

INSERT INTO rollups
SELECT toStartOfHour(window_start) AS hour, service, environment, metric, toString(one.family) AS family,
       toJSONString(one.segment) AS slice, any(CAST(one.segment, 'Map(String, String)')) AS segment,
       toUInt64(count()) AS windows, sum(toUInt64(one.events)) AS events, sum(toUInt64(ifNull(one.hits, 0))) AS hits,
       sum(ifNull(toFloat64(log_mean), 0) * one.events) AS log_sum, sum(ifNull(mean, 0) * one.events) AS value_sum,
       max(ifNull(p99, 0)) AS p99_highest, max(one.stored) AS stored
FROM windows AS one
GROUP BY hour, service, environment, metric, family, slice;

CREATE TABLE IF NOT EXISTS cards
(
    service LowCardinality(String) COMMENT 'The application',
    environment LowCardinality(String) COMMENT 'Deployment environment',
    dimension LowCardinality(String) COMMENT 'What defines behaviour: response_model, prompt_version, config.…',
    value String COMMENT 'The new version' CODEC(ZSTD(1)),
    first_seen DateTime64(3, 'UTC') COMMENT 'First event that carried it',
    until DateTime64(3, 'UTC') COMMENT 'When the card was made; what came later is not in it',
    calls UInt64 COMMENT 'Calls on it until then',
    without UInt64 COMMENT 'Calls of the same operations without it meanwhile',
    metric LowCardinality(String) COMMENT 'Metric name',
    beside UInt8 COMMENT '1: compared with calls without it at the same time; 0: with the two hours before it came',
    other Float64 COMMENT 'Level of what it is compared with, in the metric''s unit; NaN where nothing is known',
    other_low Float64 COMMENT 'Lower end of its 95 % interval',
    other_high Float64 COMMENT 'Upper end of its 95 % interval',
    other_events UInt64 COMMENT 'Events it rests on',
    level Float64 COMMENT 'Level on the version',
    level_low Float64 COMMENT 'Lower end of its 95 % interval',
    level_high Float64 COMMENT 'Upper end of its 95 % interval',
    level_events UInt64 COMMENT 'Events it rests on',
    z Float64 COMMENT 'The difference in standard errors',
    sure UInt8 COMMENT '1 when it would stand out among all metrics of the card',
    apart Float64 COMMENT 'How far the two may lie apart at 95 %: metric''s unit; for positive metrics the ratio less one',
    stored DateTime('UTC') DEFAULT now() COMMENT 'When the row was written'
)
ENGINE = ReplacingMergeTree(calls)
ORDER BY (service, environment, dimension, value, metric)
TTL stored + toIntervalDay({history_days})
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Each new version beside the others, a row a metric; the one that rests on most calls with FINAL';
