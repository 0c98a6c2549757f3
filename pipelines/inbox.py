"""The inbox: several sources joined into one sequence of records that is the same however it is taken.

Finished files are merged by event time (each is taken to be nearly sorted; ties go to the file named first), followed
ones likewise as far as data has come. The inbox also keeps the rule that no event drags time into the future
(time_guard.py) and makes dead letters of what cannot be read (dead_letters.py).
"""

from __future__ import annotations

import glob
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from undertow.drift.interaction import Interaction
from undertow.pipelines.dead_letters import DeadLetter, DeadLetters, withheld
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.lane import Lane, Record
from undertow.pipelines.source import Position, Source, SourceError
from undertow.pipelines.sources import SOURCES
from undertow.pipelines.sources.streams import is_compressed
from undertow.pipelines.time_guard import Guard, LiveGuard, ReplayGuard, ReplayState

__all__ = ["Inbox", "Taken", "expand"]

VERSION = 1  # of the resume point
DEFAULT_MAX_AHEAD_S = 300.0


class Taken(msgspec.Struct):
    """What one call of `take` brought.

    `crcs` are the checksums of the events' lines, in the same order; `rejects` are the letters kept, of `rejected`
    unreadable records in all; `records` counts both kinds; `exhausted` says that nothing will come any more.
    """

    events: list[Interaction] = []
    crcs: list[int] = []
    rejects: list[DeadLetter] = []
    rejected: int = 0
    records: int = 0
    exhausted: bool = False


