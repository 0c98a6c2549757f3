"""Native JSON: one event a line, decoded by one call in C; docs/events.md is its contract.

A line with something out of the ordinary (a field that the contract does not know, a null inside a map, 12.0 where a
count stands) takes a second, slower way to the same event. Traffic that is always like that goes there directly, so
that no event pays for an attempt that fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec

from undertow.drift.interaction import Interaction, Kind
from undertow.pipelines.decoder import Reject
from undertow.pipelines.wire.dropped import Dropped
from undertow.pipelines.wire.json_lines import parse_object, reject_of

__all__ = ["UNKNOWN_LIMIT", "UNKNOWN_TEXT", "Event", "NativeDecoder"]

UNKNOWN_LIMIT = 32  # unknown fields kept as attributes, an event
UNKNOWN_TEXT = 256  # characters; a longer text is content, not a slice of traffic, and is not kept as an attribute
TOO_LARGE_S = 1e11  # year 5138: a larger number is in another unit
TOO_LATE_YEAR = 5000
PATIENCE = 8  # lines in a row that need the slow way before it is taken directly
RETRY = 64  # then one line in so many tries the fast way again

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # whole numbers that every store and JSON reader can hold


class Event(Interaction, kw_only=True, forbid_unknown_fields=True):
    """An `Interaction` as it may stand on the wire: narrower limits, either form of time, null for absent."""

    id: Name
    time: float | datetime  # type: ignore[assignment]  # becomes seconds before anybody else sees it
    service: Name | None = None  # type: ignore[assignment]  # the settings may name it
    kind: Kind | None = Kind.CALL  # type: ignore[assignment]  # null stands for the default in logs
    environment: str | None = ""  # type: ignore[assignment]  # likewise
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    turn: Tokens | None = None
    http_status: Annotated[int, msgspec.Meta(ge=0, le=999)] | None = None


FIELDS = frozenset(Event.__struct_fields__)
INTEGERS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "turn",
    "http_status",
)
MAPS = ("attributes", "config", "scores")


class NativeDecoder:
    r"""Decodes native JSON lines.

    Parameters
    ----------
    service
        Name for events that carry none; without it such an event is refused.

    Examples
    --------
    >>> decode = NativeDecoder()
    >>> decode(b'{"id": "1", "time": "2026-01-01T00:00:00Z", "service": "support", "shard": 7}').attributes
    {'shard': 7}
    >>> decode(b'{"id": "1", "time": 1767225600000, "service": "support"}')
    Reject(reason='looks like milliseconds since the epoch; seconds are expected', field='time', at=None)
    """

    def __init__(self, service: str | None = None) -> None:
        self._service = service
        self._decode = msgspec.json.Decoder(Event).decode
        self._dropped = Dropped()
        self._slow_streak = 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """Unknown fields that were not kept because they are no scalars, too long or too many: name → how often."""
        return self._dropped.counts

    def __call__(self, line: bytes) -> Interaction | Reject:
        """Return the event on this line, or why there is none."""
        if self._slow_streak > PATIENCE and self._slow_streak % RETRY:
            return self._decode_slowly(line)
        try:
            event = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_slowly(line)
        self._slow_streak = 0
        return self._finish(event)

    def _decode_slowly(self, line: bytes) -> Interaction | Reject:
        self._slow_streak += 1
        record = parse_object(line)
        if isinstance(record, Reject):
            return record
        self._keep_unknown(record)
        _tidy(record)
        try:
            return self._finish(msgspec.convert(record, Event))
        except msgspec.ValidationError as error:
            return reject_of(error)

    def _keep_unknown(self, record: dict[str, Any]) -> None:
        unknown = {name: record.pop(name) for name in [name for name in record if name not in FIELDS]}
        if not unknown:
            return
        attributes = record.get("attributes")
        if attributes is None or isinstance(attributes, dict):
            record["attributes"] = {**self._scalars(unknown), **(attributes or {})} or None

    def _scalars(self, unknown: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in unknown.items():
            if value is None:
                continue
            if len(kept) < UNKNOWN_LIMIT and _is_slice(value):
                kept[name] = value
            else:
                self._dropped.add(name)
        return kept

    def _finish(self, event: Event) -> Interaction | Reject:
        time = event.time
        if type(time) is not float:
            moment = cast(datetime, time)
            if moment.year >= TOO_LATE_YEAR:
                return Reject(f"lies after the year {TOO_LATE_YEAR - 1}", "time")
            time = event.time = _seconds(moment)
        if not 0.0 <= time < TOO_LARGE_S:
            return Reject(_wrong_time(time), "time")
        if event.service is None:
            if not self._service:
                return Reject("required field is missing", "service")
            event.service = self._service
        if event.kind is None:
            event.kind = Kind.CALL
        if event.environment is None:
            event.environment = ""
        # Same fields, same layout: the event becomes what it is without the 2 µs of a copy.
        event.__class__ = Interaction  # type: ignore[assignment]  # both structs have one layout
        return event


def _is_slice(value: Any) -> bool:
    return len(value) <= UNKNOWN_TEXT if isinstance(value, str) else isinstance(value, bool | int | float)


def _tidy(record: dict[str, Any]) -> None:
    for name in INTEGERS:
        value = record.get(name)
        if type(value) is float and value.is_integer():
            record[name] = int(value)
    for name in MAPS:
        entries = record.get(name)
        if isinstance(entries, dict):
            record[name] = {key: value for key, value in entries.items() if value is not None}


def _seconds(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _wrong_time(seconds: float) -> str:
    if seconds < 0:
        return "lies before 1970"
    units = ((1e14, "milliseconds"), (1e17, "microseconds"), (1e20, "nanoseconds"))
    unit = next((name for limit, name in units if seconds < limit), None)
    return f"looks like {unit} since the epoch; seconds are expected" if unit else "is not a time"
