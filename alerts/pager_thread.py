"""Runs a pager beside the stream, a thread a channel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from undertow.alerts.incident import Change, Version
from undertow.alerts.outbox import OutboxError
from undertow.alerts.pager import POLL_S, Pager
from undertow.alerts.silences import Silence

__all__ = ["PagerThread"]

log = logging.getLogger(__name__)


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

    def announce(self, versions: Iterable[Version]) -> int:
        """Put first-seen versions into the outbox and wake the channels."""
        new = self._pager.announce(versions)
        if new:
            self._wake_all()
        return new

    def silence(self, silence: Silence) -> None:
        """Hold back the pages that it matches."""
        self._pager.silence(silence)

    def silences(self) -> list[Silence]:
        """Return the silences that hold now, the first to end first."""
        return self._pager.silences()

    def lift(self, key: str) -> bool:
        """End a silence before its time; False when none has this id."""
        known = self._pager.lift(key)
        self._wake_all()
        return known

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