class Inbox:
    r"""Joins sources.

    Parameters
    ----------
    paths
        Files, folders, patterns, "-" for standard input.
    decoder
        What reads a line.
    follow
        Wait for more at the end of files, live; else files are finished and merged.
    resume
        What `positions` returned, to go on exactly behind the records taken then.
    max_ahead_s
        How far event time may run ahead, in seconds.
    now
        The clock of live inboxes, seconds since the epoch.
    redact
        What excerpts of unreadable lines pass before they are kept; by default nothing of them is.

    Raises
    ------
    undertow.pipelines.source.SourceError
        A path is missing or cannot be read, a pattern fits nothing, or `resume` is of another version.

    Examples
    --------
    >>> import tempfile
    >>> from undertow.pipelines.wire.native import NativeDecoder
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b'{"id": "1", "time": 1, "service": "s"}\n{"id": "2"}\n')
    ...     file.flush()
    ...     with Inbox([file.name], NativeDecoder(), follow=False) as inbox:
    ...         taken = inbox.take(100)
    >>> len(taken.events), [(letter.line, letter.field) for letter in taken.rejects], taken.exhausted
    (1, [(2, 'time')], True)
    """

    def __init__(
        self,
        paths: Sequence[str],
        decoder: Decoder,
        *,
        follow: bool,
        resume: Mapping[str, Any] | None = None,
        max_ahead_s: float = DEFAULT_MAX_AHEAD_S,
        now: Callable[[], float] = time.time,
        redact: Callable[[str], str] = withheld,
    ) -> None:
        self._resume = _checked(resume)
        self._paths = list(paths)
        self._decoder = decoder
        self._follow = follow
        self._max_ahead_s = max_ahead_s
        self._now = now
        self._letters = DeadLetters(redact, self._resume.get("rejected", ()))
        self._lanes: list[Lane] = []
        self._heads: list[tuple[float, int]] = []
        try:
            self._open(expand(self._paths, follow=follow))
        except OSError:
            self.close()
            raise
        if not follow:
            self._heads = [head for index in range(len(self._lanes)) if (head := self._head(index)) is not None]
            heapq.heapify(self._heads)

    @property
    def rejected(self) -> Mapping[tuple[str, str, str], int]:
        """Unreadable records by (source, reason, field), exact since the first start."""
        return self._letters.counts

    @property
    def names(self) -> list[str]:
        """The sources that are open."""
        return [lane.source.name for lane in self._lanes]

    def take(self, limit: int) -> Taken:
        """Return at most `limit` records; a live inbox returns at once with what there is."""
        taken = Taken()
        if self._follow:
            self._take_live(limit, taken)
        elif len(self._lanes) == 1:
            self._drain(self._lanes[0], limit, taken)
        else:
            self._merge(limit, taken)
        taken.exhausted = all(lane.ended and not lane.ready for lane in self._lanes)
        return taken

    def take_to(self, positions: Mapping[str, Any], limit: int) -> Taken:
        """Return at most `limit` of the records before a resume point that an earlier run had reached.

        A merge of finished files is the same every time, so there this is `take`; how live sources took turns is not,
        so there each goes as far as it had gone.
        """
        if not self._follow:
            return self.take(limit)
        taken, places = Taken(), positions.get("sources", {})

        def reached(lane: Lane) -> bool:
            place = places.get(lane.source.name)
            return place is None or (lane.position.offset, lane.position.file) == (place[1], place[2])

        self._by_time([lane for lane in self._lanes if not reached(lane)], limit, taken, reached)
        return taken

    def positions(self) -> dict[str, Any]:
        """Return the resume point behind the records taken so far, as plain JSON values."""
        places = {
            lane.source.name: [lane.position.line, lane.position.offset, lane.position.file, _finite(lane.largest)]
            for lane in self._lanes
        }
        return {"version": VERSION, "sources": places, "rejected": self._letters.snapshot()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sources."""
        for lane in self._lanes:
            lane.source.close()

    def _open(self, names: Sequence[str]) -> None:
        known = {lane.source.name for lane in self._lanes}
        for name in names:
            if name not in known:
                self._lanes.append(self._lane(name))

    def _lane(self, name: str) -> Lane:
        place = self._resume.get("sources", {}).get(name)
        position = Position(*place[:3]) if place else Position()
        guard: Guard[Record]
        if self._follow:
            guard = LiveGuard(self._max_ahead_s, self._now)
        else:
            known = place is not None and place[3] is not None
            guard = ReplayGuard(self._max_ahead_s, ReplayState(place[3]) if known else None)
        lane = Lane(self._source(name, position), self._decoder, guard, position, follow=self._follow)
        lane.largest = place[3] if place and place[3] is not None else lane.largest
        return lane

    def _source(self, name: str, position: Position) -> Source:
        if name == "-":
            return SOURCES["stdin"](name, position, self._follow)
        grows = self._follow and not is_compressed(Path(name))
        return SOURCES["followed" if grows else "file"](name, position, self._follow)

    def _drain(self, lane: Lane, limit: int, taken: Taken) -> None:
        while taken.records < limit and lane.fill():
            self._hand_out(lane, limit - taken.records, taken)
        if not lane.ready and not self._follow:
            lane.fill()  # so that the last record and the word that it was the last come together

    def _merge(self, limit: int, taken: Taken) -> None:
        while self._heads and taken.records < limit:
            index = self._heads[0][1]
            lane = self._lanes[index]
            self._hand_out(lane, 1, taken)
            head = self._head(index)
            if head is None:
                heapq.heappop(self._heads)
            else:
                heapq.heapreplace(self._heads, head)

    def _head(self, index: int) -> tuple[float, int] | None:
        """Return when the lane's next record happened; an unreadable one comes right behind the event before it."""
        lane = self._lanes[index]
        if not lane.fill():
            return None
        return _next_time(lane), index

    def _take_live(self, limit: int, taken: Taken) -> None:
        """Take what has come, the earliest first; a source that has nothing new holds no other one up."""
        if len(self._lanes) == 1:
            self._drain(self._lanes[0], limit, taken)
        else:
            self._by_time(self._lanes, limit, taken, lambda _lane: False)
        if not taken.records and any(_is_pattern(path) for path in self._paths):
            self._open(expand(self._paths, follow=True))

    def _by_time(self, lanes: Sequence[Lane], limit: int, taken: Taken, done: Callable[[Lane], bool]) -> None:
        """Hand out the records that are ready, by event time, until each lane is done or has nothing more."""
        ready = [lane for lane in lanes if lane.fill()]
        while ready and taken.records < limit:
            lane = min(ready, key=_next_time)
            self._hand_out(lane, 1, taken)
            if done(lane) or not lane.fill():
                ready.remove(lane)

    def _hand_out(self, lane: Lane, count: int, taken: Taken) -> None:
        records = lane.take(count)
        taken.records += len(records)
        for outcome, mark, line, start, _, _ in records:
            if isinstance(mark, int) and isinstance(outcome, Interaction):
                taken.events.append(outcome)
                taken.crcs.append(mark)
            elif isinstance(mark, bytes) and isinstance(outcome, Reject):
                taken.rejected += 1
                letter = self._letters.judge(lane.source.name, line, start, outcome, mark)
                if letter is not None:
                    taken.rejects.append(letter)


def _next_time(lane: Lane) -> float:
    outcome = lane.ready[0][0]
    return outcome.time if isinstance(outcome, Interaction) else lane.largest


def expand(paths: Sequence[str], *, follow: bool) -> list[str]:
    """Return the files that the paths stand for: of a folder, all that are not hidden; of a pattern, all that fit.

    When following, files that a rotation left beside a followed one are not sources of their own.

    Raises
    ------
    undertow.pipelines.source.SourceError
        Nothing fits a pattern, or (when not following) a file is missing.
    """
    names = list(dict.fromkeys(name for path in paths for name in _expanded(path, follow=follow)))
    if not follow:
        return names
    return [name for name in names if not any(name.startswith((f"{other}.", f"{other}-")) for other in names)]


def _expanded(path: str, *, follow: bool) -> list[str]:
    if path == "-":
        return [path]
    if Path(path).is_dir():
        return [
            str(entry) for entry in sorted(Path(path).iterdir()) if entry.is_file() and not entry.name.startswith(".")
        ]
    if Path(path).exists() or (follow and not glob.has_magic(path)):
        return [path]
    found = sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())
    if not found and not follow:
        raise SourceError(f"no file at '{path}'" + ("; the pattern fits nothing" if glob.has_magic(path) else ""))
    return found


def _is_pattern(path: str) -> bool:
    return glob.has_magic(path) or Path(path).is_dir()


def _finite(value: float) -> float | None:
    return None if value == float("-inf") else value


def _checked(resume: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if resume is None:
        return {}
    if resume.get("version") != VERSION:
        raise SourceError(f"resume point is of version {resume.get('version')}; this program reads version {VERSION}")
    return resume
