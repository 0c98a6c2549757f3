"""Snapshots hold against damage: whatever the bytes are, the answer is a state or an error that names the way out."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from undertow.pipelines import snapshot

STATE = {
    "floats": np.array([[0.1, math.inf, -math.inf], [math.nan, 0.0, -0.0]]),
    "ints": np.array([-(1 << 62), 1 << 62]),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 24, 15)),
    "plain": [1, 2.5, "text", None, True, {"nested": -math.inf}],
    "ids": {(1 << 64) - 1: 7},
}


def test_numbers_come_back_bit_by_bit(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "state", STATE)
    found = snapshot.read(tmp_path / "state")
    assert found is not None
    for name in ("floats", "ints", "flags", "none"):
        assert found[name].dtype == STATE[name].dtype  # type: ignore[attr-defined]
        assert found[name].shape == STATE[name].shape  # type: ignore[attr-defined]
        assert found[name].tobytes() == STATE[name].tobytes()  # type: ignore[attr-defined]
    assert (found["plain"], found["ids"]) == (STATE["plain"], STATE["ids"])


def test_a_view_of_an_array_is_written_as_what_it_shows(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "state", {"x": np.arange(12).reshape(3, 4)[::2, 1:].T})
    found = snapshot.read(tmp_path / "state")
    assert found is not None
    assert found["x"].tolist() == [[1, 9], [2, 10], [3, 11]]


def test_any_shortening_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    snapshot.write(path, STATE)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(snapshot.SnapshotError, match="move it away"):
            snapshot.read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"{}",
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode({"state": {}}),
        msgspec.msgpack.encode({"format": "1", "state": {}}),
        msgspec.msgpack.encode({"format": 1, "state": [1]}),
        msgspec.msgpack.encode({"format": 1, "state": {"x": msgspec.msgpack.Ext(9, b"")}}),
        msgspec.msgpack.encode({"format": 1, "state": {"x": msgspec.msgpack.Ext(1, b"\x01")}}),
        msgspec.msgpack.encode(
            {"format": 1, "state": {"x": msgspec.msgpack.Ext(1, msgspec.msgpack.encode(["nonsense", [1], b"1"]))}}
        ),
        msgspec.msgpack.encode(
            {"format": 1, "state": {"x": msgspec.msgpack.Ext(1, msgspec.msgpack.encode(["<f8", [7], b"1" * 8]))}}
        ),
    ],
)
def test_what_is_no_snapshot_is_refused_as_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(snapshot.SnapshotError, match=r"is damaged.*move it away"):
        snapshot.read(path)


def test_flipped_bits_never_crash_the_reader_in_another_way(tmp_path: Path) -> None:
    path = tmp_path / "state"
    snapshot.write(path, STATE)
    content = path.read_bytes()
    refused = 0
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        try:
            snapshot.read(path)
        except snapshot.SnapshotError:
            refused += 1
    assert refused > 0


def test_a_crash_while_writing_leaves_the_old_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    snapshot.write(path, {"x": 1})

    def crash(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(OSError, match="no space left"):
        snapshot.write(path, {"x": 2})
    assert snapshot.read(path) == {"x": 1}
