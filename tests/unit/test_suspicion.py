"""How likely each suspect is the cause."""

from __future__ import annotations

from math import nan

import pytest

from undertow.drift.averages import Average, average_of
from undertow.drift.contributions import Breakdown
from undertow.drift.metrics import Family
from undertow.drift.suspicion import ChangeTime, Suspect, Suspected, fit_of_mix, fit_of_version, suspected

CHANGE = ChangeTime(10_000.0, 9_940.0, 10_060.0)


def suspect(value: str, since: float, **more: object) -> Suspect:
    fields = {"dimension": "prompt_version", "origin": "yours", "until": since, **more}
    return Suspect(value=value, since=since, **fields)  # type: ignore[arg-type]


def names(found: list[Suspected]) -> list[str]:
    return [one.suspect.value if one.suspect else "unknown" for one in found]


def rate(events: float, hits: float) -> Average:
    return average_of(Family.RATE, events, hits, hits)


def test_without_suspects_the_unknown_is_certain() -> None:
    (found,) = suspected([], CHANGE)
    assert (found.suspect, found.probability) == (None, 1.0)


def test_probabilities_add_up_to_one() -> None:
    found = suspected([suspect("a", 9_990.0), suspect("b", 5_000.0), suspect("c", 10_500.0)], CHANGE)
    assert sum(one.probability for one in found) == pytest.approx(1)


def test_the_closer_leads_and_what_lies_hours_back_comes_after_the_unknown() -> None:
    found = suspected([suspect("old", 10_000.0 - 4 * 3600), suspect("close", 9_980.0)], CHANGE)
    assert names(found) == ["close", "unknown", "old"]


def test_a_lead_of_minutes_is_likelier_than_coming_minutes_late() -> None:
    found = suspected([suspect("after", 10_600.0), suspect("before", 9_400.0)], CHANGE)
    assert names(found)[0] == "before"


def test_a_value_that_changes_all_the_time_explains_nothing_by_being_new() -> None:
    rare, churning = suspect("rare", 9_995.0, per_day=1.0), suspect("churning", 9_995.0, per_day=2_000.0)
    assert names(suspected([churning], CHANGE)) == ["unknown", "churning"]
    assert names(suspected([rare], CHANGE)) == ["rare", "unknown"]
    chances = {one.suspect.value: one.chance for one in suspected([rare, churning], CHANGE) if one.suspect}
    assert chances["rare"] < 0.01
    assert chances["churning"] > 0.9


def test_two_at_the_same_moment_cannot_be_separated_and_each_names_the_other() -> None:
    found = suspected([suspect("a", 9_990.0), suspect("b", 9_991.0), suspect("far", 3_000.0)], CHANGE)
    others = {one.suspect.value: one.inseparable for one in found[:2] if one.suspect}
    assert others == {"a": (("prompt_version", "b"),), "b": (("prompt_version", "a"),)}
    assert all(not one.inseparable for one in found[2:])


def test_levels_separate_two_at_the_same_moment() -> None:
    fits = [fit_of_version(Family.RATE, rate(400, 40), rate(400, off), rate(9000, 90)) for off in (4, 36)]
    found = suspected([suspect("decoy", 9_990.0, fit=fits[1]), suspect("cause", 9_990.0, fit=fits[0])], CHANGE)
    assert names(found)[0] == "cause"
    assert found[0].inseparable == ()


def test_a_version_beside_which_all_moved_alike_is_a_bystander() -> None:
    fit = fit_of_version(Family.RATE, rate(400, 40), rate(400, 40), rate(9000, 90))
    assert names(suspected([suspect("v2", 9_990.0, fit=fit)], CHANGE))[0] == "unknown"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_levels_say_nothing_where_one_of_them_is_missing(missing: int) -> None:
    levels = [rate(400, 40), rate(400, 4), rate(9000, 90)]
    levels[missing] = rate(0, 0)
    assert fit_of_version(Family.RATE, *levels) == 0.0


def test_hardly_any_traffic_is_a_handicap() -> None:
    found = suspected([suspect("few", 9_990.0, share_after=0.01), suspect("all", 9_990.0)], CHANGE)
    assert names(found)[0] == "all"


def test_a_mix_that_explains_all_beats_the_unknown_and_one_that_leaves_levels_moved_does_not() -> None:
    explains = Breakdown("region", 0.001, 0.1, 0.004, 0.004, ())
    leaves = Breakdown("region", 0.05, 0.05, 0.004, 0.004, ())
    assert fit_of_mix(explains) > 2
    assert fit_of_mix(leaves) < -5
    mix = Suspect(dimension="region", value="eu", origin="mix", since=nan, until=nan, fit=fit_of_mix(explains))
    assert names(suspected([mix], CHANGE)) == ["eu", "unknown"]


def test_a_wide_interval_and_a_narrow_one_are_both_finite() -> None:
    for half in (0.0, 1e6):
        change = ChangeTime(0.0, -half, half)
        assert 0 <= suspected([suspect("a", -1e9)], change)[0].probability <= 1
