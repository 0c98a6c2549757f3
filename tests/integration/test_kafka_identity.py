"""However many processes share the work, the verdicts are those of one, byte by byte."""

from pathlib import Path

import pytest
from kafka_broker import Addresses
from kafka_identity import SIZES, compare

EVENTS = 20_000  # `make faults` compares 200,000


@pytest.mark.slow
def test_installations_of_all_sizes_say_what_one_process_says(tmp_path: Path, kafka_addresses: Addresses) -> None:
    found = compare(tmp_path, kafka_addresses.plaintext, EVENTS)
    assert [one.size for one in found] == list(SIZES)
    for one in found:
        assert one.identical == one.verdicts > 30, one
