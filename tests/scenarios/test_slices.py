"""A shift that lives in one slice is found in it, long before it shows in the whole, and it is one incident."""

import random
from collections.abc import Iterator

import pytest
from resampled import START, replayed

from undertow.drift.interaction import Interaction
from undertow.drift.verdict import Verdict
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


def first(found: Replay, segment: dict[str, str]) -> Verdict:
    """Return what was first said of the truncations of a segment."""
    said = [v for v in found.verdicts if v.series.metric == "truncation_rate" and dict(v.series.segment) == segment]
    return min(said, key=lambda verdict: verdict.detected_at)


def delay(verdict: Verdict) -> float:
    """Return the calls of the whole service between the change and the verdict."""
    return (verdict.detected_at - START) / EVERY_S - LEARNED


def test_the_slice_is_found_several_times_sooner_than_the_whole(found: Replay) -> None:
    sliced, whole = delay(first(found, {"region": "eu"})), delay(first(found, {}))
    assert 0 < sliced < whole / 3
    print(f"calls until found: {sliced:,.0f} in the slice, {whole:,.0f} in the whole, × {whole / sliced:.1f}")  # noqa: T201


def test_slices_that_overlap_and_the_whole_are_one_incident_and_one_page(found: Replay) -> None:
    (incident,) = found.incidents
    said = {tuple(v.series.segment) for v in incident.verdicts if v.series.metric == "truncation_rate"}
    assert said == {(), (("region", "eu"),), (("operation", "triage"),)}
    assert "eu" in incident.headline


def test_nothing_is_said_of_the_slices_that_did_not_change(found: Replay) -> None:
    said = {tuple(v.series.segment) for v in found.verdicts}
    assert not said & {(("region", "us"),), (("operation", "chat"),)}
