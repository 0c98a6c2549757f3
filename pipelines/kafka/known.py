"""What the pager knows beside the verdicts: versions first seen, levels of HTTP metrics, what explains a change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from undertow.alerts.cards import told_version
from undertow.alerts.incident import Account, Context, Level, Version
from undertow.drift.causes import explain
from undertow.drift.verdict import Series, Verdict
from undertow.pipelines.judging import suspects
from undertow.pipelines.kafka.verdict_messages import Asked, Judged, Levels

__all__ = ["Known", "KnownState"]

_VERSIONS = 10_000  # that are remembered, those first seen last
_LEVELS = 1_000  # changes whose services' levels are remembered, the latest
_ASKED = 300  # changes of which is remembered what explains them, the latest
_KEPT_S = 14 * 86_400.0  # as long as an incident may be open

_About = tuple[str, str, str, str]  # service, environment, dimension, value


class KnownState(msgspec.Struct):
    """All of it, as plain data."""

    versions: list[Version] = []
    levels: list[Levels] = []
    asked: list[Asked] = []
    calls: list[tuple[Series, int]] = []


class Known:
    """Remembers what judged windows say beside their verdicts."""

    def __init__(self, state: KnownState | None = None) -> None:
        state = state or KnownState()
        self._versions = {_about(version): version for version in state.versions}
        self._levels = {(one.service, one.environment, one.since): one.levels for one in state.levels}
        self._asked = {one.verdict: one for one in state.asked}
        self._calls = dict(state.calls)

    def take(self, parts: Iterable[Judged], now: float) -> list[Version]:
        """Keep what windows say; return the versions of which nobody has heard, and what the cards say of others."""
        new: list[Version] = []
        for part in parts:
            new += self._sight(part.versions, now)
            new += map(told_version, part.cards)
            self._keep(part.asked)
            for one in part.levels:
                self._levels.pop((one.service, one.environment, one.since), None)
                self._levels[one.service, one.environment, one.since] = one.levels
        self._levels = dict(list(self._levels.items())[-_LEVELS:])
        return new

    def context(self, verdicts: Iterable[Verdict]) -> Context:
        """Return what incidents ask while they take these verdicts, their own among them."""
        return Context(self._levels_of, suspects(verdicts, self._first_seen), self._account, self._calls_of)

    def snapshot(self) -> KnownState:
        """Return the state as plain data."""
        levels = [Levels(*about, found) for about, found in self._levels.items()]
        return KnownState(list(self._versions.values()), levels, list(self._asked.values()), list(self._calls.items()))

    def _keep(self, asked: Iterable[Asked]) -> None:
        """Keep what is known of changes, the latest word on each."""
        for one in asked:
            known = self._asked.pop(one.verdict, one)
            self._asked[one.verdict] = known if one.question is None and known.question is not None else one
            self._calls.pop(one.series, None)
            self._calls[one.series] = one.calls
        self._asked = dict(list(self._asked.items())[-_ASKED:])
        self._calls = dict(list(self._calls.items())[-_ASKED:])

    def _account(self, verdict: Verdict, inputs_moved: float | None, outputs_moved: float | None) -> Account | None:
        """Return why a series may have changed; None when nothing was said of it lately."""
        known = self._asked.get(verdict.id)
        if known is None or known.question is None:
            return None
        question = replace(known.question, inputs_moved=inputs_moved, outputs_moved=outputs_moved)
        explanation = explain(question)
        named = {(cause.dimension, cause.value) for cause in explanation.causes}
        return Account(explanation, cards=[card for card in known.cards if (card.dimension, card.value) in named])

    def _calls_of(self, series: Series) -> int:
        return self._calls.get(series, 0)

    def _sight(self, versions: Sequence[Version], now: float) -> list[Version]:
        new = [version for version in versions if _about(version) not in self._versions]
        for version in versions:
            known = self._versions.get(_about(version), version)
            self._versions[_about(version)] = min(known, version, key=_age)
        if versions:
            recent = sorted((one for one in self._versions.values() if one.first_seen > now - _KEPT_S), key=_age)
            self._versions = {_about(version): version for version in recent[-_VERSIONS:]}
        return new

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
