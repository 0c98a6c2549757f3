"""The fault run of `python -m tests.bench.delivery`, in small: nothing lost, nothing out of order."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.delivery import PASSING, delivered_in_spite_of


@pytest.mark.parametrize("seed", [0, 1])
def test_forty_incidents_outlive_three_failures_in_ten_an_outage_and_restarts(seed: int, tmp_path: Path) -> None:
    found = delivered_in_spite_of(0.3, 40, seed, tmp_path, restart_every=50, outage_s=7200.0)
    assert (found.lost, found.out_of_order, found.doubled, found.left) == (0, 0, 0, 0)
    assert found.hours > 2
    assert found.restarts > 3
    assert {name for name in found.results if name != "202"} == {*PASSING} - {"lost_answer"}
    assert found.repeats > 0, "answers that are lost must have been met"
