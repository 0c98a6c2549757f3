"""Most of the traffic comes back, one region does not: the incident says so, and waits for it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from resampled import START, replayed

from undertow.alerts.incident import State
from undertow.alerts.life import standing
from undertow.drift.interaction import Interaction
from undertow.pipelines.replay import Replay
from undertow.pipelines.settings import parse

LEARNED, BROKEN, MENDED, EVERY_S = 8000, 3000, 10_000, 0.5
SHARES = {"eu": 0.5, "us": 0.3, "ap-south": 0.2}
SETTINGS = parse('[detection]\ndimensions = ["region"]\n[ingest]\nwindow_s = 20\n[embeddings]\nsource = "off"')


def traffic(left_behind: str) -> Iterator[Interaction]:
    """Answers are cut off everywhere for a while, and then in one region only."""
    chance = random.Random(3)
    for i in range(LEARNED + BROKEN + MENDED):
        (region,) = chance.choices([*SHARES], [*SHARES.values()])
        broken = i >= LEARNED and (i < LEARNED + BROKEN or region == left_behind)
        yield Interaction(
            id=str(i),
            time=START + i * EVERY_S,
            service="support",
            attributes={"region": region},
            output="ok",
            finish_reason="length" if chance.random() < (0.4 if broken else 0.05) else "stop",
        )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return replayed(traffic("ap-south"), tmp_path_factory.mktemp("recovery") / "events.jsonl", SETTINGS)


def test_the_region_that_is_not_back_is_named_with_the_share_that_is(found: Replay) -> None:
    (incident,) = found.incidents
    assert incident.state is State.RECOVERING
    assert incident.back == pytest.approx(0.8, abs=0.02)
    assert "% of the traffic is back, region=ap-south is not" in standing(incident)


def test_all_of_it_back_is_the_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    (incident,) = replayed(traffic("none"), tmp_path_factory.mktemp("mended") / "events.jsonl", SETTINGS).incidents
    assert (incident.state, incident.resolution) == (State.RESOLVED, "recovered")
