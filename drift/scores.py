"""Scores: evaluation results, feedback and business figures, with a call or long after it."""

from __future__ import annotations

import heapq
import re
from functools import lru_cache
from typing import Any

import msgspec
import xxhash

from undertow.drift.interaction import Interaction, Kind

__all__ = ["Score", "Scores"]

Dims = tuple[str | None, ...]

_VERSION = 1
_PARTS = 8  # calls are remembered in so many parts by time: a whole one is forgotten at a time
_LARGEST = 1e15  # larger is no score, and its square would drown all others
_LONGEST_NAME = 64
_NOT_IN_A_NAME = re.compile(r"[^\w-]+")
_TAKEN = re.compile(r"^(low|high)$")  # `score.low` would read as the tail of a metric


class Score(msgspec.Struct, frozen=True, gc=False):
    """One figure to be counted: `score.<name>` of the slices in `dims` at `time` (event time, seconds)."""

    service: str
    environment: str
    dims: Dims
    time: float
    name: str
    value: float


class _Waiting(msgspec.Struct, array_like=True):
    """Scores whose call has not been seen yet: it may still come within the lateness."""

    call: int
    scores: list[tuple[str, str, tuple[str | None, ...], float, str, float]]


class _State(msgspec.Struct):
    version: int
    dims: list[list[str | None]]
    parts: list[tuple[int, dict[int, int]]]
    waiting: list[_Waiting]
    unplaced: int
    evicted: int
    refused: int


