"""The signals of cached and reasoning tokens and of the wait for the first token."""

import math
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.cached_token_share import CachedTokenShare
from undertow.drift.signals.reasoning_tokens import ReasoningTokens
from undertow.drift.signals.time_to_first_token import TimeToFirstToken


def measure(signal: Signal, **fields: Any) -> float | None:
    """Return what the signal says about one call, None for NaN."""
    (value,) = signal.measure(Batch([Interaction(id="1", time=0.0, service="s", **fields)]))
    return None if math.isnan(value) else float(value)


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"input_tokens": 4000, "cached_tokens": 3000}, 0.75),
        ({"input_tokens": 4000, "cached_tokens": 0}, 0.0),
        ({"input_tokens": 4000, "cached_tokens": 4000}, 1.0),
        ({"input_tokens": 4000, "cached_tokens": 3000, "cache_write_tokens": 1000}, 0.75),
        ({"input_tokens": 1000, "cached_tokens": 3000}, 0.75),  # the input excludes them: 3,000 of 4,000
        ({"input_tokens": 4000}, None),
        ({"input_tokens": 0, "cached_tokens": 0}, None),
        ({"cached_tokens": 3000}, None),
        ({"output_tokens": 5, "cached_tokens": 3000}, None),
        ({"input_tokens": 10**18, "cached_tokens": 3000}, None),
        ({"input_tokens": 4000, "cached_tokens": -1}, None),
    ],
)
def test_the_cached_share_is_of_all_input_and_absence_is_not_zero(fields: dict[str, Any], share: float | None) -> None:
    assert measure(CachedTokenShare(), **fields) == share


@pytest.mark.parametrize(
    ("count", "said"),
    [(640, 640), (0, 0), (None, None), (10**9, 10**9), (10**18, None), (-1, None), (math.nan, None)],
)
def test_reasoning_tokens_are_taken_as_they_are_unless_they_cannot_be(count: Any, said: float | None) -> None:
    assert measure(ReasoningTokens(), reasoning_tokens=count, output_tokens=700) == said


@pytest.mark.parametrize(
    ("time", "said"),
    [(0.3, 0.3), (0.0, 0.0), (None, None), (-0.1, None), (math.inf, None), (math.nan, None), (9e4, None)],
)
def test_a_wait_below_zero_or_above_a_day_is_refused(time: Any, said: float | None) -> None:
    assert measure(TimeToFirstToken(), time_to_first_token=time) == said


def test_a_region_with_its_own_cache_shows_in_its_slice() -> None:
    """Prefixes warmed in one region miss in the other: the share falls there and nowhere else."""
    events = [
        Interaction(
            id=str(n),
            time=float(n),
            service="s",
            attributes={"region": region},
            input_tokens=4000,
            cached_tokens=0 if region == "eu" and n >= 500 and n % 4 else 3600,
        )
        for n in range(1000)
        for region in ("us", "eu")
    ]
    shares = CachedTokenShare().measure(Batch(events))
    level = {
        (region, late): float(
            np.mean(
                [
                    share
                    for share, event in zip(shares, events, strict=True)
                    if event.attributes == {"region": region} and (event.time >= 500) is late
                ]
            )
        )
        for region in ("us", "eu")
        for late in (False, True)
    }
    assert level["us", False] == level["us", True] == level["eu", False] == pytest.approx(0.9)
    assert level["eu", True] == pytest.approx(0.225)
