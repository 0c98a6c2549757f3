"""What survives a crash: snapshots are replaced whole, the journal holds every decision that was acted upon."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.pipelines import snapshot
from undertow.pipelines.journal import Journal


def test_a_snapshot_brings_back_arrays_and_plain_values(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "x": np.arange(6.0).reshape(2, 3),
        "n": np.int64(3),
        "empty": np.zeros((0, 2)),
        "d": {7: [1]},
    }
    assert snapshot.write(tmp_path / "state", state) == (tmp_path / "state").stat().st_size
    found = snapshot.read(tmp_path / "state")
    assert found is not None
    assert np.array_equal(found["x"], state["x"])
    assert (found["n"], found["empty"].shape, found["d"]) == (3, (0, 2), {7: [1]})
    found["x"][0, 0] = 9  # what was read can be changed
    assert not list(tmp_path.glob("*.new"))


def test_without_a_snapshot_there_is_none(tmp_path: Path) -> None:
    assert snapshot.read(tmp_path / "state") is None


def test_a_damaged_or_newer_snapshot_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "state"
    snapshot.write(path, {"x": 1})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(snapshot.SnapshotError, match=r"damaged.*move it away"):
        snapshot.read(path)
    path.write_bytes(b"\x82\xa6format\x63\xa5state\x80")
    with pytest.raises(snapshot.SnapshotError, match="format 99, this Undertow reads 1"):
        snapshot.read(path)


def test_what_is_no_data_has_no_place_in_a_snapshot(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Path has no place"):
        snapshot.write(tmp_path / "state", {"x": tmp_path})
    assert not (tmp_path / "state").exists()


def test_decisions_count_on_over_restarts_and_a_torn_one_was_never_taken(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append("tick", 5, time=100.0)
    journal.append("commit", 9, positions={"sources": {}})
    with path.open("ab") as file:
        file.write(b'{"number":3,"ki')
    again = Journal(path)
    assert [(d.number, d.kind, d.after) for d in again.since(1)] == [(2, "commit", 9)]
    assert again.append("tick", 12).number == 3
    assert [d.number for d in Journal(path).since(0)] == [1, 2, 3]


def test_a_cleared_journal_goes_on_counting_from_the_snapshot(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append("commit", 1)
    journal.clear()
    again = Journal(tmp_path / "journal")
    assert again.since(1) == []
    assert again.append("tick", 2).number == 2
