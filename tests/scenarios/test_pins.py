"""Slow ramps against a pinned week, and what a pin costs: nothing, in false pages; short forms of the bench."""

import pytest
from bench.pins import Traffic, delays, false_pages

A_DAY = 20_000


@pytest.mark.parametrize(
    ("level", "growth", "told", "paged"),
    [
        (None, 0.01, 10, 14),  # a length pages from 10 % on, which this ramp reaches on day 10
        (None, 0.03, 10, 10),
        (0.1, 0.01, 21, 27),  # odds page from 25 % on, which this ramp reaches on day 23
        (0.1, 0.03, 10, 12),
        (0.01, 0.03, 14, 14),
    ],
)
def test_a_ramp_of_one_or_three_percent_a_day_is_found(
    level: float | None, growth: float, told: float, paged: float
) -> None:
    """No learning baseline sees it: it learns along."""
    found = delays(Traffic(level, A_DAY, growth=growth), series=40, days=40)
    assert found[0] <= told
    assert found[1] <= paged


def test_a_ramp_of_lengths_is_paged_in_time_where_days_wander_too() -> None:
    assert delays(Traffic(None, A_DAY, wander=0.05, growth=0.01), series=40, days=40)[1] <= 22
    assert delays(Traffic(None, A_DAY, wander=0.05, growth=0.03), series=40, days=40)[1] <= 11


@pytest.mark.parametrize(
    "traffic",
    [
        Traffic(0.01, 3_000),
        Traffic(0.1, A_DAY, wander=0.05),
        Traffic(0.1, 85_000, weekend=0.2),
        Traffic(None, A_DAY),
        Traffic(None, A_DAY, weekend=0.2),
    ],
    ids=lambda traffic: traffic.name,
)
def test_what_only_wanders_is_not_paged(traffic: Traffic) -> None:
    """The budget is one page a week in 1,000 series; of 600 in four weeks at most 5 (b + 2√b)."""
    assert false_pages(traffic, 600)[0] * 600 / 1000 * 4 <= 2.4 + 2 * 2.4**0.5
