"""When a share made a step."""

from __future__ import annotations

import numpy as np

from undertow.drift.share_steps import share_step


def stretches(number: int, length: float = 60.0) -> list[tuple[float, float]]:
    return [(length * n, length * (n + 1)) for n in range(number)]


def test_the_time_lies_in_its_interval_in_most_of_a_hundred_draws() -> None:
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        total = rng.integers(5, 40, 30)
        own = rng.binomial(total, np.where(np.arange(30) < 17, 0.2, 0.55))
        found = share_step(stretches(30), own.tolist(), total.tolist())
        assert found is not None
        inside += found.since <= 17 * 60 <= found.until
    assert inside >= 88


def test_a_share_that_stays_gains_little() -> None:
    found = share_step(stretches(4), [10, 11, 9, 10], [100] * 4)
    assert found is not None
    assert found.gain < 1


def test_one_stretch_with_events_says_nothing() -> None:
    assert share_step(stretches(2), [5, 0], [10, 0]) is None


def test_a_step_in_a_gap_lies_in_the_gap() -> None:
    found = share_step([(0.0, 60.0), (180.0, 240.0)], [1, 80], [100, 100])
    assert found is not None
    assert (found.since, found.until) == (60.0, 180.0)
