"""A JSON Schema learned from sample answers: required keys, types, and values where they are few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from undertow.drift.answers import JSON_FORMS, answer_of
from undertow.drift.keys import ANY, key_name
from undertow.drift.structure import DEPTH, ELEMENTS, WIDTH

__all__ = ["Learned", "learn_schema"]

_SLIPS = 0.01  # share of samples below which a type or a missing key is a slip of the model
_FEWEST = 20  # objects seen before a key is required of them
_MOST_VALUES = 12  # of an enumeration
_SEEN_EACH = 20  # times that a value was seen on average before values are taken to be an enumeration
_LONGEST_VALUE = 40  # characters; longer ones are texts
_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@dataclass(frozen=True)
class Learned:
    """What was learned: a schema, from how many answers with JSON, and how many had none."""

    schema: dict[str, Any]
    samples: int
    without_json: int


@dataclass
class _Seen:
    """What was seen at one place of the answers, in bounded memory."""

    types: Counter[str] = field(default_factory=Counter)
    keys: dict[str, _Seen] = field(default_factory=dict)
    elements: _Seen | None = None
    values: set[str] | None = field(default_factory=set)  # None once they are too many, or texts
    wide: bool = False  # had more keys than are followed

    def add(self, value: Any, depth: int = 1) -> None:
        """Take in one value."""
        scalar = _JSON_TYPES.get(type(value))
        self.types[scalar or ("object" if isinstance(value, dict) else "array")] += 1
        if isinstance(value, str):
            self._add_text(value)
        elif depth <= DEPTH and isinstance(value, dict):
            self._add_object(value, depth)
        elif depth <= DEPTH and isinstance(value, list):
            self.elements = self.elements or _Seen()
            for inner in value[:ELEMENTS]:
                self.elements.add(inner, depth + 1)

    def schema(self) -> dict[str, Any]:
        """Return the schema of what was seen."""
        found: dict[str, Any] = {}
        kinds = self._kinds()
        if kinds:
            found["type"] = kinds[0] if len(kinds) == 1 else kinds
        if kinds == ["string"] and self._is_enumeration():
            found["enum"] = sorted(self.values or ())
        if "object" in kinds:
            found |= self._object_schema()
        if "array" in kinds and self.elements is not None and self.elements.types:
            found["items"] = self.elements.schema()
        return found

    def _add_text(self, text: str) -> None:
        if self.values is not None:
            self.values.add(text[: _LONGEST_VALUE + 1])
            if len(self.values) > _MOST_VALUES or len(text) > _LONGEST_VALUE:
                self.values = None

    def _add_object(self, value: dict[str, Any], depth: int) -> None:
        for key, inner in value.items():
            name = key_name(key)
            if name not in self.keys and len(self.keys) >= WIDTH:
                self.wide = True
            else:
                self.keys.setdefault(name, _Seen()).add(inner, depth + 1)

    def _kinds(self) -> list[str]:
        """Return the types that are no slips; a number that is sometimes whole is a number."""
        total = self.types.total()
        kinds = {kind for kind, count in self.types.items() if count >= _SLIPS * total}
        return sorted(kinds - {"integer"} if "number" in kinds else kinds)

    def _is_enumeration(self) -> bool:
        return bool(self.values) and self.types["string"] >= _SEEN_EACH * len(self.values or ())

    def _object_schema(self) -> dict[str, Any]:
        named = {name: seen for name, seen in sorted(self.keys.items()) if name != ANY}
        found: dict[str, Any] = {"properties": {name: seen.schema() for name, seen in named.items()}} if named else {}
        objects = self.types["object"]
        always = [name for name, seen in named.items() if seen.types.total() >= (1 - _SLIPS) * objects]
        if always and objects >= _FEWEST:
            found["required"] = always
        if ANY in self.keys and not named and not self.wide:
            found["additionalProperties"] = self.keys[ANY].schema()
        return found


def learn_schema(outputs: Iterable[str]) -> Learned:
    """Return the schema that 99 of 100 of these answers satisfy at each place; answers without JSON are counted.

    A key is required when it stands in at least 99 % of the objects at its place (20 of them or more); types below 1 %
    are slips. Texts are an enumeration when there are at most 12 of them, each seen 20 times on average. Unknown keys
    are allowed, since a new key is what `output_structure` follows; where all keys are data their values share one
    schema. The first 100 elements of an array, 64 keys an object and 8 levels are looked at.

    Examples
    --------
    >>> learned = learn_schema(['{"status": "open", "total": 7}', '{"status": "closed", "total": 7.5}'] * 20 + ["No."])
    >>> learned.schema["required"], learned.schema["properties"]["status"]
    (['status', 'total'], {'type': 'string', 'enum': ['closed', 'open']})
    >>> learned.samples, learned.without_json
    (40, 1)
    """
    seen, samples, without = _Seen(), 0, 0
    for output in outputs:
        answer = answer_of(output)
        if answer.form in JSON_FORMS:
            seen.add(answer.value)
            samples += 1
        else:
            without += 1
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return Learned(dialect | seen.schema(), samples, without)
