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

import msgspec
import xxhash

from undertow.alerts.incident import Change, ChangeKind

__all__ = ["BACKOFF_CAP_S", "Counts", "Entry", "Outbox", "OutboxError", "backoff_s"]

SCHEMA_VERSION = 1
BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 300.0
GIVE_UP_S = 7 * 86_400.0  # a page older than this helps nobody: refused, with a record
KEEP_S = 30 * 86_400.0  # finished entries are kept so long, so that a resumed run does not tell them again

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    incident TEXT NOT NULL,
    kind TEXT NOT NULL,
    change BLOB NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    enqueued_at REAL NOT NULL,
    next_at REAL NOT NULL,
    finished_at REAL,
    detail TEXT NOT NULL DEFAULT '',
    UNIQUE (change_id, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS pending ON entries (channel, incident, seq) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS history ON entries (incident, channel, seq);
CREATE INDEX IF NOT EXISTS finished ON entries (finished_at) WHERE finished_at IS NOT NULL;
"""

# The first pending entry of each incident, when its time has come. A time further ahead than the longest wait was set
# by a clock that has since been put back, so it counts as come. New pages go before news of old ones.
DUE = """
SELECT seq, channel, change, attempts, enqueued_at FROM entries AS entry
WHERE status = 'pending' AND channel = :channel AND (next_at <= :now OR next_at > :now + :cap)
  AND seq = (SELECT min(seq) FROM entries
             WHERE status = 'pending' AND channel = entry.channel AND incident = entry.incident)
ORDER BY kind != 'trigger', seq LIMIT :limit
"""


# SQLite takes next_at from the row that holds the minimum: what stands behind an earlier entry is not due before it.
NEXT_DUE = """
SELECT min(next_at) FROM (
    SELECT next_at, min(seq) FROM entries WHERE status = 'pending' AND channel = ? GROUP BY incident)
"""

# A resolve of an incident that the channel never heard of: it refused all before it, or all was shadow.
DROP_UNHEARD = """
UPDATE entries SET status = 'dropped', finished_at = :now, detail = 'the channel never took its trigger'
WHERE status = 'pending' AND kind = 'resolve' AND channel = :channel
  AND EXISTS (SELECT 1 FROM entries AS told WHERE told.incident = entries.incident AND told.channel =
  entries.channel
              AND told.status IN ('refused', 'shadow'))
  AND NOT EXISTS (SELECT 1 FROM entries AS told WHERE told.incident = entries.incident AND told.channel =
  entries.channel
                  AND told.seq < entries.seq AND told.status IN ('pending', 'delivered'))
"""

REFUSE_UNKNOWN = """
UPDATE entries SET status = 'refused', finished_at = ?, detail = 'the channel is no longer configured'
WHERE status = 'pending' AND channel NOT IN (SELECT value FROM json_each(?))
"""

INSERT = """
INSERT OR IGNORE INTO entries (change_id, channel, incident, kind, change, status, enqueued_at, next_at, finished_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

COLLAPSE = """
UPDATE entries SET status = 'collapsed', finished_at = ?
WHERE status = 'pending' AND channel = ? AND incident = ? AND kind = 'update' AND seq < ?
"""


class OutboxError(OSError):
    """The outbox cannot be opened or written; the message names the file, the reason and the way out."""


class Entry(msgspec.Struct, frozen=True):
    """One change to tell to one channel, and how often that was tried."""

    seq: int
    channel: str
    change: Change
    attempts: int
    enqueued_at: float


class Counts(msgspec.Struct, frozen=True):
    """How many entries are in which state, and the age in seconds of the oldest one pending."""

    pending: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0  # a resolve of which no channel ever heard the trigger
    collapsed: int = 0  # an update that a newer one overtook before it was sent
    shadow: int = 0  # would have been sent
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
        self._decode: Callable[[bytes], Change] = msgspec.msgpack.Decoder(Change).decode
        with self._explained("open"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            with self._explained("open"):
                self._prepare()
        except OutboxError:
            self._db.close()
            raise

    def enqueue(self, change: Change, channels: Iterable[str], now: float) -> int:
        """Put the change up for each channel, durably, and return for how many it is new.

        An update that is still waiting is dropped for a newer one of its incident; triggers and resolves never are.
        """
        return self._write(change, channels, now, "pending")

    def record_shadow(self, change: Change, channels: Iterable[str], now: float) -> int:
        """Record what would have been sent to each channel, and return for how many it is new."""
        return self._write(change, channels, now, "shadow")

    def due(self, now: float, channel: str, limit: int = 100) -> list[Entry]:
        """Return what may be sent to the channel now, the first of each incident, triggers first.

        A later change of an incident is not among them before the earlier one was delivered or refused. A resolve of an
        incident that the channel never heard of is dropped, with a record.
        """
        parameters = {"channel": channel, "now": now, "cap": BACKOFF_CAP_S, "limit": limit}
        with self._transaction() as db:
            db.execute(DROP_UNHEARD, {"channel": channel, "now": now})
            rows = db.execute(DUE, parameters).fetchall()
        return [Entry(seq, where, self._decode(change), tries, at) for seq, where, change, tries, at in rows]

    def delivered(self, entry: Entry, now: float) -> None:
        """Note that the channel took the entry."""
        self._finish(entry, "delivered", "", now)

    def retry(self, entry: Entry, now: float, detail: str, retry_after_s: float | None = None) -> float:
        """Note a failed attempt and return in how many seconds the next is due; after a week the entry is refused."""
        if now - entry.enqueued_at > GIVE_UP_S:
            self.refused(entry, now, f"given up after {GIVE_UP_S / 86_400:.0f} days; last: {detail}")
            return 0.0
        wait = backoff_s(entry, retry_after_s)
        self._postpone(entry, now + wait, entry.attempts + 1, detail)
        return wait

    def defer(self, entry: Entry, now: float, wait_s: float, detail: str) -> None:
        """Note that the entry was not attempted and is due again in `wait_s`, which is no failure of it."""
        self._postpone(entry, now + min(wait_s, BACKOFF_CAP_S), entry.attempts, detail)

    def refused(self, entry: Entry, now: float, detail: str) -> None:
        """Note that the channel will never take the entry."""
        self._finish(entry, "refused", detail, now)

    def refuse_channels_except(self, channels: Collection[str], now: float) -> int:
        """Refuse what waits for a channel that is none of these, as nobody will take it, and return how much."""
        known = msgspec.json.encode(list(channels)).decode()
        with self._transaction() as db:
            return db.execute(REFUSE_UNKNOWN, (now, known)).rowcount

    def next_due(self, channel: str) -> float | None:
        """Return when the next entry for the channel is due; None when nothing waits."""
        with self._transaction() as db:
            (at,) = db.execute(NEXT_DUE, (channel,)).fetchone()
        return None if at is None else float(at)

    def counts(self, now: float) -> Counts:
        """Return how many entries are in which state."""
        with self._transaction() as db:
            by_status = dict(db.execute("SELECT status, count(*) FROM entries GROUP BY status"))
            (oldest,) = db.execute("SELECT min(enqueued_at) FROM entries WHERE status = 'pending'").fetchone()
        return Counts(**by_status, oldest_age_s=0.0 if oldest is None else max(0.0, now - oldest))

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
        self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _write(self, change: Change, channels: Iterable[str], now: float, status: str) -> int:
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
            except BaseException:
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


def _insert(db: sqlite3.Connection, change: Change, blob: bytes, channel: str, now: float, status: str) -> int:
    incident, finished = change.incident.id, None if status == "pending" else now
    row = (change.id, channel, incident, str(change.kind), blob, status, now, now, finished)
    cursor = db.execute(INSERT, row)
    if cursor.rowcount and status == "pending" and change.kind is ChangeKind.UPDATE:
        db.execute(COLLAPSE, (now, channel, incident, cursor.lastrowid))
    return cursor.rowcount
