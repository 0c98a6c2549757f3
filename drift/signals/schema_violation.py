"""Which answers break the JSON Schema that they were asked to satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.drift.answers import answers
from undertow.drift.response_schemas import SATISFIED, ResponseSchemas
from undertow.drift.signal import Batch, Column, column
from undertow.drift.validation import Reasons

__all__ = ["SchemaViolation"]


class SchemaViolation:
    """Whether the answer, as a parser would read it, satisfies the event's `response_schema`.

    Unit: share of answers that had to satisfy one. Harm: up. Cost: 2 µs an event with a schema, 0.1 µs without.

    The answer must be JSON as it stands, or one fenced block and nothing else: JSON inside prose is a violation, since
    a consumer's parser breaks on it. Text that is no JSON (a refusal, a cut answer, an empty one), and JSON nested too
    deeply to be decoded, are violations too. References to other documents are never fetched. What the answers break,
    keyword and path, is `schema_violation`.

    Says nothing, and counts in `skipped` why: a name that no schema is registered under, a schema that is broken
    itself or above 262,144 bytes, an answer above 1,000,000 characters. Says nothing without counting: no schema,
    content not recorded, a tool call instead of an answer, a failed call. `skipped` holds at most 100 reasons, the rest
    as "other".

    It cannot see values that are wrong but well-formed, nor a schema that is too lax to be broken.

    Parameters
    ----------
    schemas
        The schemas that events may name.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> signal = SchemaViolation({"ticket": {"type": "object", "required": ["status"]}})
    >>> answers = ['{"status": 1}', '{"state": 1}', "No."]
    >>> events = [Interaction(id=a, time=0.0, service="s", output=a, response_schema="ticket") for a in answers]
    >>> signal.measure(Batch(events))
    array([0., 1., 1.])
    """

    metric = "schema_violation_rate"

    def __init__(self, schemas: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._schemas = ResponseSchemas(schemas)

    @property
    def skipped(self) -> Reasons:
        """Why answers with a schema were not judged, and how many."""
        return self._schemas.skipped

    @property
    def broken(self) -> list[str]:
        """The registered names whose schema is broken itself, for whoever checks the configuration."""
        return self._schemas.broken

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that breaks its schema."""
        judged = [
            None if answer is None or event.response_schema is None else self._schemas.judge(event, answer, text or "")
            for event, answer, text in zip(batch.events, answers(batch), batch.outputs, strict=True)
        ]
        return column([None if what is None else what != SATISFIED for what in judged])
