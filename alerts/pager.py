"""Takes changes to the channels through the outbox: at least once, in order, each channel by itself.

The order of effects: 1 the change is in the outbox, synced; 2 a channel is asked; 3 its answer is in the outbox. A
process that dies between 2 and 3 asks again with the same dedup key.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from undertow.alerts.channel import Channel, Delivery, Outcome
from undertow.alerts.incident import Change
from undertow.alerts.outbox import Entry, Outbox, OutboxError

__all__ = ["Pager", "PagerThread", "PumpReport"]

LOCAL = frozenset({"console"})  # channels that show pages and wake nobody: shadow mode uses them too
PRUNE_EVERY_S = 3600.0
POLL_S = 1.0  # the longest a runner sleeps without looking, so that a wall clock that jumps is noticed

log = logging.getLogger(__name__)


class PumpReport(msgspec.Struct):
    """What one round of deliveries did, in attempts."""

    delivered: int = 0
    retried: int = 0
    refused: int = 0
    deferred: int = 0  # held back by a channel's own rate limit, not attempted

    @property
    def attempted(self) -> int:
        """Calls that were made."""
        return self.delivered + self.retried + self.refused


class Pager:
    """Puts changes into the outbox and delivers what is due.

    Parameters
    ----------
    outbox
        Where changes wait.
    channels
        By name. An entry for a channel that is no longer among them is refused, with a record.
    clock
        Wall clock, seconds since the epoch.
    notify
        "page", or "shadow": changes are recorded as what would have been sent and reach the console only.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        clock: Callable[[], float],
        notify: Literal["page", "shadow"] = "page",
    ) -> None:
        self._outbox = outbox
        self._channels = dict(channels)
        self._clock = clock
        self._shadow = notify == "shadow"
        self._pruned_at = -PRUNE_EVERY_S

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(self._channels)

    def submit(self, changes: Iterable[Change]) -> int:
        """Put the changes into the outbox and return how many entries are new; silent changes are not for channels.

        Raises
        ------
        OutboxError
            They could not be written: nothing was promised, so the caller must not go on as if it were.
        """
        now = self._clock()
        return sum(self._enqueue(change, now) for change in changes if not change.silent)

    def pump(self, budget_s: float = 60.0, only: str | None = None) -> PumpReport:
        """Attempt what is due, at most once for each incident and channel, and report.

        Channels take turns, and each has an equal share of the budget of wall clock: one that is slow spends its
        own share. `only` leaves the others out, for a runner with a thread a channel.
        """
        self._housekeep()
        report = PumpReport()
        names = [name for name in self._channels if only in {None, name}]
        waiting = {name: self._outbox.due(self._clock(), name) for name in names}
        spent = dict.fromkeys(names, 0.0)
        while names := [name for name in names if waiting[name] and spent[name] < budget_s / len(waiting)]:
            for name in names:
                began = self._clock()
                if not self._attempt(waiting[name].pop(0), report):
                    waiting[name].clear()
                spent[name] += max(0.0, self._clock() - began)
        return report

    def next_due(self, only: str | None = None) -> float | None:
        """Return when the next entry is due, now or later; None when nothing waits."""
        names = [name for name in self._channels if only in {None, name}]
        return min((at for name in names if (at := self._outbox.next_due(name)) is not None), default=None)

    def _enqueue(self, change: Change, now: float) -> int:
        sent = [name for name in self._channels if not self._shadow or name in LOCAL]
        kept = [name for name in self._channels if name not in sent]
        return self._outbox.enqueue(change, sent, now) + self._outbox.record_shadow(change, kept, now)

    def _attempt(self, entry: Entry, report: PumpReport) -> bool:
        """Send one entry and record the answer; False when the channel wants no more for now."""
        answer = self._send(entry)
        now = self._clock()
        if answer.outcome is Outcome.DELIVERED:
            report.delivered += 1
            self._outbox.delivered(entry, now)
        elif answer.outcome is Outcome.REFUSED:
            report.refused += 1
            log.error("%s refused %s for good: %s", entry.channel, entry.change.id, answer.detail)
            self._outbox.refused(entry, now, answer.detail)
        elif answer.outcome is Outcome.DEFERRED:
            report.deferred += 1
            self._outbox.defer(entry, now, answer.retry_after_s or POLL_S, answer.detail)
        else:
            report.retried += 1
            wait = self._outbox.retry(entry, now, answer.detail, answer.retry_after_s)
            log.warning("%s did not take %s, again in %.0f s: %s", entry.channel, entry.change.id, wait, answer.detail)
        return answer.outcome is not Outcome.DEFERRED

    def _send(self, entry: Entry) -> Delivery:
        try:
            return self._channels[entry.channel].send(entry.change)
        except Exception as error:  # a fault in one channel must cost neither the page nor the other channels
            return Delivery(Outcome.RETRY, f"the channel failed: {type(error).__name__}")  # its text may hold a secret

    def _housekeep(self) -> None:
        now = self._clock()
        if abs(now - self._pruned_at) >= PRUNE_EVERY_S:
            self._pruned_at = now
            self._outbox.prune(now)
            self._outbox.refuse_channels_except(self._channels, now)


class PagerThread:
    """Runs a pager beside the stream, a thread a channel: neither the store nor another channel holds up a page.

    Use it as a context manager, or call `start` and `stop`. What is undelivered at the end waits in the outbox for
    the next run.
    """

    def __init__(self, pager: Pager, clock: Callable[[], float]) -> None:
        self._pager = pager
        self._clock = clock
        self._stopping = threading.Event()
        self._wake = {name: threading.Event() for name in pager.channels}
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"undertow-pager-{name}", daemon=True)
            for name in pager.channels
        ]
        self.error: str = ""  # why the outbox cannot be used at present; empty when it can

    def __enter__(self) -> PagerThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start delivering."""
        for thread in self._threads:
            thread.start()

    def submit(self, changes: Iterable[Change]) -> int:
        """Put the changes into the outbox and wake the channels."""
        new = self._pager.submit(changes)
        if new:
            self._wake_all()
        return new

    def stop(self, timeout_s: float = 15.0) -> bool:
        """End after the attempts that are under way, within the timeout; tell whether all threads have ended."""
        self._stopping.set()
        self._wake_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _wake_all(self) -> None:
        for event in self._wake.values():
            event.set()

    def _run(self, name: str) -> None:
        while not self._stopping.is_set():
            self._wake[name].clear()
            wait = self._round(name)
            if wait > 0.0 and not self._stopping.is_set():
                self._wake[name].wait(wait)

    def _round(self, name: str) -> float:
        """Deliver what is due to one channel and return how long to sleep."""
        try:
            self._pager.pump(only=name)
            due = self._pager.next_due(only=name)
            self.error = ""
        except OutboxError as error:
            if not self.error:
                log.exception("pages wait: the outbox cannot be used")
            self.error = str(error)
            return POLL_S
        return POLL_S if due is None else min(POLL_S, max(0.0, due - self._clock()))
