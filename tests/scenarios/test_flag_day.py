"""A prompt is switched in thirty services at once and moves five metrics in each: one incident, from events to page."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from resampled import START, replayed

from undertow.drift.interaction import Interaction
from undertow.pipelines.replay import Replay
from undertow.pipelines.settings import parse

SERVICES = [f"team-{number:02}" for number in range(30)]
LEARNED, CHANGED, EVERY_S = 420, 140, 10.0  # calls of each service
MOVED = {"input_length", "input_tokens", "output_length", "output_tokens", "latency"}
SETTINGS = parse(
    '[detection]\ndimensions = ["prompt_version"]\nmin_events = 400\n[ingest]\nwindow_s = 20\n'
    '[embeddings]\nsource = "off"'
)
DAY = START + LEARNED * EVERY_S


def call(chance: random.Random, number: int, service: str, new: dict[str, str]) -> Interaction:
    """One call; from the day on prompts are long, answers short and slow."""
    time = START + number * EVERY_S + chance.random() * EVERY_S
    is_new = time >= DAY
    asked = chance.randint(900, 1100) * (3 if is_new else 1)
    words = chance.randint(20, 40) // (3 if is_new else 1)
    return Interaction(
        id=f"{service}-{number}",
        time=time,
        service=service,
        prompt_version=new.get("prompt_version", "v1") if is_new else "v1",
        model=new.get("model", "m1") if is_new else "m1",
        output=" ".join(["word"] * words),
        input="x" * asked,
        input_tokens=asked // 4,
        output_tokens=2 * words,
        latency=chance.lognormvariate(1.0 if is_new else 0.0, 0.3),
    )


def traffic(new_in: dict[str, dict[str, str]]) -> Iterator[Interaction]:
    chance = random.Random(8)
    calls = (call(chance, number, name, new) for number in range(LEARNED + CHANGED) for name, new in new_in.items())
    return iter(sorted(calls, key=lambda one: one.time))


def found(new_in: dict[str, dict[str, str]], folder: Path) -> Replay:
    return replayed(traffic(new_in), folder / "events.jsonl", SETTINGS)


@pytest.mark.parametrize("new", [{"prompt_version": "v2"}, {}], ids=["a shared version", "no version that is seen"])
def test_one_flag_day_is_one_incident(new: dict[str, str], tmp_path: Path) -> None:
    (incident,) = found(dict.fromkeys(SERVICES, new), tmp_path).incidents
    assert {verdict.series.service for verdict in incident.verdicts} == {*SERVICES}
    for name in SERVICES:
        moved = {verdict.series.metric for verdict in incident.verdicts if verdict.series.service == name}
        assert moved >= MOVED
    assert abs(incident.changed_at - DAY) <= 30 * EVERY_S, "blocks of 50 calls of a service date it"
    assert " and 29 more services: " in incident.headline
    if new:
        assert incident.causes[0]["value"] == "v2"


def test_two_causes_in_the_same_minute_are_two_incidents(tmp_path: Path) -> None:
    news = [{"prompt_version": "v2"}, {"model": "m2"}]
    halves = found({name: news[number % 2] for number, name in enumerate(SERVICES[:16])}, tmp_path).incidents
    told = {incident.causes[0]["value"]: {v.series.service for v in incident.verdicts} for incident in halves}
    assert told == {"v2": {*SERVICES[:16:2]}, "m2": {*SERVICES[1:16:2]}}
    assert len(halves) == 2
