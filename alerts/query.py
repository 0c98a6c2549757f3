"""The query that on-call runs next: the lead series, minute by minute, from an hour before the change on."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import is_rate, lead

__all__ = ["query"]

BEFORE_S = 3600
AFTER_S = 7200


def query(incident: Incident) -> str:
    """Return one line of ClickHouse SQL over the store's `windows`, ready for `undertow sql`."""
    series = lead(incident.verdicts).series
    level = "sum(hits) / sum(events)" if is_rate(series.metric) else "exp(sum(log_mean * events) / sum(events))"
    conditions = [
        f"service = {_quoted(series.service)}",
        f"environment = {_quoted(series.environment)}",
        f"metric = {_quoted(series.metric)}",
        f"length(segment) = {len(series.segment)}",
        *(f"segment[{_quoted(dimension)}] = {_quoted(value)}" for dimension, value in series.segment),
        f"window_start BETWEEN {_time(incident.changed_from - BEFORE_S)} AND {_time(incident.changed_to + AFTER_S)}",
    ]
    columns = f"toStartOfMinute(window_start) AS minute, sum(events) AS n, {level} AS level"
    return f"SELECT {columns} FROM windows WHERE {' AND '.join(conditions)} GROUP BY minute ORDER BY minute"  # noqa: S608 – text for a person to run, every value quoted


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "\\n") + "'"


def _time(at: float) -> str:
    day = 86_400.0
    bounded = min(max(at, day), 4_000_000_000.0) if math.isfinite(at) else day  # what ClickHouse's calendar can hold
    return f"'{datetime.fromtimestamp(bounded, UTC):%Y-%m-%d %H:%M:%S}'"
