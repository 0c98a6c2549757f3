import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.statistics.prevalence import prevalence

share = st.floats(0, 1)
error = st.floats(0, 0.45)


@given(share, error, error)
def test_the_true_share_comes_back_from_what_such_a_classifier_finds_of_it(
    true: float, miss: float, invent: float
) -> None:
    found = true * (1 - miss) + (1 - true) * invent
    assert math.isclose(prevalence(min(found, 1.0), miss, invent), true, abs_tol=1e-9)


def test_a_classifier_without_errors_is_left_alone() -> None:
    assert prevalence(0.25, 0.0, 0.0) == 0.25


def test_what_lies_beyond_the_errors_is_none_or_all() -> None:
    assert prevalence(0.01, missed=0.1, invented=0.05) == 0.0
    assert prevalence(0.99, missed=0.1, invented=0.05) == 1.0


@pytest.mark.parametrize(
    ("found", "missed", "invented", "reason"),
    [
        (math.nan, 0.1, 0.1, "found is nan"),
        (1.1, 0.1, 0.1, "found is 1.1"),
        (0.5, -0.1, 0.1, "missed is -0.1"),
        (0.5, 0.1, 1.5, "invented is 1.5"),
        (0.5, 0.6, 0.4, "add up to 1 or more"),
    ],
)
def test_what_is_no_share_and_a_classifier_that_says_nothing_are_refused(
    found: float, missed: float, invented: float, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        prevalence(found, missed, invented)
