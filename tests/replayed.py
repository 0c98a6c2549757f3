"""A store as half an hour of traffic leaves it: an incident, unreadable lines, a declared deployment, new versions."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from undertow.pipelines.app import opened
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.settings import parse
from undertow.pipelines.simulator import MONDAY, Scenario, generate

__all__ = ["CHANGE", "DURATION_S", "SERVICE", "START", "replayed"]

START, DURATION_S = MONDAY, 1800.0
SERVICE = "support"
CHANGE = START + 1000.0  # from when on answers of `triage` break their schema
_SCENARIO = Scenario(seed=2, duration_s=DURATION_S, rate_per_s=6).plant("schema_slip", after_s=1000, strength=2)
_SETTINGS = """
[detection]
dimensions = ["operation", "prompt_version"]
[embeddings]
source = "off"
"""


@contextmanager
def replayed(folder: Path) -> Iterator[Store]:
    """Watch the traffic to its end and open the store that is left."""
    traffic = folder / "app.jsonl"
    deployed = {
        "id": "d",
        "time": CHANGE - 60,
        "service": SERVICE,
        "environment": "prod",
        "kind": "change",
        "output": "triage v14",
    }
    lines = [*generate(_SCENARIO)]
    lines[len(lines) // 2 : len(lines) // 2] = [msgspec.json.encode(deployed) + b"\n", b'{"id": 1\n', b'{"id": "x"}\n']
    traffic.write_bytes(b"".join(lines))
    settings = parse(f'data = "{folder / "data"}"\n{_SETTINGS}')
    with opened(settings, [str(traffic)], follow=False, console=io.StringIO(), serve=False) as app:
        app.run()
    with Store.open(settings.store, settings.folder) as store:
        yield store
