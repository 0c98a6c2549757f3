"""Kolmogorov–Smirnov windowing, from river."""

from __future__ import annotations

from undertow.drift.adapters import River, RiverDetector

__all__ = ["Kswin"]


class Kswin(RiverDetector):
    """Tests the last 30 values against a sample of the 70 before them.

    Cannot promise a number of false pages: on continuous values it alarms about every
    750 events, on rare hits never.

    References
    ----------
    Raab, Heusinger & Schleif 2020, Reactive soft prototype computing (Neurocomputing 416).

    Examples
    --------
    >>> Kswin({}, 2000, 200).pageable(0.0)
    array([], dtype=int64)
    """

    name = "kswin"

    def _make(self) -> River:
        from river import drift  # a second of imports, for those who choose it

        river: River = drift.KSWIN(seed=0)
        return river
