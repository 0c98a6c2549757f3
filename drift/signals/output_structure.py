"""Which keys and types JSON answers have, without a schema."""

from __future__ import annotations

from collections import Counter

from undertow.drift.answers import JSON_FORMS, Answer, Form, answers
from undertow.drift.signal import Batch
from undertow.drift.structure import BEYOND, BROKEN, TEXT, shape_of

__all__ = ["OutputStructure"]

_NAMES: dict[Form, str | None] = {Form.TEXT: TEXT, Form.EMPTY: None, Form.BROKEN: BROKEN, Form.LONG: BEYOND}


class OutputStructure:
    """The keys and types of the JSON in the answer, as one name: `{items:[{id:number}],status:string}`.

    Unit: share of answers by structure. Harm: both ways. Cost: 10 µs for 1 kB of JSON with 50 values, 0.3 µs for prose.

    JSON counts as it stands, in a code fence, between sentences, and in pieces of one message. Other answers are "text"
    (so that a service whose JSON turns into prose shows, and one that only talks has one category that never moves),
    "broken JSON" (begun like JSON, but no parser reads it) or "JSON beyond the limits" (above 1,000,000 characters).
    Failed calls, empty answers, content that was not recorded and tool calls without a text say nothing.

    A key that is null is the same as one left out; elements of an array share one shape; keys that are data become `*`.
    At most 8 levels, 64 keys an object, the first 100 elements of an array and 2,000 values are looked at; `limited`
    counts the answers where that left something out, by limit.

    It cannot see changed values, an optional key that is rare, a change within keys that are data, nor more than the
    presence of a key that is null.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> texts = ['{"exec_summary": "Late."}', 'Sure: {"total": 7, "items": [{"id": 1}]}', "Late again."]
    >>> OutputStructure().classify(Batch([Interaction(id=t, time=0.0, service="s", output=t) for t in texts]))
    ['{exec_summary:string}', '{items:[{id:number}],total:number}', 'text']
    """

    metric = "output_structure"

    def __init__(self) -> None:
        self.limited: Counter[str] = Counter()

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the structure of each answer."""
        return [None if answer is None else self._name(answer) for answer in answers(batch)]

    def _name(self, answer: Answer) -> str | None:
        if answer.form not in JSON_FORMS:
            if answer.form is Form.LONG:
                self.limited["characters"] += 1
            return _NAMES[answer.form]
        shape = shape_of(answer.value)
        self.limited.update(shape.limits)
        return shape.name
