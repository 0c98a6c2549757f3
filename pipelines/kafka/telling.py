"""Tells people what the log of incidents says is to be told, and says what became of it.

Nothing of it is on disk: what waits and what has been told is read from the log when a process takes over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing

from undertow.alerts.channel import Channel
from undertow.alerts.incident import Change
from undertow.alerts.outbox import KEEP_S, Counts, Entry, Outbox
from undertow.alerts.pager_thread import PagerThread
from undertow.pipelines.kafka.incident_log import Finished, Planned, key_of
from undertow.pipelines.kafka.lease import Lease, fenced
from undertow.pipelines.paging import pager
from undertow.pipelines.settings import Settings

__all__ = ["Book", "LoggedOutbox", "Telling"]


class LoggedOutbox(Outbox):
    """An outbox in memory that reports what is finished, so that it can be written to the log.

    Examples
    --------
    >>> outbox = LoggedOutbox()
    >>> outbox.drain()
    []
    """

    def __init__(self) -> None:
        super().__init__(":memory:")
        self._reported: list[Finished] = []
        self._reporting = threading.Lock()

    def drain(self) -> list[Finished]:
        """Return what was finished since the last call."""
        with self._reporting:
            reported, self._reported = self._reported, []
        return reported

    def recall(self, change: Change, finished: Finished, now: float) -> None:
        """Take over what became of a change, whoever has told it."""
        self.enqueue(change, [finished.channel], now)
        with self._transaction() as db:
            db.execute(
                "UPDATE entries SET status = ?, detail = ?, finished_at = ? WHERE change_id = ? AND channel = ?",
                (finished.status, finished.detail, now, change.id, finished.channel),
            )

    def _finish(self, entry: Entry, status: str, detail: str, now: float) -> None:
        super()._finish(entry, status, detail, now)
        with self._reporting:
            self._reported.append(Finished(entry.change.id, entry.channel, status, detail))


class Book:
    """All that the log holds of changes and what became of them."""

    def __init__(self) -> None:
        self._planned: dict[str, Planned] = {}
        self._finished: dict[str, dict[str, Finished]] = {}  # change → channel

    def take(self, record: Planned | Finished) -> None:
        """Take a record of the log."""
        if isinstance(record, Planned):
            self._planned[record.change.id] = record
        else:
            self._finished.setdefault(record.change, {})[record.channel] = record

    def in_order(self) -> list[tuple[Change, list[Finished]]]:
        """Return all changes in the order in which they are to be told, each with what became of it."""
        planned = sorted(self._planned.values(), key=lambda one: one.place)
        return [(one.change, list(self._finished.get(one.change.id, {}).values())) for one in planned]

    def forget(self) -> list[bytes]:
        """Forget changes more than a month older than the latest; return the keys of their records."""
        latest = max((one.place.window for one in self._planned.values()), default=0.0)
        old = [one for one in self._planned.values() if one.place.window < latest - KEEP_S]
        keys = [key_of(one) for one in old]
        for one in old:
            del self._planned[one.change.id]
            keys += map(key_of, self._finished.pop(one.change.id, {}).values())
        return keys


class Telling:
    """Channels, their threads and what waits for them, from the book on; close it to stop."""

    def __init__(self, settings: Settings, channels: dict[str, Channel], lease: Lease, book: Book) -> None:
        with ExitStack() as opened:
            self._outbox = opened.enter_context(closing(LoggedOutbox()))
            behind_fence = {name: fenced(channel, lease) for name, channel in channels.items()}
            paging = pager(settings, self._outbox, behind_fence, settings.folder)
            for change, finished in book.in_order():
                paging.submit([change])
                for one in finished:
                    self._outbox.recall(change, one, time.time())
            self._pages = opened.enter_context(PagerThread(paging, time.time))
            self._opened = opened.pop_all()

    def tell(self, changes: Iterable[Change]) -> None:
        """Put changes up for the channels; those that are there already are passed over."""
        self._pages.submit(changes)

    def finished(self) -> list[Finished]:
        """Return what channels have taken or refused since the last call."""
        return self._outbox.drain()

    def counts(self) -> Counts:
        """Return how much is waiting, delivered, refused."""
        return self._outbox.counts(time.time())

    def close(self) -> None:
        """Stop after the attempts that are under way."""
        self._opened.close()
