"""How long a rollout took."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.drift.rollouts import rollout_of_counts, rollout_s


def drawn(seed: int, ramp_s: float, share: float, calls: int = 1500) -> float:
    rng = np.random.default_rng(seed)
    ages = np.sort(rng.uniform(0, 3600, calls))
    grown = np.minimum(ages / ramp_s, 1) if ramp_s else 1.0
    on = rng.random(calls) < share * grown
    return rollout_s(ages[on].tolist(), ages[~on].tolist())


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_a_step_is_a_step(share: float) -> None:
    assert sum(drawn(seed, 0.0, share) > 0 for seed in range(100)) <= 5


def test_half_an_hour_of_growing_is_seen_within_a_factor_of_two() -> None:
    found = [drawn(seed, 1800.0, 0.8) for seed in range(50)]
    assert all(900 <= seconds <= 3600 for seconds in found)


def test_no_calls_are_no_rollout() -> None:
    assert rollout_of_counts([0, 0], [0, 0]) == 0.0
