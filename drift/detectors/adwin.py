"""Adaptive windowing, from river."""

from __future__ import annotations

from undertow.drift.adapters import River, RiverDetector

__all__ = ["Adwin"]


class Adwin(RiverDetector):
    """Compares the two halves of every split of an adaptive window; its defaults are careful on rates and on logs.

    Cannot promise a number of false pages: its delta is a bound for values in [0, 1] and far from
    the realised rate.

    References
    ----------
    Bifet & Gavaldà 2007, Learning from time-changing data with adaptive windowing (SDM).

    Examples
    --------
    >>> Adwin({}, 2000, 200).pageable(0.0)
    array([], dtype=int64)
    """

    name = "adwin"

    def _make(self) -> River:
        from river import drift  # a second of imports, for those who choose it

        river: River = drift.ADWIN()
        return river
