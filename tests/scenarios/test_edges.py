"""Inputs that break monitors: nothing at all, the same thing for ever, time from the future, ids that collide."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from resampled import START, replayed

from undertow.drift.interaction import Interaction
from undertow.pipelines.replay import replay
from undertow.pipelines.settings import Settings
from undertow.pipelines.simulator import Scenario, write


def _calls(count: int, service: str = "support", **fields: object) -> list[Interaction]:
    return [
        Interaction(id=str(i), time=START + i, service=service, output="x" * 40, latency=0.5, **fields)  # type: ignore[arg-type]
        for i in range(1, count + 1)
    ]


def _shortening(count: int, change: int, seed: int = 3) -> Iterable[Interaction]:
    """Answers that become a third shorter at one moment."""
    chance = random.Random(seed)
    for i in range(1, count + 1):
        length = int(chance.lognormvariate(5.5 if i <= change else 5.1, 0.5))
        yield Interaction(id=str(i), time=START + i, service="support", output="x" * max(length, 1))


def test_an_empty_file_is_silent(tmp_path: Path) -> None:
    """Nothing in, nothing out."""
    found = replayed([], tmp_path / "events.jsonl")
    assert (found.records, found.incidents, found.verdicts) == (0, [], [])


def test_one_event_is_silent(tmp_path: Path) -> None:
    """One event is counted and says nothing."""
    found = replayed(_calls(1), tmp_path / "events.jsonl")
    assert (found.processor.counters.events, found.incidents, found.verdicts) == (1, [], [])


def test_a_constant_value_is_silent_and_its_change_is_not(tmp_path: Path) -> None:
    """A series that never varies has no spread to divide by; when it does vary, that is a page."""
    constant = _calls(5000)
    assert replayed(constant, tmp_path / "events.jsonl").verdicts == []
    doubled = [
        Interaction(id=f"b{i}", time=START + 5000 + i, service="support", output="x" * 80, latency=0.5)
        for i in range(1, 400)
    ]
    found = replayed([*constant, *doubled], tmp_path / "events.jsonl")
    assert {v.series.metric for i in found.incidents for v in i.verdicts} == {"output_length", "output_length.high"}


def test_duplicates_count_once(tmp_path: Path) -> None:
    """A stream of nothing but repeats is one event."""
    found = replayed(_calls(1) * 6000, tmp_path / "events.jsonl")
    assert (found.processor.counters.events, found.processor.counters.duplicates) == (1, 5999)
    assert found.incidents == []


@pytest.mark.parametrize("position", [0, 1500, 5999])
def test_an_event_from_2099_is_outvoted_and_later_changes_are_found(tmp_path: Path, position: int) -> None:
    """The first, a middle or the last event claims to come from the year 2099."""
    events = list(_shortening(6000, 4000))
    events.insert(position, Interaction(id="future", time=4_070_908_800.0, service="support", output="hello"))
    found = replayed(events, tmp_path / "events.jsonl")
    assert (found.rejected, found.processor.counters.late) == (1, 0)
    assert len(found.incidents) == 1
    assert found.incidents[0].changed_from <= START + 4000 <= found.incidents[0].changed_to


def test_services_that_both_count_from_one_lose_nothing(tmp_path: Path) -> None:
    """An id is unique within its service only."""
    events = [event for pair in zip(_calls(3000, "a"), _calls(3000, "b"), strict=True) for event in pair]
    counters = replayed(events, tmp_path / "events.jsonl").processor.counters
    assert (counters.events, counters.duplicates) == (6000, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_more_traffic_alone_is_silent(tmp_path: Path, seed: int) -> None:
    """40 % more calls of the same kind are good news."""
    path = tmp_path / "events.jsonl"
    scenario = Scenario(seed=seed, duration_s=7200, rate_per_s=5).plant("traffic_up_40", after_s=4000)
    assert write(scenario, path) > 30_000
    found = replay(Settings(), [str(path)])
    assert [incident.headline for incident in found.incidents] == []
