"""Dead letters: records that are no events, with where they stood and why; all are counted, repetitions are sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from undertow.pipelines.decoder import Reject

__all__ = ["EXCERPT", "DeadLetter", "DeadLetters", "withheld"]

EXCERPT = 500  # characters of the record that are kept
KEPT_FIRST = 50  # letters kept of each (source, reason, field) …
KEPT_EVERY = 1_000  # … and then one in so many
MOST_KINDS = 1_000  # (source, reason, field) told apart; beyond, they count together
OTHER = "(other reasons)"
Kind = tuple[str, str, str]


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be read, with its place (line counts from 1, offset in uncompressed bytes)."""

    source: str
    line: int
    offset: int
    reason: str
    field: str
    excerpt: str
    column: int | None = None  # byte in the line at which the parser gave up


def withheld(_text: str) -> str:
    """Redact everything: the choice of who was not told what may be shown."""
    return ""


class DeadLetters:
    """Makes letters of rejects: the first 50 of each (source, reason, field), then one in 1,000; counts are exact.

    Parameters
    ----------
    redact
        Applied to every excerpt before it is kept.
    state
        What `snapshot` returned, to go on from there.

    Examples
    --------
    >>> letters = DeadLetters(redact=str)
    >>> letters.judge("app.jsonl", 7, 900, Reject("number is NaN or infinite", "cost"), b"{...}").field
    'cost'
    >>> letters.counts
    {('app.jsonl', 'number is NaN or infinite', 'cost'): 1}
    """

    def __init__(self, redact: Callable[[str], str] = withheld, state: Iterable[Any] = ()) -> None:
        self._redact = redact
        self.counts: dict[Kind, int] = {(source, reason, field): count for source, reason, field, count in state}

    def judge(self, source: str, line: int, offset: int, reject: Reject, raw: bytes) -> DeadLetter | None:
        """Count a reject; return its letter, None when enough like it are kept."""
        kind = (source, reject.reason, reject.field)
        if kind not in self.counts and len(self.counts) >= MOST_KINDS:
            kind = ("", OTHER, "")
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count > KEPT_FIRST and count % KEPT_EVERY:
            return None
        return DeadLetter(source, line, offset, reject.reason, reject.field, self._excerpt(raw), reject.at)

    def snapshot(self) -> list[Any]:
        """Return the counts as plain values."""
        return [[*kind, count] for kind, count in self.counts.items()]

    def _excerpt(self, raw: bytes) -> str:
        # Redaction sees twice what is kept, so that a secret on the edge is not cut in two and missed.
        text = raw[: 4 * EXCERPT].decode("utf-8", "replace")[: 2 * EXCERPT]
        return self._redact(text)[:EXCERPT]
