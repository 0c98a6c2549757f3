"""The query that on-call runs next: the lead series by the minute, or its calls, from an hour before the change on."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import lead
from undertow.drift.metrics import FLEET, RULE, Family, described
from undertow.drift.verdict import Series

__all__ = ["query"]

BEFORE_S = 3600
AFTER_S = 7200
_COLUMNS = ("operation", "agent", "model", "response_model", "provider", "prompt_version", "label", "finish_reason")


def query(incident: Incident) -> str:
    """Return one line of ClickHouse SQL over the store, ready for `undertow sql`.

    Levels of rates, quantities and scores come from `windows`, shares of categories from `mixes`; what has no level (a
    direction, a rule) is shown by the calls themselves.
    """
    series = lead(incident.verdicts).series
    known = described(series.metric)
    if known is None or known.family is Family.VECTOR or series.metric.startswith((RULE, FLEET)):
        return _calls(series, _between("time", incident))
    conditions = [
        f"service = {_quoted(series.service)}",
        f"environment = {_quoted(series.environment)}",
        f"metric = {_quoted(series.metric)}",
        f"length(segment) = {len(series.segment)}",
        *(f"segment[{_quoted(dimension)}] = {_quoted(value)}" for dimension, value in series.segment),
        _between("window_start", incident),
    ]
    columns, table, by = _levels(known.family)
    minute = "toStartOfMinute(window_start) AS minute"
    return f"SELECT {minute}, {columns} FROM {table} WHERE {' AND '.join(conditions)} GROUP BY {by} ORDER BY {by}"  # noqa: S608 – text for a person to run, every value quoted


def _levels(family: Family) -> tuple[str, str, str]:
    """Return what to select, from which table, and by what."""
    if family is Family.CATEGORY:
        return "category, sum(events) AS n", "mixes", "minute, category"
    level = {
        Family.RATE: "sum(hits) / sum(events)",
        Family.SCORE: "sum(mean * events) / sum(events)",
    }.get(family, "exp(sum(log_mean * events) / sum(events))")
    return f"sum(events) AS n, {level} AS level", "windows", "minute"


def _calls(series: Series, between: str) -> str:
    conditions = [
        f"service = {_quoted(series.service)}",
        f"environment = {_quoted(series.environment)}",
        *(_carried(dimension, value) for dimension, value in series.segment if dimension.isidentifier()),
        between,
    ]
    return f"SELECT time, input, output FROM interactions WHERE {' AND '.join(conditions)} ORDER BY time"  # noqa: S608 – as above


def _carried(dimension: str, value: str) -> str:
    column = dimension if dimension in _COLUMNS else f"attributes[{_quoted(dimension)}]"
    return f"{column} = {_quoted(value)}"


def _between(column: str, incident: Incident) -> str:
    return f"{column} BETWEEN {_time(incident.changed_from - BEFORE_S)} AND {_time(incident.changed_to + AFTER_S)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "\\n") + "'"


def _time(at: float) -> str:
    day = 86_400.0
    bounded = min(max(at, day), 4_000_000_000.0) if math.isfinite(at) else day  # what ClickHouse's calendar can hold
    return f"'{datetime.fromtimestamp(bounded, UTC):%Y-%m-%d %H:%M:%S}'"
