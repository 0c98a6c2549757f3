"""Shadow traffic: how often a candidate decides otherwise than what is live, on the same input."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
import xxhash

from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.drift.signal import Batch

__all__ = ["Disagreement", "Shadow"]

Key = tuple[str, str, str]  # service, environment, id of the live call
Dims = tuple[str | None, ...]

_VERSION = 1
_MAX_JSON = 100_000  # characters; a longer answer is compared as text
_MOST_WAITING = 16  # shadows that wait for one live call
_LARGEST_WHOLE = 2**53  # beyond it a float is no exact number
_BEFORE_FIRST = 1_000  # live calls kept of services that have had no shadow yet


class Disagreement(msgspec.Struct, frozen=True, gc=False):
    """One shadow call compared with its live one.

    Parameters
    ----------
    dims
        The shadow's dimensions, since it is the candidate that is judged; what it does not carry is the live call's.
    time
        Event time of the later of the two, seconds since the epoch.
    differs
        Whether the two decided or said something else.
    """

    service: str
    environment: str
    dims: Dims
    time: float
    differs: bool


class _Side(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a call: its decision and a hash of its answer, never the answer."""

    time: float
    dims: tuple[str | None, ...]
    label: str | None
    answer: int | None


class _Entry(msgspec.Struct, array_like=True):
    """The live call of a key once it is known, and the shadows that wait for it until then."""

    due: float  # event time after which it is forgotten
    live: _Side | None = None
    waiting: list[_Side] = []


class _State(msgspec.Struct):
    version: int
    unpaired: int
    evicted: int
    incomparable: int
    shadowed: list[tuple[str, str]]
    entries: list[tuple[str, str, str, _Entry]]


