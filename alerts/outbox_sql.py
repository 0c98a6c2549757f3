"""The statements of the outbox, in SQLite's SQL."""

from __future__ import annotations

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
    held_until REAL NOT NULL DEFAULT 0,
    held TEXT NOT NULL DEFAULT '',
    fell_back INTEGER NOT NULL DEFAULT 0,
    UNIQUE (change_id, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS pending ON entries (channel, incident, seq) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS history ON entries (incident, channel, seq);
CREATE INDEX IF NOT EXISTS finished ON entries (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS late ON entries (enqueued_at)
    WHERE kind IN ('trigger', 'escalate') AND fell_back = 0 AND status IN ('pending', 'refused');
"""

# What was refused before there was a fallback is old news.
FROM_1_TO_2 = """
ALTER TABLE entries ADD COLUMN held_until REAL NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN held TEXT NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN fell_back INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET fell_back = 1 WHERE status != 'pending';
"""

# The first pending entry of each incident, when its time has come. A time further ahead than the longest wait was set
# by a clock that has since been put back, so it counts as come. New pages go before news of old ones, and those before
# what is nobody's page. A trigger whose resolve waits behind it is over.
DUE = """
SELECT seq, channel, kind, change, attempts, enqueued_at, held_until, held,
  kind IN ('trigger', 'escalate') AND EXISTS (
    SELECT 1 FROM entries AS later WHERE later.status = 'pending' AND later.kind = 'resolve'
      AND later.channel = entry.channel AND later.incident = entry.incident)
FROM entries AS entry
WHERE status = 'pending' AND channel = :channel AND held_until <= :now AND (next_at <= :now OR next_at > :now + :cap)
  AND seq = (SELECT min(seq) FROM entries
             WHERE status = 'pending' AND channel = entry.channel AND incident = entry.incident)
ORDER BY kind NOT IN ('trigger', 'escalate'), kind = 'announce', seq LIMIT :limit
"""

# SQLite takes the time from the row that holds the minimum: what stands behind an earlier entry is not due before it.
NEXT_DUE = """
SELECT min(at) FROM (
    SELECT max(next_at, held_until) AS at, min(seq) FROM entries
    WHERE status = 'pending' AND channel = ? GROUP BY incident)
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

# What comes after a page that a silence holds back is held back with it.
INSERT = """
INSERT OR IGNORE INTO entries
    (change_id, channel, incident, kind, change, status, enqueued_at, next_at, finished_at, held_until)
VALUES (:id, :channel, :incident, :kind, :change, :status, :now, :now, :finished, coalesce(
    (SELECT max(held_until) FROM entries WHERE status = 'pending' AND channel = :channel AND incident = :incident), 0))
"""

COLLAPSE = """
UPDATE entries SET status = 'collapsed', finished_at = ?
WHERE status = 'pending' AND channel = ? AND incident = ? AND kind = 'update' AND seq < ?
"""

TOLD = "SELECT DISTINCT channel FROM entries WHERE incident = ?"

HOLD = """
UPDATE entries SET held_until = :until, held = :why
WHERE status = 'pending' AND channel = :channel AND incident = :incident
"""

RELEASE = "UPDATE entries SET held_until = ?1 WHERE status = 'pending' AND held_until > ?1"

HURRY = """
UPDATE entries SET next_at = :now WHERE status = 'pending' AND channel = :channel AND attempts > 0 AND next_at > :now
"""

HELD = """
SELECT incident, max(held_until), held FROM entries
WHERE status = 'pending' AND kind IN ('trigger', 'escalate') AND held_until > ? GROUP BY incident ORDER BY incident
"""

COUNTS = """
SELECT iif(status = 'pending' AND held_until > ?, 'silenced', status) AS standing, count(*) FROM entries
GROUP BY standing
"""

OLDEST = "SELECT min(max(enqueued_at, held_until)) FROM entries WHERE status = 'pending' AND held_until <= ?"

# Pages that a channel has refused, or not taken for too long since they could be told.
LATE = """
SELECT seq, change_id, channel, incident, status, detail, :now - max(enqueued_at, held_until) FROM entries
WHERE kind IN ('trigger', 'escalate') AND fell_back = 0 AND status IN ('pending', 'refused')
  AND (status = 'refused' OR max(enqueued_at, held_until) <= :now - :limit)
  AND channel NOT IN (SELECT value FROM json_each(:except))
ORDER BY seq
"""

FALL_BACK = """
INSERT OR IGNORE INTO entries (change_id, channel, incident, kind, change, status, enqueued_at, next_at)
SELECT change_id, :fallback, incident, kind, change, 'pending', :now, :now FROM entries
WHERE channel = :channel AND incident = :incident AND (seq = :seq OR status = 'pending') ORDER BY seq
"""

FELL_BACK = "UPDATE entries SET fell_back = 1 WHERE seq = ?"

# The last that a channel took about each incident whose resolve it has not been told and is not about to be.
STANDING = """
SELECT change FROM entries WHERE seq IN (
    SELECT max(seq) FROM entries AS entry
    WHERE channel = :channel AND status = 'delivered' AND kind IN ('trigger', 'update', 'escalate', 'acknowledge')
      AND NOT EXISTS (SELECT 1 FROM entries WHERE channel = entry.channel AND incident = entry.incident
                      AND kind = 'resolve' AND status IN ('pending', 'delivered'))
    GROUP BY incident)
ORDER BY incident
"""
