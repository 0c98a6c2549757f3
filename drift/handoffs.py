"""Who handed over to whom: agents that ask one another in circles."""

from __future__ import annotations

import re

import msgspec
import xxhash

from undertow.drift.interaction import Interaction, text_of
from undertow.drift.values import words_of

__all__ = ["Handoffs", "hands_over"]

_PERIODS = (2, 3, 4)  # agents in a circle
_ROUNDS = 5  # of a circle inside one task; writer and critic meet three or four times without harm
_ROUNDS_ACROSS = 8  # … across tasks that share only a session, where each round may answer another question
_UNHEARD = 2  # times as many where nobody recorded what they said
_LONGEST = 40  # characters of a name that are shown
_MAX_TEXT = 2_000  # characters of an answer whose words are compared
_NEWS = 20  # new words at least that an answer with news has: more than one sentence, which asking back can bring …
_NEWS_SHARE = 1 / 3  # … and among its words: paraphrases of one answer soon fall below, other answers stay above
_BITS = 4096
_FULL = 500  # words of a half, up to which few words share a bit
_WORD = re.compile(r"\w+")
_HANDING_OVER = frozenset({"ask", "colleague", "consult", "coworker", "delegate", "handoff", "teammate", "transfer"})


class _Words(msgspec.Struct, array_like=True):
    """The words heard lately, as two bitmaps of which the older one is dropped when the younger is full."""

    young: bytearray
    old: bytearray
    count: int = 0

    def add(self, text: str) -> bool:
        """Take a text; return whether it brings news against those before."""
        places = {xxhash.xxh32_intdigest(word) % _BITS for word in _texts(text)}
        fresh = [place for place in places if not (self.young[place >> 3] | self.old[place >> 3]) >> (place & 7) & 1]
        first = self.count == 0
        if self.count >= _FULL:
            self.young, self.old, self.count = bytearray(_BITS // 8), self.young, 0
        for place in fresh:
            self.young[place >> 3] |= 1 << (place & 7)
        self.count += len(fresh)
        return not first and len(fresh) >= max(_NEWS, _NEWS_SHARE * len(places))


class Handoffs(msgspec.Struct, array_like=True):
    """The last hops from agent to agent in one task or session.

    A circle of two to four agents is a loop from its fifth round on, from its eighth when it runs across tasks, twice
    as late when what they say is not recorded. It is broken by whatever shows that the work goes on: a tool's new or
    unknown result (`progress`), an answer of which a third is words that the circle has not heard, the user's next
    turn, a new task after one in which several agents took part. Agents that work at the same time hand nothing over.
    """

    agents: list[str] = []  # the latest, without repeats side by side
    runs: list[int] = msgspec.field(
        default_factory=lambda: [0, 0, 0]
    )  # for each period: hops in a row that equal the one a period before
    task: str | None = None
    in_task: int = 0  # hops in the latest task
    turn: int = -1
    last: float = 0.0  # when the latest of them finished
    words: _Words | None = None  # heard since a circle began to show

    def take(self, event: Interaction, progress: bool) -> str:
        """Take an event of a named agent and return which circle it is part of, or an empty text."""
        if self._news(event) or progress or self._parallel(event) or self._turned(event):
            self.agents, self.runs = [], [0, 0, 0]
        if event.task != self.task:
            self._enter(event.task)
        self.last = event.time
        agent = (event.agent or "")[:_LONGEST]
        if not self.agents or self.agents[-1] != agent:
            self._hop(agent)
        unheard = event.output is None and not event.tool_calls
        return self._circle(_UNHEARD if unheard else 1)

    def _news(self, event: Interaction) -> bool:
        """Return whether the event's answer says what the circle has not heard; only where one shows, it costs time."""
        if self.words is None and not any(self.runs):
            return False
        text = text_of(event.output)
        if not text:
            return False
        if self.words is None:
            self.words = _Words(bytearray(_BITS // 8), bytearray(_BITS // 8))
        return self.words.add(text)

    def _parallel(self, event: Interaction) -> bool:
        """Return whether the event had run for half its time when the one before it finished."""
        return event.latency is not None and 0 < event.latency / 2 < self.last - (event.time - event.latency)

    def _turned(self, event: Interaction) -> bool:
        """Return whether the user has spoken since."""
        if event.turn is None or event.turn <= self.turn:
            return False
        first, self.turn = self.turn < 0, event.turn
        return not first

    def _enter(self, task: str | None) -> None:
        if self.in_task > 1:
            self.agents, self.runs = [], [0, 0, 0]
        self.task, self.in_task = task, 0

    def _hop(self, agent: str) -> None:
        agents, runs = self.agents, self.runs
        for place, period in enumerate(_PERIODS):
            runs[place] = runs[place] + 1 if len(agents) >= period and agents[-period] == agent else 0
        agents.append(agent)
        if len(agents) > _PERIODS[-1]:
            del agents[0]
        self.in_task += 1

    def _circle(self, patience: int) -> str:
        for run, period in zip(self.runs, _PERIODS, strict=True):
            inside = self.in_task >= period * _ROUNDS * patience
            if run >= period * ((_ROUNDS if inside else _ROUNDS_ACROSS) * patience - 1):
                return _named(period, self.agents)
        return ""


def hands_over(name: str) -> bool:
    """Return whether a tool only passes the word to another agent: that by itself brings nothing new.

    Examples
    --------
    >>> hands_over("transfer_to_billing_agent"), hands_over("search")
    (True, False)
    """
    return bool(words_of(name) & _HANDING_OVER)


def _texts(text: str) -> set[bytes]:
    return {word.encode("utf-8", "replace") for word in _WORD.findall(text[:_MAX_TEXT].lower())}


def _named(period: int, agents: list[str]) -> str:
    """Return the circle's name, the same at each of its hops."""
    if period > _PERIODS[0]:
        return f"cycle of {period} agents"
    return f"agent ping-pong {' ↔ '.join(sorted(agents[-2:]))}"
