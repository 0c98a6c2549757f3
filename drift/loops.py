"""Loops: agents that repeat themselves and learn nothing new, seen while their task is still open."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from undertow.drift.arguments import Asked, asked_of
from undertow.drift.call_tree import CallTree, cause_of
from undertow.drift.ceiling import hits_ceiling
from undertow.drift.finish import Finish, finish_of
from undertow.drift.handoffs import Handoffs, hands_over
from undertow.drift.interaction import Interaction, Kind, Message, ToolCall, text_of
from undertow.drift.repetition import Memory
from undertow.drift.retries import Retries, transient
from undertow.drift.values import hash_of

__all__ = ["Looping", "Loops"]

Key = tuple[str, str, bool, str]  # service, environment, whether it is a session, its id

_VERSION = 1
_MAX_TOOLS = 16  # of one event
_MAX_TEXT = 20_000  # characters of a text that is compared
_REENTRIES = 4  # a tool inside itself so often; agents that split their work go two or three levels down
_REENTRIES_NAMELESS = 16  # … one after the other, when arguments were not recorded
_TOOL_ROLES = frozenset({"tool", "function", "tool_result", "ipython"})
REENTRANCY = "reentrancy: tool calls the model calls the tool"
RETRY_STORM = "retry storm"
STEP_CEILING = "step ceiling"


class Looping(msgspec.Struct, frozen=True, gc=False):
    """Whether an event is part of a loop, and why in a few fixed words; the reason of one that is not is empty."""

    looping: bool
    reason: str = ""


class _Scope(msgspec.Struct, array_like=True):
    """What is remembered of a task, or of a session. Parts that most tasks do not need begin when they do."""

    first: float
    last: float
    memory: Memory
    handoffs: Handoffs | None = None
    retries: Retries | None = None
    tree: CallTree | None = None
    counted: int = 0  # its size when it was last looked at

    def size(self) -> int:
        """Return how many actions, results and links it holds."""
        tree = self.tree
        return self.memory.size() + (0 if tree is None else tree.size())


class _State(msgspec.Struct):
    version: int
    evicted: int
    scopes: list[tuple[str, str, bool, str, _Scope]]


_NO_LOOP = Looping(looping=False)


class Loops:
    """Follows what repeats inside each task, and who asks whom inside each session.

    An event is part of a loop when it does what its task did before and nothing new came of it. In order:

    - `step ceiling`: it says itself that the steps ran out;
    - `reentrancy …`: a tool encloses itself four levels deep by the links of parents;
    - `retry storm`: the fifth failure of one request without a growing pause;
    - `identical call`, `near-identical arguments`, `cycle of k`: the third time with the same result, of a tool or of
      a model that was asked the same, the fifth when results were not recorded;
    - `agent ping-pong A ↔ B`, `cycle of k agents`: the fifth round, the eighth across tasks of one session, in which
      nothing was said in new words.

    Silent stays what brings something new: another result, an argument that moves on, work in between. Waiting has
    patience: a tool that says "pending" may be asked a hundred times in a row, one asked every half minute twenty
    times. Where neither arguments nor results were recorded, only a strict rhythm of twenty rounds counts.

    Unit: share of the calls and tools that say something. Harm: up. Cost: 5 µs an event without tools, 14 with one.
    An event without task and session says nothing, nor does one in which nothing could be repeated.

    It cannot see a loop whose every round brings something new (agents that talk about one thing after the other, a
    search for ever other terms): its length shows in `calls_so_far`. Nor one whose events come out of order by more
    than a round.

    Parameters
    ----------
    idle_s, limit_s
        Seconds of event time without an event, and since its first event, after which a task or session begins anew;
        so what is said of it depends on no event older than `limit_s`, and on none of any other task or session.
    max_followed
        Tasks and sessions remembered at once, mostly 2 to 4 kB each.
    max_remembered
        Actions, results and links remembered in all of them, about 0.3 kB each. Of one task the latest 48 actions, 48
        results and 64 links are kept. Beyond either limit the one that was quiet longest is forgotten, and `evicted`
        counts it.

    Examples
    --------
    >>> loops = Loops(idle_s=900.0, max_followed=100)
    >>> tool = ToolCall("search", {"q": "refund"}, result=[])
    >>> for n in range(3):
    ...     event = Interaction(id=str(n), time=n, service="s", kind=Kind.TOOL, task="t", tool_calls=[tool])
    ...     print(loops.observe(event, watermark=n))
    Looping(looping=False, reason='')
    Looping(looping=False, reason='')
    Looping(looping=True, reason='identical call')
    """

    def __init__(
        self,
        idle_s: float = 900.0,
        limit_s: float = 3600.0,
        max_followed: int = 50_000,
        max_remembered: int = 1_000_000,
    ) -> None:
        for name, value in (
            ("idle_s", idle_s),
            ("limit_s", limit_s),
            ("max_followed", max_followed),
            ("max_remembered", max_remembered),
        ):
            if not value > 0:
                raise ValueError(f"{name} = {value} leaves nothing to compare with; give a positive number")
        self.idle_s = idle_s
        self.limit_s = limit_s
        self.max_followed = max_followed
        self.max_remembered = max_remembered
        self.evicted = 0
        self._remembered = 0
        self._scopes: OrderedDict[Key, _Scope] = OrderedDict()  # the one that was quiet longest is first

    def __len__(self) -> int:
        return len(self._scopes)

    def observe(self, event: Interaction, watermark: float) -> Looping | None:
        """Take an event in the order read; None when it cannot say whether it is part of a loop.

        `watermark` is the one after this event, in seconds since the epoch; it frees memory and decides nothing, as
        long as no later event is older.
        """
        if event.kind is not Kind.CALL and event.kind is not Kind.TOOL:
            return None
        id = event.session if event.task is None else event.task
        if id is None:
            return None
        self._expire(watermark)
        scope = self._scope((event.service, event.environment, event.task is None, id), event.time)
        known = scope.memory.novel
        reason = _reason(scope, event)
        circle = None
        if event.agent:
            circle = self._circle(scope, event, progress=scope.memory.novel > known or _untold(event))
        self._bound(scope)
        if reason is None and circle is None:
            return None
        found = reason or circle
        return Looping(looping=True, reason=found) if found else _NO_LOOP

    def _circle(self, scope: _Scope, event: Interaction, progress: bool) -> str:
        """Return which circle of agents the event is part of; a session knows of all its tasks."""
        if event.task is not None and event.session is not None:
            scope = self._scope((event.service, event.environment, True, event.session), event.time)
        if scope.handoffs is None:
            scope.handoffs = Handoffs()
        return scope.handoffs.take(event, progress)

    def _scope(self, key: Key, time: float) -> _Scope:
        scope = self._scopes.get(key)
        if scope is not None and (time - scope.last >= self.idle_s or time - scope.first >= self.limit_s):
            self._forget(key)
            scope = None
        if scope is None:
            scope = self._scopes[key] = _Scope(time, time, Memory())
        elif time > scope.last:
            scope.last = time
        self._scopes.move_to_end(key)
        return scope

    def _expire(self, watermark: float) -> None:
        """Forget what is due, from the one that was quiet longest."""
        scopes = self._scopes
        while scopes and next(iter(scopes.values())).last + self.idle_s <= watermark:
            self._forget(next(iter(scopes)))

    def _bound(self, scope: _Scope) -> None:
        """Count what the scope has come to hold, and forget the quietest ones beyond the limits."""
        size = scope.size()
        self._remembered += size - scope.counted
        scope.counted = size
        while len(self._scopes) > self.max_followed or (
            self._remembered > self.max_remembered and len(self._scopes) > 1
        ):
            self._forget(next(iter(self._scopes)))
            self.evicted += 1

    def _forget(self, key: Key) -> None:
        self._remembered -= self._scopes.pop(key).counted

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data: hashes, counts and names of agents, no texts."""
        state = _State(_VERSION, self.evicted, [(*key, scope) for key, scope in self._scopes.items()])
        return dict(msgspec.to_builtins(state, str_keys=True))

    @classmethod
    def build(
        cls,
        idle_s: float = 900.0,
        limit_s: float = 3600.0,
        max_followed: int = 50_000,
        max_remembered: int = 1_000_000,
        state: dict[str, Any] | None = None,
    ) -> Loops:
        """Return loops that go on from a snapshot, or begin; other limits than the snapshot's hold from here on."""
        loops = cls(idle_s, limit_s, max_followed, max_remembered)
        if state is None:
            return loops
        if state.get("version") != _VERSION:
            raise ValueError(f"loops: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State, str_keys=True)
        loops.evicted = restored.evicted
        for service, environment, is_session, id, scope in restored.scopes:
            loops._scopes[service, environment, is_session, id] = scope
            loops._remembered += scope.counted
        return loops


def _untold(event: Interaction) -> bool:
    """Return whether a tool was used of which nothing was recorded: it may well have brought something new."""
    calls = event.tool_calls or ()
    return any(c.arguments is c.result is None and not c.error and not hands_over(c.name) for c in calls)


def _reason(scope: _Scope, event: Interaction) -> str | None:
    """Return why the event is part of a loop inside its task, an empty text when it is not, None when it cannot say."""
    entry = _entry(event)
    asked = None if entry is None else asked_of(entry.name, entry.arguments)
    nested = _nested(scope, event, entry, asked)
    failed = _failed(event, entry)
    storm = (failed or scope.retries is not None) and _storm(scope, event, asked, failed)
    repeated = _repeated(scope.memory, event, entry, asked, failed)
    if hits_ceiling(event):
        return STEP_CEILING
    if nested:
        return REENTRANCY
    return RETRY_STORM if storm else repeated


def _entry(event: Interaction) -> ToolCall | None:
    """Return the tool that a tool's event reports, with the event's error when it has none of its own."""
    if event.kind is not Kind.TOOL or not event.tool_calls:
        return None
    entry = event.tool_calls[0]
    return msgspec.structs.replace(entry, error=event.error) if event.error and not entry.error else entry


def _failed(event: Interaction, entry: ToolCall | None) -> bool:
    """Return whether the event failed in a way that a retry may heal: a tool that says why it cannot has answered."""
    if event.http_status is not None and event.http_status >= 400:
        return True
    if event.kind is Kind.TOOL:
        return entry is not None and bool(entry.error) and transient(entry.error)
    return bool(event.error) or (event.finish_reason is not None and finish_of(event.finish_reason) is Finish.ERROR)


def _nested(scope: _Scope, event: Interaction, entry: ToolCall | None, asked: Asked | None) -> bool:
    """Return whether a tool stands above or below itself too often."""
    cause = cause_of(event)
    if cause is None and entry is None:
        return False
    if scope.tree is None:
        scope.tree = CallTree()
    parent = 0 if cause is None else hash_of(cause)
    name, what = (0, 0) if entry is None or asked is None else (hash_of(entry.name), asked.near)
    limit = _REENTRIES if asked is None or asked.named else _REENTRIES_NAMELESS
    return scope.tree.nested(hash_of(event.id), event.time, parent, name, what) >= limit


def _storm(scope: _Scope, event: Interaction, asked: Asked | None, failed: bool) -> bool:
    """Return whether the event belongs to a storm of retries."""
    if scope.retries is None:
        scope.retries = Retries()
    if not failed and not scope.retries.failing:
        return False
    if asked is not None:
        return scope.retries.take(asked.near, failed, event.time, asked.named)
    heard = _heard(event)
    key = hash_of(event.kind, event.agent or "", event.operation or "", event.model or "", heard or "")
    return scope.retries.take(key, failed, event.time, sure=heard is not None)


def _repeated(
    memory: Memory, event: Interaction, entry: ToolCall | None, asked: Asked | None, failed: bool
) -> str | None:
    """Return why the event repeats an earlier one, as `_reason` does."""
    messages = event.input if isinstance(event.input, list) else []
    if messages and messages[-1].role in _TOOL_ROLES:
        memory.hear(_results(messages))
    if failed:
        return ""
    if entry is not None and asked is not None:
        return memory.run(entry, asked, event.time)
    if event.kind is Kind.TOOL:
        return None
    if event.tool_calls:
        return memory.ask(event.tool_calls[:_MAX_TOOLS], event.time)
    said = text_of(event.output)
    who = f"{event.agent}\x1f{event.operation}"
    return memory.say(who, _heard(event), None if said is None else _cut(said), event.time)


def _heard(event: Interaction) -> str | None:
    """Return the last thing that was said to the model."""
    if isinstance(event.input, list):
        text = text_of(event.input[-1:])
        return None if text is None else _cut(text)
    return None if event.input is None else _cut(event.input)


def _results(messages: list[Message]) -> str:
    count = 0
    while count < min(len(messages), _MAX_TOOLS) and messages[-count - 1].role in _TOOL_ROLES:
        count += 1
    return _cut(text_of(messages[-count:]) or "")


def _cut(text: str) -> str:
    """Return the text, of a very long one its ends and its length."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT // 2]}{len(text)}{text[-_MAX_TEXT // 2 :]}"
