"""One partition of the partials, judged: cuts of all source partitions in; verdicts, rows and claims out.

A cut is applied if it follows the last one of its source; a repeat is passed over, and after a gap nothing is right any
more. A window is judged when every source has passed it, so what is said is a function of the log, and so is its place:
the partition and the start of the window. Receivers drop what they have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from undertow.alerts.incident import Version
from undertow.drift.cards import Card
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories, CategoriesState
from undertow.drift.claims import Claims
from undertow.drift.monitor import PinnedSeries, SeriesStatus
from undertow.drift.pinned import PinStatus
from undertow.drift.segments import Group
from undertow.drift.verdict import Verdict
from undertow.drift.windows import Cells, ClosedWindow, merge
from undertow.pipelines import snapshot
from undertow.pipelines.card_rows import card_columns
from undertow.pipelines.judging import Judging
from undertow.pipelines.kafka.accounts import Accounts
from undertow.pipelines.kafka.arrivals import Arrivals, ArrivalsState, Arrived, carry_out
from undertow.pipelines.kafka.blocks import Blocks
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.control import Claimed, record_of_claim
from undertow.pipelines.kafka.decisions import RULING, Ruling, ruling_of
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.machine import Output, Saved, Send
from undertow.pipelines.kafka.partials import Partial, decode, unpacked
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import VERSION, Judged, Levels, encode
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.rows import verdict_columns
from undertow.pipelines.settings import Settings
from undertow.pipelines.window_rows import mix_columns, window_columns

__all__ = ["SeriesPartition"]

STATE_VERSION = 2
_SAVE_WINDOWS = 6  # between two states
_LEVELS_S = 300.0  # of event time for which a service's levels are told after a verdict, beside the hold time
_MOST_WAITING = 64  # windows that wait to be judged; beyond it the partition is held


class _Source(msgspec.Struct, array_like=True):
    """How far one source partition has been heard; of a cut in parts, those that came before the last."""

    position: int | None = None
    open_from: float = -np.inf
    parts: list[bytes] = []


class _Recent(msgspec.Struct, array_like=True):
    """A change that was told lately, and until when the pager may ask about it."""

    verdict: Verdict
    until: float


class _Window(msgspec.Struct):
    """A window that some source has closed."""

    end: float
    parts: list[Cells] = []


class _State(msgspec.Struct):
    """What is in a state beside the judging."""

    number: int
    sources: list[_Source]
    groups: list[Group] = []
    scores: list[str] = []
    categories: CategoriesState | None = None
    windows: dict[str, Any] = {}
    versions: list[Version] = []
    recent: list[_Recent] = []
    arrivals: ArrivalsState = msgspec.field(default_factory=ArrivalsState)
    position: int = 0
    previous: float | None = None
    judged: int = 0  # windows, and how many of them at the last state
    saved: int = 0
    claims: int = 0
    version: int = STATE_VERSION


class _Numbers:
    """Numbers groups and metrics as they are met."""

    def __init__(self, groups: list[Group], catalogue: Catalogue) -> None:
        self.groups, self.catalogue = groups, catalogue
        self._numbers = {group: number for number, group in enumerate(groups)}

    def group(self, group: Group) -> int:
        number = self._numbers.setdefault(group, len(self.groups))
        if number == len(self.groups):
            self.groups.append(group)
        return number

    def metric(self, name: str) -> int | None:
        try:
            return self.catalogue.number(name)
        except KeyError:
            raise ValueError(
                f"the workers measure '{name}', which is no metric here: give all roles the same configuration"
            ) from None


class SeriesPartition:
    """Judges what lives in one partition.

    Parameters
    ----------
    number
        Of the partition.
    sources, rows
        How many partitions the events and the rows have.
    saved
        The state to go on from; without one the log is read from `first`.

    Raises
    ------
    ValueError
        The state is of another version or configuration.
    """

    def __init__(
        self,
        settings: Settings,
        names: Names,
        number: int,
        sources: int,
        rows: int,
        saved: bytes | None = None,
        first: int = 0,
    ) -> None:
        self._topics, self.number, self._rows_partition = names, number, number % rows
        content = snapshot.decode(saved, self._name) if saved else None
        self._resumed = content is not None
        self._state = _read(content, number, sources, first)
        self._windows = {float(start): _window(kept) for start, kept in self._state.windows.items()}
        catalogue = Catalogue([own.metric for own in settings.own_metrics], self._state.scores)
        self._numbers = _Numbers(self._state.groups, catalogue)
        self._categories = Categories(state=self._state.categories)
        claims = Claims(settings.kafka.series_partitions, number)
        numbered = (self._numbers.groups, catalogue, self._categories)
        ingest = settings.ingest
        self._names = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)
        self._arrivals = Arrivals(self._state.arrivals)
        self._judging = Judging(settings, *numbered, content, claims)
        self._accounts = Accounts(settings, catalogue, self._numbers.groups, content)
        self._blocks = Blocks(settings.kafka.max_message_bytes)
        self._levels_s = settings.alerts.hold_s + _LEVELS_S

    @property
    def _name(self) -> str:
        return f"{self._topics.partials}/{self.number}"

    @property
    def position(self) -> int:
        """The offset of the next message that will count."""
        return self._state.position

    @property
    def rewind(self) -> int:
        """The offset to read from."""
        return self._state.position

    @property
    def full(self) -> bool:
        """Whether so many windows wait for what other partitions claim that no more are taken."""
        return len(self._windows) > _MOST_WAITING and bool(self._missing(min(self._windows)))

    @property
    def last_closed(self) -> float:
        """The end of the last window that was judged, seconds since the epoch; −∞ before the first."""
        return float(self._judging.monitor.last_closed)

    def statuses(self) -> Iterator[SeriesStatus]:
        """Return how far each series is."""
        return self._judging.monitor.statuses()

    def pins(self) -> Iterator[tuple[PinStatus, list[PinnedSeries]]]:
        """Return the pins that hold here, each with the series compared with it."""
        return self._judging.monitor.pins()

    def hear(self, said: Claimed) -> None:
        """Take what another partition claims; what depends on it comes with the next `take`."""
        if said.partition != self.number:
            self._judging.monitor.claims.take(said.partition, said.epoch, said.claim)

    def take(self, messages: Sequence[Message]) -> list[Output]:
        """Apply messages in their order and return what the windows that are complete by then bring."""
        outputs = [*self._advance(), *self._save()]  # what has been heard since may have been all that was missing
        for message in messages:
            if message.offset < self._state.position:
                continue
            self._state.position = message.offset + 1
            if message.key == RULING:
                self._arrivals.rule(ruling_of(message.value), self._passed)
            else:
                self._apply(decode(message.value or b""), message.value or b"")
            outputs += [*self._advance(), *self._save()]
        return outputs

    # -- cuts ---------------------------------------------------------------------------------------------------------

    def _apply(self, partial: Partial, content: bytes) -> None:
        source = self._state.sources[partial.source]
        if source.position is not None and partial.position <= source.position:
            return
        if source.position is not None and partial.previous != source.position:
            raise LostStateError(
                f"{self._name}: source {partial.source} goes on at {partial.previous}, and was heard up to "
                f"{source.position}: messages between are missing; begin anew under another prefix in [kafka]"
            )
        if partial.part < len(source.parts):
            return  # one of a repeat
        if partial.part + 1 < partial.parts:
            source.parts.append(content)
            return
        holds_from = self._passed
        for part in [*map(decode, source.parts), partial]:
            self._add(part, holds_from)
        source.position, source.open_from, source.parts = partial.position, partial.open_from, []

    def _add(self, partial: Partial, holds_from: float) -> None:
        for start, end in partial.closed:
            self._windows.setdefault(start, _Window(end))
        for start, cells in unpacked(partial, self._numbers):
            self._windows[start].parts.append(cells)
        self._categories.remember(partial.names)
        self._accounts.take(partial.seen)
        self._arrivals.take(Arrived(holds_from, partial.found, partial.versions))

    # -- windows ------------------------------------------------------------------------------------------------------

    @property
    def _passed(self) -> float:
        """The start of the first window that some source may still add to."""
        return min(source.open_from for source in self._state.sources)

    def _advance(self) -> Iterator[Output]:
        """Judge the windows that every source has passed, as far as it is known what others claim."""
        for start in sorted(start for start in self._windows if start < self._passed):
            for arrived in self._arrivals.due(start):
                self._welcome(arrived)
            yield from self._claim(start)
            if missing := self._missing(start):
                self._check_not_lost(start, missing)
                return
            window = self._windows.pop(start)
            yield from self._judge(ClosedWindow(start, window.end, merge(window.parts)))

    def _welcome(self, arrived: Arrived) -> None:
        """Let what the log has brought by now count."""
        self._judging.add(arrived.found)
        self._sight(arrived.versions)
        for ruling in arrived.rulings:
            self._follow(ruling)

    def _follow(self, ruling: Ruling) -> None:
        if ruling.action == "deploy":
            self._sight([self._declared(ruling)])
        else:
            carry_out(ruling, self._judging)

    def _sight(self, versions: Sequence[Version]) -> None:
        self._state.versions += versions
        self._accounts.sight(versions)

    def _declared(self, ruling: Ruling) -> Version:
        said, description = ruling.arguments, self._names.text(ruling.arguments["description"]) or ""
        return Version("change", description, ruling.at, said["service"], said.get("environment", ""), description)

    def _claim(self, start: float) -> Iterator[Output]:
        claim = self._judging.monitor.claim(start)
        if claim is not None:
            said = Claimed(self.number, Claims.epoch(start), claim)
            yield Send(self._topics.control, 0, *record_of_claim(said, self._state.claims))
            self._state.claims += 1

    def _missing(self, start: float) -> list[int]:
        return self._judging.monitor.claims.missing(start, self._windows[start].end)

    def _check_not_lost(self, start: float, missing: Sequence[int]) -> None:
        if self._resumed and (gone := self._judging.monitor.claims.beyond(start, self._windows[start].end, missing)):
            raise LostStateError(
                f"{self._name} is at {start:g}, and what partitions {gone} claimed of the budget then is not kept any "
                "more: begin anew under another prefix in [kafka]"
            )

    def _judge(self, window: ClosedWindow) -> Iterator[Output]:
        cards, verdicts = self._accounts.close(window), self._judging.judge(window)
        self._state.recent = [one for one in self._state.recent if one.until > window.end]
        self._state.recent += [_Recent(verdict, window.end + self._levels_s) for verdict in verdicts]
        judged = Judged(
            version=VERSION,
            partition=self.number,
            start=window.start,
            end=window.end,
            previous=self._state.previous,
            verdicts=verdicts,
            versions=self._state.versions,
            levels=list(self._levels()),
            asked=list(self._accounts.asked(one.verdict for one in self._state.recent)),
            cards=cards,
        )
        self._state.previous, self._state.versions = window.start, []
        self._state.judged += 1
        for message in encode(judged):
            yield Send(self._topics.verdicts, 0, None, message)
        yield from self._rows(window, verdicts, cards)

    def _rows(self, window: ClosedWindow, verdicts: Sequence[Verdict], cards: Sequence[Card]) -> Iterator[Output]:
        groups, catalogue = self._numbers.groups, self._numbers.catalogue
        tables = {
            "windows": window_columns([window], groups, catalogue),
            "mixes": mix_columns([window], groups, catalogue, self._categories),
            "verdicts": verdict_columns(verdicts),
            "cards": card_columns(cards),
        }
        for table, columns in tables.items():
            self._blocks.insert(table, columns, f"{self._name}:{window.start!r}:{table}")
        for block in self._blocks.drain():
            yield Send(self._topics.rows, self._rows_partition, None, block.content, block.headers)

    def _levels(self) -> Iterator[Levels]:
        recent = [one.verdict for one in self._state.recent]
        about = {(one.series.service, one.series.environment, one.changed_at) for one in recent}
        for service, environment, since in sorted(about):
            yield Levels(service, environment, since, self._judging.http_levels(service, environment, since))

    # -- state --------------------------------------------------------------------------------------------------------

    def _save(self) -> Iterator[Output]:
        """Save the state when so many windows have been judged since the last one."""
        if self._state.judged - self._state.saved >= _SAVE_WINDOWS:
            self._state.saved = self._state.judged
            yield Saved(self._state.position, self._snapshot())

    def _snapshot(self) -> bytes:
        windows = {repr(start): _kept(window) for start, window in self._windows.items()}
        state = msgspec.structs.replace(
            self._state,
            scores=list(self._numbers.catalogue.scores),
            categories=self._categories.snapshot(),
            windows=windows,
        )
        plain = {name: getattr(state, name) for name in state.__struct_fields__}
        return snapshot.encode({**plain, **self._judging.snapshot(), **self._accounts.snapshot()})


def _kept(window: _Window) -> list[Any]:
    cells = merge(window.parts)
    return [window.end, cells.keys, cells.counts]


def _window(kept: Sequence[Any]) -> _Window:
    end, keys, counts = kept
    return _Window(end, [Cells(keys, counts)])


def _read(content: Mapping[str, Any] | None, number: int, sources: int, first: int) -> _State:
    if content is None:
        return _State(number, [_Source() for _ in range(sources)], position=first)
    if content["version"] != STATE_VERSION:
        raise ValueError(
            f"the state of series partition {number} has version {content['version']}, this Undertow reads "
            f"{STATE_VERSION}: go back to the Undertow that wrote it, or begin anew under another prefix in [kafka]"
        )
    windows = content["windows"]
    plain = {name: value for name, value in content.items() if name in _State.__struct_fields__ and name != "windows"}
    state = msgspec.structs.replace(msgspec.convert(plain, _State), windows=windows)
    if len(state.sources) != sources:
        raise ValueError(
            f"the events have {sources} partitions, and the state of series partition {number} was made with "
            f"{len(state.sources)}: begin anew under another prefix in [kafka]"
        )
    return state
