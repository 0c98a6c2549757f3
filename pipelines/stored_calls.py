"""Calls as the store has them, to show a change: for those who did not count them themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from undertow.alerts.incident import Incident
from undertow.alerts.ranking import measured
from undertow.alerts.reasons import show
from undertow.drift.averages import NOTHING, Average
from undertow.drift.exemplars import ALL, Exemplar
from undertow.drift.verdict import Verdict
from undertow.pipelines.demo_queries import moment, seconds_of
from undertow.pipelines.engine import quoted
from undertow.pipelines.illustration import Span, illustrated
from undertow.pipelines.rows import FLAGS

__all__ = ["illustrate"]

Answer = Callable[[str], Sequence[Sequence[Any]]]

_MOST = 300  # calls of either side, those with the smallest hashes of their ids
_LONGEST = 600  # characters of a text
_VALUES = ("latency", "output_length", "input_length", "output_tokens", "input_tokens", "reasoning_tokens", "cost")
_NAMED = frozenset(
    {"operation", "agent", "model", "response_model", "provider", "prompt_version"}
    | {"label", "finish_reason", "instructions", "tools"}
)


def illustrate(incident: Incident, answer: Answer) -> Incident:
    """Return the incident with the words that moved and calls of before and since.

    Parameters
    ----------
    answer
        Takes a statement and returns its rows; what it raises is passed on.
    """
    about = measured(incident.verdicts)
    calls = _Stored(about, answer)
    phrases, shown = illustrated(about, calls.between, calls.usual)
    found = replace(incident)
    show(found, about, phrases, shown)
    return found


class _Stored:
    """The calls of the slice of one verdict, each span asked for once."""

    def __init__(self, verdict: Verdict, answer: Answer) -> None:
        self._verdict, self._answer = verdict, answer
        self._known: dict[Span, list[Exemplar]] = {}

    def between(self, span: Span, sample: str | None) -> Iterator[Exemplar]:
        """Yield the calls of a span; of a sample those of which its rate is true."""
        if span not in self._known:
            self._known[span] = [_exemplar(row) for row in self._answer(_statement(self._verdict, span))]
        return (one for one in self._known[span] if sample in {None, ALL} or sample in one.true)

    def usual(self, metric: str, time: float) -> Average:
        """Return the level of a metric in the calls before: of positive values that of their logarithms."""
        before = [one for span, calls in self._known.items() if span[1] <= time for one in calls]
        logs = [math.log(one.values[metric]) for one in before if one.values.get(metric, 0.0) > 0.0]
        return Average(len(logs), sum(logs) / len(logs), 0.0) if logs else NOTHING


def _statement(verdict: Verdict, span: Span) -> str:
    series = verdict.series
    conditions = [
        f"service = {quoted(series.service)}",
        f"environment = {quoted(series.environment)}",
        "kind IN ('call', 'tool')",
        "shadow_of = ''",
        *(f"{_dimension(name)} = {quoted(value)}" for name, value in series.segment),
        f"interactions.time >= {moment(span[0])}",
        f"interactions.time < {moment(span[1])}",
    ]
    texts = ", ".join(f"substring({name}, 1, {_LONGEST})" for name in ("input", "output"))
    columns = ", ".join(["cityHash64(id)", "id", seconds_of("time"), texts, *FLAGS, *_VALUES])
    return f"SELECT {columns} FROM interactions WHERE {' AND '.join(conditions)} ORDER BY cityHash64(id) LIMIT {_MOST}"  # noqa: S608 – values are quoted


def _dimension(name: str) -> str:
    return name if name in _NAMED else f"attributes[{quoted(name)}]"


def _exemplar(row: Sequence[Any]) -> Exemplar:
    number, key, time, asked, said, *measures = row
    flags, values = measures[: len(FLAGS)], measures[len(FLAGS) :]
    true = tuple(metric for metric, flag in zip(FLAGS.values(), flags, strict=True) if flag)
    known = {name: float(value) for name, value in zip(_VALUES, values, strict=True) if value is not None}
    return Exemplar(int(number), str(key), float(time), {}, true, known, asked, said)
