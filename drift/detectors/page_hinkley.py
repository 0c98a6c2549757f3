"""Page's test, from river."""

from __future__ import annotations

from undertow.drift.adapters import River, RiverDetector

__all__ = ["PageHinkley"]


class PageHinkley(RiverDetector):
    """Sums the deviations from the running mean and alarms when the sum leaves its extreme by more than a threshold.

    Cannot promise a number of false pages: its threshold is in the
    metric's own unit, so the same one is never or always reached.

    References
    ----------
    Page 1954, Continuous inspection schemes (Biometrika 41).

    Examples
    --------
    >>> PageHinkley({}, 2000, 200).pageable(0.0)
    array([], dtype=int64)
    """

    name = "page_hinkley"

    def _make(self) -> River:
        from river import drift  # a second of imports, for those who choose it

        river: River = drift.PageHinkley(mode="both")
        return river