class Shadow:
    """Pairs shadow calls with the live calls they repeat, in whatever order they come.

    Two calls with a label each disagree when the labels differ. Else their answers are compared: as JSON values when
    both are JSON (order of keys, white space and 1 against 1.0 do not matter), as texts without regard to case and
    white space when not, tool calls by name and arguments beside them. A failed call is compared with nothing. A live
    call may have many shadows; each counts once.

    Costs 0.8 µs for a call of a service that has no shadows, 11 µs for one that has (answers of 740 characters);
    100,000 remembered calls take about 40 MB. Until a service's first shadow only the last 1,000 live calls of all such
    services are kept.

    It cannot see whether the live answer was the right one, and answers in free text nearly always differ: there the
    rate is high from the start, and labels or structured answers are what to compare.

    Parameters
    ----------
    remember_s
        Seconds of event time that one of the two waits for the other.
    max_calls
        Calls remembered at once; beyond it the oldest goes, and `evicted` counts it.

    Attributes
    ----------
    unpaired
        Shadows whose live call did not come in time.
    incomparable
        Pairs without anything to compare: one of them failed, or its content was not recorded.

    Examples
    --------
    >>> shadow = Shadow(remember_s=600.0, max_calls=100)
    >>> live = Interaction(id="1", time=0.0, service="s", label="refund")
    >>> twin = Interaction(id="2", time=1.0, service="s", label="return", shadow_of="1")
    >>> shadow.observe(live, ("m-1",), watermark=0.0)
    []
    >>> shadow.observe(twin, ("m-2",), watermark=0.0)
    [Disagreement(service='s', environment='', dims=('m-2',), time=1.0, differs=True)]
    """

    def __init__(self, remember_s: float = 600.0, max_calls: int = 100_000) -> None:
        for name, value in (("remember_s", remember_s), ("max_calls", max_calls)):
            if not value > 0:
                raise ValueError(f"{name} = {value} leaves nothing to compare with; give a positive number")
        self.remember_s = remember_s
        self.max_calls = max_calls
        self.unpaired = self.evicted = self.incomparable = 0
        self._shadowed: dict[tuple[str, str], None] = {}  # services that have had a shadow
        # Both give up their oldest key again and again: a plain dict looks for it at all places of those gone before.
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # in the order in which they were first seen
        self._recent: OrderedDict[Key, tuple[Interaction, Dims] | _Side] = OrderedDict()  # of services that have not

    def __len__(self) -> int:
        return len(self._entries)

    def observe(self, event: Interaction, dims: Dims, watermark: float) -> list[Disagreement]:
        """Take a call in the order read and return what it can be compared with; other kinds compare with nothing."""
        if event.kind is not Kind.CALL:
            return []
        self._expire(watermark)
        service = (event.service, event.environment)
        if event.shadow_of is not None:
            self._begin(service)
            return self._take_shadow((*service, event.shadow_of), _side(event, dims))
        key = (*service, event.id)
        if service not in self._shadowed:
            self._recent[key] = (event, dims)
            if len(self._recent) > _BEFORE_FIRST:
                self._recent.popitem(last=False)
            return []
        return self._take_live(key, _side(event, dims))

    def _begin(self, service: tuple[str, str]) -> None:
        """Remember the service's calls from here on, and those just before."""
        if service in self._shadowed or len(self._shadowed) >= self.max_calls:
            return
        self._shadowed[service] = None
        for key in [key for key in self._recent if key[:2] == service]:
            self._take_live(key, _kept(self._recent.pop(key)))

    def _take_live(self, key: Key, live: _Side) -> list[Disagreement]:
        entry = self._entry(key, live.time)
        waiting, entry.live, entry.waiting = entry.waiting, live, []
        return [found for shadow in waiting if (found := self._compare(key, live, shadow)) is not None]

    def _take_shadow(self, key: Key, shadow: _Side) -> list[Disagreement]:
        entry = self._entry(key, shadow.time)
        if entry.live is not None:
            found = self._compare(key, entry.live, shadow)
            return [] if found is None else [found]
        if len(entry.waiting) < _MOST_WAITING:
            entry.waiting.append(shadow)
        else:
            self.unpaired += 1
        return []

    def _entry(self, key: Key, time: float) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(time + self.remember_s)
            self._bound()
        return entry

    def _compare(self, key: Key, live: _Side, shadow: _Side) -> Disagreement | None:
        if live.label is not None and shadow.label is not None:
            differs = live.label != shadow.label
        elif live.answer is not None and shadow.answer is not None:
            differs = live.answer != shadow.answer
        else:
            self.incomparable += 1
            return None
        dims = tuple([theirs if ours is None else ours for ours, theirs in zip(shadow.dims, live.dims, strict=True)])
        return Disagreement(key[0], key[1], dims, max(live.time, shadow.time), differs)

    def _expire(self, watermark: float) -> None:
        """Forget what is due, in the order in which it was first seen."""
        while self._entries:
            key = next(iter(self._entries))
            if self._entries[key].due > watermark:
                return
            self._forget(key)

    def _bound(self) -> None:
        while len(self._entries) > self.max_calls:
            self.evicted += 1
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Key) -> None:
        self.unpaired += len(self._entries.pop(key).waiting)

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data: decisions and hashes, no answers."""
        recent = {key: _Entry(0.0, _kept(call)) for key, call in self._recent.items()}
        entries = [(*key, entry) for table in (recent, self._entries) for key, entry in table.items()]
        state = _State(_VERSION, self.unpaired, self.evicted, self.incomparable, list(self._shadowed), entries)
        return dict(msgspec.to_builtins(state))

    @classmethod
    def build(cls, remember_s: float = 600.0, max_calls: int = 100_000, state: dict[str, Any] | None = None) -> Shadow:
        """Return a memory that goes on from a snapshot, or begins."""
        shadow = cls(remember_s, max_calls)
        if state is None:
            return shadow
        if state.get("version") != _VERSION:
            raise ValueError(f"shadow: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State)
        shadow.unpaired, shadow.evicted = restored.unpaired, restored.evicted
        shadow.incomparable = restored.incomparable
        shadow._shadowed = dict.fromkeys(restored.shadowed)
        for service, environment, call, entry in restored.entries:
            if (service, environment) in shadow._shadowed:
                shadow._entries[service, environment, call] = entry
            elif entry.live is not None:
                shadow._recent[service, environment, call] = entry.live
        return shadow


def _kept(call: tuple[Interaction, Dims] | _Side) -> _Side:
    return call if isinstance(call, _Side) else _side(*call)


def _side(event: Interaction, dims: Dims) -> _Side:
    if Batch([event]).failed[0]:
        return _Side(event.time, dims, None, None)
    return _Side(event.time, dims, (event.label or "").strip() or None, _answer(event))


def _answer(event: Interaction) -> int | None:
    """Return a hash that is equal for answers that mean the same; None without one, or beyond any nesting."""
    text = text_of(event.output)
    if text is None and not event.tool_calls:
        return None
    try:
        said = _normal((text or "").strip())
        if event.tool_calls:
            said += b"\x1f" + _encoded([(call.name, _canonical(call.arguments)) for call in event.tool_calls])
    except RecursionError:
        return None
    return xxhash.xxh3_64_intdigest(said)


def _normal(text: str) -> bytes:
    if text[:1] in ("{", "[") and len(text) <= _MAX_JSON:
        try:
            return _encoded(_canonical(msgspec.json.decode(text)))
        except (ValueError, RecursionError):
            pass  # it only looked like JSON, or is nested too deeply to be read
    return " ".join(text.split()).casefold().encode("utf-8", "replace")


def _canonical(value: Any) -> Any:
    """Return the value with whole numbers written in one way only."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE
    return int(value) if whole else value


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="sorted")
    except (UnicodeError, OverflowError, TypeError, ValueError):  # a lone surrogate, a huge number
        return repr(value).encode("utf-8", "replace")
