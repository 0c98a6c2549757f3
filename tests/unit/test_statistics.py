"""The small mathematics against scipy and numpy."""

import numpy as np
import pytest
from scipy import stats

from undertow.drift.statistics.logbins import LOG_GAMMA, bin_of, log_of
from undertow.drift.statistics.proportions import jeffreys, log_likelihood, odds_shift, wilson


@pytest.mark.parametrize("p", [0.001, 0.2, 0.9])
@pytest.mark.parametrize("other", [0.003, 0.5])
@pytest.mark.parametrize("rho", [1e-6, 0.02, 0.5])
def test_likelihood_ratios_are_those_of_the_beta_binomial(p: float, other: float, rho: float) -> None:
    hits, n = np.arange(51.0), np.full(51, 50.0)
    found = log_likelihood(hits, n, np.full(51, p), np.full(51, rho)) - log_likelihood(
        hits, n, np.full(51, other), np.full(51, rho)
    )
    size = (1 - rho) / rho
    expected = stats.betabinom.logpmf(hits, 50, p * size, (1 - p) * size) - stats.betabinom.logpmf(
        hits, 50, other * size, (1 - other) * size
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_without_correlation_the_likelihood_is_the_binomial_one_also_beside_correlated_rows() -> None:
    hits, n = np.arange(11.0), np.full(11, 10.0)
    for rho in (np.zeros(11), np.where(hits == 3, 0.2, 0.0)):
        found = log_likelihood(hits, n, np.full(11, 0.2), rho) - log_likelihood(hits, n, np.full(11, 0.4), rho)
        expected = stats.binom.logpmf(hits, 10, 0.2) - stats.binom.logpmf(hits, 10, 0.4)
        independent = rho == 0
        np.testing.assert_allclose(found[independent], expected[independent], atol=1e-12)


def test_odds_shift_multiplies_the_odds_and_never_leaves_the_unit_interval() -> None:
    p = np.array([1e-9, 0.2, 0.5, 1 - 1e-9])
    shifted = odds_shift(p, np.log(np.array([40.0, 3.0, 0.1, 40.0])))
    assert shifted[1] / (1 - shifted[1]) == pytest.approx(0.25 * 3)
    assert shifted[2] == pytest.approx(1 / 11)
    assert ((shifted > 0) & (shifted < 1)).all()


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (11, 100), (20, 20), (3, 10_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_wilson_is_scipys(k: int, n: int, confidence: float) -> None:
    z = stats.norm.ppf((1 + confidence) / 2)
    low, high = wilson(np.array([float(k)]), np.array([float(n)]), z)
    expected = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert low[0] == pytest.approx(expected.low, abs=1e-12)
    assert high[0] == pytest.approx(expected.high, abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (11, 100), (20, 20)])
def test_jeffreys_holds_the_tails_of_its_beta_distribution(k: int, n: int) -> None:
    low, high = jeffreys(k, n)
    posterior = stats.beta(k + 0.5, n - k + 0.5)
    assert posterior.cdf(low) == pytest.approx(0.0 if k == 0 else 0.025)
    assert posterior.cdf(high) == pytest.approx(1.0 if k == n else 0.975)
    assert low <= k / n <= high


def test_clustered_counts_have_wider_intervals_as_if_there_were_fewer() -> None:
    assert jeffreys(30, 300, inflation=3.0) == jeffreys(10, 100)


def test_a_value_differs_from_the_centre_of_its_bin_by_at_most_one_percent() -> None:
    values = np.exp(np.random.default_rng(1).uniform(np.log(1e-7), np.log(1e9), 100_000))
    centres = np.exp(log_of(bin_of(values, 1e-7)))
    assert np.abs(centres / values - 1).max() < 0.01


def test_values_below_the_floor_count_as_the_floor_and_the_largest_ones_share_the_last_bin() -> None:
    bins = bin_of(np.array([0.0, 1e-9, 1.0, 1e300]), 1.0)
    assert bins[0] == bins[1] == bins[2] == bin_of(np.array([1.0]), 1.0)[0]
    assert bins[3] < 1 << 14
    assert log_of(bins[2:3])[0] == 0.0
    assert log_of(bins[2:3] + 1)[0] == LOG_GAMMA
