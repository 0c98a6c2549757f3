"""Counting, and which calls ran on what: detect, which sees all sources, tells by it what new versions change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from undertow.drift.interaction import Interaction
from undertow.drift.newcomers import Newcomers
from undertow.pipelines.counting import Counting
from undertow.pipelines.step import Step

__all__ = ["Gathering"]


class Gathering:
    """Counts, and adds to each step what ran on which versions in the windows that have closed.

    Parameters
    ----------
    window_s
        Length of a window, seconds.
    state
        Of its own `snapshot`.
    """

    def __init__(self, counting: Counting, window_s: float, state: dict[str, Any] | None) -> None:
        self._counting, self._window_s = counting, window_s
        catalogue = counting.catalogue
        self._newcomers = Newcomers([catalogue.metric(catalogue.numbers[name]) for name in catalogue.columns])
        if state is not None:
            self._newcomers.restore(state["seen"])

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Count the next events."""
        return self._gathered(self._counting.step(events, checksums))

    def tick(self, time: float) -> Step:
        """Let event time pass without an event."""
        return self._gathered(self._counting.tick(time))

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state."""
        return {**self._counting.snapshot(), "seen": self._newcomers.snapshot()}

    def _gathered(self, step: Step) -> Step:
        if step.sighting is not None:
            self._newcomers.observe(step.sighting.events, step.sighting.values, step.sighting.windows)
        watermark = self._counting.windows.watermark
        if math.isfinite(watermark):
            step.seen = self._newcomers.hand_over(math.floor(watermark / self._window_s) * self._window_s)
        return step
