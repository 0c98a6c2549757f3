"""The simulation behind docs/scaling.md: what it says of the detect stage must be what it feeds it."""

from __future__ import annotations

import numpy as np
from bench import scaling

from undertow.drift.catalogue import SERIES_METRICS, Catalogue


def test_one_slice_has_half_of_all_events_whatever_the_traffic() -> None:
    catalogue, draw = Catalogue(), np.random.default_rng(3)
    for events in (10_000, 100_000):
        cells = scaling._window(catalogue, draw, 20, events)
        calls = cells.metrics == catalogue.numbers["error_rate"]
        assert cells.counts[calls].sum() == events
        assert cells.counts[calls & (cells.groups == 0)].sum() == events // 2
        assert np.all(np.diff(cells.keys) > 0)


def test_a_window_of_the_simulation_holds_every_series_and_no_more_cells_than_bins() -> None:
    catalogue, draw = Catalogue(), np.random.default_rng(4)
    some, many = (scaling._window(catalogue, draw, 20, events) for events in (100_000, 10_000_000))
    series = 20 * (len(scaling.RATES) + len(scaling.QUANTITIES))
    assert len(np.unique(some.series)) == len(np.unique(many.series)) == series
    assert len(many.keys) < 2 * len(some.keys)
    assert int(many.series.max()) // SERIES_METRICS == 19


def test_the_whole_role_is_given_windows_that_it_judges() -> None:
    rows = [line.split(" | ") for line in scaling.role(20, (1, 10)).splitlines()[2:]]
    assert [row[0] for row in rows] == ["| 1×", "| 10×"]
    assert all(float(row[-1].strip(" |").replace(",", "")) > 0.0 for row in rows)


def test_the_document_has_the_blocks_that_are_measured() -> None:
    text = scaling.DOCUMENT.read_text()
    assert [name for name in ("stages", "series", "role") if f"<!-- measured: {name} -->" not in text] == []
