"""The rule by its definition: e-values at most 1 within the band, blocks credited once, reads that leave no trace."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from undertow.drift.baselines import Slot
from undertow.drift.budget import Share
from undertow.drift.detector import Observation, SeriesSettings
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.clipped_gaussian import ClippedGaussian
from undertow.drift.family import EVIDENCE_FLOOR
from undertow.drift.sequential import SequentialDetector

ROW = np.array([0])
NO_CELLS = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
SHARE = Share.of(1.0, 64)


def settings(**changed: Any) -> dict[int, SeriesSettings]:
    return {0: SeriesSettings(**{"band": math.log(1.1), "page_from": 0.2, "season": 0.4, "harm": "both", **changed})}


def window(start: float, values: NDArray[np.float64]) -> Observation:
    one = np.ones(1)
    sums, squares = one * values.sum(), one * (values**2).sum()
    return Observation(start, start + 10, ROW, one * len(values), sums, squares, sums, one * start, NO_CELLS)


def learned(detector: SequentialDetector, rate: float | None = None, windows: int = 400) -> SequentialDetector:
    """Let the detector learn a rate, or standard normal logs, from windows of ten."""
    rng = np.random.default_rng(1)
    for number in range(windows):
        values = rng.standard_normal(10) if rate is None else (rng.random(10) < rate).astype(float)
        assert detector.observe(window(number * 10.0, values), SHARE) == []
    return detector


def block(events: float, sums: NDArray[np.float64], expected: float) -> NDArray[np.float64]:
    parts = np.zeros((len(sums), Slot.WIDTH))
    parts[:, Slot.EVENTS], parts[:, Slot.SUM], parts[:, Slot.EXPECTED] = events, sums, expected
    return parts


@pytest.mark.parametrize("rho", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("rate", [0.002, 0.1, 0.6])
@pytest.mark.parametrize("events", [7, 50])
def test_wherever_a_rate_lies_in_the_band_the_expected_likelihood_ratio_is_at_most_one(
    rho: float, rate: float, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = BetaBinomial(settings(), 2000, 200)
    monkeypatch.setattr(detector, "_dispersion", lambda rows, errors=1.0: np.full(len(rows), rho))
    hits = np.arange(events + 1.0)
    band = np.full(len(hits), math.log(1.1))
    ratios = detector._log_ratios(np.zeros(len(hits), int), block(events, hits, events * rate), band, band)
    for shift in np.linspace(-1, 1, 9) * math.log(1.1):
        odds = rate / (1 - rate) * math.exp(shift)
        p = odds / (1 + odds)
        size = (1 - rho) / max(rho, 1e-9)
        law = stats.betabinom(events, p * size, (1 - p) * size) if rho else stats.binom(events, p)
        expectation = law.pmf(hits) @ np.exp(ratios)
        assert expectation.max() <= 1 + 1e-9


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize("events", [1, 10, 50])
def test_wherever_a_mean_lies_in_the_band_the_expected_likelihood_ratio_is_at_most_one(
    factor: float, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = ClippedGaussian(settings(), 2000, 200)
    monkeypatch.setattr(detector, "_dispersion", lambda rows, errors=1.0: np.full(len(rows), factor))
    monkeypatch.setattr(detector, "_variance", lambda rows: np.full(len(rows), 0.49))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    band = np.full(len(nodes), 0.05)
    for mean in np.linspace(-0.05, 0.05, 5):
        sums = events * mean + 0.7 * math.sqrt(events * factor) * nodes  # block sums vary `factor` times as much
        ratios = detector._log_ratios(np.zeros(len(nodes), int), block(events, sums, 0.0), band, band)
        expectation = weights @ np.exp(ratios) / weights.sum()
        assert expectation.max() <= 1 + 1e-9


@pytest.mark.parametrize("family", [BetaBinomial, ClippedGaussian])
def test_each_alternative_gains_in_its_own_direction(family: type[SequentialDetector]) -> None:
    detector = learned(family(settings(), 2000, 200), 0.3 if family is BetaBinomial else None)
    centre, spread = (15.0, 15.0) if family is BetaBinomial else (0.0, 100.0)
    parts = block(50.0, np.array([centre - spread, centre + spread]), centre)
    low, high = detector._log_ratios(np.zeros(2, int), parts, np.full(2, 0.1), np.full(2, 0.1))
    assert ((high > low) == (detector.directions > 0)).all()
    assert sum(np.exp(detector.log_weights)) == pytest.approx(1.0)


def test_a_block_is_credited_once_at_its_end_and_reads_in_between_leave_no_trace() -> None:
    detector = learned(BetaBinomial(settings(), 2000, 200), 0.2)
    assert detector._part[0, Slot.EVENTS] == 0
    for number in range(400, 405):
        before, segment = detector._evidence[0].copy(), detector._segment[0].copy()
        detector.observe(window(number * 10.0, np.r_[np.ones(2), np.zeros(8)]), SHARE)
        if number < 404:
            assert detector._evidence[0].tolist() == before.tolist()
            assert detector._segment[0].tolist() == segment.tolist()
    last = detector.baselines.history(0)[-1]
    assert last[Slot.EVENTS] == 50
    (ratios,) = detector._log_ratios(ROW, last[None], *detector._band(ROW, 4040.0, SHARE))
    expected = np.maximum(np.logaddexp(before, math.log(50)) + ratios, EVIDENCE_FLOOR)
    assert detector._evidence[0] == pytest.approx(expected, abs=0.05)  # the baseline has learned this block by now


def test_a_window_larger_than_a_block_is_credited_with_all_its_events() -> None:
    detector = learned(BetaBinomial(settings(), 2000, 200), 0.2)
    before = detector._evidence[0].copy()
    detector.observe(window(4000.0, np.r_[np.ones(80), np.zeros(320)]), SHARE)
    part = detector.baselines.history(0)[-1]
    assert part[Slot.EVENTS] == 400
    (ratios,) = detector._log_ratios(ROW, part[None], *detector._band(ROW, 4000.0, SHARE))
    expected = np.maximum(np.logaddexp(before, math.log(400)) + ratios, EVIDENCE_FLOOR)
    assert detector._evidence[0] == pytest.approx(expected, abs=0.5)


def test_a_young_baseline_stands_off_by_its_own_error_and_an_old_one_does_not() -> None:
    for family, rate in ((BetaBinomial, 0.2), (ClippedGaussian, None)):
        young, old = (learned(family(settings(), 2000, 200), rate, windows) for windows in (60, 400))
        (wide,), _ = young._band(ROW, 300.0, SHARE)
        (narrow,), _ = old._band(ROW, 300.0, SHARE)
        (margin,), _ = young._margin(ROW, SHARE.z)
        assert narrow == pytest.approx(math.log(1.1))
        assert wide == pytest.approx(math.log(1.1) + margin)
        assert margin > 0


def test_the_band_is_the_widest_of_what_is_allowed_what_wanders_and_what_a_season_may_do() -> None:
    detector = learned(BetaBinomial(settings(season=1.0), 2000, 200), 0.2)
    (at_noon,), _ = detector._band(ROW, 12 * 3600.0, SHARE)
    assert at_noon == pytest.approx(detector.baselines.unknown_season(ROW, 12 * 3600.0)[0])
    assert at_noon > 1.5
    detector.baselines.wander.counted[0] = [6, 6.0, 6.2, 0.0]
    detector.baselines.born[0] = -86_400.0
    (wandering,), _ = detector._band(ROW, 300.0, SHARE)
    assert wandering == pytest.approx(detector.baselines.wander.widths(ROW)[0])
    assert wandering > math.log(1.1)


@pytest.mark.parametrize("count", [1, 10])
def test_clustering_is_measured_and_a_clustered_series_needs_more_evidence(count: int) -> None:
    """Ten hits in every tenth window are as many as one in each, and no reason to be alarmed by ten in one."""
    detector, rng = BetaBinomial(settings(), 2000, 200), np.random.default_rng(1)
    for number in range(600):
        hits = count if rng.random() < 1 / count else 0
        assert detector.observe(window(number * 10.0, np.r_[np.ones(hits), np.zeros(10 - hits)]), SHARE) == []
    (rho,) = detector._dispersion(ROW)
    assert (rho > 0.5) == (count == 10)


def test_evidence_that_a_segment_does_not_have_itself_is_no_alarm() -> None:
    """However large the budget: what cannot be told from chance by a factor of 100 is not said."""
    detector, rng = BetaBinomial(settings(), 2000, 200), np.random.default_rng(1)
    generous = Share(1e9)
    for number in range(1000):
        values = (rng.random(10) < 0.2).astype(float)
        assert generous.thresholds(np.array([1e4]), np.array([1e4]))[0] < 0
        assert detector.observe(window(number * 10.0, values), generous) == []


def test_a_small_error_over_many_events_is_not_taken_for_the_time_of_a_change() -> None:
    detector = learned(BetaBinomial(settings(), 2000, 200), 0.2)
    long_ago = block(20_000.0, np.full(10, 4120.0), 4000.0)
    lately = block(50.0, np.full(4, 25.0), 10.0)
    slots = np.concatenate([long_ago, lately])
    slots[:, Slot.START] = np.arange(14) * 100.0
    slots[:, Slot.END] = slots[:, Slot.START] + 100.0
    first, earliest, latest = detector._change_point(0, slots, 1.0)
    assert (first, earliest) == (10, 900.0)
    assert latest >= 1100.0


def test_a_total_failure_at_a_quiet_hour_leaves_numbers_that_are_numbers() -> None:
    """All of few calls fail where nearly none used to: without the daily profile that is more hits than calls."""
    detector, rng = BetaBinomial(settings(), 2000, 200), np.random.default_rng(3)
    for number in range(6 * 144):
        start = number * 600.0
        rate = 0.02 * (1 + 0.9 * math.sin(2 * math.pi * start / 86_400))
        broken = 5 * 144 + 105 <= number < 5 * 144 + 115  # around 18:00, when the rate is lowest
        hits = np.array([20.0 if broken else float(rng.binomial(20, rate))])
        window = Observation(
            start, start + 600, np.array([0]), np.array([20.0]), hits, hits, hits, np.array([start]), NO_CELLS
        )
        detector.observe(window, SHARE)
        assert np.isfinite(detector._evidence).all(), number
        assert np.isfinite(detector._learned_levels(ROW)).all(), number
