"""What the demo asks its store: every level and count that it shows is the answer to one of these statements."""

# ruff: noqa: S608 (statements are put together from constants, numbers and quoted values)

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from undertow.alerts.incident import Incident
from undertow.dashboards.model import VersionView
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Series, Verdict
from undertow.pipelines.clickhouse import DATABASE
from undertow.pipelines.engine import Engine, Statement, quoted

__all__ = [
    "COLUMNS",
    "HttpBucket",
    "Level",
    "Queries",
    "Totals",
    "calls_of",
    "can_be_drawn",
    "moment",
    "seconds_of",
    "tail_of",
    "values_of",
]

COLUMNS = {  # metric → column of `interactions` that it is measured from
    "refusal_rate": "refused",
    "schema_violation_rate": "1 - schema_valid",
    "truncation_rate": "truncated",
    "empty_rate": "empty",
    "error_rate": "failed",
    "output_length": "output_length",
    "input_length": "input_length",
    "output_tokens": "output_tokens",
    "input_tokens": "input_tokens",
    "latency": "latency",
    "loop_rate": "looping",
    "reasoning_tokens": "reasoning_tokens",
    "time_to_first_token": "time_to_first_token",
}
_OF_TASKS = {"cost_per_task": "sum(cost)", "calls_per_task": "count()"}
_COUNTED = ("kind = 'call'", "late = 0")
_FIELDS = frozenset({"operation", "agent", "model", "response_model", "provider", "prompt_version", "label"})
_TAILS = {"low": (0.01, "<"), "high": (0.99, ">")}
_ESTIMATE = "'Tuple(value Float64, low Float64, high Float64, events UInt64)'"
_SERIES = "'Tuple(service String, environment String, segment Array(Tuple(String, String)), metric String)'"

Record = TypeVar("Record")


class Level(msgspec.Struct, frozen=True):
    """A series over the stretch of time that begins at `t`: its level, from so many events, and the hits of a rate."""

    t: float
    value: float
    events: int
    hits: int | None = None


class HttpBucket(msgspec.Struct, frozen=True):
    """What classic monitoring sees of the stretch of time that begins at `t`; latencies in seconds."""

    t: float
    requests: int
    errors: int
    p50: float | None
    p99: float | None


class Totals(msgspec.Struct, frozen=True):
    """What the store holds of all services: events, their first and last moment, unreadable lines."""

    events: int
    first: float
    last: float
    unreadable: int


class Queries:
    """Asks the embedded store below a data folder, beside the watch that writes it in the same process.

    Parameters
    ----------
    service, environment
        Whose levels are asked for; totals, incidents and verdicts are those of all.
    """

    def __init__(self, data: Path, service: str, environment: str) -> None:
        self._engine = Engine(os.path.realpath(data / "store"), DATABASE)
        self.service, self.environment = service, environment

    def rows(self, sql: str, kind: type[Record]) -> list[Record]:
        """Return the rows of a statement as records of that kind; columns are fields."""
        body = self._engine.answer(Statement(sql, format="JSONEachRow")).body
        return [msgspec.json.decode(line, type=kind, strict=False) for line in body.splitlines()]

    def totals(self) -> Totals:
        """Return what there is."""
        sql = f"""SELECT count() AS events, {seconds_of("min(time)")} AS first, {seconds_of("max(time)")} AS last,
            (SELECT count() FROM dead_letters) AS unreadable FROM interactions"""
        return self.rows(sql, Totals)[0]

    def levels(self, series: Sequence[Series], width_s: float, calm_until: float) -> list[list[Level]]:
        """Return each series by stretches of `width_s` seconds of event time, oldest first.

        A tail begins at the percentile of the values before `calm_until`: the store keeps no windows of tails, but it
        has the events.
        """
        found: list[list[Level]] = [[] for _ in series]
        for row in self._from_windows(series, width_s):
            found[row.which].append(Level(row.t, row.value, row.number, row.hits))
        for number, each in enumerate(series):
            if tail_of(each):
                found[number] = self._tail(each, width_s, calm_until)
        return found

    def http(self, width_s: float) -> list[HttpBucket]:
        """Return what classic monitoring sees, by stretches of `width_s` seconds, oldest first."""
        sql = f"""SELECT {_bucket("time", width_s)} AS t, count() AS requests, countIf(failed = 1) AS errors,
            quantile(0.5)(latency) AS p50, quantile(0.99)(latency) AS p99
            FROM interactions WHERE {self._mine()} AND kind = 'call' GROUP BY t ORDER BY t"""
        return self.rows(sql, HttpBucket)

    def incidents(self) -> list[Incident]:
        """Return the incidents as they stand, oldest first."""
        found = self.rows("SELECT content AS text FROM incidents ORDER BY opened_at, id", _Text)
        return [msgspec.json.decode(row.text, type=Incident) for row in found]

    def verdicts(self) -> list[Verdict]:
        """Return what the detectors said, in order of time and then of evidence."""
        times = ("detected_at", "changed_at", "changed_from", "changed_to")
        columns = [f"{seconds_of(f'verdicts.{name}')} AS {name}" for name in times]
        columns += [
            f"CAST((verdicts.{side}, {side}_low, {side}_high, {side}_events), {_ESTIMATE}) AS {side}"
            for side in ("before", "after")
        ]
        slices = "arraySort(arrayZip(mapKeys(segment), mapValues(segment)))"
        columns.append(f"CAST((service, environment, {slices}, metric), {_SERIES}) AS series")
        plain = "id, kind, direction, events, statistic, threshold, detector, reason, opened"
        sql = f"""SELECT {plain}, {", ".join(columns)} FROM verdicts ORDER BY detected_at, threshold - statistic, id"""
        return self.rows(sql, Verdict)

    def versions(self, after: float) -> list[VersionView]:
        """Return the versions first seen later than `after`, oldest first."""
        sql = f"""SELECT dimension, value, service, {seconds_of("versions.first_seen")} AS first_seen, declared
            FROM versions WHERE versions.first_seen > {moment(after)} ORDER BY first_seen, dimension, value"""
        return self.rows(sql, VersionView)

    def events_between(self, series: Series, start: float, end: float) -> int:
        """Return how many events of the series' slice carried its metric between two moments."""
        sql = f"""SELECT sum(events) AS number FROM windows WHERE {_is(_parent(series))}
            AND window_start >= {moment(start)} AND window_start < {moment(end)}"""
        return self.rows(sql, _Number)[0].number

    def close(self) -> None:
        """Ask no more."""
        self._engine.close()

    def _mine(self) -> str:
        return f"service = {quoted(self.service)} AND environment = {quoted(self.environment)}"

    def _from_windows(self, series: Sequence[Series], width_s: float) -> list[_WindowRow]:
        followed = [(number, each) for number, each in enumerate(series) if not tail_of(each)]
        if not followed:
            return []
        which = ", ".join(f"{_is(each)}, {number}" for number, each in followed)
        metrics = ", ".join(quoted(metric) for metric in sorted({each.metric for _, each in followed}))
        sql = f"""SELECT multiIf({which}, -1) AS which, {_bucket("window_start", width_s)} AS t,
            sum(windows.events) AS number, sum(windows.hits) AS hits,
            if(any(family) = 'rate', hits / number, exp(sum(log_mean * windows.events) / number)) AS value
            FROM windows WHERE {self._mine()} AND metric IN ({metrics}) AND which >= 0 GROUP BY which, t ORDER BY t"""
        return self.rows(sql, _WindowRow)

    def _tail(self, series: Series, width_s: float, calm_until: float) -> list[Level]:
        share, side = _TAILS[tail_of(series)]
        calm = f"SELECT quantileExact({share})(measured) FROM ({values_of(series)}) WHERE time < {moment(calm_until)}"
        sql = f"""WITH ({calm}) AS edge SELECT {_bucket("time", width_s)} AS t, count() AS events,
            countIf(measured {side} edge) AS hits, hits / events AS value
            FROM ({values_of(series)}) GROUP BY t ORDER BY t"""
        return self.rows(sql, Level)