class Scores:
    """Follows scores by name and places each in the slices of the call it is about.

    A call's own `scores` count at its time in its slices. Those of an event of kind `score` count at their own time: in
    the slices of the call that `about` names while that is remembered, else in their own (most carry none: a figure of
    the service), which `unplaced` counts. A score that overtakes its call waits for it until the watermark has reached
    the score's time. Without `about` it is a figure of the service at once.

    Names are brought to letters, digits, "_" and "-", at most 64 of them; how many are followed says the catalogue.
    What has no such name, is not finite or lies beyond ±1e15 is left out and counted in `refused`.

    Costs 1 µs a call without scores (it is remembered), 1.5 µs for each score. 200,000 calls take about 20 MB.

    It cannot see why a score moved, nor tell a change of the judge from a change of what is judged.

    Parameters
    ----------
    remember_s
        Seconds of event time that a call is remembered at least; at most an eighth longer.
    max_calls
        Calls remembered at once; beyond it the oldest eighth goes, and `evicted` counts them.
    max_waiting
        Scores that wait for their call; further ones do not.

    Examples
    --------
    >>> scores = Scores(remember_s=3600.0, max_calls=1000)
    >>> call = Interaction(id="c1", time=0.0, service="s", operation="answer")
    >>> thumb = Interaction(id="f1", time=60.0, service="s", kind=Kind.SCORE, about="c1", scores={"thumbs up": 1.0})
    >>> scores.observe(call, ("answer",), watermark=0.0)
    []
    >>> scores.observe(thumb, (None,), watermark=0.0)
    [Score(service='s', environment='', dims=('answer',), time=60.0, name='thumbs_up', value=1.0)]
    """

    def __init__(self, remember_s: float = 86_400.0, max_calls: int = 200_000, max_waiting: int = 10_000) -> None:
        for name, value in (("remember_s", remember_s), ("max_calls", max_calls)):
            if not value > 0:
                raise ValueError(f"{name} = {value} leaves no score to place; give a positive number")
        self.remember_s = remember_s
        self.max_calls = max_calls
        self.max_waiting = max_waiting
        self._part_s, self._part_calls = remember_s / _PARTS, max(1, max_calls // (_PARTS + 1))
        self.unplaced = self.evicted = self.refused = 0
        self._parts: list[tuple[int, dict[int, Dims]]] = [(0, {})]  # newest first: (epoch, hash of a call → its dims)
        self._interned: dict[Dims, Dims] = {}
        self._waiting: dict[int, list[Score]] = {}  # hash of a call → its scores, the earliest first
        self._due: list[tuple[float, int]] = []  # heap of (time of the earliest score, hash of its call)
        self._waiting_scores = 0

    def __len__(self) -> int:
        return sum(len(calls) for _, calls in self._parts)

    def observe(self, event: Interaction, dims: Dims, watermark: float) -> list[Score]:
        """Take the event in the order read and return the scores that are placed by it, those overdue first."""
        placed = self.expire(watermark) if self._due else []
        if event.kind is Kind.CALL:
            self._remember(event, dims, placed)
            if event.scores:
                placed += self._read(event, dims)
        elif event.kind is Kind.SCORE and event.scores:
            self._place(event, dims, watermark, placed)
        return placed

    def expire(self, watermark: float) -> list[Score]:
        """Give up waiting for the calls of scores whose time the watermark has reached; they count by themselves."""
        placed: list[Score] = []
        while self._due and self._due[0][0] <= watermark:
            due, call = heapq.heappop(self._due)
            waiting = self._waiting.get(call)
            if waiting and waiting[0].time == due:  # not if the call came, or an earlier score took it along
                placed += self._give_up(call)
        return placed

    def close_all(self) -> list[Score]:
        """Give up waiting for all: the stream has ended."""
        return self.expire(float("inf"))

    def _read(self, event: Interaction, dims: Dims) -> list[Score]:
        read = []
        for raw, value in (event.scores or {}).items():
            name = _cleaned(raw)
            if name and abs(value) <= _LARGEST:  # which NaN is not
                read.append(Score(event.service, event.environment, dims, event.time, name, float(value)))
            else:
                self.refused += 1
        return read

    def _place(self, event: Interaction, dims: Dims, watermark: float, placed: list[Score]) -> None:
        if not event.about:
            placed += self._read(event, dims)
            return
        call = _call(event, event.about)
        known = next((calls[call] for _, calls in self._parts if call in calls), None)
        if known is not None:
            placed += self._read(event, known)
            return
        scores = self._read(event, dims)
        if not scores or event.time <= watermark or self._waiting_scores + len(scores) > self.max_waiting:
            self.unplaced += len(scores)
            placed += scores
            return
        self._waiting.setdefault(call, []).extend(scores)
        self._waiting[call].sort(key=_time)
        self._waiting_scores += len(scores)
        heapq.heappush(self._due, (event.time, call))
        if len(self._due) > 2 * self.max_waiting:  # calls that came leave entries behind
            self._due = self._deadlines()

    def _remember(self, event: Interaction, dims: Dims, placed: list[Score]) -> None:
        self._turn(event.time)
        call = _call(event, event.id)
        if len(self._interned) > self.max_calls:
            self._interned.clear()
        self._parts[0][1][call] = self._interned.setdefault(dims, dims)
        if call in self._waiting:
            scores = self._waiting.pop(call)
            self._waiting_scores -= len(scores)
            placed += [msgspec.structs.replace(score, dims=dims) for score in scores]

    def _turn(self, time: float) -> None:
        """Begin a new part when its time has come or the newest has its share of the calls; forget the outdated."""
        newest, calls = self._parts[0]
        epoch = int(time // self._part_s)
        if epoch <= newest and len(calls) < self._part_calls:
            return
        epoch = max(epoch, newest)
        self._parts.insert(0, (epoch, {}))
        self._parts = [part for part in self._parts if part[0] >= epoch - _PARTS]
        self.evicted += sum(len(calls) for _, calls in self._parts[_PARTS + 1 :])
        del self._parts[_PARTS + 1 :]

    def _give_up(self, call: int) -> list[Score]:
        scores = self._waiting.pop(call)
        self._waiting_scores -= len(scores)
        self.unplaced += len(scores)
        return scores

    def _deadlines(self) -> list[tuple[float, int]]:
        return sorted((scores[0].time, call) for call, scores in self._waiting.items())

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data: hashes of calls, no ids."""
        rows: dict[Dims, int] = {}
        parts = [
            (epoch, {call: rows.setdefault(dims, len(rows)) for call, dims in calls.items()})
            for epoch, calls in self._parts
        ]
        state = _State(
            version=_VERSION,
            dims=[list(dims) for dims in rows],
            parts=parts,
            waiting=[_Waiting(call, [_row(score) for score in scores]) for call, scores in self._waiting.items()],
            unplaced=self.unplaced,
            evicted=self.evicted,
            refused=self.refused,
        )
        return dict(msgspec.to_builtins(state))

    @classmethod
    def build(
        cls,
        remember_s: float = 86_400.0,
        max_calls: int = 200_000,
        max_waiting: int = 10_000,
        state: dict[str, Any] | None = None,
    ) -> Scores:
        """Return a memory that goes on from a snapshot, or begins."""
        scores = cls(remember_s, max_calls, max_waiting)
        if state is None:
            return scores
        if state.get("version") != _VERSION:
            raise ValueError(f"scores: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State, strict=False)
        scores.unplaced, scores.evicted, scores.refused = restored.unplaced, restored.evicted, restored.refused
        rows = [tuple(dims) for dims in restored.dims]
        scores._interned = {dims: dims for dims in rows}
        scores._parts = [(epoch, {call: rows[row] for call, row in calls.items()}) for epoch, calls in restored.parts]
        scores._waiting = {entry.call: [Score(*row) for row in entry.scores] for entry in restored.waiting}
        scores._due = scores._deadlines()
        scores._waiting_scores = sum(map(len, scores._waiting.values()))
        return scores


def _call(event: Interaction, call: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{event.service}\x1f{event.environment}\x1f{call}".encode("utf-8", "replace"))


@lru_cache(maxsize=1024)
def _cleaned(raw: str) -> str:
    return _TAKEN.sub(r"\1_", _NOT_IN_A_NAME.sub("_", raw[:_LONGEST_NAME]).strip("_"))


def _time(score: Score) -> float:
    return score.time


def _row(score: Score) -> tuple[str, str, tuple[str | None, ...], float, str, float]:
    return (score.service, score.environment, score.dims, score.time, score.name, score.value)
