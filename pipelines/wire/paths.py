r"""Dotted paths into JSON: `choices.0.message.content`.

A name may itself hold dots (`attributes.gen_ai.request.model`), a number is a list index (-1 is the last), `*` stands
for every index, a list of `{"key": …, "value": …}` pairs (OTLP) reads like an object, and a path may go on inside a
text that holds JSON. The longest name that fits is taken first.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["MAX_NAMES", "Path", "unwrap"]

MAX_NAMES = 16  # parts of a path
MAX_INDEXES = 1_000  # values a `*` collects
MAX_EMBEDDED = 1_000_000  # characters of a text that is read as JSON

_parse = msgspec.json.Decoder().decode
_VALUE_KEYS = re.compile(r"^(string|int|double|bool|bytes|array|kvlist)_?[vV]alue$")


class Path:
    """A compiled path; calling it with a record returns the value, None when there is none.

    Examples
    --------
    >>> Path("choices.0.message.content")({"choices": [{"message": {"content": "Hi"}}]})
    'Hi'
    >>> Path("attributes.gen_ai.request.model")({"attributes": {"gen_ai.request.model": "m"}})
    'm'
    >>> Path("llm.messages.*.text")({"llm.messages.0.text": "a", "llm.messages.1.text": "b"})
    ['a', 'b']
    """

    def __init__(self, text: str) -> None:
        names = tuple(text.split("."))
        if not text or "" in names or len(names) > MAX_NAMES:
            raise ValueError(f"'{text}' is no path: names joined by dots are expected, {MAX_NAMES} at most")
        self.text = text
        self._names = names

    def __call__(self, record: Any) -> Any:
        """Return what lies at the path."""
        return _walk(record, self._names)


def _walk(value: Any, names: tuple[str, ...]) -> Any:
    if not names:
        return value
    if isinstance(value, dict):
        return _walk_object(value, names)
    if isinstance(value, list):
        return _walk_list(value, names)
    if isinstance(value, str) and value[:1] in "{[" and len(value) <= MAX_EMBEDDED:
        return _walk(embedded(value), names)
    return None


def _walk_object(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    for end in range(len(names), 0, -1):
        key = names[0] if end == 1 else ".".join(names[:end])
        if key in value:
            found = _walk(value[key], names[end:])
            if found is not None:
                return found
    return _every(value, names) if "*" in names else None


def _walk_list(value: list[Any], names: tuple[str, ...]) -> Any:
    head = names[0]
    if head == "*":
        found = [_walk(item, names[1:]) for item in value[:MAX_INDEXES]]
        return [item for item in found if item is not None] or None
    if head.lstrip("-").isdecimal():
        index = int(head)
        return _walk(value[index], names[1:]) if -len(value) <= index < len(value) else None
    pairs = _pairs(value)
    return _walk_object(pairs, names) if pairs else None


def _every(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Collect `a.*.b` from an object whose keys are flattened: `a.0.b`, `a.1.b`."""
    star = names.index("*")
    prefix = ".".join(names[:star]) + "."
    heads = {key[len(prefix) :].split(".", 1)[0] for key in value if key.startswith(prefix)}
    indexes = sorted((head for head in heads if head.isdecimal()), key=int)[:MAX_INDEXES]
    found = [_walk_object(value, (*names[:star], index, *names[star + 1 :])) for index in indexes]
    return [item for item in found if item is not None] or None


def embedded(text: str) -> Any:
    """Return the JSON value that the text holds, None when it holds none."""
    try:
        return _parse(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _pairs(items: list[Any]) -> dict[str, Any] | None:
    if not items or not all(isinstance(item, dict) and isinstance(item.get("key"), str) for item in items):
        return None
    return {item["key"]: unwrap(item.get("value")) for item in items}


def unwrap(value: Any) -> Any:
    """Return the plain value of an OTLP `AnyValue`, anything else as it is.

    Examples
    --------
    >>> unwrap({"arrayValue": {"values": [{"stringValue": "stop"}]}}), unwrap({"int_value": "12"})
    (['stop'], '12')
    """
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((key, inner),) = value.items()
    if not _VALUE_KEYS.match(key):
        return value
    if key.startswith("array"):
        return [unwrap(item) for item in (inner or {}).get("values", [])]
    if key.startswith("kvlist"):
        return _pairs((inner or {}).get("values", [])) or {}
    return inner
