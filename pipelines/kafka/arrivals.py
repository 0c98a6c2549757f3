"""What a series partition has read beside cells, and when it holds: between two windows that the log names.

It may be read while windows before it wait to be judged. It holds from the first window that not every source had
passed where it lies in the log: so those before are judged without it and those behind with it, whoever waits for whom.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from undertow.alerts.incident import Version
from undertow.drift.verdict import Verdict
from undertow.pipelines import pins
from undertow.pipelines.judging import Judging
from undertow.pipelines.kafka.decisions import Ruling

__all__ = ["Arrivals", "ArrivalsState", "Arrived", "carry_out"]

log = logging.getLogger(__name__)


class Arrived(msgspec.Struct):
    """What rules have found, versions, and rulings, with the start of the window from which they hold."""

    holds_from: float
    found: list[Verdict] = []
    versions: list[Version] = []
    rulings: list[Ruling] = []


class ArrivalsState(msgspec.Struct):
    """What waits, and the position of the last ruling."""

    waiting: list[Arrived] = []
    ruled: int = -1


class Arrivals:
    """What has been read and does not hold yet.

    Examples
    --------
    >>> arrivals = Arrivals()
    >>> arrivals.rule(Ruling(7, "unpin", {"id": "1"}, at=100.0), holds_from=120.0)
    >>> arrivals.rule(Ruling(7, "unpin", {"id": "1"}, at=100.0), holds_from=130.0)  # a repeat
    >>> [len(list(arrivals.due(start))) for start in (110.0, 120.0, 130.0)]
    [0, 1, 0]
    """

    def __init__(self, state: ArrivalsState | None = None) -> None:
        self.state = state or ArrivalsState()

    def take(self, arrived: Arrived) -> None:
        """Keep what a cut has brought; its place in the log is never before that of what was taken earlier."""
        if arrived.found or arrived.versions or arrived.rulings:
            self.state.waiting.append(arrived)

    def rule(self, ruling: Ruling, holds_from: float) -> None:
        """Keep a ruling; pass over a repeat."""
        if ruling.position > self.state.ruled:
            self.state.ruled = ruling.position
            self.take(Arrived(holds_from, rulings=[ruling]))

    def due(self, start: float) -> Iterator[Arrived]:
        """Yield what holds for the window that begins then, and forget it."""
        while self.state.waiting and self.state.waiting[0].holds_from <= start:
            yield self.state.waiting.pop(0)


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
