"""A few real calls from every stretch of time, kept so that a page can show what was said before and since.

Which calls are kept depends on the hash of their ids alone, never on clock or chance: of each stretch those with the
smallest hashes, as a uniform sample, and besides those for which a rate is true, since a refusal that one answer in
three hundred is will not be found in a small sample of all.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from undertow.drift.interaction import Interaction, Kind, text_of

__all__ = ["ALL", "Exemplar", "Exemplars"]

Where = tuple[str, str]  # service, environment
Details = tuple[dict[str, str], dict[str, float]]  # values by dimension; measures that are no rates

_VERSION = 1
_TIERS = (600.0, 7200.0)  # seconds of a stretch
ALL = ""  # the sample of all calls
_ANY = 1 << 64  # above every hash
_EMPTY: Mapping[str, list[Exemplar]] = {}


class Exemplar(msgspec.Struct, frozen=True, array_like=True):
    """One call as it may be shown: texts redacted and cut, the measures that a page may ask for.

    `true` are the rates that are true of it, `values` its other measures; `dims` its values by dimension.
    """

    hash: int
    id: str
    time: float
    dims: dict[str, str]
    true: tuple[str, ...]
    values: dict[str, float]
    input: str
    output: str


class _State(msgspec.Struct):
    version: int
    dropped: int
    kept: list[tuple[Where, float, int, str, list[Exemplar]]]
    open: list[tuple[float, Where, str, list[Exemplar]]]


Samples = dict[str, list[Exemplar]]  # rate, or all → those with the smallest hashes, sorted


class _Bars(dict[str, int]):
    """By sample, below which hash a call is wanted; asked for when it is first needed."""

    def __init__(self, bar: Callable[[str], int]) -> None:
        self._bar = bar

    def __missing__(self, name: str) -> int:
        self[name] = self._bar(name)
        return self[name]


class Exemplars:
    """Keeps samples by service and stretch: ten minutes of the last two hours, two hours of the last day.

    Windows enter their stretch once they are closed, so neither the order nor the batches of events matter. An exemplar
    is 2 kB at most.

    Parameters
    ----------
    redact
        What may be kept of a text; None where nothing may, and no exemplar is kept at all.
    stretches
        Stretches kept of each length.
    of_all, of_rate
        Calls kept of each stretch, and of each rate in it.
    longest
        Characters kept of a text.
    max_kept
        Exemplars in all; beyond it the oldest stretches go first.

    Attributes
    ----------
    dropped
        Exemplars that gave way to `max_kept`.

    Examples
    --------
    >>> exemplars = Exemplars(str.upper)
    >>> call = Interaction(id="1", time=5.0, service="s", input="Hi", output="I can't.")
    >>> exemplars.observe(call, 7, 0.0, ["refusal_rate"], lambda: ({"region": "eu"}, {"latency": 0.5}))
    >>> exemplars.advance(10.0)
    >>> [(kept.output, kept.true) for kept in exemplars.between("s", "", 0.0, 10.0)]
    [("I CAN'T.", ('refusal_rate',))]
    """

    def __init__(
        self,
        redact: Callable[[str], str] | None,
        stretches: int = 12,
        of_all: int = 24,
        of_rate: int = 12,
        longest: int = 600,
        max_kept: int = 5_000,
    ) -> None:
        self._redact = redact
        self.stretches, self.of_all, self.of_rate = stretches, of_all, of_rate
        self.longest, self.max_kept = longest, max_kept
        self.dropped = 0
        self._kept: dict[Where, dict[tuple[float, int], Samples]] = {}  # → (length, stretch) → samples
        self._open: dict[float, dict[Where, Samples]] = {}
        self._bars: dict[tuple[Where, float], _Bars] = {}  # of open windows, while no other closes
        self._count = 0

    def observe(
        self, event: Interaction, number: int, window: float, true: Sequence[str], details: Callable[[], Details]
    ) -> None:
        """Take a call, the hash of its id and the start of its window; `true` are the rates that are true of it.

        `details`, its values by dimension and its other measures, are asked for only if it may be kept.
        """
        if self._redact is None or event.kind is not Kind.CALL or event.shadow_of is not None:
            return
        where = event.service, event.environment
        bars = self._bars.get((where, window))
        if bars is None:
            bars = self._bars[where, window] = _Bars(partial(self._bar, where, window))
        if not true and number >= bars[ALL]:  # as nearly always
            return
        wanted = [name for name in (ALL, *true) if number < bars[name]]
        if wanted:
            exemplar = self._exemplar(event, number, true, details())
            samples = self._open.setdefault(window, {}).setdefault(where, {})
            for name in wanted:
                _keep(samples.setdefault(name, []), exemplar, self._limit(name))
                del bars[name]

    def advance(self, until: float) -> None:
        """Close the windows that begin before `until`; no more of their events may come."""
        for window in sorted(window for window in self._open if window < until):
            for where, samples in sorted(self._open.pop(window).items()):
                self._close(where, window, samples)
            self._bars.clear()
        while self._count > self.max_kept:
            self._drop_oldest()

    def between(
        self, service: str, environment: str, start: float, end: float, sample: str | None = None
    ) -> list[Exemplar]:
        """Return the exemplars of closed windows with a time in [start, end), each once, in the order of their hashes.

        `sample` is the name of a rate, for calls of which it is true, or `ALL` for a uniform sample of all calls; None
        for both.
        """
        stretches = self._kept.get((service, environment), {})
        found = {
            one.id: one
            for samples in stretches.values()
            for name, kept in samples.items()
            if sample is None or name == sample
            for one in kept
            if start <= one.time < end
        }
        return sorted(found.values(), key=lambda one: (one.hash, one.id))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; texts in it are redacted."""
        kept = [
            (where, length, stretch, name, list(sample))
            for where, stretches in sorted(self._kept.items())
            for (length, stretch), samples in sorted(stretches.items())
            for name, sample in sorted(samples.items())
        ]
        waiting = [
            (window, where, name, list(sample))
            for window, places in sorted(self._open.items())
            for where, samples in sorted(places.items())
            for name, sample in sorted(samples.items())
        ]
        return {"version": _VERSION, "dropped": self.dropped, "kept": kept, "open": waiting}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; ValueError if it has another version."""
        if state.get("version") != _VERSION:
            raise ValueError(f"exemplars: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State)
        self.dropped, self._kept, self._open, self._bars = restored.dropped, {}, {}, {}
        for where, length, stretch, name, sample in restored.kept:
            self._kept.setdefault(where, {}).setdefault((length, stretch), {})[name] = sample
        for window, where, name, sample in restored.open:
            self._open.setdefault(window, {}).setdefault(where, {})[name] = sample
        self._count = sum(len(sample) for *_, sample in restored.kept)

    def _limit(self, name: str) -> int:
        return self.of_rate if name else self.of_all

    def _bar(self, where: Where, window: float, name: str) -> int:
        """Return below which hash a call could still be among the first of its window and of one of its stretches."""
        stretches, limit = self._kept.get(where, {}), self._limit(name)
        waiting = self._open.get(window, {}).get(where, _EMPTY).get(name, ())
        of_stretches = (
            _highest(stretches.get((length, int(window // length)), _EMPTY).get(name, ()), limit) for length in _TIERS
        )
        return min(_highest(waiting, limit), max(of_stretches))

    def _close(self, where: Where, window: float, samples: Samples) -> None:
        """Let the samples of a window enter their stretches; a new stretch closes the one that is too old."""
        stretches = self._kept.setdefault(where, {})
        for length in _TIERS:
            stretch = int(window // length)
            kept = stretches.setdefault((length, stretch), {})
            for old in [key for key in stretches if key[0] == length and key[1] <= stretch - self.stretches]:
                self._count -= _size(stretches.pop(old))
            for name, sample in samples.items():
                limit = self._limit(name)
                self._count += sum(_keep(kept.setdefault(name, []), one, limit) for one in sample)

    def _exemplar(self, event: Interaction, number: int, true: Sequence[str], details: Details) -> Exemplar:
        texts = [self._shown(text_of(content) or "") for content in (event.input, event.output)]
        return Exemplar(number, event.id, event.time, details[0], tuple(sorted(true)), details[1], *texts)

    def _shown(self, text: str) -> str:
        """Return a text as it may be kept; redacted before it is cut, so that no half of a secret is left."""
        shown = self._redact(text[: 4 * self.longest]) if self._redact else ""
        return shown if len(shown) <= self.longest else shown[: self.longest - 1] + "…"

    def _drop_oldest(self) -> None:
        """Drop the stretch that ended first; it is the same one whatever the order of the events was."""
        ended = [
            ((stretch + 1) * length, where, (length, stretch))
            for where, stretches in self._kept.items()
            for length, stretch in stretches
        ]
        _, where, key = min(ended)
        size = _size(self._kept[where].pop(key))
        self._count -= size
        self.dropped += size
        if not self._kept[where]:
            del self._kept[where]


def _highest(sample: Sequence[Exemplar], limit: int) -> int:
    return _ANY if len(sample) < limit else sample[-1].hash


def _keep(sample: list[Exemplar], exemplar: Exemplar, limit: int) -> int:
    """Add an exemplar; return by how many the sample grew."""
    insort(sample, exemplar, key=lambda one: (one.hash, one.id))
    if len(sample) <= limit:
        return 1
    del sample[-1]
    return 0


def _size(samples: Samples) -> int:
    return sum(map(len, samples.values()))
