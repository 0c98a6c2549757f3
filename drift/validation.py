"""JSON Schemas: compiled once, kept in bounded numbers, and what an instance breaks first, by name."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import jsonschema_rs
import msgspec
import xxhash

from undertow.drift.keys import key_name

__all__ = ["MOST_SCHEMA_BYTES", "Compiled", "Reasons", "Validator", "compiled", "violation"]

MOST_SCHEMA_BYTES = 262_144
_MOST_REASONS = 100
_MOST_STEPS = 10_000  # of a pattern with look-around
_LONGEST_PATH = 120  # characters

Validator = jsonschema_rs.Validator
T = TypeVar("T")


class Compiled(Generic[T]):
    """What is made of definitions, remembered for those used last; a definition is known by its hash.

    Examples
    --------
    >>> lengths = Compiled(len, limit=100)
    >>> lengths.of([1, 2]), len(lengths)
    (5, 1)
    """

    def __init__(self, make: Callable[[bytes], T], limit: int) -> None:
        self._make, self._limit = make, limit
        self._made: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made)

    def of(self, definition: Any) -> T:
        """Return what is made of a definition, given as decoded JSON; of one that cannot be written, as of none."""
        try:
            encoded = msgspec.json.encode(definition)
        except (ValueError, RecursionError):  # half a surrogate pair, nesting that was only just read
            encoded = b""
        key = xxhash.xxh3_128_digest(encoded)
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        if len(self._made) >= self._limit:
            self._made.popitem(last=False)
        made = self._made[key] = self._make(encoded)
        return made


class Reasons(Counter[str]):
    """Counts why something said nothing: at most 100 reasons, the rest as "other"."""

    def add(self, reason: str) -> None:
        """Count a reason."""
        self[reason if reason in self or len(self) < _MOST_REASONS else "other"] += 1


def compiled(schema: bytes) -> Validator | None:
    """Return the validator, None for a schema that is broken or above 262,144 bytes. References are never fetched.

    Patterns run on the engine that takes linear time; those with look-around, which it lacks, on the other one with a
    limit on its steps.
    """
    if len(schema) > MOST_SCHEMA_BYTES:
        return None
    engines = (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS))
    for engine in engines:
        try:
            return jsonschema_rs.validator_for(msgspec.json.decode(schema), offline=True, pattern_options=engine)
        except (ValueError, RecursionError):  # also the parents of the library's errors
            continue
    return None


def violation(validator: Validator, value: Any) -> str | None:
    """Return the first thing that a value breaks, as keyword and path; None when it satisfies the schema.

    Examples
    --------
    >>> validator = compiled(b'{"properties": {"items": {"items": {"required": ["id"]}}}}')
    >>> violation(validator, {"items": [{"id": 1}, {}]}), violation(validator, {})
    ('required at items[].id', None)
    """
    try:
        if validator.is_valid(value):
            return None
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return _named(error)
    except (ValueError, RecursionError):  # nested deeper than the library goes
        return "nested too deeply at $"
    return None


def _named(error: jsonschema_rs.ValidationError) -> str:
    """Return keyword and path; a missing or unexpected key is the path's last step, data in it are `*`."""
    path: list[str | int] = list(error.instance_path)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        path.append(kind.property)
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        path.append(min(kind.unexpected))
    steps = ("[]" if isinstance(step, int) else f".{key_name(step)}" for step in path)
    told = "".join(steps).removeprefix(".") or "$"
    return f"{kind.name} at {told if len(told) <= _LONGEST_PATH else '…' + told[-_LONGEST_PATH:]}"
