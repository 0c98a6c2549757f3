"""What was done in a task, and whether doing it again brought anything new."""

from __future__ import annotations

import msgspec

from undertow.drift.arguments import Answer, Asked, answer_of, asked_of, wording_of
from undertow.drift.handoffs import hands_over
from undertow.drift.interaction import ToolCall
from undertow.drift.values import hash_of

__all__ = ["Memory"]

_MOST = 48  # actions and results remembered: the longest cycle that is seen; the oldest go first
_KNOWN = 3  # the third time with the same result; one repeated call is normal
_UNKNOWN = 5  # … when results were not recorded
_LOOSE = 4  # … in other words each time
_SHORT_TEXT = 10  # the same short answer to the same text: samples that are compared, votes
_SLOW = 20  # … when it comes this slowly: somebody looks now and then whether there is news
_WAITING = 100  # … when the tool itself asks for patience
_NAMELESS = (50, 20)  # arguments and results not recorded: one tool in a row, a cycle with a constant period
_SLOW_S = 30.0  # seconds between two of the same
_SUBSTANTIVE = 40  # characters of an answer that no two calls give by chance
_UNASKED = 100  # … when nobody knows what was asked
_LISTED = 1 << 63  # marks the hash of what a model asked for, against what a tool did


class _Action(msgspec.Struct, array_like=True, gc=False):
    """One thing that was done, the latest time it was. Without progress in between, `streak` counts how often."""

    step: int
    time: float
    novel: int  # what was new in the task by then
    exact: int
    gap: int = 0  # steps since the time before
    steady: bool = False  # … as many as then
    cosmetic: bool = False  # asked for in another way than then
    slow: bool = False
    streak: int = 1
    result: int = 0
    same: int = 0  # results known to be equal in a row
    waiting: bool = False

    def learn(self, answer: Answer) -> None:
        """Take the result of its latest time: a new one ends the streak."""
        if answer.hash == self.result:
            self.same += 1
        else:
            if self.result:
                self.streak = 1
            self.result, self.same = answer.hash, 1
        self.waiting = answer.waiting

    def reason(self, limit: int) -> str:
        """Return why this is a loop, or an empty text."""
        if self.waiting:
            limit = _WAITING
        elif self.slow:
            limit = max(limit, _SLOW)
        if self.streak < limit:
            return ""
        if self.gap > 1 and self.steady:
            return f"cycle of {self.gap}"
        return "near-identical arguments" if self.cosmetic else "identical call"


