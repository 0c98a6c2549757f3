"""The store on the embedded engine: what goes in comes out, once, and old stores become new ones."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from stored import START, insert_calls, insert_incident

from undertow.drift.cards import Card, CardRow
from undertow.drift.verdict import Estimate
from undertow.pipelines import rows, settings
from undertow.pipelines.card_rows import CARDS, DIFFERENCES, card_columns, cards_of
from undertow.pipelines.clickhouse import Store, StoreError
from undertow.pipelines.engine import QueryError
from undertow.pipelines.schema import column_types, schema_text
from undertow.pipelines.store_lock import Holder, StoreBusyError, holder

SCHEMA = Path(rows.__file__).with_name("clickhouse_schema.sql")
VERSIONS = [int(number) for number in re.findall(r"(?m)^-- version: (\d+)", SCHEMA.read_text())]
TABLES = "SELECT name FROM system.tables WHERE database = 'undertow' AND engine LIKE '%MergeTree'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    with Store.open(settings.Store(), folder) as opened:
        yield opened


@pytest.fixture(autouse=True)
def empty_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "store" in request.fixturenames:
        client = request.getfixturevalue("store")._writer
        for table in (
            "cards",
            "interactions",
            "windows",
            "verdicts",
            "incidents",
            "dead_letters",
            "versions",
            "spend",
            "mixes",
            "rollups",
        ):
            client.command(f"TRUNCATE TABLE {table}")


def test_an_event_comes_back_as_it_went_in(store: Store) -> None:
    call = {
        "attributes": {"region": "eu", "beta": True},
        "user": "ann",
        "output": "tab\tquote'\"\n; -- \\N ümläut 🙂",
        "input_tokens": 12,
        "latency": 1.5,
        "config": {"temperature": 0.2},
    }
    assert insert_calls(store, call, refusal_rate=[1.0]) == 1
    sql = """SELECT time, attributes, user, output, input_tokens, output_tokens, latency, config, refused, truncated,
             late FROM interactions"""
    assert store.query(sql).rows == [
        (
            datetime.fromtimestamp(START, UTC),
            {"region": "eu", "beta": "true"},
            "nna",
            "tab\tquote'\"\n; -- \\N ümläut 🙂",
            12,
            None,
            1.5,
            {"temperature": "0.2"},
            1,
            None,
            0,
        )
    ]


def test_a_block_whose_token_was_seen_is_not_inserted_again(store: Store) -> None:
    two_weeks: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "time": START + 40 * 86400}]
    insert_calls(store, *two_weeks, block="first")
    insert_calls(store, {"id": "c"}, {"id": "d", "time": START + 40 * 86400}, block="first")
    assert store.query("SELECT id FROM interactions ORDER BY id").rows == [("a",), ("b",)]
    insert_calls(store, *two_weeks, block="second")  # a repeat in content is another matter
    assert store.query("SELECT count() FROM interactions").rows == [(4,)]


def test_a_block_may_span_hundreds_of_weeks(store: Store) -> None:
    insert_calls(store, *({"time": START - n * 7 * 86400} for n in range(300)))
    assert store.query("SELECT uniq(toMonday(time)) FROM interactions").rows == [(300,)]


def test_a_repeated_id_shows_its_last_revision_only(store: Store) -> None:
    insert_incident(store, "i-v1", "v1")
    assert store.query("SELECT id, state, revision FROM incidents").rows == [("i-v1", "paged", 1)]


def test_windows_keep_rates_and_positive_metrics_side_by_side(store: Store) -> None:
    columns: dict[str, Any] = {
        "window_start": np.array([START, START]),
        "service": ["support", "support"],
        "segment": [{"region": "eu"}, {}],
        "metric": ["refusal_rate", "latency"],
        "family": ["rate", "positive"],
        "events": np.array([40, 50]),
        "hits": np.array([3, np.nan]),
        "p50": np.array([np.nan, 1.5]),
    }
    store.insert("windows", columns, "w")
    sql = "SELECT segment['region'], family, events, hits, p50 FROM windows ORDER BY metric"
    assert store.query(sql).rows == [("", "positive", 50, None, 1.5), ("eu", "rate", 40, 3, None)]


def test_an_empty_block_inserts_nothing(store: Store) -> None:
    assert insert_calls(store) == 0


def test_every_column_of_every_table_says_what_it_is(store: Store) -> None:
    undocumented = f"SELECT table, name FROM system.columns WHERE comment = '' AND table IN ({TABLES})"  # noqa: S608
    assert store.query(undocumented).rows == []
    assert store.query(f"{TABLES} AND comment = ''").rows == []


def test_the_types_read_from_the_schema_are_those_of_the_tables(store: Store) -> None:
    listed = store.query(f"SELECT table, name, type FROM system.columns WHERE table IN ({TABLES})").rows  # noqa: S608
    read = {
        (table, name): kind
        for table, columns in column_types(schema_text(30)).items()
        for name, kind in columns.items()
    }
    assert read == {(table, name): kind for table, name, kind in listed}


def test_query_binds_parameters(store: Store) -> None:
    result = store.query("SELECT {name:String} AS name, {n:UInt8} + 1 AS next", {"name": "it's\n", "n": 4})
    assert (result.columns, result.rows) == (("name", "next"), [("it's\n", 5)])


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", 62),
        ("SELECT * FROM nothing", 60),
        ("DROP TABLE interactions", 164),
        ("INSERT INTO meta SELECT 9", 164),
    ],
)
def test_query_only_reads_and_says_what_is_wrong(store: Store, sql: str, code: int) -> None:
    with pytest.raises(QueryError) as caught:
        store.query(sql)
    assert caught.value.code == code


def test_an_unknown_table_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="no table 'interaction'"):
        store.insert("interaction", {"id": ["1"]}, "t")


def test_readers_and_writers_in_several_threads_see_every_row(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(5):
                insert_calls(store, {"id": f"{number}-{n}"}, block=f"{number}-{n}")
                store.query("SELECT count() FROM interactions")
        except BaseException as error:  # told below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.query("SELECT count(), uniq(id) FROM interactions").rows == [(20, 20)]


def test_a_second_opening_is_refused_with_the_process_and_its_port(store: Store, folder: Path) -> None:
    store.announce("http://127.0.0.1:8321")
    program = "import sys; from pathlib import Path; from undertow.pipelines.clickhouse import Store; "
    program += "from undertow.pipelines import settings; Store.open(settings.Store(), Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert re.search(
        r"StoreBusyError: .* open in `undertow run` \(process \d+\), .* http://127.0.0.1:8321", other.stderr
    )
    found = holder(folder)
    assert isinstance(found, Holder)
    assert found.url == "http://127.0.0.1:8321"
    with pytest.raises(StoreBusyError):
        Store.open(settings.Store(), folder)


def test_cards_of_new_versions_come_back_and_tell_what_differs(store: Store) -> None:
    nothing = Estimate(math.nan, math.nan, math.nan, 0)
    rows_of = (
        CardRow("refusal_rate", True, Estimate(0.01, 0.005, 0.02, 900), Estimate(0.12, 0.1, 0.15, 90), 7.0, True, 0.14),
        CardRow("latency", False, nothing, Estimate(0.9, 0.8, 1.0, 90), 0.0, False, math.inf),
    )
    card = Card("support", "prod", "prompt_version", "v48", START, START + 900, 90, 910, rows_of)
    store.insert("cards", card_columns([msgspec.structs.replace(card, calls=30, rows=rows_of[:1])]), "early")
    store.insert("cards", card_columns([card]), "late")
    (back,) = cards_of(store.query(CARDS).rows)
    assert msgspec.structs.replace(back, rows=()) == msgspec.structs.replace(card, rows=())
    assert back.rows[0] == card.rows[0]
    assert (back.rows[1].apart, back.rows[1].other.events) == (math.inf, 0)
    first, second = store.query(DIFFERENCES).rows
    assert first[1:9] == ("support", "prompt_version", "v48", 90, 9.0, "refusal_rate", 0.01, 0.12)
    assert second[6] == "latency"


# The engine opens one folder in a process, so what needs folders of its own runs in processes of its own.

PRELUDE = """
import sys
from pathlib import Path
from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store, StoreError
from undertow.pipelines.schema import column_types, schema_text
shipped = Path(sys.argv[2]).read_text()
next = max(int(line.split()[-1]) for line in shipped.splitlines() if line.startswith("-- version: ")) + 1
added = "ALTER TABLE versions ADD COLUMN IF NOT EXISTS note String COMMENT 'A note';"
second = shipped + f"\\n-- version: {next}\\n{added}\\n"
def opened(schema=None, days=30):
    return Store.open(settings.Store(retention_days=days), Path(sys.argv[1]), schema)
