"""Windows close by the watermark, and what comes later is late."""

from typing import Any

import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.statistics.logbins import LOG_GAMMA, bin_of, log_of, value_of
from undertow.drift.windows import VECTOR_COUNT, Cells, Windows, merge

CATALOGUE = Catalogue()
RATE, LATENCY = CATALOGUE.columns["refusal_rate"], CATALOGUE.columns["latency"]


def _values(measured: dict[int, float], rows: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.full((rows, len(CATALOGUE.columns)), np.nan)
    for column, value in measured.items():
        values[:, column] = value
    return values


def _add(windows: Windows, times: list[float]) -> list[bool]:
    late = windows.advance(np.array(times))
    kept = np.array(times)[~late]
    windows.add(kept, np.zeros((len(kept), 1), np.int32), _values({RATE: 1.0}, len(kept)))
    return [bool(one) for one in late]


def test_a_window_closes_once_the_watermark_has_passed_its_end() -> None:
    windows = Windows(CATALOGUE, width=10, lateness=5)
    _add(windows, [1.0, 14.9])
    assert windows.close() == []
    _add(windows, [15.0])
    assert [(window.start, window.end) for window in windows.close()] == [(0, 10)]
    assert windows.close() == []


def test_an_event_is_late_when_its_window_was_passed_before_it_was_read() -> None:
    windows = Windows(CATALOGUE, width=10, lateness=0)
    assert _add(windows, [5.0, 12.0, 9.0, 11.0]) == [False, False, True, False]
    assert windows.late == 1
    assert [window.cells.counts.tolist() for window in windows.close(everything=True)] == [[1], [2]]


def test_silence_closes_windows_by_a_tick() -> None:
    windows = Windows(CATALOGUE, width=10, lateness=0)
    _add(windows, [5.0])
    windows.tick(10.0)
    assert len(windows.close()) == 1
    assert _add(windows, [9.0]) == [True]


def test_values_that_are_none_leave_no_cell() -> None:
    windows = Windows(CATALOGUE, width=10, lateness=0)
    windows.advance(np.array([1.0]))
    windows.add(np.array([1.0]), np.array([[0, -1]], np.int32), _values({LATENCY: 0.5}))
    (window,) = windows.close(everything=True)
    assert (window.cells.groups.tolist(), window.cells.metrics.tolist()) == ([0], [CATALOGUE.numbers["latency"]])
    assert np.exp(log_of(window.cells.bins)) == pytest.approx([0.5], rel=0.01)


@pytest.mark.parametrize("value", [1e-7, 0.001, 0.5, 1.0, 3.7, 250.0, 1e6, 1e12])
def test_a_bin_stands_for_its_values_within_one_percent(value: float) -> None:
    found = float(np.exp(log_of(bin_of(np.array([value]), 1e-9)))[0])
    assert found == pytest.approx(value, rel=0.0101)
    assert np.log(1.02) == pytest.approx(LOG_GAMMA)


def test_merging_nothing_is_nothing() -> None:
    assert len(merge([]).keys) == 0
    empty = Cells(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(merge([empty, empty]).keys) == 0


def test_an_impossible_width_is_refused_with_its_value() -> None:
    with pytest.raises(ValueError, match="window width 0"):
        Windows(CATALOGUE, width=0, lateness=0)


def test_scores_are_counted_by_their_number_whatever_their_sign() -> None:
    catalogue = Catalogue()
    number = catalogue.score("mood")
    assert number is not None
    windows = Windows(catalogue, width=10, lateness=0)
    windows.add_figures(np.array([1.0, 2.0]), np.zeros((2, 1), np.int32), np.array([number] * 2), np.array([-0.5, 0.8]))
    (window,) = windows.close(everything=True)
    assert window.cells.metrics.tolist() == [number, number]
    assert value_of(window.cells.bins) == pytest.approx([-0.5, 0.8], rel=0.0101)


def test_vectors_add_up_per_window_and_group() -> None:
    windows = Windows(CATALOGUE, width=10, lateness=0)
    groups = np.array([[0, 1], [0, -1], [0, 1]], np.int32)
    vectors = np.array([[1, -2], [3, 4], [5, 6]], np.int16)
    windows.add_vectors(np.array([1.0, 2.0, 11.0]), groups, 7, vectors)
    first, second = windows.close(everything=True)
    assert first.cells.bins.tolist() == [0, 1, VECTOR_COUNT] * 2
    assert first.cells.counts.tolist() == [4, 2, 2, 1, -2, 1]
    assert second.cells.counts.tolist() == [5, 6, 1] * 2
    assert set(first.cells.metrics.tolist()) == {7}
