"""Values that should be alike are compared with one another: what moves all of them says nothing, a difference does."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.parity import ENVIRONMENT, Parity
from undertow.drift.segments import Group
from undertow.pipelines import snapshot
from undertow.pipelines.settings import SettingsError, parse

SHARE, METRIC = Share.of(1.0, 64), 7
NO_CELLS = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
EU, US, ASIA = 1, 2, 3
Rates = NDArray[np.float64]


def regions(services: int = 1, values: Sequence[str] = ("eu", "us", "asia")) -> list[Group]:
    """Return for each service its whole and one group for each region."""
    segments: list[tuple[tuple[str, str], ...]] = [(), *((("region", value),) for value in values)]
    return [Group(f"s{i}", "", segment) for i in range(services) for segment in segments]


class Watched:
    """A comparison and the traffic that it sees: so many events of each group in each window."""

    def __init__(self, groups: Sequence[Group], dimensions: Sequence[str] = ("region",), **changed: Any) -> None:
        setting = SeriesSettings(**{"band": math.log(1.1), "page_from": 0.2, "season": 0.0, "harm": "up", **changed})
        self.parity = Parity(dimensions, groups, {METRIC: setting}, 200)
        self.series = np.arange(len(groups)) * SERIES_METRICS + METRIC
        self.rng, self.now = np.random.default_rng(1), 0.0

    def see(self, rates: Sequence[float] | Rates, windows: int, events: int = 25, cluster: int = 1) -> list[Alarm]:
        """Return what is said about so many windows; `cluster` hits come together."""
        alarms: list[Alarm] = []
        for _ in range(windows):
            hits = cluster * self.rng.binomial(events // cluster, rates).astype(float)
            one = np.ones(len(hits))
            window = Observation(
                self.now, self.now + 10, self.series, events * one, hits, hits, hits, self.now * one, NO_CELLS
            )
            alarms += self.parity.observe(window, SHARE)
            self.now += 10
        return alarms


def pages(alarms: Sequence[Alarm]) -> list[Alarm]:
    return [alarm for alarm in alarms if alarm.kind == "page"]


def test_a_difference_that_has_always_been_there_is_told_of_the_value_that_is_worse() -> None:
    alarms = Watched(regions()).see([0.03, 0.06, 0.02, 0.02], 300)
    (page,) = pages(alarms)
    assert page.series // SERIES_METRICS == EU
    assert page.direction == "up"
    assert page.changed_at < 500
    assert page.after.low <= 0.06 <= page.after.high
    assert page.before.low <= 0.02 <= page.before.high
    assert "of the other values in the same windows" in page.reason


def test_a_difference_that_begins_later_is_told_with_the_time_when_it_began() -> None:
    watched = Watched(regions())
    assert watched.see([0.03, 0.02, 0.02, 0.02], 400) == []
    (page,) = pages(watched.see([0.03, 0.02, 0.06, 0.02], 100))
    assert page.series // SERIES_METRICS == US
    assert 3600 <= page.changed_at <= 4400
    assert page.changed_at <= page.changed_to


def test_what_moves_all_values_together_says_nothing() -> None:
    """A daily cycle of a factor of nine, and a change for everybody at once."""
    watched = Watched(regions(40))
    for hour in range(36):
        level = 0.02 * 3 ** math.sin(2 * math.pi * hour / 24) * (3 if hour > 30 else 1)
        assert watched.see(np.full(160, level), 20) == []


def test_false_alarms_stay_within_the_budget() -> None:
    """Of 480 comparisons of 10,000 events a week, each with a share of a tenth of a page a week: 48 in a week."""
    for cluster in (1, 5):
        watched, share = Watched(regions(160), band=0.0, harm="both"), Share(0.1)
        found, one = 0, np.ones(640)
        for _ in range(200):
            hits = cluster * watched.rng.binomial(50 // cluster, 0.04, 640).astype(float)
            window = Observation(
                watched.now, watched.now + 3024, watched.series, 50 * one, hits, hits, hits, watched.now * one, NO_CELLS
            )
            found += len(watched.parity.observe(window, share))
            watched.now += 3024
        assert found <= 48


def test_differences_within_the_band_are_never_told_and_small_ones_do_not_page() -> None:
    assert Watched(regions()).see([0.2, 0.21, 0.2, 0.2], 700, 400) == []
    alarms = Watched(regions(), page_from=0.5).see([0.2, 0.28, 0.2, 0.2], 300, 400)
    assert {alarm.kind for alarm in alarms} >= {"notice"}
    assert pages(alarms) == []


def test_a_difference_that_lasts_is_told_once_and_its_end_is_told() -> None:
    watched = Watched(regions())
    told = watched.see([0.03, 0.08, 0.02, 0.02], 600)
    (page,) = pages(told)
    after = watched.see([0.03, 0.02, 0.02, 0.02], 300)
    recovered = [alarm for alarm in after if alarm.kind == "recovered" and alarm.series == page.series]
    assert [alarm.opened_at for alarm in recovered] == [page.changed_to]
    assert pages(after) == []
    assert pages(watched.see([0.03, 0.08, 0.02, 0.02], 300))


def test_an_accepted_difference_may_stand_and_a_larger_one_is_told() -> None:
    watched = Watched(regions(values=("eu", "us")))
    (page,) = pages(watched.see([0.03, 0.06, 0.02], 300))
    watched.parity.accept(page.series)
    assert pages(watched.see([0.03, page.after.value, page.before.value], 300)) == []
    assert pages(watched.see([0.03, 0.2, 0.02], 200))


def test_clustered_hits_need_more_evidence_than_independent_ones() -> None:
    """Fifty hits that come ten at a time are five things that happened."""
    alone, together = (len(Watched(regions()).see([0.03, 0.045, 0.02, 0.02], 500, 50, cluster)) for cluster in (1, 10))
    assert alone > together == 0


def test_environments_are_compared_as_wholes() -> None:
    groups = [Group("s", "prod"), Group("s", "canary"), Group("other", "prod"), Group("s", "prod", (("region", "eu"),))]
    (page,) = pages(Watched(groups, [ENVIRONMENT]).see([0.02, 0.08, 0.5, 0.5], 300))
    assert groups[page.series // SERIES_METRICS].environment == "canary"


def test_a_value_without_others_is_compared_with_nothing() -> None:
    assert Watched(regions(values=("eu",))).see([0.9, 0.9], 300) == []


def test_a_resumed_comparison_goes_on_as_if_it_had_not_stopped(tmp_path: Any) -> None:
    rates = [0.03, 0.06, 0.02, 0.02]
    whole = Watched(regions())
    expected = [whole.see(rates, 1) for _ in range(200)]
    resumed, found = Watched(regions()), []
    for number in range(200):
        if number % 20 == 0:
            snapshot.write(tmp_path / "state", {"parity": resumed.parity.snapshot()})
            fresh = Watched(regions())
            fresh.parity.restore((snapshot.read(tmp_path / "state") or {})["parity"])
            resumed.parity = fresh.parity
        found.append(resumed.see(rates, 1))
    assert found == expected
    assert any(expected)


def test_a_dimension_that_is_not_followed_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="parity: 'colour' is not one of the dimensions"):
        parse('[detection]\nparity = ["colour"]')
    assert parse('[detection]\nparity = ["region", "environment"]').detection.parity == ("region", "environment")
