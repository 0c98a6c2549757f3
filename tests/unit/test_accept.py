"""Accepting an incident makes the level it moved to the normal one."""

import random
from collections.abc import Iterator

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.step import Step

START = 1_772_442_000.0


def _calls(first: int, last: int, length: int, chance: random.Random) -> Iterator[Interaction]:
    for i in range(first, last):
        text = "x" * int(length * chance.lognormvariate(0, 0.3))
        yield Interaction(id=str(i), time=START + i, service="s", output=text)


def _take(processor: Processor, events: Iterator[Interaction]) -> Step:
    taken = list(events)
    return processor.step(taken, [0] * len(taken))


def _shifted(resolution: str | None) -> tuple[Step, Processor]:
    """Lengths double, somebody decides (or nobody does), and later they return."""
    processor, chance = Processor(Settings(), PriceTable()), random.Random(1)
    _take(processor, _calls(0, 4000, 200, chance))
    _take(processor, _calls(4000, 4600, 400, chance))
    (incident,) = processor.incidents.open
    if resolution:
        processor.decide(incident.id, resolution, START + 4600)
    return _take(processor, _calls(4600, 5200, 200, chance)), processor


def test_without_a_decision_the_return_is_a_recovery() -> None:
    """The old baseline is remembered and recognised."""
    returned, _ = _shifted(None)
    assert "recovered" in {verdict.kind for verdict in returned.verdicts}


def test_after_accept_there_is_nothing_to_recover_from() -> None:
    """The old level is a change like any other from then on."""
    returned, processor = _shifted("accepted")
    assert "recovered" not in {verdict.kind for verdict in returned.verdicts}
    assert processor.incidents.counts()["resolved_accepted"] == 1
