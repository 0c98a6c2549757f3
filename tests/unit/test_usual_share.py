"""A share and what is usual for it."""

from __future__ import annotations

from undertow.drift.usual_share import UsualShare

DAY = 86_400.0


def filled(share: float, blocks: int = 26, of: int = 1000) -> UsualShare:
    """Blocks of an hour each."""
    usual = UsualShare(least=of, span_s=60.0)
    for block in range(blocks + 1):  # the first one waits for its time
        usual.add(round(share * of), of, 3600.0 * block)
    return usual


def after(hours: float) -> float:
    return 3600.0 * (26 + hours)


def test_a_block_wants_its_events_and_its_time() -> None:
    share = UsualShare(least=100, span_s=60.0)
    closed = [share.add(1, 40, at) for at in (0.0, 30.0, 50.0, 70.0)]
    assert (closed, share.latest, share.latest_of) == ([False, False, False, True], 4 / 160, 160)


def test_a_block_is_judged_against_those_before_it() -> None:
    share = filled(0.9)
    share.add(100, 1000, after(1))
    assert round(share.usual or 0, 6) == 0.9
    assert share.has_fallen_to(0.5)


def test_nothing_is_usual_before_a_day_and_two_thousand_events() -> None:
    assert filled(0.9, blocks=24).usual is None
    assert filled(0.9, blocks=25).usual is not None
    assert filled(0.9, of=50).usual is None


def test_a_fall_counts_when_enough_is_missing() -> None:
    thin = filled(0.01)
    thin.add(0, 1000, after(1))
    assert not thin.has_fallen_to(0.5), "ten were usual"


def test_a_rise_counts_above_the_limit_and_above_what_is_usual() -> None:
    often = filled(0.04)
    often.add(60, 1000, after(1))
    assert [often.has_risen_to(2.0, limit) for limit in (0.05, 0.01)] == [False, False]
    often.add(90, 1000, after(2))
    assert often.has_risen_to(2.0, 0.05)


def test_what_lasts_becomes_the_usual() -> None:
    share = filled(0.9)
    for block in range(30):
        share.add(0, 1000, after(1) + block * DAY)
    assert not share.has_fallen_to(0.5)
