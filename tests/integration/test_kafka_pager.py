"""Two pagers on a real broker: one tells, and when it is gone the other does, never both."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from installation import Installation
from kafka_broker import Addresses
from takeovers import reigns_apart, signs, take_over

MOST_S = 10.0


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
        took_s = take_over(installation, getattr(installation, how))
        members = {sign.member for sign in signs(installation)}
        assert members == {"pager-1", "pager-2"}
        assert reigns_apart(installation)[-1] > 0.0
        assert took_s < MOST_S, f"the log has the first sign of the second {took_s:.1f} s after the end of the first"
