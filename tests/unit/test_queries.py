"""The documents name every table and view, and show the queries that the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from undertow.pipelines.queries import QUERIES
from undertow.pipelines.schema import column_types, schema_text

DOCS = Path(__file__).parents[2] / "docs"
STORE, ASKED = (DOCS / "store.md").read_text(), (DOCS / "queries.md").read_text()
VIEWS = dict(re.findall(r"CREATE OR REPLACE VIEW (\w+) AS\n(.*?)\nCOMMENT", schema_text(30), re.DOTALL))


@pytest.mark.parametrize("name", QUERIES)
def test_the_document_shows_each_query_as_it_is_tested(name: str) -> None:
    assert f"**{QUERIES[name].title}**\n\n```sql\n{QUERIES[name].sql}\n```" in ASKED
    assert re.search(rf"FROM {name}\b", QUERIES[name].sql)


def test_every_view_has_an_example_and_a_line_with_its_parameters() -> None:
    assert set(VIEWS) == set(QUERIES)
    for view, body in VIEWS.items():
        named = ", ".join(f"`{name}`" for name in dict.fromkeys(re.findall(r"\{(\w+):", body))) or "–"
        assert f"| `{view}` | {named} | " in ASKED


def test_the_document_names_every_table() -> None:
    tables = list(column_types(schema_text(30)))
    assert len(tables) > 9
    assert [table for table in tables if f"| `{table}` |" not in STORE] == []
