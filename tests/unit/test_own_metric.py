"""Metrics of the user's own as the configuration declares them."""

from typing import Any

import pytest

from undertow.drift.metrics import Family
from undertow.drift.own_metric import OwnMetric


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"name": "latency", "pattern": "a"}, "Undertow's own"),
        ({"name": "latency.high", "pattern": "a"}, "Undertow's own"),
        ({"name": "my metric", "pattern": "a"}, "letters, digits"),
        ({"name": "1st", "pattern": "a"}, "letters, digits"),
        ({"name": "", "pattern": "a"}, "letters, digits"),
        ({"name": "x" * 65, "pattern": "a"}, "longer than 64"),
        ({"name": "a"}, "either `pattern`"),
        ({"name": "a", "pattern": "a", "field": "turn"}, "either `pattern`"),
        ({"name": "a", "pattern": "("}, "RE2"),
        ({"name": "a", "pattern": "a", "on": "answer"}, "on = 'answer' is not one of output, input"),
        ({"name": "a", "field": "turn", "scale": "cubic"}, "scale = 'cubic'"),
        ({"name": "a", "field": "turn", "harm": "left"}, "harm = 'left'"),
        ({"name": "a", "field": "attributes"}, "names no number"),
        ({"name": "a", "field": "basket"}, "names no number"),
        ({"name": "a", "field": "output..x"}, "is no path"),
        ({"name": "a", "field": ".".join(["output"] + ["x"] * 16)}, "is no path"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_refused_by_name_value_and_reason(
    declared: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        OwnMetric(**declared)


def test_a_pattern_is_a_rate_a_field_a_mean_and_on_a_log_scale_positive() -> None:
    assert OwnMetric("apology", pattern="sorry", harm="up").metric.family is Family.RATE
    assert OwnMetric("basket", field="attributes.basket").metric.family is Family.SCORE
    assert OwnMetric("basket", field="attributes.basket", scale="log", unit="EUR").metric.family is Family.POSITIVE
    assert OwnMetric("basket", field="attributes.basket", unit="EUR", harm="down").metric.harm == "down"
