"""Slices of traffic: the groups of series an event belongs to, with a limit on their number and an "other"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.cohorts import language, turn_bucket
from undertow.drift.definition import instructions_version
from undertow.drift.interaction import Interaction, Scalar

__all__ = ["OTHER", "Group", "Segments", "SegmentsState", "dimension_reader"]

OTHER = "(other)"
_CACHE_LIMIT = 100_000  # combinations of dimension values remembered; beyond it the cache starts anew
Reader = Callable[[Interaction], "Scalar | None"]


class Group(msgspec.Struct, frozen=True, order=True):
    """All series of one slice: (service, environment, segment)."""

    service: str
    environment: str
    segment: tuple[tuple[str, str], ...] = ()


class SegmentsState(msgspec.Struct):
    """What a restart needs: the groups in the order of their numbers, and how often a limit was hit."""

    groups: list[Group]
    overflowed: int = 0


def dimension_reader(dimension: str) -> Reader:
    """Return the function that reads a dimension's value off an event.

    `response_model` falls back to the model asked for, `prompt_version` to a hash of the instructions, `language` to a
    guess from the input; `turn` is a bucket of turns. Every name that is not a field of the event is looked up in
    `attributes`, then in `config`.

    Examples
    --------
    >>> event = Interaction(id="1", time=0, service="s", model="m-1", attributes={"region": "eu"})
    >>> dimension_reader("region")(event), dimension_reader("response_model")(event)
    ('eu', 'm-1')
    """
    special: dict[str, Reader] = {
        "response_model": _answering_model,
        "prompt_version": _prompt_version,
        "turn": turn_bucket,
        "language": _language,
    }
    if dimension in special:
        return special[dimension]
    if dimension in {"operation", "agent", "model", "provider", "label", "finish_reason", "user"}:
        return lambda event: getattr(event, dimension)
    return lambda event: _looked_up(event, dimension)


def _answering_model(event: Interaction) -> str | None:
    return event.response_model or event.model


def _prompt_version(event: Interaction) -> str | None:
    if event.prompt_version or not event.instructions:
        return event.prompt_version
    return instructions_version(event.instructions)


def _language(event: Interaction) -> Scalar | None:
    known = _looked_up(event, "language")
    return language(event) if known is None else known


def _looked_up(event: Interaction, name: str) -> Scalar | None:
    for table in (event.attributes, event.config):
        if table and name in table:
            return table[name]
    return None


class Segments:
    """Numbers the groups and says to which of them an event belongs.

    An event belongs to the whole of its service and, for each configured dimension that it carries, to the slice of
    its value. The first `values_per_dimension` values of a dimension (per service and environment) get a slice each,
    later ones share "(other)"; beyond `group_limit` groups an event counts in its service alone, and beyond as many
    services in the service "(other)". `overflowed` counts how often that happened.

    Examples
    --------
    >>> segments = Segments(("region",), values_per_dimension=20, group_limit=100)
    >>> segments.assign([Interaction(id="1", time=0, service="s", attributes={"region": "eu"})])
    array([[0, 1]], dtype=int32)
    >>> segments.groups[1].segment
    (('region', 'eu'),)
    """

    def __init__(
        self, dimensions: Sequence[str], values_per_dimension: int, group_limit: int, state: SegmentsState | None = None
    ) -> None:
        self.dimensions = tuple(dimensions)
        self._readers = [dimension_reader(dimension) for dimension in dimensions]
        self._values_per_dimension = values_per_dimension
        self._group_limit = group_limit
        self.groups: list[Group] = []
        self._numbers: dict[Group, int] = {}
        self._values: dict[tuple[str, str, str], int] = {}
        self._rows: dict[tuple[Any, ...], list[int]] = {}
        self._services = 0  # groups that are the whole of a service
        self.overflowed = state.overflowed if state else 0
        for group in state.groups if state else ():
            self._register(group)

    def snapshot(self) -> SegmentsState:
        """Return the state as plain data."""
        return SegmentsState(list(self.groups), self.overflowed)

    def dims(self, event: Interaction) -> tuple[str | None, ...]:
        """Return the event's value of each dimension, None where it carries none."""
        return tuple([None if (value := read(event)) is None else str(value) for read in self._readers])

    def assign(self, events: Sequence[Interaction]) -> NDArray[np.int32]:
        """Return the group numbers of each event, shape (events, 1 + dimensions), −1 where a dimension is absent."""
        return self.assign_dims([(event.service, event.environment, *self.dims(event)) for event in events])

    def assign_dims(self, keys: Sequence[tuple[Any, ...]]) -> NDArray[np.int32]:
        """Return the group numbers of (service, environment, value of each dimension …)."""
        rows = self._rows
        if len(rows) > _CACHE_LIMIT:
            rows.clear()
        found = [rows.get(key) or self._row(key) for key in keys]
        numbers = np.array(found, dtype=np.int32).reshape(len(keys), 2 + len(self.dimensions))
        self.overflowed += int(numbers[:, -1].sum())
        return numbers[:, :-1]

    def _row(self, key: tuple[Any, ...]) -> list[int]:
        """Return the groups of a key, and after them how often it hits a limit."""
        service, environment, *values = key
        whole = self._whole(service, environment)
        known = self.groups[whole].service == service
        row = [whole]
        for dimension, value in zip(self.dimensions, values, strict=True):
            row.append(-1 if value is None or not known else self._slice(service, environment, dimension, value))
        beyond = sum(
            number < 0 or self.groups[number].segment[0][1] == OTHER
            for number, value in zip(row[1:], values, strict=True)
            if known and value is not None
        )
        self._rows[key] = [*row, int(beyond) + (not known)]
        return self._rows[key]

    def _whole(self, service: str, environment: str) -> int:
        group = Group(service, environment)
        if group not in self._numbers and self._services >= self._group_limit:
            group = Group(OTHER, "")
        return self._numbers[group] if group in self._numbers else self._register(group)

    def _slice(self, service: str, environment: str, dimension: str, value: str) -> int:
        group = Group(service, environment, ((dimension, value),))
        followed = self._values.get((service, environment, dimension), 0)
        if group not in self._numbers and followed >= self._values_per_dimension:
            group = Group(service, environment, ((dimension, OTHER),))
        if group not in self._numbers and len(self.groups) >= self._group_limit:
            return -1
        return self._numbers[group] if group in self._numbers else self._register(group)

    def _register(self, group: Group) -> int:
        number = self._numbers[group] = len(self.groups)
        self.groups.append(group)
        self._services += not group.segment
        for dimension, value in group.segment:
            if value != OTHER:
                key = (group.service, group.environment, dimension)
                self._values[key] = self._values.get(key, 0) + 1
        return number
