"""The one partition of the verdicts: windows of all series partitions in; incidents, and what is to be told, out.

A window is complete when every series partition has judged it; then its verdicts are those of one process, in the same
order, and so are the incidents. Why something changed is told as far as versions say it: calls are not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from undertow.alerts.incident import Change, Context, Level, Version
from undertow.alerts.incidents import IncidentsConfig, IncidentsState, build
from undertow.alerts.practice import Practice, PracticeState
from undertow.drift.detectors import DETECTORS
from undertow.drift.verdict import Verdict
from undertow.pipelines.judging import in_order, suspects
from undertow.pipelines.kafka.blocks import Blocks
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.incident_log import Place, Planned, key_of, value_of
from undertow.pipelines.kafka.machine import Output, Saved, Send
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import Judged, Levels, decode, joined
from undertow.pipelines.rows import incident_columns
from undertow.pipelines.settings import Settings

__all__ = ["PagerPartition"]

STATE_VERSION = 1
_SAVE_S = 60.0  # of event time between two states
_VERSIONS = 10_000  # that are remembered, those first seen last
_LEVELS = 1_000  # changes whose services' levels are remembered, the latest
_KEPT_S = 14 * 86_400.0  # as long as an incident may be open

_About = tuple[str, str, str, str]  # service, environment, dimension, value


class _Source(msgspec.Struct, array_like=True):
    """How far one series partition has been heard; of a window in parts, those that came before the last."""

    start: float | None = None
    parts: list[Judged] = []


class _State(msgspec.Struct):
    sources: list[_Source]
    position: int
    windows: dict[float, list[Judged]] = {}
    incidents: IncidentsState = msgspec.field(default_factory=IncidentsState)
    practice: PracticeState = msgspec.field(default_factory=PracticeState)
    versions: list[Version] = []
    levels: list[Levels] = []
    closed: float | None = None
    saved: float | None = None  # the minute of event time of the last state
    version: int = STATE_VERSION


class PagerPartition:
    """Joins what the series partitions say into incidents.

    Parameters
    ----------
    sources, rows
        How many series partitions there are, and partitions of rows.
    saved
        The state to go on from; without one the log is read from `first`.

    Raises
    ------
    ValueError
        The state is of another version, or of another number of series partitions.
    """

    full = False

    def __init__(
        self, settings: Settings, names: Names, sources: int, rows: int, saved: bytes | None = None, first: int = 0
    ) -> None:
        self._topics, self._rows_partitions = names, rows
        self._state = _read(saved, sources) if saved else _State([_Source() for _ in range(sources)], first)
        alerts = settings.alerts
        config = IncidentsConfig(
            hold_s=alerts.hold_s, join_s=alerts.join_s, pages_per_hour=alerts.pages_per_hour, weights=alerts.weight
        )
        self._incidents = build(config, self._state.incidents)
        chosen = settings.detection.detector.values()
        outside = ("rule", "fleet", *(name for name in chosen if not DETECTORS[name].budgeted))
        self._practice = Practice(outside, self._state.practice)
        self._versions = {_about(version): version for version in self._state.versions}
        self._levels = {(one.service, one.environment, one.since): one.levels for one in self._state.levels}
        self._blocks = Blocks(settings.kafka.max_message_bytes)

    @property
    def position(self) -> int:
        """The offset of the next message that will count."""
        return self._state.position

    @property
    def rewind(self) -> int:
        """The offset to read from."""
        return self._state.position

    @property
    def last_closed(self) -> float | None:
        """The end of the last window that was complete, seconds since the epoch."""
        return self._state.closed

    def counts(self) -> dict[str, int]:
        """Return how many incidents were opened, are open, were resolved."""
        return self._incidents.counts()

    def take(self, messages: Sequence[Message]) -> list[Output]:
        """Apply messages in their order and return what the windows that are complete by then bring."""
        outputs: list[Output] = []
        for message in messages:
            if message.offset < self._state.position:
                continue
            self._state.position = message.offset + 1
            self._apply(decode(message.value or b""))
            outputs += self._advance()
            minute = None if self._state.closed is None else self._state.closed // _SAVE_S
            if minute != self._state.saved:
                self._state.saved = minute
                outputs.append(Saved(self._state.position, self._snapshot()))
        return outputs

    # -- windows ------------------------------------------------------------------------------------------------------

    def _apply(self, judged: Judged) -> None:
        source = self._state.sources[judged.partition]
        if source.start is not None and judged.start <= source.start:
            return
        if source.start is not None and judged.previous != source.start:
            raise LostStateError(
                f"{self._topics.verdicts}: series partition {judged.partition} goes on behind the window from "
                f"{judged.previous}, and was heard up to {source.start}: messages between are missing; begin anew "
                "under another prefix in [kafka]"
            )
        if judged.part < len(source.parts):
            return  # one of a repeat
        if judged.part + 1 < judged.parts:
            source.parts.append(judged)
            return
        self._state.windows.setdefault(judged.start, []).append(joined([*source.parts, judged]))
        source.start, source.parts = judged.start, []

    def _advance(self) -> Iterator[Output]:
        """Close the windows that every series partition has judged."""
        heard = [source.start for source in self._state.sources]
        if None in heard:
            return
        passed = min(start for start in heard if start is not None)
        for start in sorted(start for start in self._state.windows if start <= passed):
            yield from self._close(start, self._state.windows.pop(start))

    def _close(self, start: float, parts: Sequence[Judged]) -> Iterator[Output]:
        verdicts, end = in_order(verdict for part in parts for verdict in part.verdicts), parts[0].end
        self._remember(parts, end)
        context = Context(self._levels_of, self._suspects(verdicts))
        changes = self._incidents.apply(verdicts, context, end) if verdicts else self._incidents.tick(end, context)
        self._practice.take(changes, end)
        self._state.closed = end
        yield from self._told(start, changes)

    def _told(self, start: float, changes: Sequence[Change]) -> Iterator[Output]:
        for number, change in enumerate(changes):
            planned = Planned(Place(start, number), change)
            yield Send(self._topics.incidents, 0, key_of(planned), value_of(planned))
        if changes:
            columns = incident_columns([change.incident for change in changes])
            self._blocks.insert("incidents", columns, f"{self._topics.verdicts}/0:{start!r}:incidents")
        for block in self._blocks.drain():
            yield Send(self._topics.rows, int(start) % self._rows_partitions, None, block.content, block.headers)

    # -- what else is known -------------------------------------------------------------------------------------------

    def _remember(self, parts: Sequence[Judged], now: float) -> None:
        """Keep the first sighting of each version, over all sources, and the latest levels."""
        for version in (version for part in parts for version in part.versions):
            known = self._versions.get(_about(version), version)
            self._versions[_about(version)] = min(known, version, key=_age)
        if any(part.versions for part in parts):
            recent = sorted((one for one in self._versions.values() if one.first_seen > now - _KEPT_S), key=_age)
            self._versions = {_about(version): version for version in recent[-_VERSIONS:]}
        for one in (one for part in parts for one in part.levels):
            self._levels.pop((one.service, one.environment, one.since), None)
            self._levels[one.service, one.environment, one.since] = one.levels
        self._levels = dict(list(self._levels.items())[-_LEVELS:])

    def _levels_of(self, service: str, environment: str, since: float) -> list[Level]:
        unknown = [Level(name, None, None) for name in ("error_rate", "latency_p50")]
        return self._levels.get((service, environment, since), unknown)

    def _suspects(self, verdicts: Sequence[Verdict]) -> list[Version]:
        about = [*verdicts, *(v for incident in self._incidents.open for v in incident.verdicts)]
        return suspects(about, self._first_seen)

    def _first_seen(self, service: str, environment: str, since: float, until: float) -> list[Version]:
        return [
            version
            for version in self._versions.values()
            if (version.service, version.environment) == (service, environment) and since <= version.first_seen <= until
        ]

    # -- state --------------------------------------------------------------------------------------------------------

    def _snapshot(self) -> bytes:
        levels = [Levels(*about, found) for about, found in self._levels.items()]
        state = msgspec.structs.replace(
            self._state,
            incidents=self._incidents.snapshot(),
            practice=self._practice.snapshot(),
            versions=list(self._versions.values()),
            levels=levels,
        )
        return msgspec.msgpack.encode(state)


def _about(version: Version) -> _About:
    return version.service, version.environment, version.dimension, version.value


def _age(version: Version) -> tuple[float, _About]:
    return version.first_seen, _about(version)


def _read(saved: bytes, sources: int) -> _State:
    version = msgspec.msgpack.decode(saved)["version"]
    if version != STATE_VERSION:
        raise ValueError(
            f"the pager's state has version {version}, this Undertow reads {STATE_VERSION}: go back to the Undertow "
            "that wrote it, or begin anew under another prefix in [kafka]"
        )
    state = msgspec.msgpack.decode(saved, type=_State)
    if len(state.sources) != sources:
        raise ValueError(
            f"there are {sources} series partitions, and the pager's state was made with {len(state.sources)}: begin "
            "anew under another prefix in [kafka]"
        )
    return state
