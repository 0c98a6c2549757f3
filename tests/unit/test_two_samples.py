"""Evidence of two samples: an e-value on the whole band, in either direction, whatever the common level."""

import numpy as np
import pytest
from scipy.stats import binom, norm, poisson

from undertow.drift.statistics.two_samples import UP, mean_evidence, rate_evidence

BAND = float(np.log(1.1))


def expectation(rate: float, events: tuple[int, int], ratio: float, cut: int = 400) -> float:
    """Return the largest expectation over the alternatives, exactly, for two Poisson counts at that ratio."""
    n0, n1 = events
    first, second = np.meshgrid(np.arange(cut), np.arange(cut), indexing="ij")
    weight = (poisson.pmf(first, n0 * rate) * poisson.pmf(second, n1 * rate * ratio)).ravel()
    k0, k1, ones = first.ravel().astype(float), second.ravel().astype(float), np.ones(cut * cut)
    evidence = rate_evidence(k0, n0 * ones, k1, n1 * ones, BAND * ones, ones)
    return float((weight[:, None] * np.exp(evidence)).sum(axis=0).max())


@pytest.mark.parametrize("events", [(10_000, 10_000), (10_000, 2_000), (1_000, 15_000)])
@pytest.mark.parametrize("ratio", [1.0, 1.1, 1 / 1.1])
def test_the_expectation_of_rates_is_at_most_one_all_over_the_band(events: tuple[int, int], ratio: float) -> None:
    assert expectation(0.005, events, ratio) <= 1 + 1e-6


def test_at_the_edge_the_expectation_is_one_and_beyond_it_evidence_grows() -> None:
    assert expectation(0.005, (10_000, 10_000), 1.1) == pytest.approx(1, abs=1e-6)
    assert expectation(0.005, (10_000, 10_000), 1.3) > 1.5


def test_frequent_hits_are_judged_by_the_misses() -> None:
    ones = np.ones(1)
    rare = rate_evidence(50 * ones, 1000 * ones, 120 * ones, 1000 * ones, BAND * ones, ones)
    often = rate_evidence(950 * ones, 1000 * ones, 880 * ones, 1000 * ones, BAND * ones, ones)
    assert often[:, UP < 0] == pytest.approx(rare[:, UP > 0])
    assert often[:, UP > 0] == pytest.approx(rare[:, UP < 0])


def test_binomial_hits_are_wrong_less_often_than_markov_allows() -> None:
    rng, size = np.random.default_rng(1), 200_000
    for rate in (0.3, 0.6):
        k0, k1 = (binom.rvs(500, rate, size=size, random_state=rng).astype(float) for _ in range(2))
        n = np.full(size, 500.0)
        evidence = np.exp(rate_evidence(k0, n, k1, n, np.zeros(size), np.ones(size)))
        assert (evidence.mean(axis=1) >= 20).mean() <= 1 / 20


def test_a_variance_factor_takes_evidence_back() -> None:
    ones = np.ones(1)
    plain, clustered = (
        rate_evidence(50 * ones, 9000 * ones, 150 * ones, 9000 * ones, BAND * ones, factor * ones) for factor in (1, 2)
    )
    assert clustered == pytest.approx(plain / 2)


def test_the_expectation_of_means_is_one_at_the_edge_and_less_within() -> None:
    variance, grid = 0.02**2, np.linspace(-0.3, 0.5, 20_001)
    step = grid[1] - grid[0]
    for difference, most in ((BAND, 1.0), (0.0, 1.0), (-BAND, 1.0)):
        density = norm.pdf(grid, difference, 0.02) * step
        evidence = np.exp(mean_evidence(grid, np.full(len(grid), variance), np.full(len(grid), BAND)))
        found = (density[:, None] * evidence)[:, [0, 1, 5, 6]].sum(axis=0)
        assert found.max() <= most + 1e-3


def test_the_mirrored_difference_has_the_mirrored_evidence() -> None:
    ones = np.ones(1)
    up, down = (mean_evidence(sign * 0.2 * ones, 1e-3 * ones, BAND * ones) for sign in (1, -1))
    assert up[:, UP > 0] == pytest.approx(down[:, UP < 0])
