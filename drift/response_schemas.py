"""Answers against the JSON Schema that they were asked to satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from undertow.drift.answers import LONGEST_ANSWER, Answer, Form
from undertow.drift.interaction import Interaction
from undertow.drift.validation import Compiled, Reasons, Validator, compiled, violation

__all__ = ["SATISFIED", "ResponseSchemas"]

SATISFIED = "satisfied"
_MOST_SCHEMAS = 256
_WITHOUT_JSON = {
    Form.WITHIN: "JSON beside other text",
    Form.BROKEN: "broken JSON",
    Form.TEXT: "no JSON",
    Form.EMPTY: "empty answer",
}


class ResponseSchemas:
    """Says of an answer what it breaks first; remembers the schemas it met, at most 256 of those in events.

    Parameters
    ----------
    schemas
        The schemas that events may name.

    Examples
    --------
    >>> from undertow.drift.answers import answer_of
    >>> schemas = ResponseSchemas({"ticket": {"required": ["status"]}})
    >>> event = Interaction(id="1", time=0.0, service="s", response_schema="ticket")
    >>> [schemas.judge(event, answer_of(text), text) for text in ('{"status": 1}', '{"state": 1}', "No.")]
    ['satisfied', 'required at status', 'no JSON']
    """

    def __init__(self, schemas: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._named = {name: compiled(msgspec.json.encode(schema)) for name, schema in (schemas or {}).items()}
        self._inline = Compiled(compiled, _MOST_SCHEMAS)
        self.skipped = Reasons()

    @property
    def broken(self) -> list[str]:
        """The registered names whose schema is broken itself."""
        return [name for name, validator in self._named.items() if validator is None]

    def judge(self, event: Interaction, answer: Answer, text: str) -> str | None:
        """Return "satisfied", what the answer breaks first, or None (counted in `skipped`) when nothing can be said."""
        if answer.form is Form.LONG or len(text) > LONGEST_ANSWER:
            self.skipped.add(f"answer above {LONGEST_ANSWER:,} characters")
            return None
        validator = self._validator(event.response_schema)
        if validator is None:
            return None
        if answer.form in (Form.WHOLE, Form.FENCED):
            return violation(validator, answer.value) or SATISFIED
        if answer.form is not Form.TEXT:
            return _WITHOUT_JSON[answer.form]
        try:
            return violation(validator, msgspec.json.decode(text.strip())) or SATISFIED
        except (ValueError, RecursionError):
            return _WITHOUT_JSON[Form.TEXT]

    def _validator(self, schema: dict[str, Any] | str | None) -> Validator | None:
        if not isinstance(schema, str):
            validator = self._inline.of(schema)
            reason = "broken schema in the event"
        else:
            validator = self._named.get(schema)
            reason = f"{'broken' if schema in self._named else 'unknown'} schema '{schema[:100]}'"
        if validator is None:
            self.skipped.add(reason)
        return validator
