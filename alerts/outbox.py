"""What is still to be told, on disk: durable, in order per incident and channel, until it was delivered or refused.

An entry is one change for one channel. It is written (and synced) before anybody tries to send it and marked only
after the channel has answered, so that a process killed in between sends it again: at least once, and the channel's
dedup key makes the repeat harmless. Times are wall clock, seconds since the epoch, and always an argument.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from undertow.alerts import outbox_sql as sql
from undertow.alerts.channel import Announcement
from undertow.alerts.incident import Change, ChangeKind

__all__ = ["BACKOFF_CAP_S", "Counts", "Entry", "Late", "Outbox", "OutboxError", "backoff_s"]

SCHEMA_VERSION = 2
ANNOUNCE = "announce"  # the kind of what is no change of an incident
BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 300.0
GIVE_UP_S = 7 * 86_400.0  # a page older than this helps nobody: refused, with a record
KEEP_S = 30 * 86_400.0  # finished entries are kept so long, so that a resumed run does not tell them again


class OutboxError(OSError):
    """The outbox cannot be opened or written; the message names the file, the reason and the way out."""


class Entry(msgspec.Struct, frozen=True):
    """One thing to tell to one channel, how often that was tried, and whether and why it was held back before."""

    seq: int
    channel: str
    change: Change | Announcement
    attempts: int
    enqueued_at: float
    held_until: float = 0.0
    held: str = ""
    over: bool = False  # a trigger whose resolve is waiting already

    @property
    def since(self) -> float:
        """Since when it may be told."""
        return max(self.enqueued_at, self.held_until)


class Late(msgspec.Struct, frozen=True):
    """A page that a channel has refused, or not taken for so many seconds."""

    change_id: str
    channel: str
    status: str
    detail: str
    age_s: float


class Counts(msgspec.Struct, frozen=True):
    """How many entries are in which state, and the age in seconds of the oldest one pending."""

    pending: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0  # a resolve of which no channel ever heard the trigger
    collapsed: int = 0  # an update that a newer one overtook before it was sent
    shadow: int = 0  # would have been sent
    silenced: int = 0  # waits for the end of a silence
    oldest_age_s: float = 0.0


def backoff_s(entry: Entry, retry_after_s: float | None = None) -> float:
    """Return how long to wait after a failed attempt: doubling, capped, at least what the other side asked for.

    The jitter (half to all of the step) comes from a hash of the entry, so that a replay waits alike and a thousand
    entries that failed together do not come back together. What the other side asks for is capped too: five minutes
    later it is asked.
    """
    step = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(entry.attempts, 30))
    spread = xxhash.xxh3_64_intdigest(f"{entry.change.id}\x1f{entry.channel}\x1f{entry.attempts}".encode()) / 2**64
    return min(BACKOFF_CAP_S, max(step * (0.5 + 0.5 * spread), retry_after_s or 0.0))


class Outbox:
    """The entries in one SQLite file; safe to use from several threads.

    Raises
    ------
    OutboxError
        The file cannot be opened, is damaged, or was written by a newer program.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._encode = msgspec.msgpack.Encoder().encode
        self._change: Callable[[bytes], Change] = msgspec.msgpack.Decoder(Change).decode
        self._announcement: Callable[[bytes], Announcement] = msgspec.msgpack.Decoder(Announcement).decode
        with self._explained("open"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            with self._explained("open"):
                self._prepare()
        except OutboxError:
            self._db.close()
            raise

    def enqueue(self, change: Change | Announcement, channels: Iterable[str], now: float) -> int:
        """Put the change up for each channel, durably, and return for how many it is new.

        An update that is still waiting is dropped for a newer one of its incident; triggers and resolves never are.
        """
        return self._write(change, channels, now, "pending")

    def record_shadow(self, change: Change | Announcement, channels: Iterable[str], now: float) -> int:
        """Record what would have been sent to each channel, and return for how many it is new."""
        return self._write(change, channels, now, "shadow")

    def due(self, now: float, channel: str, limit: int = 100) -> list[Entry]:
        """Return what may be sent to the channel now, the first of each incident, triggers first.

        A later change of an incident is not among them before the earlier one was delivered or refused. A resolve of an
        incident that the channel never heard of is dropped, with a record.
        """
        parameters = {"channel": channel, "now": now, "cap": BACKOFF_CAP_S, "limit": limit}
        with self._transaction() as db:
            db.execute(sql.DROP_UNHEARD, {"channel": channel, "now": now})
            rows = db.execute(sql.DUE, parameters).fetchall()
        return [self._entry(*row) for row in rows]

    def told(self, incident: str) -> list[str]:
        """Return the channels that have an entry about the incident."""
        with self._transaction() as db:
            return [channel for (channel,) in db.execute(sql.TOLD, (incident,))]

    def standing(self, channel: str) -> list[Change]:
        """Return what the channel was told last about each incident that is not resolved.

        Entries are kept for a month, twice as long as an incident stays open.
        """
        with self._transaction() as db:
            rows = db.execute(sql.STANDING, {"channel": channel}).fetchall()
        return [self._change(blob) for (blob,) in rows]

    def hold(self, entry: Entry, until: float, why: str) -> None:
        """Hold back the entry and all that waits behind it."""
        parameters = {"until": until, "why": why, "channel": entry.channel, "incident": _filed(entry.change)[1]}
        with self._transaction() as db:
            db.execute(sql.HOLD, parameters)

    def release(self, now: float) -> int:
        """Let go of all that is held back, as a silence was lifted, and return how much."""
        with self._transaction() as db:
            return db.execute(sql.RELEASE, (now,)).rowcount

    def held(self, now: float) -> list[tuple[str, float, str]]:
        """Return (incident, until, why) of the pages that are held back."""
        with self._transaction() as db:
            return db.execute(sql.HELD, (now,)).fetchall()

    def fall_back(self, now: float, limit_s: float, fallback: str | None, exempt: Iterable[str] = ()) -> list[Late]:
        """Give what was refused or has waited for longer than `limit_s` to another channel too; return it, once each.

        What waits behind it goes along. It stays with its own channel as well: a page told twice is better than a page
        told too late. Channels that are exempt are left alone.
        """
        parameters = {"now": now, "limit": limit_s, "except": msgspec.json.encode(list(exempt)).decode()}
        with self._transaction() as db:
            rows = db.execute(sql.LATE, parameters).fetchall()
            for seq, _, channel, incident, *_ in rows:
                moved = {"seq": seq, "channel": channel, "incident": incident, "now": now, "fallback": fallback}
                if fallback is not None:
                    db.execute(sql.FALL_BACK, moved)
                db.execute(sql.FELL_BACK, (seq,))
        return [Late(change_id, channel, *rest) for _, change_id, channel, _, *rest in rows]

    def delivered(self, entry: Entry, now: float) -> None:
        """Note that the channel took the entry."""
        self._finish(entry, "delivered", "", now)

    def retry(self, entry: Entry, now: float, detail: str, retry_after_s: float | None = None) -> float:
        """Note a failed attempt and return in how many seconds the next is due; after a week the entry is refused."""
        if now - entry.since > GIVE_UP_S:
            self.refused(entry, now, f"given up after {GIVE_UP_S / 86_400:.0f} days; last: {detail}")
            return 0.0
        wait = backoff_s(entry, retry_after_s)
        self._postpone(entry, now + wait, entry.attempts + 1, detail)
        return wait

    def defer(self, entry: Entry, now: float, wait_s: float, detail: str) -> None:
        """Note that the entry was not attempted and is due again in `wait_s`, which is no failure of it."""
        self._postpone(entry, now + min(wait_s, BACKOFF_CAP_S), entry.attempts, detail)

    def hurry(self, channel: str, now: float) -> int:
        """Make what has failed for the channel due now, as the channel is back, and return how much that is."""
        with self._transaction() as db:
            return db.execute(sql.HURRY, {"channel": channel, "now": now}).rowcount

    def refused(self, entry: Entry, now: float, detail: str) -> None:
        """Note that the channel will never take the entry."""
        self._finish(entry, "refused", detail, now)

    def refuse_channels_except(self, channels: Collection[str], now: float) -> int:
        """Refuse what waits for a channel that is none of these, as nobody will take it, and return how much."""
        known = msgspec.json.encode(list(channels)).decode()
        with self._transaction() as db:
            return db.execute(sql.REFUSE_UNKNOWN, (now, known)).rowcount

    def next_due(self, channel: str) -> float | None:
        """Return when the next entry for the channel is due; None when nothing waits."""
        with self._transaction() as db:
            (at,) = db.execute(sql.NEXT_DUE, (channel,)).fetchone()
        return None if at is None else float(at)

    def counts(self, now: float) -> Counts:
        """Return how many entries are in which state."""
        with self._transaction() as db:
            by_status = dict(db.execute(sql.COUNTS, (now,)))
            (oldest,) = db.execute(sql.OLDEST, (now,)).fetchone()
        return Counts(**by_status, oldest_age_s=0.0 if oldest is None else max(0.0, now - oldest))

    def waiting(self) -> set[str]:
        """Return the ids of the changes that some channel has neither taken nor refused yet."""
        with self._transaction() as db:
            return {key for (key,) in db.execute("SELECT DISTINCT change_id FROM entries WHERE status = 'pending'")}

    def refusals(self, limit: int = 20) -> list[tuple[str, str, str]]:
        """Return (change id, channel, reason) of what was refused or dropped, the latest first."""
        query = (
            "SELECT change_id, channel, detail FROM entries WHERE status IN ('refused', 'dropped') "
            "ORDER BY finished_at DESC, seq DESC LIMIT ?"
        )
        with self._transaction() as db:
            return db.execute(query, (limit,)).fetchall()

    def prune(self, now: float) -> int:
        """Forget entries that were finished more than 30 days ago and return how many."""
        with self._transaction() as db:
            return db.execute("DELETE FROM entries WHERE finished_at < ?", (now - KEEP_S,)).rowcount

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock:
            self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise OutboxError(
                f"the outbox {self._path} has schema version {version}, this program knows {SCHEMA_VERSION}; "
                "run the newer program that wrote it, or point `data` at another folder"
            )
        grown = sql.FROM_1_TO_2 if version == 1 else ""
        self._db.executescript(f"BEGIN IMMEDIATE; {grown} {sql.SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _entry(self, seq: int, channel: str, kind: str, blob: bytes, *rest: Any) -> Entry:
        decode = self._announcement if kind == ANNOUNCE else self._change
        attempts, enqueued_at, held_until, held, over = rest
        return Entry(seq, channel, decode(blob), attempts, enqueued_at, held_until, held, bool(over))

    def _write(self, change: Change | Announcement, channels: Iterable[str], now: float, status: str) -> int:
        blob = self._encode(change)
        with self._transaction() as db:
            return sum(_insert(db, change, blob, channel, now, status) for channel in channels)

    def _finish(self, entry: Entry, status: str, detail: str, now: float) -> None:
        with self._transaction() as db:
            db.execute(
                "UPDATE entries SET status = ?, detail = ?, finished_at = ?, attempts = attempts + 1 WHERE seq = ?",
                (status, detail, now, entry.seq),
            )

    def _postpone(self, entry: Entry, next_at: float, attempts: int, detail: str) -> None:
        with self._transaction() as db:
            db.execute(
                "UPDATE entries SET next_at = ?, attempts = ?, detail = ? WHERE seq = ?",
                (next_at, attempts, detail, entry.seq),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained("use"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:  # an interrupt, too: a transaction left open would refuse the next one
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OutboxError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise OutboxError(
                f"cannot {what} the outbox {self._path}: {error}; undelivered pages are kept there, so it must be a "
                "writable SQLite file on a disk with room: mend it, or point `data` at another folder"
            ) from error


def _filed(item: Change | Announcement) -> tuple[str, str, str]:
    """Return (id, what it must stay in order with, kind)."""
    if isinstance(item, Announcement):
        return item.id, item.id, ANNOUNCE
    return item.id, item.incident.id, str(item.kind)


def _insert(
    db: sqlite3.Connection, item: Change | Announcement, blob: bytes, channel: str, now: float, status: str
) -> int:
    key, incident, kind = _filed(item)
    row = {"id": key, "channel": channel, "incident": incident, "kind": kind, "change": blob, "status": status}
    cursor = db.execute(sql.INSERT, row | {"now": now, "finished": None if status == "pending" else now})
    if cursor.rowcount and status == "pending" and kind == ChangeKind.UPDATE:
        db.execute(sql.COLLAPSE, (now, channel, incident, cursor.lastrowid))
    return cursor.rowcount
