"""Metrics of the user's own: whether a text matches their pattern, what number their field holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan
from typing import Any

from undertow.drift.answers import JSON_FORMS, Answer, answers
from undertow.drift.own_metric import OwnMetric, field_reader
from undertow.drift.patterns import Pattern
from undertow.drift.signal import Batch, Column, column

__all__ = ["FieldSignal", "PatternSignal", "own_signal"]

_LONGEST_NUMBER = 40  # characters of a text that is read as a number
_LARGEST = 1e15  # larger is no measurement, and its square would drown all others


class PatternSignal:
    r"""Whether a text matches a pattern of the user's own.

    Unit: share of texts. Harm: as declared. Cost: 2 µs for 740 characters, whatever the pattern, 0.1 s at the very
    worst (see `Pattern`). Events without the text say nothing; outputs of failed calls neither. A text longer than what
    is read of it (262,144 characters; less for a large pattern) that holds no match there says nothing, and `skipped`
    counts it.

    It cannot see a thing said in other words.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> signal = PatternSignal(OwnMetric("apology", pattern="(?i)sorry"))
    >>> calls = [Interaction(id="1", time=0.0, service="s", output=text) for text in ("Sorry!", "Done.", None)]
    >>> signal.measure(Batch(calls))
    array([ 1.,  0., nan])
    """

    def __init__(self, own: OwnMetric) -> None:
        self.metric = own.name
        self.pattern = Pattern(own.pattern or "")
        self._on_input = own.on == "input"
        self.skipped: Counter[str] = Counter()

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each text that matches."""
        return column([None if text is None else self._matches(text) for text in self.texts(batch)])

    def texts(self, batch: Batch) -> list[str | None]:
        """Return the texts that the pattern is searched in."""
        if self._on_input:
            return batch.inputs
        return [None if failed else text for text, failed in zip(batch.outputs, batch.failed, strict=True)]

    def _matches(self, text: str) -> bool | None:
        found = self.pattern.found(text)
        if found is None:
            self.skipped[f"text above {self.pattern.longest:,} characters"] += 1
        return found


class FieldSignal:
    """A number that the event carries: an attribute, an entry of its configuration, or a value in an answer's JSON.

    Unit: as declared. Harm: as declared. Cost: 0.4 µs an event for an attribute; 0.5 µs for a path into an answer's
    JSON, on top of reading it, which all signals share. A text that is a number is read as one. Events that lack the
    field, or hold something else there, say nothing; answers of failed calls neither. `skipped` counts why: no JSON, no
    number, below 0 on a log scale, too large (beyond ±1e15).

    It cannot see a field under another name: a renamed key looks like silence, which coverage shows.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> signal = FieldSignal(OwnMetric("total", field="output.order.total"))
    >>> answers = ('{"order": {"total": 12.5}}', '{"order": {}}', "No.")
    >>> calls = [Interaction(id="1", time=0.0, service="s", output=answer) for answer in answers]
    >>> signal.measure(Batch(calls))
    array([12.5,  nan,  nan])
    """

    def __init__(self, own: OwnMetric) -> None:
        self.metric = own.name
        self._not_negative = own.scale == "log"
        self._path = (own.field or "").split(".")
        self._read = field_reader(own.field or "")
        self.skipped: Counter[str] = Counter()

    def measure(self, batch: Batch) -> Column:
        """Return the number each event carries."""
        return column([None if value is None else self._number(value) for value in self._values(batch)])

    def _values(self, batch: Batch) -> list[Any]:
        if self._path[0] != "output":
            return [self._read(event) for event in batch.events]
        if len(self._path) == 1:
            return [None if failed else text for text, failed in zip(batch.outputs, batch.failed, strict=True)]
        return [None if answer is None else self._inside(answer) for answer in answers(batch)]

    def _inside(self, answer: Answer) -> Any:
        if answer.form in JSON_FORMS:
            return _walk(answer.value, self._path[1:])
        self.skipped[f"{answer.form} answer, no JSON"] += 1
        return None

    def _number(self, value: Any) -> float | None:
        number = _as_number(value)
        if number is None or isnan(number):
            self.skipped["no number"] += 1
        elif not abs(number) <= _LARGEST:
            self.skipped["too large"] += 1
        elif number < 0 and self._not_negative:
            self.skipped["below 0 on a log scale"] += 1
        else:
            return number
        return None


def own_signal(own: OwnMetric) -> PatternSignal | FieldSignal:
    """Return the signal that measures a metric of the user's own."""
    return PatternSignal(own) if own.pattern is not None else FieldSignal(own)


def _walk(value: Any, names: Sequence[str]) -> Any:
    """Return what lies at the path, None when there is nothing."""
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) < 1e300 else float("inf")
    if isinstance(value, list):
        return float(len(value))
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            return float(value)
        except ValueError:
            return None
    return None
