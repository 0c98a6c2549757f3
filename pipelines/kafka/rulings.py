"""Rulings that a series partition has read: each takes effect between two windows that the log names.

A ruling may be read while windows before it wait to be judged. It holds from the first window that not every source had
passed where it lies in the log: so those before it are judged without it and those behind it with it, whoever waits for
whom.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from undertow.pipelines import pins
from undertow.pipelines.judging import Judging
from undertow.pipelines.kafka.decisions import Ruling

__all__ = ["Rulings", "RulingsState", "carry_out"]

log = logging.getLogger(__name__)


class RulingsState(msgspec.Struct):
    """Rulings that wait, each with the start of the window from which it holds, and the position of the last one."""

    waiting: list[tuple[float, Ruling]] = []
    last: int = -1


class Rulings:
    """What has been ruled and does not hold yet.

    Examples
    --------
    >>> rulings = Rulings()
    >>> rulings.take(Ruling(7, "unpin", {"id": "1"}, at=100.0), holds_from=120.0)
    >>> rulings.take(Ruling(7, "unpin", {"id": "1"}, at=100.0), holds_from=130.0)  # a repeat
    >>> [list(rulings.due(start)) == [] for start in (110.0, 120.0, 130.0)]
    [True, False, True]
    """

    def __init__(self, state: RulingsState | None = None) -> None:
        self.state = state or RulingsState()

    def take(self, ruling: Ruling, holds_from: float) -> None:
        """Keep a ruling until the windows from then on are judged; pass over a repeat."""
        if ruling.position > self.state.last:
            self.state.last = ruling.position
            self.state.waiting.append((holds_from, ruling))

    def due(self, start: float) -> Iterator[Ruling]:
        """Yield those that hold for the window that begins then, and forget them."""
        while self.state.waiting and self.state.waiting[0][0] <= start:
            yield self.state.waiting.pop(0)[1]


def carry_out(ruling: Ruling, judging: Judging) -> None:
    """Let the detectors go on from an accepted level, or compare with another pin."""
    if ruling.action == "accept":
        reason, by = (ruling.arguments.get(name, "") for name in ("reason", "by"))
        judging.accept(ruling.verdicts, reason, by, ruling.at)
        return
    if ruling.action == "unpin" and ruling.arguments.get("id") not in judging.monitor.pinned.ids:
        return  # it is told to all partitions, and lies in one
    try:
        pins.check(judging.monitor.pinned, ruling.action, ruling.arguments, ruling.at)
    except ValueError as error:
        log.warning("%s is not done: %s", ruling.action, error)
        return
    pins.take(judging.monitor.pinned, ruling.action, ruling.arguments, ruling.at)
