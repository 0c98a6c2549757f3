"""Which answers break the JSON Schema that they were asked to satisfy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch, Column, column

__all__ = ["SchemaViolation"]

_MAX_CHARACTERS = 1_000_000
_MAX_SCHEMAS = 256
_MAX_REASONS = 100
_MAX_STEPS = 10_000  # of a pattern with look-around


class SchemaViolation:
    """Whether the answer, as a parser would read it, satisfies the event's `response_schema`.

    Unit: share of answers that had to satisfy one. Harm: up. Cost: 2 µs an event with a schema, 0.1 µs without.

    The answer must be JSON as it stands, or one fenced block and nothing else: JSON inside prose is a violation, since
    a consumer's parser breaks on it. Text that is no JSON (a refusal, a cut answer, an empty one), and JSON nested too
    deeply to be decoded, are violations too. References to other documents are never fetched.

    Says nothing, and counts in `skipped` why: a name that no schema is registered under, a schema that is broken
    itself, an answer above 1,000,000 characters. Says nothing without counting: no schema, content not recorded, a
    tool call instead of an answer, a failed call. `skipped` holds at most 100 reasons, the rest as "other".

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
        self._named = {name: _compile(msgspec.json.encode(schema)) for name, schema in (schemas or {}).items()}
        self._inline = lru_cache(maxsize=_MAX_SCHEMAS)(_compile)
        self.skipped: Counter[str] = Counter()

    @property
    def broken(self) -> list[str]:
        """The registered names whose schema is broken itself, for whoever checks the configuration."""
        return [name for name, validator in self._named.items() if validator is None]

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that breaks its schema."""
        return column(
            [
                None if event.response_schema is None or failed else self._violates(event, text)
                for event, text, failed in zip(batch.events, batch.outputs, batch.failed, strict=True)
            ]
        )

    def _violates(self, event: Interaction, text: str | None) -> bool | None:
        if text is None or (event.tool_calls and not text.strip()):
            return None
        if len(text) > _MAX_CHARACTERS:
            self._skip(f"answer above {_MAX_CHARACTERS:,} characters")
            return None
        validator = self._validator(event.response_schema)
        return None if validator is None else not _satisfies(validator, text)

    def _validator(self, schema: dict[str, Any] | str | None) -> jsonschema_rs.Validator | None:
        if not isinstance(schema, str):
            validator = self._inline(msgspec.json.encode(schema))
            reason = "broken schema in the event"
        else:
            validator = self._named.get(schema)
            reason = f"{'broken' if schema in self._named else 'unknown'} schema '{schema[:100]}'"
        if validator is None:
            self._skip(reason)
        return validator

    def _skip(self, reason: str) -> None:
        self.skipped[reason if reason in self.skipped or len(self.skipped) < _MAX_REASONS else "other"] += 1


def _compile(schema: bytes) -> jsonschema_rs.Validator | None:
    """Return the validator, None for a schema that is broken.

    Patterns run on the engine that takes linear time; those with look-around, which it lacks, on the other one with a
    limit on its steps.
    """
    engines = (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=_MAX_STEPS))
    for engine in engines:
        try:
            return jsonschema_rs.validator_for(msgspec.json.decode(schema), offline=True, pattern_options=engine)
        except ValueError:  # also the parent of the library's ValidationError
            continue
    return None


def _satisfies(validator: jsonschema_rs.Validator, text: str) -> bool:
    try:
        return validator.is_valid(msgspec.json.decode(_unfenced(text)))
    except (ValueError, RecursionError):
        return False


def _unfenced(text: str) -> str:
    """Return what stands between the fences of an answer that is one fenced block, else the answer."""
    stripped = text.strip()
    if not (stripped.startswith("```") and stripped.endswith("```") and len(stripped) > 6):
        return stripped
    language, newline, body = stripped[3:-3].partition("\n")
    return body if newline and (not language.strip() or language.strip().isalnum()) else stripped
