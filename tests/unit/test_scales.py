"""Scales: where logs are clipped, where tails begin, and that nothing that waited is lost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.scales import Scaled, Scales
from undertow.drift.statistics.logbins import LOG_GAMMA, bin_of, log_of

STRICT, ENOUGH = 200, 2000


def window(scales: Scales, values: dict[int, NDArray[np.float64]], start: float = 0.0) -> Scaled:
    """Give each series its values as the sorted cells of a window."""
    cells = []
    for number in sorted(values):
        found, times = np.unique(bin_of(values[number], 1e-7), return_counts=True)
        cells += [(number, b, c) for b, c in zip(found.tolist(), times.tolist(), strict=True)]
    series, bins, counts = np.array(cells, np.int64).reshape(-1, 3).T
    return scales.apply(series, bins, counts, start)


def drawn(count: int, seed: int = 1, mean: float = 2.0, sd: float = 0.7) -> NDArray[np.float64]:
    return np.random.default_rng(seed).lognormal(mean, sd, count)


def binned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return log_of(bin_of(values, 1e-7))


def test_a_series_says_nothing_before_the_strict_events_and_then_all_that_waited() -> None:
    scales, values = Scales(Catalogue(), STRICT, ENOUGH), drawn(250)
    assert len(window(scales, {3: values[:150]}, start=10.0).series) == 0
    scaled = window(scales, {3: values[150:]}, start=20.0)
    assert scaled.series.tolist() == [3]
    assert scaled.events.tolist() == [250.0]
    assert scaled.since.tolist() == [10.0]
    assert scaled.raw[0] == pytest.approx(binned(values).sum())
    assert not scaled.tailed[0]


def test_logs_are_clipped_at_three_and_a_half_robust_standard_deviations() -> None:
    scales, values = Scales(Catalogue(), STRICT, ENOUGH), drawn(5000)
    window(scales, {0: values[:200]})
    low, median, high = np.quantile(binned(values[:200]), [0.16, 0.5, 0.84], method="inverted_cdf")
    sd = (high - low) / 2
    outliers = np.array([1e-6, 1e9])
    scaled = window(scales, {0: np.concatenate([values[200:300], outliers])})
    clipped = np.clip(binned(np.concatenate([values[200:300], outliers])), median - 3.5 * sd, median + 3.5 * sd)
    assert scaled.sums[0] == pytest.approx(clipped.sum())
    assert scaled.squares[0] == pytest.approx((clipped**2).sum())
    assert scaled.raw[0] == pytest.approx(binned(values[200:300]).sum() + binned(outliers).sum())


def test_a_constant_series_keeps_room_around_its_value() -> None:
    scales = Scales(Catalogue(), STRICT, ENOUGH)
    window(scales, {0: np.full(200, 5.0)})
    scaled = window(scales, {0: np.array([5.0, 50.0])})
    assert scaled.sums[0] - 2 * binned(np.array([5.0]))[0] == pytest.approx(3.5 * 0.05)


def test_tails_begin_beyond_the_first_and_the_99th_percentile_of_the_learned_values() -> None:
    scales, values = Scales(Catalogue(), STRICT, ENOUGH), drawn(4000)
    assert not window(scales, {0: values[:2000]}).tailed.any()
    low, high = np.quantile(binned(values[:2000]), [0.01, 0.99], method="inverted_cdf")
    scaled = window(scales, {0: values[2000:]})
    assert scaled.tailed.all()
    assert scaled.low[0] == (binned(values[2000:]) < low - LOG_GAMMA / 2).sum()
    assert scaled.high[0] == (binned(values[2000:]) > high + LOG_GAMMA / 2).sum()
    assert 0 < scaled.low[0] < 0.03 * 2000


@pytest.mark.parametrize("sizes", [(3000,), (150, 2900), (199, 1, 1800), (100, 100, 100, 2000), (1000, 1000, 1000)])
def test_no_value_is_lost_or_counted_twice_however_the_windows_are_cut(sizes: tuple[int, ...]) -> None:
    scales, values = Scales(Catalogue(), STRICT, ENOUGH), drawn(sum(sizes))
    events, raw, at = 0.0, 0.0, 0
    for size in sizes:
        scaled = window(scales, {0: values[at : at + size], 7: values[at : at + size][::-1]})
        events += scaled.events.sum()
        raw += scaled.raw.sum()
        at += size
    assert events == 2 * sum(sizes)
    assert raw == pytest.approx(2 * binned(values).sum())
    assert window(scales, {0: values[:10]}).tailed.all()


def test_series_do_not_see_each_other() -> None:
    together, alone = Scales(Catalogue(), STRICT, ENOUGH), Scales(Catalogue(), STRICT, ENOUGH)
    for i in range(30):
        mine, other = drawn(100, seed=i), drawn(100, seed=100 + i, mean=5.0)
        both, single = window(together, {2: mine, 5 * SERIES_METRICS: other}), window(alone, {2: mine})
        chosen = both.series == 2
        for name in ("events", "sums", "squares", "raw", "low", "high", "tailed"):
            assert getattr(both, name)[chosen].tolist() == getattr(single, name).tolist()


def test_a_restart_at_any_window_changes_nothing() -> None:
    windows = [drawn(130, seed=i) for i in range(20)]
    whole = Scales(Catalogue(), STRICT, ENOUGH)
    expected = [repr(window(whole, {1: values}, start=float(i))) for i, values in enumerate(windows)]
    for cut in range(len(windows)):
        before, after = Scales(Catalogue(), STRICT, ENOUGH), Scales(Catalogue(), STRICT, ENOUGH)
        for i, values in enumerate(windows[:cut]):
            window(before, {1: values}, start=float(i))
        after.restore(before.snapshot())
        found = [repr(window(after, {1: values}, start=float(cut + i))) for i, values in enumerate(windows[cut:])]
        assert found == expected[cut:]


def test_an_empty_window_measures_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert len(Scales(Catalogue(), STRICT, ENOUGH).apply(none, none, none, 0.0).series) == 0
