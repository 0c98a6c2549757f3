"""Whoever dies in an installation on Kafka: no row is lost or doubled, no verdict is another, every page is told."""

from pathlib import Path

import pytest
from kafka_broker import Addresses
from kafka_faults import FAULTS, play

EVENTS, TIMES = 20_000, 3  # a play inflicts its fault so often
HERE = [name for name in FAULTS if name.startswith("kill") and "broker" not in name]  # `make faults` plays them all


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_nothing_is_lost_doubled_or_told_otherwise(name: str, tmp_path: Path, kafka_addresses: Addresses) -> None:
    figures = play(name, 1, tmp_path, kafka_addresses.plaintext, None, EVENTS, TIMES)
    assert figures.verdicts > 5
    assert figures.repeats <= (TIMES if "pager" in name else 0)
