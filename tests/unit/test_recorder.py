"""What no step brought reaches the store all the same: incidents about the watch itself, when nothing else comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alert_samples import incident

from undertow.alerts.incident import Change, Version
from undertow.drift.prices import PriceTable
from undertow.pipelines.inbox import Inbox
from undertow.pipelines.processor import Processor
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.redaction import LabelPolicy, Redactor
from undertow.pipelines.settings import Settings
from undertow.pipelines.watch import Watch
from undertow.pipelines.wire import decoder_for

OWN = incident(7, verdicts=[], about="silence", service="support", headline="support has sent nothing for 2 h")


class World:
    """A watch over an empty log, with a clock and a store of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.now, self.rows = 1_790_000_000.0, list[dict[str, Any]]()
        settings = Settings(data=str(folder / "data"))
        settings.folder.mkdir()
        (folder / "calls.jsonl").touch()
        processor = Processor(settings, PriceTable())
        labels = LabelPolicy("none", [], ())
        counting = processor.counting
        self.recorder = Recorder(self, Redactor("none"), labels, str, counting.catalogue, counting.categories)
        self.inbox = Inbox([str(folder / "calls.jsonl")], decoder_for(settings.ingest), follow=True)
        self.watch = Watch(settings, self.inbox, processor, self.recorder, self, lambda: self.now)

    def insert(self, table: str, columns: dict[str, Any], token: str) -> int:
        if table == "incidents" and columns["id"]:
            self.rows.append({name: values[0] for name, values in columns.items()} | {"token": token})
        return 0

    def submit(self, changes: Iterable[Change]) -> int:
        return len(list(changes))

    def announce(self, versions: Iterable[Version]) -> int:
        return len(list(versions))

    def rounds(self, seconds: float) -> None:
        for _ in range(3):
            self.now += seconds / 3
            self.watch.step()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.inbox.close()


def test_an_incident_that_no_step_brought_is_committed_though_nothing_comes_in(world: World) -> None:
    world.rounds(60)
    assert world.rows == []
    world.recorder.note([OWN])
    world.rounds(60)
    (row,) = world.rows
    assert (row["id"], row["service"], row["state"], row["headline"]) == (OWN.id, "support", "paged", OWN.headline)


def test_it_is_written_once_and_then_nothing_waits(world: World) -> None:
    world.recorder.note([OWN])
    world.rounds(60)
    world.rounds(600)
    assert len(world.rows) == 1
    assert not world.recorder.noted
