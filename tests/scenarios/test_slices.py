"""A shift that lives in one slice is found in it, long before it shows in the whole, and is one incident."""

import math
import random
from collections.abc import Iterator

import pytest
from resampled import START, replayed

from undertow.drift.interaction import Interaction
from undertow.pipelines.replay import Replay
from undertow.pipelines.settings import parse

LEARNED, CHANGED, EVERY_S = 26_000, 12_000, 0.5  # within half a day: no wander, no daily profile
SETTINGS = parse(
    '[detection]\ndimensions = ["region", "operation"]\n[ingest]\nwindow_s = 20\n[embeddings]\nsource = "off"'
)


def traffic(before: float = 0.01, after: float = 0.11) -> Iterator[Interaction]:
    """A tenth of the calls comes from the region eu, four fifths of it for triage; there the answers are cut off."""
    chance = random.Random(5)
    for i in range(LEARNED + CHANGED):
        eu = chance.random() < 0.1
        triage = chance.random() < (0.8 if eu else 0.05)
        rate = after if eu and i >= LEARNED else before
        yield Interaction(
            id=str(i),
            time=START + i * EVERY_S,
            service="support",
            operation="triage" if triage else "chat",
            attributes={"region": "eu" if eu else "us"},
            output="ok",
            finish_reason="length" if chance.random() < rate else "stop",
        )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return replayed(traffic(), tmp_path_factory.mktemp("slices") / "events.jsonl", SETTINGS)


def delay(found: Replay, segment: dict[str, str]) -> float:
    """Return the calls of the whole service from the change until its truncations are told; infinite if never."""
    said = [
        verdict.detected_at
        for verdict in found.verdicts
        if verdict.series.metric == "truncation_rate" and dict(verdict.series.segment) == segment
    ]
    return (min(said, default=math.inf) - START) / EVERY_S - LEARNED


def test_the_slice_is_found_long_before_the_whole(found: Replay) -> None:
    """In the whole one call in a hundred more is cut off: within what an unknown daily cycle may do, for long."""
    sliced = delay(found, {"region": "eu"})
    assert 0 < sliced < CHANGED / 2
    assert delay(found, {}) > 2 * sliced


def test_slices_that_overlap_are_one_incident_and_one_page(found: Replay) -> None:
    (incident,) = found.incidents
    said = {tuple(v.series.segment) for v in incident.verdicts if v.series.metric == "truncation_rate"}
    assert said >= {(("region", "eu"),), (("operation", "triage"),)}


def test_nothing_is_said_of_the_slices_that_did_not_change(found: Replay) -> None:
    said = {tuple(v.series.segment) for v in found.verdicts}
    assert not said & {(("region", "us"),), (("operation", "chat"),)}
