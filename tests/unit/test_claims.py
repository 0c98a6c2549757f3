"""What partitions claim of the budget comes into force for all of them at once, whatever order it is heard in."""

import itertools

import pytest

from undertow.drift.claims import MILLION, Claim, Claims

WINDOW = 60.0


def test_a_claim_is_in_force_two_windows_later_and_not_before() -> None:
    claims = Claims()
    claims.take(0, 2, Claim(3 * MILLION, 1))
    found = [claims.turn(start, start + WINDOW).weight for start in (1200.0, 1260.0, 1320.0)]
    assert found == [0, 0, 3 * MILLION]


def test_the_order_in_which_claims_are_heard_does_not_matter() -> None:
    said = [(partition, epoch, Claim(partition + 10 * epoch, 1)) for partition in range(3) for epoch in (2, 3)]
    found = set()
    for order in itertools.permutations(said):
        claims = Claims(3)
        for one in order:
            claims.take(*one)
        found.add((claims.turn(1500.0, 1560.0), claims.turn(1920.0, 1980.0)))
    assert found == {(Claim(63, 3), Claim(93, 3))}


def test_a_window_waits_for_those_who_have_not_said_what_they_claim() -> None:
    claims = Claims(3, partition=1)
    claims.take(1, 2, Claim())
    claims.take(2, 2, Claim())
    assert claims.missing(1320.0, 1380.0) == [0]
    with pytest.raises(ValueError, match=r"the window from 1320 waits for what partitions \[0\] claim"):
        claims.turn(1320.0, 1380.0)


def test_what_somebody_has_not_kept_will_not_come() -> None:
    claims = Claims(2)
    claims.take(0, 2, Claim())
    assert claims.beyond(1320.0, 1380.0, [1]) == []
    claims.take(1, 3, Claim())
    assert claims.beyond(1320.0, 1380.0, [1]) == [1]


def test_epochs_without_a_window_are_left_out_by_everybody() -> None:
    claims = Claims()
    claims.take(0, 2, Claim(7, 1))
    assert claims.is_due(9_000.0)
    assert claims.turn(9_000.0, 9_060.0) == Claim(7, 1)


def test_a_restart_goes_on_with_what_was_heard() -> None:
    claims, later = Claims(2), Claims(2)
    claims.take(0, 2, Claim(5, 1))
    claims.take(1, 2, Claim(6, 1))
    later.restore(claims.snapshot())
    assert later.turn(1320.0, 1380.0) == claims.turn(1320.0, 1380.0) == Claim(11, 2)
    assert not later.is_due(1260.0)


def test_a_partition_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="partition 2 is none of 2"):
        Claims(2, partition=2)
