"""The watch looks at itself: at what comes in, against what is usual, and at what it does with it.

It sees closed windows and a few numbers, and hands over conditions (`self_conditions.py`), of which `alerts/health.py`
makes incidents. The wall clock decides here, so nothing of it is replayed; what it has learned is in a file of its own.
What people decide about these incidents is taken here, and each change of them is a row in the store like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from undertow.alerts.formats import utc
from undertow.alerts.health import Condition, Health, HealthState
from undertow.alerts.incident import Change, Incident
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.segments import Group
from undertow.drift.usual_hours import UsualHours, UsualHoursState
from undertow.drift.usual_share import UsualShare
from undertow.drift.windows import ClosedWindow
from undertow.pipelines import self_conditions as conditions
from undertow.pipelines import snapshot
from undertow.pipelines.alert_settings import Health as HealthSettings
from undertow.pipelines.control import ACKNOWLEDGED, RESOLUTIONS
from undertow.pipelines.step import Step

__all__ = ["Facts", "SelfWatch"]

LOOK_S = 5.0  # between two looks
SAVE_S = 60.0  # what has been learned is written so often
STREAMS = 200  # services × environments whose input is watched
COUNTED = "error_rate"  # every call says it
BLOCK, BLOCK_S = 500, 600.0  # calls and seconds over which coverage is judged
RECORDS, RECORDS_S = 200, 120.0  # likewise records and events
FALLEN = 0.5  # of the usual coverage
RISEN = 2.0  # times the usual share
STALE_S = 3600.0  # a share is not told for longer than that after its block
LAG_SPAN_S = 600.0  # over which a lag must not shrink


class Facts(msgspec.Struct, frozen=True):
    """Numbers of the running watch, counted since ever; `latest` is the newest event time read."""

    taken: int
    rejected: int
    events: int
    late: int
    latest: float
    store_fails_since: float | None = None
    store_reason: str = ""


class _Pages(Protocol):
    def submit(self, changes: Iterable[Change]) -> int: ...


class _Stream(msgspec.Struct):
    hours: UsualHours
    coverage: dict[str, UsualShare] = {}
    latest: float = 0.0  # end of the newest window with calls
    known: float = 0.0  # likewise at the last look


class _SavedStream(msgspec.Struct):
    service: str
    environment: str
    hours: UsualHoursState
    coverage: dict[str, UsualShare]
    latest: float


class _Saved(msgspec.Struct):
    streams: list[_SavedStream] = []
    rejected: UsualShare = msgspec.field(default_factory=lambda: UsualShare(RECORDS, RECORDS_S))
    late: UsualShare = msgspec.field(default_factory=lambda: UsualShare(RECORDS, RECORDS_S))
    health: HealthState = msgspec.field(default_factory=HealthState)
    told: list[Change] = []  # when it was written: told again at the next start, if need be


class SelfWatch:
    """Watches the input and the work of one watch.

    Parameters
    ----------
    groups
        Returns the groups by number.
    lateness
        Seconds that events may be late.
    pages
        Where incidents go.
    record
        Called with the incidents that are told of, for the store.
    path
        Where what was learned is kept.
    clock
        Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        settings: HealthSettings,
        catalogue: Catalogue,
        groups: Callable[[], Sequence[Group]],
        lateness: float,
        pages: _Pages,
        record: Callable[[Iterable[Incident]], None],
        path: Path,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._catalogue, self._groups, self._lateness = settings, catalogue, groups, lateness
        self._pages, self._record, self._path, self._clock = pages, record, path, clock
        saved = msgspec.convert((snapshot.read(path) or {"self_watch": {}})["self_watch"], _Saved)
        self._streams = {
            (one.service, one.environment): _Stream(UsualHours(one.hours), one.coverage, one.latest, one.latest)
            for one in saved.streams
        }
        self._rejected, self._late = saved.rejected, saved.late
        self._health = Health(settings.pages_per_day, saved.health)
        self._whole = np.zeros(0, bool)  # of each group, whether it is a stream as a whole
        self._before: Facts | None = None
        self._lags: deque[tuple[float, float]] = deque()
        self._started_at = self._saved_at = clock()
        self._looked_at = float("-inf")
        self.unwatched = 0  # streams beyond the limit, times they were met
        self._untold = saved.told  # by the process before, perhaps

    def status(self) -> dict[str, Any]:
        """Return what is wrong, and how many pages about it were beyond their cap."""
        wrong = [
            {
                "about": one.about,
                "headline": one.headline,
                "since": utc(one.opened_at),
                "paged": one.paged_at is not None,
            }
            for one in self._health.incidents
        ]
        return {"wrong": wrong, "conditions": len(wrong), "health_pages_capped": self._health.capped}

    def observe(self, step: Step) -> None:
        """Count what the windows that closed say of each stream as a whole."""
        names = list(self._catalogue.columns)
        for window in step.windows:
            for group, counts in self._counted(window):
                stream = self._stream(group)
                calls = counts.get(COUNTED, 0)
                if stream is None or not calls:
                    continue
                stream.hours.add(window.start, calls)
                stream.latest = max(stream.latest, window.end)
                for metric in names:
                    if metric in counts or metric in stream.coverage:
                        share = stream.coverage.setdefault(metric, UsualShare(BLOCK, BLOCK_S))
                        share.add(min(counts.get(metric, 0), calls), calls, window.end)

    def look(self, facts: Facts) -> None:
        """Judge, tell, and keep what was learned; at most once in `LOOK_S` seconds."""
        now = self._clock()
        if 0 <= now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        self._tell(self._untold)
        self._untold = []
        changes = self._health.update(list(self._conditions(facts, now)), now)
        if changes or now - self._saved_at >= SAVE_S:
            self._save(changes, now)
        self._tell(changes)
        self._before = facts

    @property
    def incidents(self) -> list[Incident]:
        """What people were told of and what lasts."""
        return [one for one in self._health.incidents if one.paged_at is not None]

    def control(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Take a decision about one of these incidents, and keep it; None where it is about none of them."""
        key, by = arguments.get("id", ""), str(arguments.get("by", ""))
        if action not in (*RESOLUTIONS, *ACKNOWLEDGED) or key not in {one.id for one in self.incidents}:
            return None
        now = self._clock()
        if action in RESOLUTIONS:
            answer = {"incident": key, "resolution": RESOLUTIONS[action]}
            changes = self._health.close(key, RESOLUTIONS[action], now, by, str(arguments.get("reason", "")))
        else:
            answer, where = {"incident": key, "state": "acknowledged"}, str(arguments.get("elsewhere", ""))
            changes = self._health.acknowledge(key, now, by, where, quiet=action == "dismiss")
        self._save(changes, now)
        self._tell(changes)
        return answer

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes:
            self._pages.submit(changes)
            self._record(change.incident for change in changes)

    # -- what is wrong ------------------------------------------------------------------------------------------------

    def _conditions(self, facts: Facts, now: float) -> Iterator[Condition]:
        for (service, environment), stream in self._streams.items():
            yield from self._silence(service, environment, stream, now)
            if lost := _lost(stream, now):
                yield conditions.lost_input(service, environment, lost)
        if (behind := self._lag(facts, now)) is not None:
            yield conditions.lag(behind)
        self._count(facts, now)
        if _high(self._rejected, self._settings.dead_letter_share, now):
            yield conditions.dead_letters(self._rejected)
        if _high(self._late, self._settings.late_share, now):
            yield conditions.late_events(self._late, self._lateness)
        failing = facts.store_fails_since
        if failing is not None and now - failing >= self._settings.store_s:
            yield conditions.store(now - failing, facts.store_reason)

    def _silence(self, service: str, environment: str, stream: _Stream, now: float) -> Iterator[Condition]:
        """Count a silence from the start of this process on: before it nobody listened."""
        if stream.latest > stream.known:
            stream.hours.add_pause(now, now - max(stream.known, self._started_at))
            stream.known = stream.latest
        since = max(stream.latest, self._started_at)
        if stream.hours.is_silent(since, now):
            yield conditions.silence(service, environment, stream.latest, now, stream.hours.expected(since, now))

    def _lag(self, facts: Facts, now: float) -> float | None:
        """Return how far behind the watch is, if it reads, is behind, and has not come nearer for a while."""
        if self._before is None or facts.taken == self._before.taken:
            self._lags.clear()
            return None
        behind = now - facts.latest
        self._lags.append((now, behind))
        while now - self._lags[0][0] > LAG_SPAN_S:
            self._lags.popleft()
        spans = now - self._lags[0][0] >= LAG_SPAN_S - 2 * LOOK_S
        grows = behind >= self._lags[0][1] - LOOK_S
        return behind if spans and grows and behind > self._settings.lag_s else None

    def _count(self, facts: Facts, now: float) -> None:
        if (before := self._before) is not None:
            self._rejected.add(facts.rejected - before.rejected, facts.taken - before.taken, now)
            self._late.add(facts.late - before.late, facts.events - before.events, now)

    # -- what came in -------------------------------------------------------------------------------------------------

    def _counted(self, window: ClosedWindow) -> Iterator[tuple[Group, dict[str, int]]]:
        """Yield how many events say each metric, for each stream as a whole."""
        groups = self._groups()
        new = [not group.segment for group in groups[len(self._whole) :]]
        self._whole = np.concatenate([self._whole, np.array(new, bool)])
        mine = self._whole[window.cells.groups]
        series, starts = np.unique(window.cells.series[mine], return_index=True)
        counts = np.add.reduceat(window.cells.counts[mine], starts) if len(series) else starts
        found: dict[int, dict[str, int]] = {}
        for number, count in zip(series.tolist(), counts.tolist(), strict=True):
            found.setdefault(number // SERIES_METRICS, {})[self._catalogue.name(number % SERIES_METRICS)] = count
        yield from ((groups[number], said) for number, said in found.items())

    def _stream(self, group: Group) -> _Stream | None:
        where = (group.service, group.environment)
        if where not in self._streams and len(self._streams) >= STREAMS:
            self.unwatched += 1
            return None
        return self._streams.setdefault(where, _Stream(UsualHours()))

    def _save(self, changes: list[Change], now: float) -> None:
        """Write what was learned and what is about to be told: a crash in between tells it at the next start."""
        streams = [
            _SavedStream(*where, stream.hours.snapshot(), stream.coverage, stream.latest)
            for where, stream in self._streams.items()
        ]
        saved = _Saved(streams, self._rejected, self._late, self._health.snapshot(), changes)
        snapshot.write(self._path, {"self_watch": saved})
        self._saved_at = now


def _lost(stream: _Stream, now: float) -> dict[str, UsualShare]:
    fallen = {name: share for name, share in stream.coverage.items() if share.has_fallen_to(FALLEN)}
    fresh = [(name, share) for name, share in fallen.items() if _is_fresh(share, now)]
    return dict(sorted(fresh, key=lambda item: (item[1].latest / (item[1].usual or 1.0), item[0])))


def _high(share: UsualShare, limit: float, now: float) -> bool:
    return share.has_risen_to(RISEN, limit) and _is_fresh(share, now)


def _is_fresh(share: UsualShare, now: float) -> bool:
    return share.closed_at is not None and now - share.closed_at < STALE_S
