"""The table of metrics is whole, consistent and helpful."""

import math

import pytest

from undertow.drift.metrics import METRICS, Family, parent_of, resolve

POSITIVE = [metric for metric in METRICS.values() if metric.family is Family.POSITIVE]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_all_that_is_asked_of_it(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.harm in {"up", "down", "both", "none"}
    assert metric.unit
    assert metric.title
    as_ratio = metric.family in {Family.RATE, Family.POSITIVE}
    assert 0 < metric.band < metric.season
    assert metric.page_from - as_ratio > 0
    assert metric.floor > 0
    assert math.isfinite(metric.floor)


def test_every_positive_metric_has_two_tails_that_hurt_where_it_hurts() -> None:
    for metric in POSITIVE:
        low, high = METRICS[f"{metric.name}.low"], METRICS[f"{metric.name}.high"]
        assert low.family is high.family is Family.RATE
        assert (low.harm == "up") == (metric.harm in {"both", "down"})
        assert (high.harm == "up") == (metric.harm in {"both", "up"})
        assert parent_of(low.name) == parent_of(high.name) == metric.name
    assert len([name for name in METRICS if "." in name]) == 2 * len(POSITIVE)


def test_an_unknown_metric_is_refused_with_the_nearest_known_one() -> None:
    assert resolve("latency") is METRICS["latency"]
    with pytest.raises(KeyError, match="no metric named 'latncy'; did you mean 'latency'"):
        resolve("latncy")
    with pytest.raises(KeyError, match="no metric named 'zzzzzz'"):
        resolve("zzzzzz")
