"""Whoever dies in an installation on Kafka: no row is lost or doubled, no verdict is another, every page is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_broker import Addresses, Broker
from kafka_faults import FAULTS, mounted
from kafka_plays import PLAYS, play
from outside import give_up

EVENTS, TIMES = 20_000, 3  # a play inflicts each of its faults so often
THE_BROKER = "the broker fails"
NOT_HERE = {"ClickHouse away for a minute"}  # five seconds here; `make faults` waits for the minute


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of our own, whose disk is small and may be filled; without such a disk the play cannot be played."""
    folder = tmp_path / "broker"
    with mounted(folder / "disk") as separate:
        if not separate:
            give_up("no file system can be mounted here, which needs root: a full disk under the broker is not tried")
        try:
            own = Broker(folder, session_ms=3_000)
        except RuntimeError as error:
            give_up(str(error))
        own.start()
        yield own
        own.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PLAYS.keys() - {THE_BROKER}))
def test_nothing_is_lost_doubled_or_told_otherwise(name: str, tmp_path: Path, kafka_addresses: Addresses) -> None:
    figures = play(name, PLAYS[name], 1, tmp_path, kafka_addresses.plaintext, None, EVENTS, TIMES)
    pagers_killed = TIMES if any("kill -9 of the pager" in group for group in PLAYS[name]) else 0
    assert figures.pages > 5
    assert figures.repeats <= pagers_killed + figures.pagers_revived


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_told_otherwise_when_the_broker_fails(tmp_path: Path, broker: Broker) -> None:
    figures = play(THE_BROKER, PLAYS[THE_BROKER], 1, tmp_path, broker.addresses.plaintext, broker, EVENTS, TIMES)
    assert figures.pages > 5


def test_every_fault_is_in_a_play() -> None:
    assert {fault for groups in PLAYS.values() for group in groups for fault in group} == FAULTS.keys() - NOT_HERE
