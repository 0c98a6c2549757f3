"""The Native format as clients of later protocol revisions read it, for every type, from what the engine answers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from ports import port_of

from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.engine import Engine, Statement
from undertow.pipelines.native_format import LAYOUT_BYTES, NativeFormatError, for_revision

BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # Native format: "field number 1, is_overflows, 2, bucket_num, 0"
TYPES = {  # of each an expression that is another value in each row n
    "UInt8": "toUInt8(n)",
    "Int256": "toInt256(n) - 2",
    "Float32": "toFloat32(n) / 3",
    "Bool": "n > 1",
    "Decimal": "toDecimal64(n, 3)",
    "String": "repeat('ü', n * 90)",
    "FixedString": "toFixedString(toString(n), 3)",
    "Date": "toDate(n)",
    "DateTime64": "toDateTime64('2299-12-31 23:59:59', 3, 'UTC') - n",
    "UUID": "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "IPv6": "toIPv6('::1')",
    "Enum": "CAST(n % 2, 'Enum8(\\'it, (or) not\\' = 0, \\'b\\' = 1)')",
    "Nothing": "NULL",
    "Nullable(String)": "nullIf(toString(n), '1')",
    "LowCardinality": "toLowCardinality(toString(n))",
    "LowCardinality(Nullable)": "toLowCardinality(nullIf(toString(n), '1'))",
    "Array": "range(n)",
    "Array of nothing": "CAST([], 'Array(LowCardinality(String))')",
    "Array(Array)": "arrayMap(i -> range(i), range(n))",
    "Array(LowCardinality)": "arrayMap(i -> toLowCardinality(toString(i)), range(n))",
    "Map": "CAST(map(toString(n), 'v'), 'Map(LowCardinality(String), String)')",
    "Tuple": "CAST((n, 'a', [n]), 'Tuple(number UInt64, `odd, name` String, list Array(UInt64))')",
    "SimpleAggregateFunction": "CAST(n, 'SimpleAggregateFunction(sum, UInt64)')",
    "Interval": "toIntervalDay(n)",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Store.open(settings.Store(), tmp_path_factory.mktemp("data")) as store:
        assert store.engine is not None
        yield store.engine


def native(engine: Engine, columns: str, rows: int) -> bytes:
    sql = f"SELECT {columns} FROM (SELECT number AS n FROM numbers({rows}))"  # noqa: S608
    return engine.answer(Statement(sql, format="Native")).body


def of_one_column(body: bytes) -> tuple[bytes, bytes]:
    """Cut the answer of one column into what names it, behind the numbers of columns and rows, and its data."""
    place = 2
    for _ in range(2):
        assert body[place] < 128
        place += 1 + body[place]
    return body[2:place], body[place:]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_block_says_of_each_column_how_it_is_laid_out(engine: Engine, rows: int) -> None:
    """The pieces are those of answers with one column each, whose ends need no knowledge of their types."""
    columns = [f"{expression} AS c{number}" for number, expression in enumerate(TYPES.values())]
    cut = [of_one_column(native(engine, column, rows)) for column in columns]
    expected = BLOCK_INFO + bytes([len(columns), rows]) + b"".join(name + b"\0" + data for name, data in cut)
    assert for_revision(native(engine, ", ".join(columns), rows), LAYOUT_BYTES) == expected


def test_each_block_of_a_large_answer_has_its_info(engine: Engine) -> None:
    body = native(engine, "n, toString(n) AS s", 200_000)
    blocks = body.count(b"\x01n\x06UInt64")
    assert blocks > 1
    written = for_revision(body, LAYOUT_BYTES)
    assert written.count(BLOCK_INFO) == blocks
    assert len(written) == len(body) + blocks * (len(BLOCK_INFO) + 2)


def test_clients_of_earlier_revisions_get_the_answer_as_it_is(engine: Engine) -> None:
    body = native(engine, "n", 3)
    assert for_revision(body, 0) == for_revision(body, LAYOUT_BYTES - 1) == body


def test_a_type_whose_end_cannot_be_found_is_refused_by_name() -> None:
    with pytest.raises(NativeFormatError, match="type Dynamic"):
        for_revision(b"\1\1\1d\7Dynamic\0", LAYOUT_BYTES)
    with pytest.raises(NativeFormatError, match="Riddle is not known"):
        for_revision(b"\1\1\1d\6Riddle\0", LAYOUT_BYTES)


def test_the_schema_has_no_type_that_cannot_be_sent(engine: Engine) -> None:
    tables = ("interactions", "windows", "mixes", "spend", "verdicts", "incidents", "dead_letters", "versions")
    for table in tables:
        assert for_revision(engine.answer(Statement(f"SELECT * FROM {table}", format="Native")).body, LAYOUT_BYTES)  # noqa: S608


def test_the_port_answers_the_first_question_of_the_go_driver(engine: Engine) -> None:
    """The request as clickhouse-go 2.43 sends it for Grafana's data source."""
    stated = {"client_protocol_version": "54460", "database": "undertow", "default_format": "Native"}
    stated |= {"max_execution_time": "65"}  # from the deadline of the panel
    with port_of(engine) as port:
        answer = httpx.post(
            port.url,
            params=stated,
            content="SELECT displayName(), version(), revision(), timezone()",
            headers={"Accept-Encoding": "gzip", "User-Agent": "clickhouse-go/2.43.0"},
            auth=("default", ""),
        )
        refused = httpx.post(port.url, params=stated, content="SELECT 'a'::Dynamic AS d")
    assert "content-encoding" not in answer.headers  # it accepts gzip, and does not ask for it
    assert answer.content.startswith(BLOCK_INFO + b"\x04\x01\x0ddisplayName()\x06String\x00")
    assert b"\x0arevision()\x06UInt32\x00" in answer.content
    assert (refused.headers["x-clickhouse-exception-code"], "type Dynamic" in refused.text) == ("48", True)
