"""The detector of categories: what it says of renamed keys, newcomers, batch jobs and floods of names."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike

from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.detectors.multinomial import Multinomial

SHARE = Share.of(1.0, 64)


def detector(harm: str = "both") -> Multinomial:
    return Multinomial({0: SeriesSettings(band=0.095, page_from=0.03, season=0.56, harm=harm)}, 2000, 200)


def window(number: int, categories: ArrayLike, counts: ArrayLike, width: float = 10.0) -> Observation:
    nothing, start, found = np.zeros(1), number * width, np.array(counts, np.int64)
    cells = (np.zeros(len(found), np.int64), np.array(categories, float), found)
    events = np.array([float(found.sum())])
    return Observation(start, start + width, np.array([0]), events, nothing, nothing, nothing, nothing + start, cells)


def follow(watched: Multinomial, mixes: Sequence[tuple[int, Sequence[float]]], each: int = 50) -> list[Alarm]:
    """Let so many windows of each of these mixes of the categories 100, 101 … pass, one after the other."""
    rng, alarms, number = np.random.default_rng(4), [], 0
    for windows, shares in mixes:
        for _ in range(windows):
            counts = rng.multinomial(each, shares)
            alarms += watched.observe(window(number, 100.0 + np.arange(len(shares)), counts), SHARE)
            number += 1
    return alarms


def test_a_renamed_key_is_told_in_the_first_window_with_all_that_moved() -> None:
    found = follow(detector(), [(400, [1.0, 0.0]), (1, [0.0, 1.0])])
    assert [alarm.kind for alarm in found] == ["page"]
    assert found[0].moved == ((101, 0.0, 1.0), (100, 1.0, 0.0))
    assert found[0].reason.startswith("100.00% [")
    assert found[0].changed_from <= 4000.0 <= found[0].changed_to


def test_a_tenth_of_the_traffic_that_changes_category_is_a_page_that_says_how_much() -> None:
    found = follow(detector(), [(400, [0.6, 0.3, 0.1]), (40, [0.5, 0.3, 0.2])])
    assert [alarm.kind for alarm in found] == ["page"]
    assert {number for number, _, _ in found[0].moved} >= {102}
    size, low, high = (float(text.strip("[,]%")) for text in found[0].reason.split()[:3])
    assert low <= 10 <= high
    assert low < size < high


def test_a_newcomer_of_one_percent_is_a_notice() -> None:
    found = follow(detector(), [(400, [0.7, 0.3, 0.0]), (60, [0.69, 0.3, 0.01])])
    assert [alarm.kind for alarm in found] == ["notice"]
    assert found[0].moved[0][:2] == (102, 0.0)


def test_newcomers_surprise_less_where_they_are_usual() -> None:
    """Good and Turing: what was seen once says how often what was never seen comes."""
    shares = [0.7, 0.3, 0.0]
    usual, plain = detector(), detector()
    follow(plain, [(100, shares)])
    for number in range(100):
        counts = [35, 14, 1] if number % 10 == 0 else [35, 15, 0]
        usual.observe(window(number, [100.0, 101.0, 200.0 + number], counts), SHARE)
    expected = []
    for watched in (usual, plain):
        watched.observe(window(100, [100.0, 101.0, 900.0], [34, 15, 1]), SHARE)
        column = int(np.flatnonzero(watched.lines.names[0] == 900)[0])
        expected.append(float(watched.mixes.shares(np.array([0]))[0, column]))
    assert expected[0] > 5 * expected[1]


def test_a_series_that_knows_batch_jobs_is_not_alarmed_by_them() -> None:
    """Every twentieth window is a job of one category; the first one is news, and what has come back is a job, too."""
    rng, shares, pages = np.random.default_rng(7), [0.5, 0.3, 0.15, 0.05], 0
    for _ in range(4):
        watched = detector()
        for number in range(1000):
            job = rng.multinomial(1, shares) * 20 if rng.random() < 0.05 else rng.multinomial(20, shares)
            pages += sum(alarm.kind == "page" for alarm in watched.observe(window(number, range(4), job), SHARE))
    assert pages <= 5


def test_a_flood_of_names_takes_no_memory_and_the_mix_is_still_followed() -> None:
    rng, watched = np.random.default_rng(2), detector()
    sizes = []
    for number in range(600):
        strays = 1000.0 + 10 * number + np.arange(10)
        common = rng.multinomial(40, [0.6, 0.4])
        watched.observe(window(number, [100.0, 101.0, *strays], [*common, *[1] * 10]), SHARE)
        if number in {50, 599}:
            state = {**vars(watched.mixes), **vars(watched.mixes.wander), **vars(watched.lines)}
            sizes.append(sum(array.nbytes for array in state.values() if isinstance(array, np.ndarray)))
    assert sizes[0] == sizes[1]
    assert set(watched.lines.names[0]) >= {100, 101}


@pytest.mark.parametrize(("categories", "counts"), [([1.5, 2.0], [5, 5]), ([-1.0, 2.0], [5, 5])])
def test_what_is_no_category_is_refused_and_changes_nothing(categories: list[float], counts: list[int]) -> None:
    watched = detector()
    follow(watched, [(20, [0.5, 0.5])])
    before = watched.mixes.hours.copy(), watched.lines.names.copy()
    with pytest.raises(ValueError, match="no category's number"):
        watched.observe(window(20, categories, counts), SHARE)
    assert np.array_equal(before[0], watched.mixes.hours)
    assert np.array_equal(before[1], watched.lines.names)


def test_counts_that_do_not_add_up_to_the_events_are_refused() -> None:
    good = window(0, [1.0, 2.0], [5, 5])
    wrong = Observation(
        0.0, 10.0, good.series, good.events + 1, good.sums, good.squares, good.raw, good.since, good.cells
    )
    with pytest.raises(ValueError, match="do not add up"):
        detector().observe(wrong, SHARE)


def test_a_metric_that_harms_nobody_is_told_as_a_notice() -> None:
    found = follow(detector("none"), [(400, [1.0, 0.0]), (1, [0.0, 1.0])])
    assert [alarm.kind for alarm in found] == ["notice"]


def test_series_of_other_metrics_have_rows_of_their_own() -> None:
    watched = detector()
    follow(watched, [(20, [0.5, 0.5])])
    assert watched.progress(0) is not None
    assert watched.progress(SERIES_METRICS) is None
