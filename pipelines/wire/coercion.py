"""Foreign values → the types of the event's fields; what does not fit raises ValueError, quoting no value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from undertow.drift.interaction import Kind, text_of
from undertow.pipelines.wire import messages
from undertow.pipelines.wire.expressions import Found
from undertow.pipelines.wire.moments import duration, number, seconds
from undertow.pipelines.wire.paths import embedded

__all__ = ["COERCIONS", "GROUPS", "Coercion"]

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
MOST_TOKENS = 2**53
LONGEST_NAME = 512  # characters of an id or a service


def _text(found: Found) -> str | None:
    value = found.value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return str(value) or None


def _name(found: Found) -> str | None:
    name = _text(found)
    if name and len(name) > LONGEST_NAME:
        raise ValueError(f"longer than {LONGEST_NAME} characters")
    return name


def _error(found: Found) -> str | None:
    value = found.value
    if isinstance(value, bool):
        return "error" if value else None
    if isinstance(value, dict):
        told = next((value[name] for name in ("type", "code", "message", "error") if value.get(name)), None)
        return None if told is None and not any(value.values()) else _text(Found(told or value))
    return _text(found) if value else None


def _count(found: Found) -> int | None:
    if found.value == "":
        return None
    value = number(found.value)
    if value < 0 or not value.is_integer() or value > MOST_TOKENS:
        raise ValueError("expected a whole number ≥ 0")
    return int(value)


def _amount(found: Found) -> float | None:
    return None if found.value == "" else _not_negative(number(found.value))


def _duration(found: Found) -> float | None:
    return None if found.value == "" else _not_negative(duration(found.value, found.unit))


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValueError("expected a number ≥ 0")
    return value


def _time(found: Found) -> float | None:
    return None if found.value == "" else seconds(found.value, found.unit, found.form)


def _status(found: Found) -> int | None:
    status = _count(found)
    if status is not None and status > 999:
        raise ValueError("expected an HTTP status")
    return status


def _flag(found: Found) -> bool | None:
    value = found.value
    if isinstance(value, str):
        value = FLAGS.get(value.strip().lower(), value)
    if value == "":
        return None
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise ValueError("expected true or false")


def _kind(found: Found) -> Kind:
    try:
        return Kind(str(found.value).lower())
    except ValueError:
        # Spans and logs name dozens of operations; all but tool runs are calls or parts of calls.
        return Kind.TOOL if str(found.value).lower() in ("execute_tool", "function", "ai.toolcall") else Kind.CALL


def _tools(found: Found) -> list[Any] | str | None:
    value = found.value
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list | str) and value else None


def _schema(found: Found) -> dict[str, Any] | str | None:
    value = found.value
    if isinstance(value, str) and value.startswith("{"):
        value = embedded(value)
    return value if isinstance(value, dict | str) and value else None


def _scalar(found: Found) -> str | bool | int | float | None:
    value = found.value
    return value if isinstance(value, bool | int | float) else _text(found)


def _measure(found: Found) -> float | None:
    value = float(found.value) if isinstance(found.value, bool) else found.value
    return None if value == "" else number(value)


Coercion = Callable[[Found], Any]

COERCIONS: dict[str, Coercion] = {
    "id": _name,
    "time": _time,
    "service": _name,
    "kind": _kind,
    "environment": _text,
    "operation": _text,
    "agent": _text,
    "model": _text,
    "response_model": _text,
    "provider": _text,
    "prompt_version": _text,
    "user": _text,
    "instructions": lambda found: text_of(messages.content(found.value)) or None,
    "input": lambda found: messages.content(found.value),
    "output": lambda found: messages.content(found.value),
    "label": _text,
    "tools": _tools,
    "tool_calls": lambda found: messages.tool_calls(found.value),
    "documents": lambda found: messages.documents(found.value),
    "finish_reason": _text,
    "stop_sequence": _text,
    "input_tokens": _count,
    "output_tokens": _count,
    "cached_tokens": _count,
    "cache_write_tokens": _count,
    "reasoning_tokens": _count,
    "cost": _amount,
    "latency": _duration,
    "time_to_first_token": _duration,
    "http_status": _status,
    "error": _error,
    "task": _text,
    "parent": _text,
    "session": _text,
    "turn": _count,
    "response_schema": _schema,
    "refused": _flag,
    "shadow_of": _text,
    "about": _text,
}
GROUPS: dict[str, Coercion] = {"attributes": _scalar, "config": _scalar, "scores": _measure}  # "attributes.region" = …
