from __future__ import annotations

from pathlib import Path

import pytest

from undertow.pipelines.card_rows import DIFFERENCES
from undertow.pipelines.queries import QUERIES
from undertow.pipelines.schema import schema_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "store.md"


@pytest.mark.parametrize("name", QUERIES)
def test_the_document_shows_each_query_as_it_is_tested(name: str) -> None:
    assert f"**{QUERIES[name].title}**\n\n```sql\n{QUERIES[name].sql}\n```" in DOCUMENT.read_text()


def test_the_document_shows_the_query_behind_the_cards_of_versions() -> None:
    assert f"```sql\n{DIFFERENCES}\n```" in DOCUMENT.read_text()


def test_the_document_names_every_table() -> None:
    tables = [line.split()[-1] for line in schema_text(30).splitlines() if line.startswith("CREATE TABLE")]
    assert len(tables) == 10
    assert [table for table in tables if f"| `{table}` |" not in DOCUMENT.read_text()] == []
