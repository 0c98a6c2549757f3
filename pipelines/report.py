"""The parts of a file report, as plain values; check.py fills them, check_text.py puts them into words."""

from __future__ import annotations

import msgspec

__all__ = ["FileReport", "Gap", "Metric", "RejectCount", "Slices", "TimeOrder"]


class RejectCount(msgspec.Struct, frozen=True):
    """Unreadable records of one kind, with the first of them."""

    reason: str
    field: str
    count: int
    line: int
    excerpt: str


class Metric(msgspec.Struct, frozen=True):
    """A metric that can be watched, and the share of calls that carry what it needs."""

    name: str
    share: float


class Gap(msgspec.Struct, frozen=True):
    """A metric that cannot be watched: what is missing, and what goes unseen for it."""

    metric: str
    needs: str
    hides: str


class Slices(msgspec.Struct, frozen=True):
    """A dimension: how many values it has, the most frequent of them, and the share of calls that carry it."""

    dimension: str
    values: int
    share: float
    top: list[str]


class TimeOrder(msgspec.Struct, frozen=True):
    """Event time, seconds since the epoch: its span, the share of events that would be too late, and its direction."""

    first: float
    last: float
    late_share: float
    newest_first: bool


class FileReport(msgspec.Struct, kw_only=True):
    """What can be watched of a file.

    `format` is "native" or "foreign" (read through the settings' map or the proposed one); `presence` is the share of
    events that carry each field; `own` says, a line each, what the user's own metrics and scores find; `dropped` counts
    unknown fields that were not kept; `complete` is False when the file has more records than were looked at.
    """

    path: str
    format: str
    records: int
    readable: int
    complete: bool
    rejects: list[RejectCount]
    presence: dict[str, float]
    metrics: list[Metric]
    gaps: list[Gap]
    own: list[str]
    slices: list[Slices]
    order: TimeOrder | None
    proposal: dict[str, str]
    dropped: dict[str, int]
    notes: list[str]

    @property
    def toml(self) -> str:
        """The proposed map as a block for the settings file, empty when there is none."""
        if not self.proposal:
            return ""
        entries = (f"{_key(name)} = {msgspec.json.encode(text).decode()}" for name, text in self.proposal.items())
        return "\n".join(["[ingest.fields]", *entries, ""])


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name