# -- parts of statements ----------------------------------------------------------------------------------------------


def tail_of(series: Series) -> str:
    """Return which tail of its metric the series follows: "low", "high", or "" for the metric itself."""
    return series.metric.rpartition(".")[2] if series.metric != parent_of(series.metric) else ""


def calls_of(series: Series) -> str:
    """Return the condition on `interactions` for the calls of the series' slice that were counted."""
    slices = [f"{_field(dimension)} = {quoted(value)}" for dimension, value in series.segment]
    return " AND ".join([_whose(series), *_COUNTED, *slices])


def values_of(series: Series) -> str:
    """Return the statement whose rows (time, measured) are the metric's values in the slice: of calls, or of tasks.

    A task counts in the slices of its first call.
    """
    metric = parent_of(series.metric)
    if metric not in _OF_TASKS:
        calls = f"FROM interactions WHERE {calls_of(series)}"
        return f"SELECT time, {COLUMNS[metric]} AS measured {calls} AND measured IS NOT NULL"
    slices = [
        f"argMin({_field(dimension)}, interactions.time) = {quoted(value)}" for dimension, value in series.segment
    ]
    return f"""SELECT max(interactions.time) AS time, {_OF_TASKS[metric]} AS measured FROM interactions
        WHERE {" AND ".join([_whose(series), *_COUNTED])} GROUP BY task HAVING {" AND ".join(slices) or "true"}"""


def can_be_drawn(series: Series) -> bool:
    """Tell whether the store's calls say what the series measures: categories, directions and rules have no level."""
    return parent_of(series.metric) in {*COLUMNS, *_OF_TASKS}


def moment(t: float) -> str:
    """Return a moment (seconds since the epoch) as a literal."""
    return f"fromUnixTimestamp64Milli({round(1000 * t)}, 'UTC')"


def seconds_of(expression: str) -> str:
    """Return a moment of the store as seconds since the epoch."""
    return f"toUnixTimestamp64Milli({expression}) / 1000"


def _bucket(column: str, width_s: float) -> str:
    return f"floor({seconds_of(column)} / {width_s}) * {width_s}"


def _whose(series: Series) -> str:
    return f"service = {quoted(series.service)} AND environment = {quoted(series.environment)}"


def _is(series: Series) -> str:
    slices = [f"segment[{quoted(dimension)}] = {quoted(value)}" for dimension, value in series.segment]
    wanted = [_whose(series), f"metric = {quoted(series.metric)}", f"length(segment) = {len(series.segment)}", *slices]
    return f"({' AND '.join(wanted)})"


def _parent(series: Series) -> Series:
    return Series(series.service, series.environment, series.segment, parent_of(series.metric))


def _field(dimension: str) -> str:
    return dimension if dimension in _FIELDS else f"attributes[{quoted(dimension)}]"


class _WindowRow(msgspec.Struct, frozen=True):
    which: int
    t: float
    number: int
    value: float
    hits: int | None = None


class _Number(msgspec.Struct, frozen=True):
    number: int


class _Text(msgspec.Struct, frozen=True):
    text: str
