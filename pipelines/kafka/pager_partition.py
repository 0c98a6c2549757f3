"""The one partition of the verdicts: judged windows and decisions of people in; incidents, and what is to be told, out.

A window is complete when every series partition has judged it; then its verdicts are those of one process, in the same
order, and so are the incidents. A decision holds where it lies: behind the windows that were complete there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import msgspec

from undertow.alerts.incident import Change, Incident
from undertow.alerts.incidents import IncidentsConfig, IncidentsState, build
from undertow.alerts.practice import Practice, PracticeState
from undertow.drift.detectors import DETECTORS
from undertow.pipelines.control import RESOLUTIONS
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.blocks import Blocks
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.decisions import RULING, Decision, Ruling, decision_of
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.incident_log import Announced, Place, Planned, key_of, value_of
from undertow.pipelines.kafka.known import Known, KnownState
from undertow.pipelines.kafka.machine import Output, Saved, Send
from undertow.pipelines.kafka.partials import series_partition
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import Judged, decode, joined
from undertow.pipelines.rows import incident_columns
from undertow.pipelines.settings import Settings

__all__ = ["PagerPartition"]

STATE_VERSION = 2
_SAVE_S = 60.0  # of event time between two states

_Unjudged = Literal["pin", "unpin", "deploy"]  # what is about no incident


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
    known: KnownState = msgspec.field(default_factory=KnownState)
    closed: float | None = None
    begun: float = 0.0  # start of the window that was closed last
    planned: int = 0  # changes since then
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
        self._known = Known(self._state.known)
        self._partitions = sources
        self._blocks = Blocks(settings.kafka.max_message_bytes)
        self.unclaimed: list[Decision] = []  # about no incident that is open here: somebody else's, or too late

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

    def heard(self) -> dict[int, float]:
        """Return up to which event time each series partition was heard, of those that were."""
        return {n: source.start for n, source in enumerate(self._state.sources) if source.start is not None}

    def practice(self, allowed: float) -> dict[str, Any]:
        """Return urgent pages and false ones beside so many false pages a week, as plain values."""
        return self._practice.summary(allowed, self._state.closed or 0.0)

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
            outputs += self._take(message)
            minute = None if self._state.closed is None else self._state.closed // _SAVE_S
            if minute != self._state.saved:
                self._state.saved = minute
                outputs.append(Saved(self._state.position, self._snapshot()))
        return outputs

    def _take(self, message: Message) -> Iterator[Output]:
        decision = decision_of(message.key, message.value)
        if decision is not None:
            yield from self._decide(decision, message.offset)
            return
        self._apply(decode(message.value or b""))
        yield from self._advance()

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
        for version in self._known.take(parts, end):
            announced = Announced(version)
            yield Send(self._topics.incidents, 0, key_of(announced), value_of(announced))
        context = self._known.context([*verdicts, *(v for one in self._incidents.open for v in one.verdicts)])
        changes = self._incidents.apply(verdicts, context, end) if verdicts else self._incidents.tick(end, context)
        self._practice.take(changes, end)
        self._state.closed, self._state.begun, self._state.planned = end, start, 0
        yield from self._told(changes, repr(start))

    def _told(self, changes: Sequence[Change], cause: str) -> Iterator[Output]:
        """Say what is to be told, and write it into the store, by what it follows from."""
        for number, change in enumerate(changes, self._state.planned):
            planned = Planned(Place(self._state.begun, number), change)
            yield Send(self._topics.incidents, 0, key_of(planned), value_of(planned))
        self._state.planned += len(changes)
        if changes:
            columns = incident_columns([change.incident for change in changes])
            self._blocks.insert("incidents", columns, f"{self._topics.verdicts}/0:{cause}:incidents")
        for block in self._blocks.drain():
            partition = int(self._state.begun) % self._rows_partitions
            yield Send(self._topics.rows, partition, None, block.content, block.headers)

    # -- decisions ----------------------------------------------------------------------------------------------------

    def _decide(self, decision: Decision, offset: int) -> Iterator[Output]:
        """Do what somebody has decided; about an incident that is over by now there is nothing to do."""
        arguments, now = decision.arguments, self._state.closed
        if decision.action in get_args(_Unjudged):
            at = decision.at if now is None else now
            yield from self._rule(Ruling(offset, decision.action, arguments, at))  # type: ignore[arg-type]  # one of them
            return
        incident = next((one for one in self._incidents.open if one.id == arguments.get("id")), None)
        if now is None or incident is None:
            self.unclaimed.append(decision)
            return
        changes = self._answer(decision, incident, now)
        self._practice.take(changes, now)
        yield from self._told(changes, f"@{offset}")
        if decision.action == "accept":
            yield from self._rule(Ruling(offset, "accept", arguments, now, incident.verdicts))

    def _answer(self, decision: Decision, incident: Incident, now: float) -> list[Change]:
        said = decision.arguments
        if resolution := RESOLUTIONS.get(decision.action):
            return self._incidents.manual(incident.id, resolution, now, said.get("by", ""), said.get("reason", ""))
        quiet = decision.action == "dismiss"
        return self._incidents.acknowledge(incident.id, now, said.get("by", ""), said.get("elsewhere", ""), quiet=quiet)

    def _rule(self, ruling: Ruling) -> Iterator[Output]:
        """Tell those who judge the series of the services concerned; of a pin, of which only the id is known, all."""
        services = {verdict.series.service for verdict in ruling.verdicts} | {ruling.arguments.get("service", "")}
        concerned = {series_partition(service, self._partitions) for service in services if service}
        for partition in sorted(concerned) or range(self._partitions):
            mine = [v for v in ruling.verdicts if series_partition(v.series.service, self._partitions) == partition]
            content = msgspec.msgpack.encode(msgspec.structs.replace(ruling, verdicts=mine))
            yield Send(self._topics.partials, partition, RULING, content)

    # -- state --------------------------------------------------------------------------------------------------------

    def _snapshot(self) -> bytes:
        state = msgspec.structs.replace(
            self._state,
            incidents=self._incidents.snapshot(),
            practice=self._practice.snapshot(),
            known=self._known.snapshot(),
        )
        return msgspec.msgpack.encode(state)


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
