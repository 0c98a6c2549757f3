"""What is known of a change, from the state of a process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alert_samples import series
from alert_samples import verdict as sample

from undertow.drift.catalogue import Catalogue
from undertow.drift.causes import explain
from undertow.drift.inquiry import Inquiry
from undertow.drift.interaction import Interaction
from undertow.drift.ledger import Ledger
from undertow.drift.newcomers import Newcomers
from undertow.drift.segments import Segments
from undertow.drift.topics import Topics
from undertow.drift.verdict import Series, Verdict
from undertow.drift.versions import Versions
from undertow.drift.windows import Windows

CHANGED, DETECTED = 7200.0, 7800.0
DIMENSIONS = ("region", "prompt_version")


class State:
    """One service's traffic, one call a second, as a process would have taken it in."""

    def __init__(self, events: list[Interaction], refused: np.ndarray) -> None:
        self.catalogue = Catalogue()
        segments = Segments(DIMENSIONS, 20, 100)
        windows = Windows(self.catalogue, 10.0, 0.0)
        metrics = [self.catalogue.metric(self.catalogue.numbers[name]) for name in self.catalogue.columns]
        ledger, newcomers, versions = Ledger(self.catalogue), Newcomers(metrics), Versions()
        values = np.full((len(events), len(metrics)), np.nan)
        values[:, self.catalogue.columns["refusal_rate"]] = refused
        values[:, self.catalogue.columns["error_rate"]] = 0.0
        times = np.array([event.time for event in events])
        windows.advance(times)
        windows.add(times, segments.assign(events), values)
        for window in windows.close(everything=True):
            ledger.observe(window)
        newcomers.observe(events, values, times // 10 * 10)
        newcomers.advance(np.inf)
        versions.observe(events)
        self.inquiry = Inquiry(segments.groups, ledger, newcomers, versions, Topics(self.catalogue))


def traffic(new: float, hurt: str, regions: tuple[str, ...] = ("eu", "us")) -> State:
    """From the change on a share `new` of the calls runs on v2; calls `hurt` by a version or a region refuse."""
    rng = np.random.default_rng(4)
    events, refused = [], []
    for n in range(int(DETECTED)):
        version = "v2" if n >= CHANGED and rng.random() < new else "v1"
        region = regions[int(rng.integers(len(regions)))]
        bad = n >= CHANGED and hurt in {version, region, "all"}
        refused.append(float(rng.random() < (0.3 if bad else 0.03)))
        call = Interaction(id=str(n), time=float(n), service="s", prompt_version=version, attributes={"region": region})
        events.append(call)
    return State(events, np.array(refused))


def verdict(metric: str = "refusal_rate") -> Verdict:
    around: dict[str, Any] = {"changed": CHANGED, "changed_from": CHANGED - 30, "changed_to": CHANGED + 30}
    return sample(series(metric, "s", ""), at=DETECTED, **around)


def test_levels_before_and_since_are_those_of_the_traffic() -> None:
    question = traffic(1.0, "v2").inquiry.question(verdict())
    assert question.whole.before.mean == pytest.approx(0.03, abs=0.01)
    assert question.whole.after.mean == pytest.approx(0.3, abs=0.06)
    assert {(one.dimension, one.value) for one in question.slices} == {
        ("region", "eu"),
        ("region", "us"),
        ("prompt_version", "v1"),
        ("prompt_version", "v2"),
    }


def test_a_version_that_half_of_the_calls_run_on_is_convicted_by_the_other_half() -> None:
    question = traffic(0.5, "v2").inquiry.question(verdict())
    (suspect,) = question.suspects
    assert suspect.fit > 10
    assert suspect.share_after == pytest.approx(0.5, abs=0.07)
    assert explain(question).causes[0].value == "v2"


def test_a_bystander_is_acquitted() -> None:
    found = explain(traffic(0.5, "all").inquiry.question(verdict()))
    assert found.causes[0].kind == "unknown"
    assert found.carriers.kind == "alike"


def test_the_region_that_carries_it_is_found() -> None:
    found = explain(traffic(0.0, "us").inquiry.question(verdict())).carriers
    assert (found.kind, found.dimension, found.values) == ("slice", "region", ("us",))


def test_a_version_that_comes_back_is_a_suspect_by_its_share() -> None:
    """From v1 to v2 an hour ago, and back to v1, which is bad: a rollback."""
    rng = np.random.default_rng(1)
    versions = ["v1" if n < 3000 or n >= CHANGED else "v2" for n in range(int(DETECTED))]
    events = [
        Interaction(id=str(n), time=float(n), service="s", prompt_version=version) for n, version in enumerate(versions)
    ]
    bad = np.array([version == "v1" for version in versions])
    question = State(events, (rng.random(len(events)) < np.where(bad, 0.3, 0.03)).astype(float)).inquiry.question(
        verdict()
    )
    (back,) = [one for one in question.suspects if one.value == "v1"]
    assert back.since <= CHANGED <= back.until
    assert back.share_after == 1.0
    assert explain(question).causes[0].value == "v1"


def test_where_no_level_is_known_the_time_still_speaks() -> None:
    question = traffic(1.0, "v2").inquiry.question(verdict("output_length"))
    assert question.whole.after.events == 0
    assert explain(question).causes[0].value == "v2"


def test_a_service_that_was_never_seen_has_no_suspects() -> None:
    state = State([Interaction(id="1", time=0.0, service="other")], np.array([0.0]))
    question = state.inquiry.question(verdict())
    assert (list(question.suspects), list(question.slices)) == ([], [])
    assert explain(question).causes[0].kind == "unknown"


def test_the_calls_of_a_slice_are_those_of_the_last_hour() -> None:
    inquiry = traffic(0.0, "none").inquiry
    eu, us = (
        inquiry.calls(Series("s", "", (("region", region),), "cost_per_task"), DETECTED) for region in ("eu", "us")
    )
    whole = inquiry.calls(Series("s", "", (), "refusal_rate"), DETECTED)
    assert whole == eu + us
    assert 3300 <= whole <= 3600  # at the seams of finer and coarser stretches some minutes are left out
    assert 0.45 < eu / whole < 0.55
    assert inquiry.calls(Series("s", "", (("region", "ap"),), "refusal_rate"), DETECTED) == 0
