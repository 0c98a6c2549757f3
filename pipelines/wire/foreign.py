"""Any other JSON log, read through a map from event fields to where they stand in its records."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xxhash

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Reject
from undertow.pipelines.settings import SettingsError
from undertow.pipelines.wire.coercion import COERCIONS, GROUPS, Coercion
from undertow.pipelines.wire.dropped import Dropped
from undertow.pipelines.wire.expressions import Expression, compile_expression
from undertow.pipelines.wire.json_lines import parse_object
from undertow.pipelines.wire.proposal import propose

__all__ = ["ForeignDecoder", "propose"]


@dataclass(frozen=True, slots=True)
class _Field:
    """One entry of the map; `group` is "attributes", "config" or "scores" for an entry of those, else empty."""

    group: str
    name: str
    expression: Expression
    coerce: Coercion


class ForeignDecoder:
    """Decodes JSON lines through a `[ingest.fields]` map; what the map does not name is not read.

    Parameters
    ----------
    fields
        Event field → expression (expressions.py). Besides the fields of docs/events.md, `attributes.NAME`,
        `config.NAME` and `scores.NAME` are allowed.
    service
        Name for events whose records have none; else it stays empty and the source's name is taken.

    Raises
    ------
    undertow.pipelines.settings.SettingsError
        `time` is not mapped, a field is unknown or an expression cannot be read.

    Examples
    --------
    >>> decode = ForeignDecoder({"time": "created", "output": "choices.0.text", "latency": "took_ms"}, "chat")
    >>> event = decode(b'{"created": 1700000000, "choices": [{"text": "Hi"}], "took_ms": 120}')
    >>> event.output, event.latency, len(event.id)
    ('Hi', 0.12, 32)
    """

    def __init__(self, fields: Mapping[str, str], service: str | None = None) -> None:
        if "time" not in fields:
            raise SettingsError("[ingest.fields] does not map 'time': every event needs the moment it happened at")
        self._service = service or ""
        self._fields = [_field(name, text) for name, text in fields.items()]
        self._dropped = Dropped()

    @property
    def dropped(self) -> Mapping[str, int]:
        """Always empty: only what the map names is read."""
        return self._dropped.counts

    def __call__(self, line: bytes) -> Interaction | Reject:
        """Return the event on this line, or why there is none."""
        record = parse_object(line)
        if isinstance(record, Reject):
            return record
        event: dict[str, Any] = {}
        for field in self._fields:
            try:
                found = field.expression(record)
                value = None if found is None else field.coerce(found)
            except (ValueError, OverflowError) as error:
                return Reject(str(error), f"{field.group}.{field.name}" if field.group else field.name)
            if value is not None:
                target = event.setdefault(field.group, {}) if field.group else event
                target[field.name] = value
        return self._finish(event, line)

    def _finish(self, event: dict[str, Any], line: bytes) -> Interaction | Reject:
        if "time" not in event:
            return Reject("nothing at the path that [ingest.fields] gives", "time")
        if "id" not in event:
            # The same line anywhere is the same event; its position must not matter.
            event["id"] = xxhash.xxh3_128_hexdigest(line.strip())
        event.setdefault("service", self._service)
        return Interaction(**event)


def _field(name: str, text: str) -> _Field:
    try:
        expression = compile_expression(text)
    except ValueError as error:
        raise SettingsError(f"[ingest.fields] {name} = '{text}': {error}") from error
    if name in COERCIONS:
        return _Field("", name, expression, COERCIONS[name])
    group, _, rest = name.partition(".")
    if group in GROUPS and rest:
        return _Field(group, rest, expression, GROUPS[group])
    near = difflib.get_close_matches(name, COERCIONS, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "; docs/events.md has the fields"
    raise SettingsError(f"[ingest.fields] maps unknown event field '{name}'{hint}")
