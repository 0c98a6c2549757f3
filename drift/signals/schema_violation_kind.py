"""What answers break of the JSON Schema that they were asked to satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.drift.answers import answers
from undertow.drift.response_schemas import ResponseSchemas
from undertow.drift.signal import Batch

__all__ = ["SchemaViolationKind"]


class SchemaViolationKind:
    """The keyword and path that the answer breaks first: `required at summary`, `enum at items[].status`.

    Unit: share of answers that had to satisfy a schema. Harm: both ways. Cost: 2 µs an event with a schema.

    Answers that break nothing are "satisfied"; those that a parser would not read are "no JSON", "broken JSON", "JSON
    beside other text" or "empty answer". `schema_violation_rate` says when nothing is said, and follows how many break
    something; this follows what. A missing or unexpected key is the last step of the path, keys that are data are `*`.

    It cannot see the second thing that an answer breaks; which comes first is the same for the same answer and schema.

    Parameters
    ----------
    schemas
        The schemas that events may name.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> signal = SchemaViolationKind({"ticket": {"required": ["summary"]}})
    >>> answers = ['{"summary": 1}', '{"exec_summary": 1}', "No."]
    >>> events = [Interaction(id=a, time=0.0, service="s", output=a, response_schema="ticket") for a in answers]
    >>> signal.classify(Batch(events))
    ['satisfied', 'required at summary', 'no JSON']
    """

    metric = "schema_violation"

    def __init__(self, schemas: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._schemas = ResponseSchemas(schemas)

    def classify(self, batch: Batch) -> list[str | None]:
        """Return what each answer breaks first, "satisfied" for nothing."""
        return [
            None if answer is None or event.response_schema is None else self._schemas.judge(event, answer, text or "")
            for event, answer, text in zip(batch.events, answers(batch), batch.outputs, strict=True)
        ]
