"""What the detectors say: something changed, what, where, how far, since when and how sure; or: it is back."""

from __future__ import annotations

import msgspec
import xxhash

__all__ = ["Estimate", "Series", "Verdict", "verdict_id"]


class Series(msgspec.Struct, frozen=True, order=True):
    """One followed quantity: (service, environment, segment, metric).

    `segment` is a sorted tuple of (dimension, value) pairs; the empty tuple is the whole of the service.

    Examples
    --------
    >>> Series("support", "prod", (("region", "eu"),), "refusal_rate").label
    'support/prod region=eu refusal_rate'
    """

    service: str
    environment: str
    segment: tuple[tuple[str, str], ...]
    metric: str

    @property
    def label(self) -> str:
        """The series as people read it."""
        where = self.service + (f"/{self.environment}" if self.environment else "")
        return " ".join([where, *(f"{dimension}={value}" for dimension, value in self.segment), self.metric])


class Estimate(msgspec.Struct, frozen=True):
    """A level in the metric's own unit with its 95 % interval, from `events` events."""

    value: float
    low: float
    high: float
    events: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One detector's finding about one series, in event time (seconds since the epoch).

    Parameters
    ----------
    kind
        "page" (worth waking somebody), "notice" (significant, but smaller than `page_from` or outside the budget),
        "recovered" (the level is back at the old baseline; `opened` names the verdict that it ends).
    direction
        "up", "down" or "shift".
    changed_at, changed_from, changed_to
        When the change happened, with its interval.
    detected_at
        End of the window whose close made the detector speak.
    events
        Events of the series between the estimated change and the detection.
    statistic, threshold
        ln Σ w_k R_k and ln(N/b), natural units of evidence; for other detectors, their own.
    reason
        One sentence: why it fired.
    moved
        Categories: (name, share before, share after), largest change first.
    """

    id: str
    kind: str
    series: Series
    direction: str
    detected_at: float
    changed_at: float
    changed_from: float
    changed_to: float
    before: Estimate
    after: Estimate
    events: int
    statistic: float
    threshold: float
    detector: str
    reason: str
    opened: str = ""
    moved: tuple[tuple[str, float, float], ...] = ()


def verdict_id(series: Series, window_end: float, kind: str) -> str:
    """Return the id of what `series` says at that window: the same wherever and whenever it is computed.

    Examples
    --------
    >>> verdict_id(Series("support", "", (), "latency"), 10.0, "page")
    '...'
    """
    key = "\x1f".join([series.service, series.environment, repr(series.segment), series.metric, repr(window_end), kind])
    return xxhash.xxh3_64_hexdigest(key.encode())