"""


def run(folder: Path, program: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", PRELUDE + program, str(folder), str(SCHEMA)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_older_store_is_migrated_in_order_keeps_its_rows_and_refuses_an_older_program(tmp_path: Path) -> None:
    program = """
with opened() as store:
    store.insert("versions", {"service": ["s"], "first_seen": [1.0], "last_seen": [1.0]}, "t")
for _ in range(2):
    with opened(second) as store:
        print(store.query("SELECT service, note FROM versions").rows, store.query("SELECT version FROM meta").rows)
try:
    opened()
except StoreError as error:
    print(error)
with opened(second) as store:
    print("open again")
"""
    first, again, refusal, last = run(tmp_path, program)
    assert first == again == f"[('s', '')] {[(version,) for version in [*VERSIONS, VERSIONS[-1] + 1]]}"
    known = f"schema version {VERSIONS[-1] + 1}, this Undertow knows versions up to {VERSIONS[-1]}"
    assert refusal.startswith(f"the store has {known}: it was written by a newer Undertow")
    assert last == "open again"


def test_a_changed_retention_is_applied_to_existing_tables(tmp_path: Path) -> None:
    program = """
for days in (30, 7, 7):
    with opened(days=days) as store:
        print(store.query("SELECT name, extract(engine_full, 'toIntervalDay.(\\\\d+)') FROM system.tables "
            "WHERE database = 'undertow' AND name IN ('interactions', 'incidents', 'versions') ORDER BY name").rows)
"""
    assert run(tmp_path, program) == [
        "[('incidents', '360'), ('interactions', '30'), ('versions', '')]",
        "[('incidents', '84'), ('interactions', '7'), ('versions', '')]",
        "[('incidents', '84'), ('interactions', '7'), ('versions', '')]",
    ]


def test_a_migration_that_died_half_way_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    program = """
broken = second + "\\nALTER TABLE nothing ADD COLUMN a String;\\n"
try:
    opened(broken)
except StoreError as error:
    print("nothing" in str(error))
with opened(second) as store:
    print(store.query("SELECT version FROM meta").rows)
"""
    assert run(tmp_path, program) == ["True", str([(version,) for version in [*VERSIONS, VERSIONS[-1] + 1]])]


def test_statements_of_the_schema_may_run_twice() -> None:
    creating = re.findall(r"(?m)^CREATE TABLE.*", schema_text(30))
    assert creating
    assert all("IF NOT EXISTS" in statement for statement in creating)