class Memory(msgspec.Struct, array_like=True):
    """The latest actions and results of one task.

    Doing a thing again counts only while nothing new came up in between: no result that this task had not had, no new
    thing asked for whose result is unknown. So a step that is repeated after each piece of work is no loop.
    """

    calls: int = 0
    tools: int = 0
    novel: int = 0
    actions: dict[int, _Action] = {}
    results: dict[int, int] = {}
    wordings: dict[int, list[int]] = {}  # what was last asked for, by what was answered
    open: list[int] = []  # what the latest call asked for, by key: its next input may hold the results

    def size(self) -> int:
        """Return how many actions, results and wordings it holds."""
        return len(self.actions) + len(self.results) + len(self.wordings)

    def run(self, entry: ToolCall, asked: Asked, time: float) -> str:
        """Take a tool that was run; return the reason when it is part of a loop."""
        self.tools += 1
        first = asked.near not in self.actions
        answer = answer_of(entry.name, entry.result, entry.error, entry.arguments, settle=not first)
        known = self._progress(entry.name, answer, first and asked.named)
        action = self._again(asked.near, asked.exact, self.tools, time, asked.named)
        if answer is None:
            return action.reason(_UNKNOWN if asked.named else _nameless(action))
        action.learn(answer)
        if (asker := self.actions.get(asked.near ^ _LISTED)) is not None:
            asker.learn(answer)
        if first and known and answer.substantive:
            return self._loosely(entry, asked.exact, answer, time)
        return action.reason(_KNOWN if asked.named else _nameless(action))

    def ask(self, entries: list[ToolCall], time: float) -> str:
        """Take the tools that one call asks for; it is part of a loop when each of them is."""
        self.calls += 1
        self.open = []
        reasons = [self._ask(entry, time) for entry in entries]
        return reasons[0] if all(reasons) else ""

    def say(self, who: str, heard: str | None, said: str | None, time: float) -> str | None:
        """Take a call that asks for no tool; None when too little of it was recorded."""
        self.calls += 1
        self.open = []
        length = 0 if said is None else len(said)
        if heard is None and length < _UNASKED:
            return None
        key = hash_of(who, "said", said or "") if heard is None else hash_of(who, "heard", heard)
        action = self._again(key, key, self.calls, time, steady=True)
        if said is not None:
            action.learn(Answer(hash_of(said), length >= _SUBSTANTIVE, waiting=False))
        return action.reason(_KNOWN if length >= _SUBSTANTIVE else _SHORT_TEXT)

    def hear(self, results: str) -> None:
        """Take what the tools of the latest call answered, as the next call's input shows it."""
        waiting = [action for key in self.open if (action := self.actions.get(key)) is not None]
        answer = answer_of("", results, None, settle=any(action.streak > 1 for action in waiting)) if waiting else None
        if answer is None:
            return
        self._progress("", answer, asking=False)
        for action in waiting:
            action.learn(answer)

    def _ask(self, entry: ToolCall, time: float) -> str:
        asked = asked_of(entry.name, entry.arguments)
        key = asked.near ^ _LISTED
        first = key not in self.actions
        answer = answer_of(entry.name, entry.result, entry.error, entry.arguments, settle=not first)
        self._progress(entry.name, answer, asked.named and first)
        action = self._again(key, asked.exact, self.calls, time, asked.named)
        if answer is not None:
            action.learn(answer)
        else:
            self.open.append(key)
        if not asked.named:
            return action.reason(_nameless(action))
        return action.reason(_KNOWN if action.same >= _KNOWN - 1 else _UNKNOWN)

    def _progress(self, name: str, answer: Answer | None, asking: bool) -> bool:
        """Count what is new; return whether the result is one that this task has had."""
        if answer is None:
            self.novel += asking and not hands_over(name)
            return False
        if answer.hash in self.results:
            return True
        _bound(self.results)
        self.results[answer.hash] = 1
        self.novel += not hands_over(name)
        return False

    def _again(self, key: int, exact: int, step: int, time: float, steady: bool) -> _Action:
        """Return the action, with this time counted. One that is not `steady` counts only in an even rhythm."""
        action = self.actions.get(key)
        if action is None:
            _bound(self.actions)
            action = self.actions[key] = _Action(step, time, self.novel, exact)
            return action
        gap = step - action.step
        action.steady, action.gap = gap == action.gap, gap
        if action.novel != self.novel or not (steady or action.steady or action.streak == 1):
            action.streak = 0
        action.streak += 1
        action.slow = time - action.time >= _SLOW_S
        action.cosmetic = exact != action.exact
        action.step, action.time, action.novel, action.exact = step, time, self.novel, exact
        return action

    def _loosely(self, entry: ToolCall, exact: int, answer: Answer, time: float) -> str:
        """Take a tool that was asked in new words, most of which it was asked the time before, for the same answer."""
        words = wording_of(entry.name, entry.arguments)
        if words is None:
            return ""
        key = hash_of("~~", str(answer.hash))
        before = self.wordings.pop(key, words)
        if 2 * len(words.intersection(before)) <= len(words.union(before)):
            self.actions.pop(key, None)
        _bound(self.wordings)
        self.wordings[key] = sorted(words)
        return self._again(key, exact, self.tools, time, steady=True).reason(_LOOSE)


def _nameless(action: _Action) -> int:
    return _NAMELESS[action.gap > 1]


def _bound(table: dict[int, _Action] | dict[int, int] | dict[int, list[int]]) -> None:
    if len(table) >= _MOST:
        del table[next(iter(table))]
