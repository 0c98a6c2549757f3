"""One service: a metric of it in a slice, the slices beside one another, and the calls behind them."""

from __future__ import annotations

from undertow.dashboards.board import Board, Kind, Panel, Row, Sql, Variable
from undertow.dashboards.board_sql import ENVIRONMENT, LEVEL, OF_ENVIRONMENT, SEGMENT, SERVICES, marks

__all__ = ["BOARD"]

_OF_SERVICE = f"service = ${{service:singlequote}} AND {OF_ENVIRONMENT}"
_OF_METRIC = f"$__timeFilter(window_start) AND metric = ${{metric:singlequote}} AND {_OF_SERVICE}"
_OF_SERIES = f"{_OF_METRIC} AND {SEGMENT} = ${{segment:singlequote}}"

_VARIABLES = (
    Variable("service", "Service", SERVICES),
    ENVIRONMENT,
    Variable(
        "metric",
        "Metric",
        Sql("""SELECT DISTINCT metric
FROM windows
WHERE $__timeFilter(window_start) AND service = ${service:singlequote} AND family IN ('rate', 'positive', 'score')
ORDER BY metric != 'refusal_rate', metric"""),
    ),
    Variable(
        "segment",
        "Slice",
        Sql(f"""SELECT DISTINCT {SEGMENT} AS slice
FROM windows
WHERE $__timeFilter(window_start) AND service = ${{service:singlequote}} AND metric = ${{metric:singlequote}}
ORDER BY slice != 'all traffic', slice"""),
    ),
)

# Wilson's interval; z² = 3.8415 for 95 %
_LEVEL = Panel(
    title="$metric of $segment",
    kind=Kind.LINES,
    questions=(
        Sql(f"""WITH sum(events) AS n, sum(hits) / n AS share, 3.8415 AS z2,
    (share + z2 / (2 * n)) / (1 + z2 / n) AS middle,
    sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n) AS half
SELECT $__timeInterval(window_start) AS time, {LEVEL} AS level, middle - half AS low, middle + half AS high
FROM windows
WHERE {_OF_SERIES}
GROUP BY time
ORDER BY time"""),
    ),
    description="The level; for rates with Wilson's 95 % interval, which is wide where calls are few.",
    width=16,
    height=10,
)

_EVENTS = Panel(
    title="Events that carry $metric",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, sum(events) AS carried
FROM windows
WHERE {_OF_SERIES}
GROUP BY time
ORDER BY time"""),
    ),
    description="How many events the level rests on.",
    width=8,
    height=5,
)

_COVERAGE = Panel(
    title="Share of calls that carry $metric",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, sum(coverage * events) / sum(events) AS coverage
FROM windows
WHERE {_OF_SERIES}
GROUP BY time
ORDER BY time"""),
    ),
    description="What a metric needs may be missing from some calls; empty for what is not measured call by call.",
    unit="percentunit",
    width=8,
    height=5,
)

_SLICES = Panel(
    title="$metric by slice",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, {SEGMENT} AS slice, {LEVEL} AS level
FROM windows
WHERE {_OF_METRIC} AND segment IN (
    SELECT segment
    FROM windows
    WHERE {_OF_METRIC}
    GROUP BY segment
    ORDER BY sum(events) DESC
    LIMIT 12)
GROUP BY time, slice
ORDER BY time, slice"""),
    ),
    description="The twelve slices with the most events.",
    legend="${__field.labels.slice}",
)

_SPREAD = Panel(
    title="Median and tail of $metric",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, median(p50) AS p50, max(p99) AS p99
FROM windows
WHERE {_OF_SERIES} AND family IN ('positive', 'score')
GROUP BY time
ORDER BY time"""),
    ),
    description="Quantities and scores: the median of the windows' medians, the largest of their 99th percentiles.",
)

_STRUCTURES = Panel(
    title="Structures of answers",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT $__timeInterval(window_start) AS time, category, sum(mixes.events) AS answers
FROM mixes
WHERE $__timeFilter(window_start) AND metric = 'output_structure' AND empty(segment) AND {_OF_SERVICE}
GROUP BY time, category
ORDER BY time, category"""),
    ),
    description="Keys and types of JSON answers, as shares.",
    legend="${__field.labels.category}",
    stacked=True,
)

_SPEND = Panel(
    title="Spent an hour by model",
    kind=Kind.LINES,
    questions=(
        Sql(f"""SELECT hour AS time, model, sum(spend.picodollars) / 1e12 AS dollars
FROM spend
WHERE $__timeFilter(hour) AND model != '' AND {_OF_SERVICE}
GROUP BY time, model
ORDER BY time, model"""),
    ),
    description="US dollars; calls without a price are not in it.",
    unit="currencyUSD",
    legend="${__field.labels.model}",
)

_REFUSALS = Panel(
    title="Refusals by model and prompt version",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT operation, response_model, prompt_version, count(refused) AS answers,
    avg(refused) AS refused_share
FROM interactions
WHERE $__timeFilter(time) AND kind = 'call' AND {_OF_SERVICE}
GROUP BY operation, response_model, prompt_version
HAVING answers > 0
ORDER BY refused_share DESC, answers DESC
LIMIT 100"""),
    ),
    description="Of the answers that could be judged.",
    units={"refused_share": "percentunit"},
)

_CALLS = Panel(
    title="Latest answers that refuse, break their schema, or are cut off",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT time, operation, response_model, prompt_version,
    multiIf(refused = 1, 'refuses', schema_valid = 0, 'breaks its schema', 'is cut off') AS what,
    substringUTF8(input, 1, 200) AS asked, substringUTF8(output, 1, 200) AS answered, id
FROM interactions
WHERE $__timeFilter(time) AND (refused = 1 OR schema_valid = 0 OR truncated = 1) AND {_OF_SERVICE}
ORDER BY time DESC
LIMIT 50"""),
    ),
    description="Texts as the setting `content` keeps them.",
    width=24,
)

_CHANGES = Panel(
    title="What changed",
    kind=Kind.TABLE,
    questions=(
        Sql(f"""SELECT changed_at, {SEGMENT} AS slice, metric, direction, before, after, events, kind, reason
FROM verdicts FINAL
WHERE $__timeFilter(detected_at) AND kind != 'recovered' AND {_OF_SERVICE}
ORDER BY changed_at DESC
LIMIT 200"""),
    ),
    description="What the detectors said of this service, notices included.",
)

BOARD = Board(
    uid="undertow-service",
    title="Undertow: one service",
    description="A metric of one service in one slice, the slices beside one another, and the calls behind them.",
    variables=_VARIABLES,
    annotations=marks(_OF_SERVICE),
    rows=(
        Row("$metric", (_LEVEL, _EVENTS, _COVERAGE, _SLICES, _SPREAD)),
        Row("The service", (_STRUCTURES, _SPEND, _CHANGES, _REFUSALS)),
        Row("Calls", (_CALLS,)),
    ),
)
