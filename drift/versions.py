"""What defines behaviour, and since when: every model, prompt and configuration value seen, first and last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from undertow.drift.definition import DefinitionKey, defining, definition_key, fallback_of, shortened
from undertow.drift.interaction import Interaction, Kind, text_of

__all__ = ["SeenVersion", "Versions"]

_VERSION = 1
_HOUR_S = 3600.0
_HOURS_COUNTED = 48  # hours of event time in which arrivals are counted, the latest


class SeenVersion(msgspec.Struct, frozen=True, order=True):
    """A value of something that defines behaviour. Times are event times, seconds since the epoch.

    `declared` is the description of a change that somebody declared, else empty; a value that was declared and not
    yet seen in traffic has no events.
    """

    first_seen: float
    service: str
    environment: str
    dimension: str
    value: str
    last_seen: float
    events: int
    declared: str = ""


class _Seen(msgspec.Struct, array_like=True):
    first: float
    last: float
    events: int = 0
    declared: str = ""


class _Group(msgspec.Struct):
    """Events of one batch that ran on the same."""

    event: Interaction
    first: float
    last: float
    events: int = 0

    def add(self, time: float) -> None:
        self.events += 1
        if time > self.last:
            self.last = time
        elif time < self.first:
            self.first = time


class _Service(msgspec.Struct, array_like=True):
    first: float  # time of its first call, tool or declaration
    values: dict[str, dict[str, _Seen]] = {}  # dimension → value → when


class _State(msgspec.Struct):
    version: int
    dropped: int
    services: list[tuple[str, str, _Service]]


class Versions:
    """Remembers what was seen, per (service, environment).

    Dimensions are `model`, `response_model`, `provider`, `prompt_version`, `config.<key>`, `instructions` and `tools`
    (of these two only a hash) of calls and tools, `fallback` for an answer by another model than was asked for
    ("gpt-4o → gpt-4o-mini"), `change` for what somebody declared without naming a value, and what `note` is told of.
    What was seen does not depend on the order or the batching of the events while no limit is hit.

    Parameters
    ----------
    baseline_s
        A value first seen within so long of the service's own first event was there from the start.
    max_values
        Values kept per dimension. Beyond it the quarter that was seen least recently is dropped; `dropped` counts.
    max_dimensions, max_services
        Dimensions kept per service, and services; further ones are not followed, and `dropped` counts their values.
    max_arrivals
        Values of one service that `arrivals` returns for an hour of event time: a part that differs from call to call
        is no version.

    Examples
    --------
    >>> versions = Versions(baseline_s=60.0)
    >>> models = {0: "m0", 300: "m0", 600: "m1", 900: "m1"}
    >>> versions.observe([Interaction(id=m, time=float(t), service="s", model=m) for t, m in models.items()])
    >>> [(seen.dimension, seen.value, seen.first_seen) for seen in versions.first_seen_between("s", "", 500.0, 700.0)]
    [('model', 'm1', 600.0)]
    """

    def __init__(
        self,
        baseline_s: float = 600.0,
        max_values: int = 200,
        max_dimensions: int = 64,
        max_services: int = 1000,
        max_arrivals: int = 20,
    ) -> None:
        for name, limit in (
            ("max_values", max_values),
            ("max_dimensions", max_dimensions),
            ("max_services", max_services),
        ):
            if limit < 1:
                raise ValueError(f"{name} = {limit} leaves nothing to remember; give 1 or more")
        self.baseline_s = baseline_s
        self.max_values = max_values
        self.max_dimensions = max_dimensions
        self.max_services = max_services
        self.max_arrivals = max_arrivals
        self.dropped = 0
        self.unannounced = 0  # arrivals beyond `max_arrivals`
        self._services: dict[tuple[str, str], _Service] = {}
        self._added: list[tuple[_Service, str, str]] = []  # since arrivals were last asked for
        self._announced: Counter[tuple[float, str, str]] = Counter()  # by hour and service

    def observe(self, events: Sequence[Interaction]) -> None:
        """Take note of what the events ran on; scores say nothing about it, and shadow calls are not live yet."""
        groups: dict[DefinitionKey, _Group] = {}  # events that ran on the same are counted together: most of a batch
        for event in events:
            if event.shadow_of is not None:
                continue
            if event.kind is Kind.CALL or event.kind is Kind.TOOL:
                definition = definition_key(event)
                group = groups.get(definition)
                if group is None:
                    group = groups[definition] = _Group(event, event.time, event.time)
                group.add(event.time)
            elif event.kind is Kind.CHANGE:
                self._declare(event)
        for group in groups.values():
            self._note(group)

    def note(self, service: str, environment: str, dimension: str, value: str, time: float, declared: str = "") -> None:
        """Take note of a value that was seen elsewhere, such as a tool that an agent used for the first time."""
        known = self._service((service, environment), time)
        seen = None if known is None else self._add(known, dimension, value, time)
        if seen is not None:
            seen.events += 1
            seen.last = max(seen.last, time)
            seen.declared = declared or seen.declared

    def first_seen_between(
        self, service: str, environment: str, start: float, end: float, exclude_first: bool = True
    ) -> list[SeenVersion]:
        """Return the values first seen in [start, end], oldest first.

        With `exclude_first` those that were there from the service's start are left out, unless somebody declared them.
        """
        return [
            seen
            for seen in self._of(service, environment)
            if start <= seen.first_seen <= end
            and (not exclude_first or seen.declared or seen.first_seen > self._known_from(service, environment))
        ]

    def all(self) -> list[SeenVersion]:
        """Return every value seen, oldest first."""
        return sorted(seen for service, environment in self._services for seen in self._of(service, environment))

    def arrivals(self) -> list[SeenVersion]:
        """Return the values seen for the first time since the last call, without those of a service's start."""
        if not self._added:
            return []
        names = {id(service): name for name, service in self._services.items()}
        added = [
            SeenVersion(seen.first, *names[id(service)], dimension, value, seen.last, seen.events, seen.declared)
            for service, dimension, value in self._added
            if (seen := service.values[dimension].get(value)) and (seen.declared or seen.first > self._old(service))
        ]
        self._added.clear()
        return [version for version in sorted(added) if self._admits(version)]

    def snapshot(self) -> dict[str, Any]:
        """Return what was seen as plain data."""
        services = [(*key, seen) for key, seen in sorted(self._services.items())]
        return dict(msgspec.to_builtins(_State(_VERSION, self.dropped, services)))

    @classmethod
    def build(
        cls,
        state: dict[str, Any] | None = None,
        baseline_s: float = 600.0,
        max_values: int = 200,
        max_dimensions: int = 64,
        max_services: int = 1000,
    ) -> Versions:
        """Return versions that go on from a snapshot, or begin."""
        versions = cls(baseline_s, max_values, max_dimensions, max_services)
        if state is not None:
            if state.get("version") != _VERSION:
                raise ValueError(f"versions: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
            restored = msgspec.convert(state, _State)
            versions.dropped = restored.dropped
            versions._services = {(name, environment): seen for name, environment, seen in restored.services}
        return versions

    def _note(self, group: _Group) -> None:
        event = group.event
        service = self._service((event.service, event.environment), group.first)
        if service is None:
            return
        for dimension, value in _noted(event):
            seen = service.values.get(dimension, _NONE).get(value) or self._add(service, dimension, value, group.first)
            if seen is not None:
                seen.events += group.events
                seen.first = min(seen.first, group.first)
                seen.last = max(seen.last, group.last)

    def _service(self, key: tuple[str, str], time: float) -> _Service | None:
        """Return what is known of a (service, environment); None at the limit of services."""
        service = self._services.get(key)
        if service is None and len(self._services) < self.max_services:
            service = self._services[key] = _Service(time)
        if service is None:
            self.dropped += 1
        else:
            service.first = min(service.first, time)
        return service

    def _add(self, service: _Service, dimension: str, value: str, time: float) -> _Seen | None:
        """Return the record of a value, a new one if need be; None at the limit of dimensions."""
        known = service.values.get(dimension)
        if known is None:
            if len(service.values) >= self.max_dimensions:
                self.dropped += 1
                return None
            known = service.values[dimension] = {}
        value = shortened(value)
        if value not in known:
            if len(known) >= self.max_values:
                self._forget(known)
            known[value] = _Seen(time, time)
            self._added.append((service, dimension, value))
        return known[value]

    def _forget(self, known: dict[str, _Seen]) -> None:
        """Drop the quarter that was seen least recently: in one go, so that a flood of values stays cheap."""
        oldest = sorted(known, key=lambda value: (known[value].last, value))[: max(1, len(known) // 4)]
        for value in oldest:
            del known[value]
        self.dropped += len(oldest)

    def _declare(self, event: Interaction) -> None:
        service = self._service((event.service, event.environment), event.time)
        if service is None:
            return
        description = shortened(text_of(event.output) or "")
        for dimension, value in defining(event) or [("change", description or "declared without a description")]:
            seen = self._add(service, dimension, value, event.time)
            if seen is not None:
                seen.first = min(seen.first, event.time)
                seen.declared = description or "declared"

    def _of(self, service: str, environment: str) -> list[SeenVersion]:
        found = self._services.get((service, environment))
        return sorted(
            SeenVersion(seen.first, service, environment, dimension, value, seen.last, seen.events, seen.declared)
            for dimension, values in (found.values if found else {}).items()
            for value, seen in values.items()
        )

    def _known_from(self, service: str, environment: str) -> float:
        return self._old(self._services[service, environment])

    def _old(self, service: _Service) -> float:
        return service.first + self.baseline_s

    def _admits(self, version: SeenVersion) -> bool:
        hour = version.first_seen // _HOUR_S
        where = (hour, version.service, version.environment)
        self._announced[where] += 1
        if len({hour for hour, _, _ in self._announced}) > _HOURS_COUNTED:
            oldest = min(hour for hour, _, _ in self._announced)
            self._announced = Counter({key: count for key, count in self._announced.items() if key[0] > oldest})
        self.unannounced += self._announced[where] > self.max_arrivals
        return self._announced[where] <= self.max_arrivals


_NONE: dict[str, _Seen] = {}


def _noted(event: Interaction) -> list[tuple[str, str]]:
    fallback = fallback_of(event)
    return [*defining(event), ("fallback", fallback)] if fallback else defining(event)
