"""Scores that were always the same, or nearly: they are not sure of it, and not blind to its end."""

from collections.abc import Sequence

import numpy as np
import pytest

from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.detectors.bounded_betting import BoundedBetting

SETTINGS = SeriesSettings(band=0.1, page_from=0.25, season=0.5, harm="both", scale="standard")
FAR = 10.0  # where scores are clipped, standard deviations


def said(passed: Sequence[bool], side: float = -1.0) -> list[Alarm]:
    """Return the alarms of a score of which each event is usual, or lies far on one side."""
    detector, one = BoundedBetting({0: SETTINGS}, 2000, 200), np.ones(1)
    alarms = []
    for start in range(0, len(passed), 50):
        z = np.where(passed[start : start + 50], 0.0, side * FAR)
        events, total, squares = len(z) * one, one * z.sum(), one * (z**2).sum()
        cells = np.zeros(len(z), np.int64), z, np.ones(len(z), np.int64)
        window = Observation(start, start + 50, np.array([0]), events, total, squares, total, start * one, cells)
        alarms += detector.observe(window, Share.of(1, 64))
    return alarms


def drawn(seed: int, *phases: tuple[float, int]) -> list[bool]:
    """Return phases of so many events of which such a share is usual."""
    draw = np.random.default_rng(seed)
    return [bool(usual) for share, events in phases for usual in draw.random(events) < share]


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("usual", [1000, 3000])
def test_a_score_that_was_always_the_same_is_paged_when_it_no_longer_is(usual: int, side: float) -> None:
    (first, *_) = said(drawn(1, (1.0, usual), (0.5, 500)), side)
    assert (first.kind, first.direction) == ("page", "up" if side > 0 else "down")
    assert first.changed_from <= usual <= first.changed_to


def test_what_comes_once_in_two_hundred_is_calm_though_the_first_values_were_all_the_same() -> None:
    assert [alarm for seed in range(20) for alarm in said(drawn(seed, (1.0, 400), (0.995, 8000)))] == []
