"""What must hold of daily sums and pins for any traffic: order, split and restarts change nothing."""

from typing import Any

import numpy as np
from bench.pins import EVERY, PIN_DAYS, SHARE, Traffic, build, observation
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.baselines import DAY
from undertow.drift.days import Days
from undertow.drift.detector import Alarm
from undertow.drift.pin import Pin
from undertow.drift.pinned import Pinned

SERIES = 12
WEEK = Pin(id="week", kind="days", source="a week", service="s", first=0, last=PIN_DAYS - 1)

windows = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 50), st.integers(0, 5))  # day, series, events


@settings(max_examples=60, deadline=None)
@given(st.lists(windows, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_neither_order_nor_split_within_a_day_changes_daily_sums(seen: list[Any], chance: Any) -> None:
    ordered = sorted(seen, key=lambda one: one[0])
    shuffled = sorted(chance.sample(seen, len(seen)), key=lambda one: one[0])
    assert _sums(ordered, split=False) == _sums(shuffled, split=True)


def _sums(seen: list[Any], split: bool) -> list[Any]:
    days = Days()
    for day, series, events, hits in seen:
        parts = [(events, 0), (0, hits)] if split else [(events, hits)]
        for part in parts:
            sums = np.array([[float(part[0]), float(part[1]), float(part[1]), float(part[1])]])
            days.add(day * DAY, np.array([series]), np.zeros(1), sums)
    rows = days.rows(np.arange(5))
    known = np.flatnonzero(rows >= 0)
    return [known.tolist(), days.recent(rows[known], 3).tolist()]


def _play(seed: int, days: int, cuts: frozenset[int]) -> list[Alarm]:
    """Follow series that leave their pin at different times, worsen and come back; restart after the days in `cuts`."""
    rng = np.random.default_rng(seed)
    traffic = Traffic(0.05, 5_000, wander=0.02)
    pinned, series = build(traffic, SERIES)
    begin = rng.integers(PIN_DAYS, PIN_DAYS + 15, SERIES)
    found: list[Alarm] = []
    for number in range(PIN_DAYS + days):
        if pinned.turn(number * DAY):
            found += pinned.look(number * DAY, SHARE)
        since = number - begin
        shift = np.where((since >= 0) & (since < 9), np.where(since < 4, 0.6, 1.4), 0.0)
        pinned.add(observation(traffic, number, series, shift, rng), EVERY)
        if number == PIN_DAYS:
            pinned.pin(WEEK)
        if number in cuts:
            pinned = _restarted(pinned, traffic)
    return found


def _restarted(pinned: Pinned, traffic: Traffic) -> Pinned:
    again, _ = build(traffic, SERIES)
    again.restore(pinned.snapshot())
    return again


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50), st.frozensets(st.integers(0, 34)))
def test_a_restart_after_any_days_changes_nothing(seed: int, cuts: frozenset[int]) -> None:
    straight = _play(seed, 28, frozenset())
    assert {alarm.kind for alarm in straight} >= {"page", "recovered"}
    assert _play(seed, 28, cuts) == straight


def test_a_restart_at_every_prefix_changes_nothing() -> None:
    assert _play(1, 28, frozenset(range(35))) == _play(1, 28, frozenset())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50))
def test_no_series_is_paged_twice_for_one_change(seed: int) -> None:
    """Each of them changes twice, and each change is paged once at the most and over once for each page."""
    found = _play(seed, 28, frozenset())
    for series in {alarm.series for alarm in found}:
        kinds = [alarm.kind for alarm in found if alarm.series == series]
        assert kinds.count("page") <= 2
        assert kinds.count("recovered") in {0, kinds.count("page") + kinds.count("notice")}
