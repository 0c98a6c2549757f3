"""Rules as the configuration declares them."""

from typing import Any

import pytest

from undertow.drift.rule import Rule


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"name": "no name", "pattern": "a"}, "letters, digits"),
        ({"name": "a"}, "one of `fields`, `pattern` and `number`"),
        ({"name": "a", "pattern": "a", "number": "cost", "above": 1}, "one of `fields`"),
        ({"name": "a", "fields": ("region",), "equal": True}, "two different fields"),
        ({"name": "a", "fields": ("region", "region"), "equal": True}, "two different fields"),
        ({"name": "a", "fields": ("a", "b")}, "one of `equal = true`"),
        ({"name": "a", "fields": ("a", "b"), "equal": True, "forbidden": [["x", "y"]]}, "one of `equal = true`"),
        ({"name": "a", "fields": ("a", "b"), "forbidden": [["x"]]}, "no pair"),
        ({"name": "a", "pattern": "("}, "RE2"),
        ({"name": "a", "pattern": "a", "on": "both"}, "neither output nor input"),
        ({"name": "a", "number": "basket", "above": 1}, "number = 'basket'"),
        ({"name": "a", "number": "cost"}, "either `above`"),
        ({"name": "a", "number": "cost", "above": 1, "times": 2}, "either `above`"),
        ({"name": "a", "number": "cost", "above": -1}, "above = -1"),
        ({"name": "a", "number": "cost", "above": float("nan")}, "above = nan"),
        ({"name": "a", "number": "cost", "times": 1}, "times = 1"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_name_value_and_reason(declared: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=rf"rule '.*': .*{reason}"):
        Rule(**declared)
