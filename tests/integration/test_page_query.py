"""The query on a page runs on the store's own schema and shows the change."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alert_samples import T0, incident, series, verdict

from undertow.alerts.query import query
from undertow.drift.verdict import Series

SCHEMA = Path(__file__).parents[2] / "pipelines" / "clickhouse_schema.sql"

RUN = """
import sys
from chdb.session import Session
session = Session(sys.argv[1])
statements = sys.stdin.read().split(chr(0))
for statement in statements[:-1]:
    session.query(statement)
print(session.query(statements[-1], "TabSeparated"), end="")
session.close()
"""


def run(folder: Path, *statements: str) -> list[list[str]]:
    """Run in a process of its own: an embedded engine opens one store a process."""
    command = [sys.executable, "-c", RUN, str(folder)]
    done = subprocess.run(
        command, input="\0".join(statements), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def windows_table() -> str:
    found = re.search(r"CREATE TABLE IF NOT EXISTS windows\n.*?;\n", SCHEMA.read_text(), re.DOTALL)
    assert found is not None
    return found.group(0).replace("{retention_days}", "30").rstrip().rstrip(";")


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def row(of: Series, at: float, level: float) -> str:
    pairs = ", ".join(f"{quoted(key)}, {quoted(value)}" for key, value in of.segment)
    measured = f"{int(100 * level)}, NULL" if of.metric == "refusal_rate" else f"NULL, log({level})"
    where = f"fromUnixTimestamp({int(at)}), {quoted(of.service)}, {quoted(of.environment)}, map({pairs}), '{of.metric}'"
    return f"({where}, 100, {measured})"


@pytest.mark.parametrize(
    ("of", "before", "after"),
    [
        (series("refusal_rate", operation="it's \\n odd\\"), 0.02, 0.11),
        (series("output_length", service="a'b"), 800.0, 560.0),
    ],
)
def test_it_shows_the_level_before_and_after(tmp_path: Path, of: Series, before: float, after: float) -> None:
    page = incident(verdicts=[verdict(of, before=before, after=after)])
    other = Series(of.service, of.environment, (*of.segment, ("region", "eu")), of.metric)
    rows = [row(of, T0 - 600, before), row(of, T0 + 600, after), row(other, T0 + 600, 0.5), row(of, T0 - 99_999, 0.5)]
    columns = "window_start, service, environment, segment, metric, events, hits, log_mean"
    insert = " ".join(["INSERT INTO windows", f"({columns})", "VALUES", ", ".join(rows)])
    shown = run(tmp_path / "store", windows_table(), insert, query(page))
    assert [int(n) for _, n, _ in shown] == [100, 100]
    assert [float(level) for _, _, level in shown] == pytest.approx([before, after])
