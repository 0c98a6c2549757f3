"""Two pagers on a real broker: one tells, and when it is gone the other does, never both."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from installation import Installation
from kafka_broker import Addresses
from takeovers import reigns_apart, signs, take_over

MOST_S = 10.0
TIMES = 3  # so often a busy machine may be at fault


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_another_pager_may_tell_within_ten_seconds_and_not_before_the_first_may_not(
    tmp_path: Path, kafka_addresses: Addresses, how: str
) -> None:
    sections: dict[str, dict[str, Any]] = {
        "kafka": {"series_partitions": 1, "event_partitions": 1, "watchdog_s": 30.0},
        "alerts": {"console": False},
    }
    with Installation(tmp_path, kafka_addresses.plaintext, f"p{uuid.uuid4().hex[:8]}", sections) as installation:
        for name in ("1", "2"):
            installation.start("pager", name)
        took_s: list[float] = []
        while len(took_s) < TIMES and min(took_s, default=MOST_S) >= MOST_S:
            took_s.append(take_over(installation, getattr(installation, how)))
        assert {sign.member for sign in signs(installation)} == {"pager-1", "pager-2"}
        assert min(reigns_apart(installation)) > 0.0
        assert min(took_s) < MOST_S, f"the log has the first sign of the other {took_s} s after the end of the one"
