"""Real exchanges from the store that show a change: what it is like since, beside a similar question from before."""

# ruff: noqa: S608 (statements are put together from constants, numbers and quoted values)

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from undertow.dashboards.model import Example
from undertow.dashboards.units import quantity
from undertow.drift.metrics import Family, parent_of, resolve
from undertow.drift.verdict import Verdict
from undertow.pipelines.demo_queries import COLUMNS, Queries, calls_of, moment, seconds_of, tail_of, values_of

__all__ = ["examples"]

_PAIRS = 2
_SHOWN = 80  # exchanges since the change that are held against
_CANDIDATES = 1000  # from before it
_QUICKLY_READ = 500  # characters of a question, where its length is not the matter
_BEGINNING = 80  # characters of a question that are compared
_USUAL = 1.25  # a value within this factor of the usual level is an ordinary one
_TYPICAL = 1.1  # within this factor of the new level is what the change made ordinary
_TEXTS = "input != '' AND output != ''"
_WORDS = {  # metric → what an exchange before the change shows, and one since
    "refusal_rate": ("answered", "refused"),
    "schema_violation_rate": ("satisfies its schema", "breaks its schema"),
    "truncation_rate": ("complete", "cut off by the length limit"),
    "empty_rate": ("answered", "no content"),
    "error_rate": ("succeeded", "failed"),
}


class _Exchange(msgspec.Struct, frozen=True):
    time: float
    input: str
    output: str
    measured: float


class _Pair(msgspec.Struct, frozen=True):
    before: _Exchange
    after: _Exchange


class _Number(msgspec.Struct, frozen=True):
    value: float | None


def examples(queries: Queries, verdict: Verdict, until: float) -> list[Example]:
    """Return pairs of exchanges, one from before the change and one since, with questions as alike as there are.

    Parameters
    ----------
    until
        When the change was over, or the end of the traffic: none is taken from later.
    """
    if parent_of(verdict.series.metric) not in COLUMNS:
        return []  # a task is no exchange
    pairs = queries.rows(_pairs(verdict, _usual_level(queries, verdict), until), _Pair)
    return [
        example
        for pair in _different(pairs)
        for example in (_told(verdict, "before", pair.before), _told(verdict, "after", pair.after))
    ]


def _different(pairs: Sequence[_Pair]) -> list[_Pair]:
    """Return the first pairs that have nothing in common."""
    chosen: list[_Pair] = []
    for pair in pairs:
        same = any(
            pair.before.input == other.before.input or pair.after.input[:_BEGINNING] == other.after.input[:_BEGINNING]
            for other in chosen
        )
        if not same and len(chosen) < _PAIRS:
            chosen.append(pair)
    return chosen


def _pairs(verdict: Verdict, level: float, until: float) -> str:
    """Return the statement that pairs calls which show the change with ordinary ones from before it.

    Those that show it are drawn by the hash of their ids. The pairs whose questions begin most alike come first; where
    it is the questions that changed, those that are least like any from before.
    """
    texts = _TEXTS if _of_questions(verdict) else f"{_TEXTS} AND lengthUTF8(input) < {_QUICKLY_READ}"
    calls = f"""SELECT {_exchange(verdict)} AS exchange, operation, substringUTF8(input, 1, {_BEGINNING}) AS asked
        FROM interactions WHERE {calls_of(verdict.series)} AND {texts}"""
    drawn = "ORDER BY cityHash64(id) LIMIT"
    after = f"""{calls} AND {_shows(verdict, level)} AND time >= {moment(verdict.changed_at)}
        AND time < {moment(until)} {drawn} {_SHOWN}"""
    before = f"""{calls} AND {_ordinary(verdict, level)} AND time < {moment(verdict.changed_from)}
        {drawn} {_CANDIDATES}"""
    alike = "ngramDistance(new.asked, old.asked)"
    partner, order = ("cityHash64(new.asked, old.asked)", "DESC") if _of_questions(verdict) else (alike, "ASC")
    return f"""SELECT argMin(old.exchange, {partner}) AS before, new.exchange AS after
        FROM ({after}) AS new INNER JOIN ({before}) AS old USING operation
        GROUP BY new.exchange, new.asked ORDER BY min({alike}) {order}, cityHash64(new.asked)"""


def _of_questions(verdict: Verdict) -> bool:
    return parent_of(verdict.series.metric).startswith("input_")


def _exchange(verdict: Verdict) -> str:
    columns = f"({seconds_of('time')}, input, output, toFloat64({COLUMNS[parent_of(verdict.series.metric)]}))"
    return f"CAST({columns}, 'Tuple(time Float64, input String, output String, measured Float64)')"


def _ordinary(verdict: Verdict, level: float) -> str:
    """Return the condition under which a call from before the change is like most."""
    column = COLUMNS[parent_of(verdict.series.metric)]
    if not _is_rate(verdict):
        return f"{column} BETWEEN {level / _USUAL} AND {level * _USUAL}"
    # Not to have been found a refusal is not enough: a classifier overlooks some, and those are short.
    return f"{column} = 0 AND output_length >= {level}" if column == "refused" else f"{column} = 0"


def _shows(verdict: Verdict, usual: float) -> str:
    """Return the condition under which a call shows the change."""
    column = COLUMNS[parent_of(verdict.series.metric)]
    if _of_questions(verdict):
        return "true"  # what is new among them shows it, however long
    if _is_rate(verdict):
        return f"{column} = 1"
    if tail := tail_of(verdict.series):
        return f"{column} > {3 * usual}" if tail == "high" else f"{column} < {usual / 3}"
    level = verdict.after.value
    return f"{column} BETWEEN {level / _TYPICAL} AND {level * _TYPICAL}"


def _usual_level(queries: Queries, verdict: Verdict) -> float:
    """Return the median before the change of what is measured, or of the answers' lengths for a rate."""
    metric = "output_length" if _is_rate(verdict) else parent_of(verdict.series.metric)
    series = msgspec.structs.replace(verdict.series, metric=metric)
    calm = f"SELECT quantile(0.5)(measured) AS value FROM ({values_of(series)})"
    return queries.rows(f"{calm} WHERE time < {moment(verdict.changed_from)}", _Number)[0].value or 0.0


def _is_rate(verdict: Verdict) -> bool:
    return resolve(parent_of(verdict.series.metric)).family is Family.RATE


def _told(verdict: Verdict, when: str, exchange: _Exchange) -> Example:
    metric = resolve(parent_of(verdict.series.metric))
    words = _WORDS.get(metric.name)
    told = words[when == "after"] if words else quantity(exchange.measured, metric.unit)
    where = ", ".join(f"{dimension}={value}" for dimension, value in verdict.series.segment) or "all traffic"
    return Example(
        when=when, time=exchange.time, where=f"{metric.title} · {where}", input=exchange.input, output=exchange.output,
        why=told,
    )  # fmt: skip
