"""When the share of something in the traffic made a step."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import xlogy

from undertow.drift.statistics.proportions import Floats

__all__ = ["ShareStep", "share_step"]

Span = tuple[float, float]

_LIKELY = 2.0  # log-likelihood below the best that a time may have and still be in the interval: 95 %


class ShareStep(msgspec.Struct, frozen=True):
    """A step of a share: between which times, from what to what, and how clearly (log-likelihood over none)."""

    since: float
    until: float
    before: float
    after: float
    gain: float


def share_step(stretches: Sequence[Span], own: Sequence[float], total: Sequence[float]) -> ShareStep | None:
    """Return the clearest step of own / total; None with fewer than two stretches with events.

    Parameters
    ----------
    stretches
        Start and end of each stretch of time, seconds, oldest first; there may be gaps between them.
    own, total
        Events in each stretch: of what is looked at, and of all.

    Examples
    --------
    >>> share_step([(0, 60), (60, 120), (120, 180), (180, 240)], [0, 1, 50, 52], [100, 100, 100, 100])
    ShareStep(since=120, until=120, before=0.005, after=0.51, gain=83.2...)
    """
    hits, events = np.asarray(own, np.float64), np.asarray(total, np.float64)
    if (events > 0).sum() < 2:
        return None
    gains = _gains(hits, events)
    best = int(gains.argmax())
    likely = np.flatnonzero(gains >= gains[best] - _LIKELY)
    cut = best + 1
    return ShareStep(
        stretches[int(likely[0])][1],
        stretches[int(likely[-1]) + 1][0],
        float(hits[:cut].sum() / events[:cut].sum()),
        float(hits[cut:].sum() / events[cut:].sum()),
        float(gains[best]),
    )


def _gains(hits: Floats, events: Floats) -> Floats:
    """Return the log-likelihood that two levels gain over one, for a cut after each stretch but the last."""
    left = hits.cumsum()[:-1], events.cumsum()[:-1]
    right = hits.sum() - left[0], events.sum() - left[1]
    split = _likelihood(*left) + _likelihood(*right)
    gains: Floats = split - _likelihood(hits.sum(keepdims=True), events.sum(keepdims=True))
    return np.where((left[1] > 0) & (right[1] > 0), gains, -np.inf)


def _likelihood(hits: Floats, events: Floats) -> Floats:
    share = np.clip(hits / np.maximum(events, 1), 0, 1)
    likelihood: Floats = xlogy(hits, share) + xlogy(events - hits, 1 - share)
    return likelihood
