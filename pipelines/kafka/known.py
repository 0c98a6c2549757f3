"""What the pager knows beside the verdicts: versions first seen, over all sources, and levels of classic monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from undertow.alerts.incident import Context, Level, Version
from undertow.drift.verdict import Verdict
from undertow.pipelines.judging import suspects
from undertow.pipelines.kafka.verdict_messages import Judged, Levels

__all__ = ["Known", "KnownState"]

_VERSIONS = 10_000  # that are remembered, those first seen last
_LEVELS = 1_000  # changes whose services' levels are remembered, the latest
_KEPT_S = 14 * 86_400.0  # as long as an incident may be open

_About = tuple[str, str, str, str]  # service, environment, dimension, value


class KnownState(msgspec.Struct):
    """All of it, as plain data."""

    versions: list[Version] = []
    levels: list[Levels] = []


class Known:
    """Remembers what judged windows say beside their verdicts."""

    def __init__(self, state: KnownState | None = None) -> None:
        state = state or KnownState()
        self._versions = {_about(version): version for version in state.versions}
        self._levels = {(one.service, one.environment, one.since): one.levels for one in state.levels}

    def take(self, parts: Iterable[Judged], now: float) -> None:
        """Keep the first sighting of each version, over all sources, and the latest levels."""
        for part in parts:
            self._sight(part.versions, now)
            for one in part.levels:
                self._levels.pop((one.service, one.environment, one.since), None)
                self._levels[one.service, one.environment, one.since] = one.levels
        self._levels = dict(list(self._levels.items())[-_LEVELS:])

    def context(self, verdicts: Iterable[Verdict]) -> Context:
        """Return what incidents ask while they take these verdicts, their own among them."""
        return Context(self._levels_of, suspects(verdicts, self._first_seen))

    def snapshot(self) -> KnownState:
        """Return the state as plain data."""
        return KnownState(
            list(self._versions.values()), [Levels(*about, found) for about, found in self._levels.items()]
        )

    def _sight(self, versions: Sequence[Version], now: float) -> None:
        for version in versions:
            known = self._versions.get(_about(version), version)
            self._versions[_about(version)] = min(known, version, key=_age)
        if versions:
            recent = sorted((one for one in self._versions.values() if one.first_seen > now - _KEPT_S), key=_age)
            self._versions = {_about(version): version for version in recent[-_VERSIONS:]}

    def _levels_of(self, service: str, environment: str, since: float) -> list[Level]:
        unknown = [Level(name, None, None) for name in ("error_rate", "latency_p50")]
        return self._levels.get((service, environment, since), unknown)

    def _first_seen(self, service: str, environment: str, since: float, until: float) -> list[Version]:
        return [
            version
            for version in self._versions.values()
            if (version.service, version.environment) == (service, environment) and since <= version.first_seen <= until
        ]


def _about(version: Version) -> _About:
    return version.service, version.environment, version.dimension, version.value


def _age(version: Version) -> tuple[float, _About]:
    return version.first_seen, _about(version)
