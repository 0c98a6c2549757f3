"""Axes hold their data, have round ticks that tell apart, and are logarithmic only where they must be."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.axis import time_ticks, value_scale
from undertow.dashboards.units import tick

UNITS = ("share of events", "characters", "seconds", "US dollars")
LEVELS = st.lists(st.floats(min_value=0, max_value=1), max_size=20)
ANY = st.lists(st.floats(), max_size=20)


@given(LEVELS, st.sampled_from(UNITS), st.sampled_from([1e-4, 1.0, 1e6]), st.booleans())
def test_every_value_lies_on_the_axis(values: list[float], unit: str, factor: float, calm: bool) -> None:
    held = values if unit == "share of events" else [value * factor for value in values]
    scale = value_scale(held, unit, 100.0, 0.0, calm=calm)
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in held)
    assert 2 <= len(scale.ticks) <= 8
    assert list(scale.ticks) == sorted(set(scale.ticks))


@given(ANY, st.sampled_from(UNITS), st.booleans())
def test_no_value_whatever_breaks_the_axis(values: list[float], unit: str, calm: bool) -> None:
    scale = value_scale(values, unit, 100.0, 0.0, calm=calm)
    assert all(-100 <= scale(value) <= 200 for value in values if not math.isnan(value))


@pytest.mark.parametrize("values", [[0.004], [0.02, 0.114], [0.0], [], [0.7, 0.9]])
def test_tick_labels_differ_from_one_another(values: list[float]) -> None:
    labels = [tick(value, "share of events") for value in value_scale(values, "share of events", 100, 0).ticks]
    assert len(set(labels)) == len(labels)


def test_a_share_never_exceeds_its_whole() -> None:
    assert value_scale([0.99], "share of events", 100, 0).high == 1.0


def test_only_values_far_apart_are_logarithmic() -> None:
    assert value_scale([0.5, 30.0], "seconds", 100, 0).log
    assert not value_scale([1.0, 3.0], "seconds", 100, 0).log
    assert not value_scale([0.0, 3.0], "seconds", 100, 0).log


def test_the_axis_of_a_steady_metric_does_not_magnify_its_noise() -> None:
    scale = value_scale([398.0, 402.0], "characters", 100, 0)
    assert scale.low <= 330
    assert scale.high >= 470


@given(st.floats(min_value=0, max_value=4e9), st.floats(min_value=0, max_value=3e9))
def test_times_have_few_round_ticks_inside_the_period(start: float, length: float) -> None:
    ticks = time_ticks(start, start + length)
    assert len(ticks) <= 8
    assert all(start <= t <= start + length for t, _ in ticks)
    assert all(one != other for (_, one), (_, other) in pairwise(ticks))  # 12:00 may come again, after another day


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (30, ["12:00:00", "12:00:10", "12:00:20", "12:00:30"]),
        (3600, ["12:00", "12:15", "12:30", "12:45", "13:00"]),
        (86_400, ["12:00", "18:00", "16 Nov", "06:00", "12:00"]),
        (6 * 86_400, ["17 Nov", "19 Nov", "21 Nov"]),
        (300 * 86_400, ["Jan 2024", "Apr 2024", "Jul 2024"]),
    ],
)
def test_the_step_follows_the_length_of_the_period(length: float, labels: list[str]) -> None:
    start = 1_700_049_600.0  # 15 November 2023, 12:00 UTC
    assert [label for _, label in time_ticks(start, start + length)] == labels
