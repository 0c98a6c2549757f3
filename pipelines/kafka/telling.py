"""Tells people what the log of incidents says is to be told, and says what became of it.

Nothing of it is on disk: what waits and what has been told is read from the log when a process takes over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from contextlib import ExitStack, closing

from undertow.alerts.channel import Announcement, Channel, announcement
from undertow.alerts.incident import Change
from undertow.alerts.outbox import Counts, Entry, Outbox
from undertow.alerts.outbox_sql import COLLAPSE
from undertow.alerts.pager import Pager
from undertow.alerts.pager_thread import PagerThread
from undertow.alerts.silences import Silence
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.illustrating import Illustrator, answer_of
from undertow.pipelines.kafka.incident_log import Announced, Finished, Lifted, Planned, Record
from undertow.pipelines.kafka.lease import Lease, fenced
from undertow.pipelines.paging import pager
from undertow.pipelines.settings import Settings

__all__ = ["LoggedOutbox", "Telling", "still_to_tell"]


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

    def recall(self, item: Change | Announcement, finished: Collection[Finished], now: float) -> None:
        """Take over what became of it, whoever has told it; where somebody was, updates before it are overtaken."""
        self.enqueue(item, [one.channel for one in finished], now)
        with self._transaction() as db:
            for one in finished:
                ((seq, incident),) = db.execute(
                    "UPDATE entries SET status = ?, detail = ?, finished_at = ? WHERE change_id = ? AND channel = ? "
                    "RETURNING seq, incident",
                    (one.status, one.detail, now, item.id, one.channel),
                ).fetchall()
                db.execute(COLLAPSE, (now, one.channel, incident, seq))

    def _finish(self, entry: Entry, status: str, detail: str, now: float) -> None:
        super()._finish(entry, status, detail, now)
        with self._reporting:
            self._reported.append(Finished(entry.change.id, entry.channel, status, detail))


class Telling:
    """Channels, their threads and what waits for them, from the book on; close it to stop."""

    def __init__(self, settings: Settings, channels: dict[str, Channel], lease: Lease, book: Book) -> None:
        with ExitStack() as opened:
            self._outbox = opened.enter_context(closing(LoggedOutbox()))
            behind_fence = {name: fenced(channel, lease) for name, channel in channels.items()}
            paging = pager(settings, self._outbox, behind_fence)
            _recall(book, paging, self._outbox)
            self._pages = opened.enter_context(PagerThread(paging, time.time))
            self._illustrator = opened.enter_context(closing(Illustrator(answer_of(settings), self._submit)))
            for change in _untold(book):
                self._illustrator.put(change)
            self._opened = opened.pop_all()

    def take(self, record: Record) -> None:
        """Follow the log: what is there already is passed over."""
        if isinstance(record, Planned):
            self._illustrator.put(record.change)
        elif isinstance(record, Announced):
            self._pages.announce([record.version])
        elif isinstance(record, Silence):
            self._pages.silence(record)
        elif isinstance(record, Lifted):
            self._pages.lift(record.id)

    def finished(self) -> list[Finished]:
        """Return what channels have taken or refused since the last call."""
        return self._outbox.drain()

    def counts(self) -> Counts:
        """Return how much is waiting, delivered, refused."""
        return self._outbox.counts(time.time())

    def waiting(self) -> set[str]:
        """Return the ids of what some channel has neither taken nor refused yet."""
        return self._outbox.waiting()

    def close(self) -> None:
        """Stop after the attempts that are under way."""
        self._opened.close()

    def _submit(self, change: Change) -> None:
        self._pages.submit([change])


def still_to_tell(settings: Settings, channels: dict[str, Channel], book: Book) -> Counts:
    """Return how much of a book waits, and was delivered or refused; nobody is told anything.

    Parameters
    ----------
    channels
        Those of the pager: what waits depends on whom it is for.
    """
    with closing(LoggedOutbox()) as outbox:
        paging = pager(settings, outbox, channels)
        _recall(book, paging, outbox)
        paging.submit(_untold(book))
        return outbox.counts(time.time())


def _recall(book: Book, paging: Pager, outbox: LoggedOutbox) -> None:
    """Take over silences, and what became of what was told at least to some."""
    for silence in book.silences():
        paging.silence(silence)
    told, _ = _parted(book)
    for change, finished in told:
        paging.submit([change])
        outbox.recall(change, finished, time.time())
    for version, finished in book.announced():
        paging.announce([version])
        outbox.recall(announcement(version), finished, time.time())


def _untold(book: Book) -> list[Change]:
    _, untold = _parted(book)
    return untold


def _parted(book: Book) -> tuple[list[tuple[Change, list[Finished]]], list[Change]]:
    """Part the changes of each incident behind the last one that somebody was told.

    An update before it that nobody was told was overtaken by a later one, which no record says.
    """
    every = book.in_order()
    last = {change.incident.id: place for place, (change, finished) in enumerate(every) if finished}
    placed = [(place <= last.get(one[0].incident.id, -1), one) for place, one in enumerate(every)]
    return [one for told, one in placed if told], [change for told, (change, _) in placed if not told]
