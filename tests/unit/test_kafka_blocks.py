"""Blocks of rows: the same bytes for the same rows, small enough for a message, known again by their tokens."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from undertow.pipelines.kafka.blocks import TABLE, TOKEN, Block, Blocks, read
from undertow.pipelines.kafka.client import Message

LARGEST = 1_048_576


def _letters(rows: int, text: str = "x") -> dict[str, Any]:
    return {
        "source": ["llm.events/3"] * rows,
        "line": np.arange(rows),
        "offset": np.arange(rows) * 10,
        "reason": ["not JSON"] * rows,
        "excerpt": [f"{number} {text}" for number in range(rows)],
    }


def _rows(blocks: list[Block]) -> list[dict[str, Any]]:
    return [row for block in blocks for row in pa.ipc.open_stream(block.content).read_all().to_pylist()]


def _written(columns: dict[str, Any], largest: int = LARGEST) -> list[Block]:
    blocks = Blocks(largest)
    blocks.insert("dead_letters", columns, "llm.events/3:1024:dead_letters")
    return blocks.drain()


def test_the_same_rows_are_the_same_bytes() -> None:
    assert _written(_letters(500)) == _written(_letters(500))


def test_columns_have_the_types_of_their_table() -> None:
    schema = pa.ipc.open_stream(_written(_letters(1))[0].content).schema
    assert schema.field("line").type == pa.uint64()
    assert schema.field("excerpt").type == pa.string()


@pytest.mark.parametrize("rows", [2, 3, 1_001])
def test_what_is_too_large_is_parted_and_nothing_is_lost(rows: int) -> None:
    letters, largest = _letters(rows, "y" * (LARGEST // rows)), 2 * LARGEST // 3
    parted = _written(letters, largest)
    assert len(parted) > 1
    assert max(len(block.content) for block in parted) < largest
    assert _rows(parted) == _rows(_written(letters, 2 * LARGEST))
    assert [block.token for block in parted] == [f"llm.events/3:1024:dead_letters/{n}" for n in range(len(parted))]


def test_a_row_too_large_for_a_message_keeps_the_beginning_of_its_texts() -> None:
    blocks = Blocks(LARGEST)
    blocks.insert("dead_letters", _letters(3, "ü" * LARGEST), "t")
    found = _rows(blocks.drain())
    assert [row["excerpt"][:3] for row in found] == ["0 ü", "1 ü", "2 ü"]
    assert {len(row["excerpt"]) for row in found} == {(LARGEST - 4_096) // 128}
    assert blocks.shortened == 3


def test_no_rows_are_no_block() -> None:
    blocks = Blocks(LARGEST)
    assert blocks.insert("windows", {}, "t") == blocks.insert("windows", {"events": []}, "t") == 0
    assert blocks.drain() == []


def test_blocks_are_handed_over_once() -> None:
    blocks = Blocks(LARGEST)
    blocks.insert("dead_letters", _letters(1), "t")
    assert len(blocks.drain()) == 1
    assert blocks.drain() == []


def test_a_column_that_the_table_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="table dead_letters has no column 'lines'"):
        Blocks(LARGEST).insert("dead_letters", {"lines": [1]}, "t")


def test_a_message_brings_back_its_block() -> None:
    block = _written(_letters(2))[0]
    assert read(Message(7, block.content, headers=block.headers)) == block


@pytest.mark.parametrize(
    "message",
    [
        Message(0, None, headers=((TABLE, b"windows"), (TOKEN, b"t"))),
        Message(0, b"rows", headers=((TABLE, b"windows"),)),
        Message(0, b"rows", headers=((TOKEN, b"t"),)),
        Message(0, b"rows"),
    ],
)
def test_what_is_no_block_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match="no block of rows"):
        read(message)
