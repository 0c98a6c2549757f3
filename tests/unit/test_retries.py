"""Storms of retries, and clients that wait."""

from collections.abc import Iterable
from typing import Any

import pytest

from undertow.drift.retries import Retries, transient


def storms(times: Iterable[float], sure: bool = True) -> list[bool]:
    retries = Retries()
    return [retries.take(1, failed=True, time=time, sure=sure) for time in times]


def test_the_fifth_failure_in_a_row_is_a_storm_the_tenth_when_it_may_be_another_request() -> None:
    assert storms(n * 0.2 for n in range(7)) == [False] * 4 + [True] * 3
    assert storms((n * 0.2 for n in range(12)), sure=False) == [False] * 9 + [True] * 3


@pytest.mark.parametrize("pause", [0.0, 0.2, 60.0])
def test_the_pause_may_be_of_any_length_as_long_as_it_does_not_grow(pause: float) -> None:
    assert storms(n * pause for n in range(5))[-1]


def test_pauses_that_grow_by_a_third_are_patience() -> None:
    times = [0.0]
    for n in range(12):
        times.append(times[-1] + 1.31**n)
    assert not any(storms(times))


def test_a_client_whose_pause_has_reached_its_most_storms_later() -> None:
    times = [0.0, 1.0, 3.0, 7.0, 15.0, *(31.0 + 16.0 * n for n in range(6))]
    assert storms(times)[-1]


def test_a_success_forgets() -> None:
    retries = Retries()
    for n in range(30):
        assert not retries.take(1, failed=n % 4 != 3, time=float(n), sure=True)
    retries.take(1, failed=False, time=30.0, sure=True)
    assert retries.failing == {}


def test_eight_requests_are_followed_at_once() -> None:
    retries = Retries()
    for key in range(100):
        retries.take(key, failed=True, time=0.0, sure=True)
    assert list(retries.failing) == list(range(92, 100))


def test_events_out_of_order_have_no_negative_pause() -> None:
    assert storms([5.0, 4.0, 3.0, 2.0, 1.0])[-1]


@pytest.mark.parametrize("error", ["HTTP 503", "Read timed out", {"type": "overloaded_error"}, "ThrottlingException"])
def test_what_a_retry_may_heal(error: Any) -> None:
    assert transient(error)


@pytest.mark.parametrize("error", ["no such order", {"code": 404}, "invalid argument 4290", "x" * 400 + "timeout"])
def test_what_no_retry_heals(error: Any) -> None:
    assert not transient(error)
