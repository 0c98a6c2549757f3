"""Levels of slices by stretches of event time."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.ledger import Ledger
from undertow.drift.sums import units_of_values
from undertow.drift.windows import Cells, ClosedWindow, Windows

CATALOGUE = Catalogue()
REFUSED = CATALOGUE.numbers["refusal_rate"]
MINUTE = 60.0


def window(start: float, hits: int, events: int = 100, group: int = 0, metric: int = REFUSED) -> ClosedWindow:
    key = ((group << 10) + metric) << 24
    return ClosedWindow(start, start + 10, Cells(np.array([key, key + 1]), np.array([events - hits, hits])))


def ledger_of(*windows: ClosedWindow, **limits: int) -> Ledger:
    ledger = Ledger(CATALOGUE, **limits)  # type: ignore[arg-type]
    for one in windows:
        ledger.observe(one)
    return ledger


def test_a_level_is_that_of_the_stretches_asked_for() -> None:
    ledger = ledger_of(*(window(10.0 * n, 2 if n < 12 else 30) for n in range(24)))
    assert ledger.average(0, "refusal_rate", 0, 120).mean == 0.02
    assert ledger.average(0, "refusal_rate", 120, 240).mean == 0.3
    assert ledger.average(0, "refusal_rate", 0, 240).events == 2400


def test_no_event_counts_twice_where_coarse_stretches_take_over() -> None:
    ledger = ledger_of(*(window(10.0 * n, 0) for n in range(6 * 60 * 5)))
    whole = ledger.average(0, "refusal_rate", 0, 5 * 3600).events
    assert 5 * 36_000 * 0.75 < whole <= 5 * 36_000


def test_what_is_older_than_the_longest_tier_is_forgotten() -> None:
    ledger = ledger_of(window(0.0, 50), window(30 * 3600.0, 1))
    assert ledger.average(0, "refusal_rate", 0, 3600).events == 0


def test_numbers_on_the_log_come_back_within_a_bin() -> None:
    windows = Windows(CATALOGUE, 10, 0)
    values = np.full((500, len(CATALOGUE.columns)), np.nan)
    logs = np.random.default_rng(1).normal(6, 0.5, 500)
    values[:, CATALOGUE.columns["output_length"]] = np.exp(logs)
    times = np.zeros(500)
    windows.advance(times)
    windows.add(times, np.zeros((500, 1), np.int32), values)
    ledger = ledger_of(*windows.close(everything=True))
    found = ledger.average(0, "output_length", 0, 30)
    assert found.mean == pytest.approx(logs.mean(), abs=1e-3)
    assert found.error == pytest.approx(logs.std(ddof=1) / 500**0.5, rel=0.01)


def test_slices_are_apart() -> None:
    ledger = ledger_of(window(0.0, 5), window(0.0, 50, group=7))
    assert ledger.average(7, "refusal_rate", 0, 30).mean == 0.5
    assert ledger.average(3, "refusal_rate", 0, 30).events == 0


def test_stretches_tell_how_a_share_went() -> None:
    ledger = ledger_of(*(window(30.0 * n, 0, events=10 * (n + 1)) for n in range(3)))
    assert [tuple(one) for one in ledger.stretches(0, "refusal_rate", 0, 90)] == [
        (0, 30, 10),
        (30, 60, 20),
        (60, 90, 30),
    ]


def test_order_and_split_of_windows_of_one_stretch_do_not_matter() -> None:
    one = ledger_of(window(0.0, 5), window(10.0, 50), window(20.0, 7, group=2))
    other = ledger_of(window(20.0, 7, group=2), window(10.0, 50), window(0.0, 5))
    assert msgspec.json.encode(_plain(one)) == msgspec.json.encode(_plain(other))


def test_it_goes_on_from_a_snapshot_as_if_it_had_not_stopped() -> None:
    windows = [window(10.0 * n, n % 7) for n in range(200)]
    stopped = ledger_of(*windows[:90])
    resumed = Ledger(CATALOGUE)
    resumed.restore(stopped.snapshot())
    for one in windows[90:]:
        resumed.observe(one)
    assert _plain(resumed) == _plain(ledger_of(*windows))


def test_other_tiers_do_not_read_the_state() -> None:
    other = Ledger(CATALOGUE, tiers=((60, 4),))
    with pytest.raises(ValueError, match="tiers"):
        other.restore(ledger_of(window(0.0, 1)).snapshot())


def test_stretches_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="divide"):
        Ledger(CATALOGUE, tiers=((30, 4), (100, 4)))


def test_at_the_limit_silent_rows_go_first_and_then_newcomers_are_counted() -> None:
    ledger = ledger_of(window(0.0, 1, group=1), window(0.0, 1, group=2), max_rows=2)
    ledger.observe(window(10.0, 1, group=3))
    assert (ledger.dropped, ledger.average(3, "refusal_rate", 0, 30).events) == (1, 0)
    ledger.observe(window(40 * 3600.0, 1, group=2))
    for n in range(24):  # a day later nothing of group 1 is left
        ledger.observe(window((41 + n) * 3600.0, 1, group=2))
    ledger.observe(window(66 * 3600.0, 1, group=3))
    assert ledger.average(3, "refusal_rate", 66 * 3600.0, 67 * 3600.0).events > 0


def test_scores_keep_their_sign_and_extremes_count_as_the_limit() -> None:
    helpful = CATALOGUE.metric(CATALOGUE.score("helpful") or 0)
    units, _ = units_of_values([helpful], np.array([[-2.5], [0.0], [1e9]]))
    assert (units.ravel() / 1_024).tolist() == [pytest.approx(-2.5, rel=0.01), 0, 4096]


def _plain(ledger: Ledger) -> dict[str, object]:
    state = ledger.snapshot()
    arrays = ("sums", "stretches")
    return {**state, "keys": state["keys"].tolist(), **{name: [a.tolist() for a in state[name]] for name in arrays}}
