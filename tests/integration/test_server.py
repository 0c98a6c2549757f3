"""The loopback port: read by ClickHouse's clients, written by nobody, and a server to the store's own code in tests."""

from __future__ import annotations

import gzip
import http.server
import os
import stat
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError
from prometheus_client import CollectorRegistry, Counter

from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store, StoreError, StoreUnreachableError
from undertow.pipelines.clickhouse import ask as ask_port
from undertow.pipelines.engine import Engine, QueryError, Statement
from undertow.pipelines.server import ControlError, Port, PortError, Services, control_token
from undertow.pipelines.settings import Secret
from undertow.pipelines.store_lock import Holder, StoreBusyError, holder

TOKEN = Secret("correct horse")
AUTHORISED = {"Authorization": "Bearer correct horse"}


class World:
    """A store, its port, and what the port asks the composer for."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store, self.path = store, path
        self.window_age: float | None = 5.0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.registry = CollectorRegistry()
        Counter("undertow_events", "Events read.", registry=self.registry).inc(7)

    def control(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((action, body))
        if action == "accept" and "id" not in body:
            raise ControlError("accept needs the 'id' of an incident")
        return {"done": action}

    def services(self, engine: Engine | None, **changed: Any) -> Services:
        return Services(
            engine=engine,
            registry=self.registry,
            window_age=lambda: self.window_age,
            window_age_limit_s=60.0,
            status=lambda: {"series": 3},
            control=self.control,
            token=TOKEN,
            **changed,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("data")
    with Store.open(settings.Store(), folder) as store:
        columns: dict[str, list[Any]] = {"service": ["a", "b"], "value": ["x", "y"], "events": [1, 2]}
        store.insert("versions", {**columns, "first_seen": [1.0, 2.0], "last_seen": [1.5, 2.5]}, "first")
        yield World(store, folder / "store")


@pytest.fixture(scope="module")
def port(world: World) -> Iterator[Port]:
    with Port("127.0.0.1:0", world.services(world.store.engine)) as opened:
        yield opened


@pytest.fixture(scope="module")
def http_client(port: Port) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=port.url) as client:
        yield client


@pytest.fixture(scope="module")
def server_url(world: World) -> Iterator[str]:
    """A ClickHouse server: the one that UNDERTOW_TEST_CLICKHOUSE names, else the port in its form that writes."""
    if "UNDERTOW_TEST_CLICKHOUSE" in os.environ:
        yield os.environ["UNDERTOW_TEST_CLICKHOUSE"]
        return
    engine = Engine(os.path.realpath(world.path), "undertow", writable=True)
    with Port("127.0.0.1:0", world.services(engine, writable=True)) as opened:
        yield f"{opened.url}/served"
    engine.close()


@pytest.fixture(scope="module")
def served(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(settings.Store(url=server_url), tmp_path_factory.mktemp("unused")) as store:
        yield store


def ask(client: httpx.Client, sql: str, **parameters: str) -> httpx.Response:
    return client.get("/", params={"query": sql, **parameters})


class TestReading:
    def test_clickhouse_connect_reads_the_store_beside_the_running_process(self, port: Port) -> None:
        with clickhouse_connect.get_client(host="127.0.0.1", port=port.port) as client:
            result = client.query("SELECT service, events FROM versions WHERE service = {s:String}", {"s": "b"})
            assert (result.column_names, result.result_rows) == (("service", "events"), [("b", 2)])
            assert client.query("SELECT service FROM versions WHERE events > 9").column_names == ("service",)
            assert client.query("SELECT service FROM versions LIMIT 0").column_names == ("service",)
            assert client.query("SELECT sum(number) FROM numbers(300000)").result_rows == [(44999850000,)]
            assert client.command("SELECT count() FROM versions") == 2

    def test_a_command_reads_it_as_it_would_read_the_store_itself(self, world: World, port: Port) -> None:
        sql = "SELECT value, first_seen FROM versions WHERE service = {s:String}"
        assert ask_port(port.url, sql, {"s": "a"}) == world.store.query(sql, {"s": "a"})
        with pytest.raises(QueryError) as caught:
            ask_port(port.url, "SELECT * FROM nothing")
        assert caught.value.code == 60

    @pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
    def test_answers_come_compressed_as_negotiated(self, port: Port, compression: str | bool) -> None:
        with clickhouse_connect.get_client(host="127.0.0.1", port=port.port, compress=compression) as client:
            assert len(client.query("SELECT toString(number) FROM numbers(100000)").result_rows) == 100_000

    def test_the_encoding_of_an_answer_is_the_one_accepted(self, http_client: httpx.Client) -> None:
        answer = http_client.get(
            "/", params={"query": "SELECT 1", "enable_http_compression": "1"}, headers={"Accept-Encoding": "gzip;q=1"}
        )
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.text == "1\n"
        assert "content-encoding" not in ask(http_client, "SELECT 1").headers

    def test_a_statement_comes_in_the_url_in_the_body_or_in_both(self, http_client: httpx.Client) -> None:
        assert ask(http_client, "SELECT 1").text == "1\n"
        assert http_client.post("/", content="SELECT 2").text == "2\n"
        assert http_client.post("/", params={"query": "SELECT 1 +"}, content="2").text == "3\n"
        packed = {"Content-Encoding": "gzip"}
        assert http_client.post("/", content=gzip.compress(b"SELECT 4"), headers=packed).text == "4\n"
        packed = {"Content-Encoding": "zstd"}
        assert http_client.post("/", content=zstandard.compress(b"SELECT 5"), headers=packed).text == "5\n"

    def test_the_format_is_the_statements_own_else_the_default_asked_for(self, http_client: httpx.Client) -> None:
        stated = ask(http_client, "SELECT 1 AS n FORMAT JSONEachRow", default_format="CSV")
        assert (stated.text, stated.headers["x-clickhouse-format"]) == ('{"n":1}\n', "JSONEachRow")
        default = ask(http_client, "SELECT 'a', 1", default_format="CSV")
        assert (default.text, default.headers["content-type"]) == ('"a",1\n', "text/csv; charset=utf-8")
        assert ask(http_client, "SELECT ' FORMAT CSV '").headers["x-clickhouse-format"] == "TabSeparated"

    def test_bound_values_and_presentation_settings_are_understood(self, http_client: httpx.Client) -> None:
        bound = ask(http_client, "SELECT {a:String} AS a", param_a="tab\\tquote'", default_format="JSONEachRow")
        assert bound.json() == {"a": "tab\tquote'"}
        asked = {"output_format_json_quote_64bit_integers": "1", "default_format": "JSONEachRow"}
        assert ask(http_client, "SELECT toUInt64(1) AS n", **asked).text == '{"n":"1"}\n'
        assert ask(http_client, "SHOW TABLES", database="system").text.count("\n") > 50

    def test_a_statement_leaves_nothing_behind_for_the_next(self, http_client: httpx.Client) -> None:
        assert ask(http_client, "SELECT currentDatabase()", database="system").text == "system\n"
        assert ask(http_client, "SELECT currentDatabase()").text == "undertow\n"

    def test_errors_carry_clickhouses_code_and_text(self, http_client: httpx.Client) -> None:
        answer = ask(http_client, "SELECT * FROM nothing")
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "60")
        assert answer.text.startswith("Code: 60. DB::Exception: Unknown table")
        assert ask(http_client, "SELEC 1").status_code == 400

    def test_health_checks_of_a_server_are_answered(self, http_client: httpx.Client) -> None:
        assert http_client.get("/").text == http_client.get("/ping").text == "Ok.\n"

    def test_several_readers_at_once_each_get_their_answer(self, port: Port) -> None:
        answers: dict[int, str] = {}

        def read(number: int) -> None:
            with httpx.Client(base_url=port.url, timeout=30) as client:
                answers[number] = ask(client, f"SELECT {number}, sleep(0.05)").text

        threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {number: f"{number}\t0\n" for number in range(8)}


REFUSED = [
    "INSERT INTO versions (service) VALUES ('c')",
    "INSERT INTO FUNCTION file('{folder}/out.csv') SELECT 1",
    "CREATE TABLE t (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a UInt8)",
    "DROP TABLE versions",
    "TRUNCATE TABLE versions",
    "ALTER TABLE versions DROP COLUMN value",
    "ALTER TABLE versions DELETE WHERE 1",
    "OPTIMIZE TABLE versions FINAL",
    "RENAME TABLE versions TO v",
    "SYSTEM STOP MERGES",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "USE system",
    "ATTACH TABLE t",
    "DETACH TABLE versions",
    "BACKUP TABLE versions TO File('{folder}/out.csv')",
    "GRANT ALL ON *.* TO default",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 INTO OUTFILE '{folder}/out.csv'",
    "SELECT 1 into /* a */ outfile '{folder}/out.csv' TRUNCATE FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{folder}/out.csv'",
    "SELECT 1; DROP TABLE versions",
    "SELECT 1 PARALLEL WITH DROP TABLE versions",
    "SELECT 1 -- '\n; DROP TABLE versions",
    "SELECT file('{folder}/secret')",
    "SELECT `file`('{folder}/secret')",
    "SELECT \"file\"('{folder}/secret')",
    "SELECT file/**/('{folder}/secret')",
    "WITH (SELECT file('{folder}/secret')) AS x SELECT x",
    "SELECT arrayMap(file, ['{folder}/secret'])",
    "SELECT * APPLY(file) FROM (SELECT '{folder}/secret')",
    "SELECT * FROM view(SELECT file('{folder}/secret'))",
    "SELECT * FROM file('{folder}/secret', 'LineAsString')",
    "SELECT * FROM `{folder}/secret`",
    "DESCRIBE TABLE file('{folder}/secret')",
    "DESCRIBE (SELECT file('{folder}/secret'))",
    "DESCRIBE TABLE url('{http}/x.csv')",
    "DESCRIBE (SELECT * FROM url('{http}/x.csv', 'CSV', 'a String'))",
    "EXPLAIN SELECT * FROM url('{http}/x.csv', 'CSV', 'a String')",
    "SELECT * FROM url('{http}/x.csv', 'CSV', 'a String')",
    "SELECT * FROM remote('{http}', 'system', 'one')",
    "SELECT * FROM s3('{http}/x.csv', 'CSV', 'a String')",
    "SELECT * FROM mysql('{http}', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('{folder}/secret', 'a')",
    "SELECT * FROM executable('ls', 'CSV', 'a String')",
    "SELECT * FROM Python(world)",
]


class TestReadOnly:
    @pytest.mark.parametrize("sql", REFUSED)
    def test_what_writes_or_reaches_outside_is_refused(
        self, world: World, http_client: httpx.Client, tmp_path: Path, sql: str
    ) -> None:
        (tmp_path / "secret").write_text("the secret")
        contacts: list[str] = []
        with listener(200, "a\nthe secret\n", {}, contacts) as url:
            answer = ask(http_client, sql.replace("{folder}", str(tmp_path)).replace("{http}", url))
        assert answer.status_code >= 400, answer.text
        assert "the secret" not in answer.text
        assert contacts == []
        assert not (tmp_path / "out.csv").exists()
        assert world.store.query("SELECT service, value FROM versions ORDER BY service").rows == [
            ("a", "x"),
            ("b", "y"),
        ]

    def test_a_function_named_by_a_bound_identifier_is_refused_too(
        self, http_client: httpx.Client, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text("the secret")
        sql = f"SELECT arrayMap({{f:Identifier}}, ['{tmp_path}/secret'])"
        assert ask(http_client, sql, param_f="file").status_code == 403

    def test_what_merely_looks_like_it_is_answered(self, http_client: httpx.Client) -> None:
        assert ask(http_client, "SELECT 'file(x) INTO OUTFILE ; DROP'").text == "file(x) INTO OUTFILE ; DROP\n"
        assert ask(http_client, "DESCRIBE TABLE versions").status_code == 200
        assert ask(http_client, "EXPLAIN SELECT * FROM versions").status_code == 200
        assert ask(http_client, "SELECT sum(number) FROM numbers(4);").text == "6\n"

    def test_settings_that_would_lift_a_limit_are_refused_or_bounded(self, http_client: httpx.Client) -> None:
        assert ask(http_client, "SELECT 1", allow_ddl="1").headers["x-clickhouse-exception-code"] == "164"
        for asked, applied in (("0", "30"), ("999", "30"), ("2", "2")):
            limit = ask(http_client, "SELECT getSetting('max_execution_time')", max_execution_time=asked).text
            assert limit.startswith(applied)

    @pytest.mark.parametrize(
        ("sql", "setting", "code"),
        [
            ("SELECT count() FROM numbers(1e15)", {"max_execution_time": "1"}, 159),
            ("SELECT groupArray(number) FROM numbers(1e9)", {"max_memory_usage": "50000000"}, 241),
            ("SELECT number FROM numbers(1e6)", {"max_result_bytes": "10000"}, 396),
        ],
    )
    def test_a_statement_is_bounded_in_time_memory_and_size(
        self, http_client: httpx.Client, sql: str, setting: dict[str, str], code: int
    ) -> None:
        answer = http_client.get("/", params={"query": sql, **setting}, timeout=30)
        assert answer.headers["x-clickhouse-exception-code"] == str(code)

    def test_a_request_beyond_the_size_limit_is_refused(self, http_client: httpx.Client) -> None:
        assert http_client.post("/", content=b"SELECT 1" + b" " * 2**20).status_code == 413

    def test_a_packed_body_that_grows_beyond_the_limit_does_not_fill_the_memory(
        self, http_client: httpx.Client
    ) -> None:
        bomb = gzip.compress(b"SELECT 1" + b" " * 2**24)
        assert http_client.post("/", content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413

    def test_what_the_interface_does_not_understand_it_refuses_by_name(self, http_client: httpx.Client) -> None:
        assert "compress=1 is not understood" in ask(http_client, "SELECT 1", compress="1").text
        assert "'br' is not understood" in http_client.post("/", content=b"x", headers={"Content-Encoding": "br"}).text
        assert http_client.put("/", content=b"SELECT 1").status_code == 405


class TestGuards:
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "[::2]:80"])
    def test_a_request_addressed_to_another_name_is_refused(self, http_client: httpx.Client, host: str) -> None:
        assert http_client.get("/status", headers={"Host": host}).status_code == 421

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8321", "[::1]:8321"])
    def test_a_request_addressed_to_loopback_is_answered(self, http_client: httpx.Client, host: str) -> None:
        assert http_client.get("/status", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "correct horse"}])
    def test_control_wants_the_token(self, world: World, http_client: httpx.Client, header: dict[str, str]) -> None:
        before = len(world.asked)
        assert http_client.post("/control/accept", json={"id": "i"}, headers=header).status_code == 401
        assert len(world.asked) == before

    def test_control_hands_the_request_on_and_the_answer_back(self, world: World, http_client: httpx.Client) -> None:
        answer = http_client.post("/control/deploy", json={"minutes": 5}, headers=AUTHORISED)
        assert answer.json() == {"done": "deploy"}
        assert world.asked[-1] == ("deploy", {"minutes": 5})

    @pytest.mark.parametrize(
        ("path", "content", "status", "said"),
        [
            ("accept", b"{}", 400, "accept needs the 'id'"),
            ("accept", b"{", 400, "truncated"),
            ("accept", b"[]", 400, "Expected `object`"),
            ("explode", b"{}", 404, "no action 'explode'"),
            ("accept", b" " * 2**21, 413, "larger than"),
        ],
    )
    def test_control_says_what_is_wrong(
        self, http_client: httpx.Client, path: str, content: bytes, status: int, said: str
    ) -> None:
        answer = http_client.post(f"/control/{path}", content=content, headers=AUTHORISED)
        assert answer.status_code == status
        assert said in answer.json()["error"]

    def test_no_page_of_another_origin_may_read_an_answer(self, http_client: httpx.Client) -> None:
        answer = http_client.get("/status", headers={"Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


class TestHealth:
    def test_metrics_are_the_registrys(self, http_client: httpx.Client) -> None:
        answer = http_client.get("/metrics")
        assert "undertow_events_total 7.0" in answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=")

    def test_status_is_the_composers(self, http_client: httpx.Client) -> None:
        assert http_client.get("/status").json() == {"series": 3}

    @pytest.mark.parametrize(
        ("age", "status", "said"),
        [(5.0, 200, "ready"), (61.0, 503, "the last window closed 61 s ago"), (None, 503, "no window has closed yet")],
    )
    def test_readiness_follows_the_age_of_the_last_window(
        self, world: World, http_client: httpx.Client, age: float | None, status: int, said: str
    ) -> None:
        world.window_age = age
        answer = http_client.get("/readyz")
        assert (answer.status_code, said in answer.text) == (status, True)
        assert http_client.get("/healthz").status_code == 200


class TestLife:
    def test_a_port_in_use_is_named_with_the_way_out(self, world: World, port: Port) -> None:
        with pytest.raises(PortError, match=rf"cannot listen on 127.0.0.1:{port.port}: Address already in use; set"):
            Port(f"127.0.0.1:{port.port}", world.services(None))

    def test_a_listen_address_without_a_port_is_refused(self, world: World) -> None:
        with pytest.raises(PortError, match="is not of the form host:port"):
            Port("localhost", world.services(None))

    def test_other_names_may_be_allowed(self, world: World) -> None:
        for allowed, host, status in (("watch.example", "watch.example:80", 200), ("x", "y", 421), ("*", "y", 200)):
            with Port("127.0.0.1:0", world.services(None, hosts=frozenset({allowed}))) as opened:
                assert httpx.get(f"{opened.url}/status", headers={"Host": host}).status_code == status

    def test_a_stopped_port_leaves_no_thread_and_can_be_opened_again(self, world: World) -> None:
        before = threading.active_count()
        with Port("127.0.0.1:0", world.services(None)) as opened:
            assert httpx.get(f"{opened.url}/healthz").status_code == 200
        opened.stop()
        deadline = time.monotonic() + 60
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)  # the loop's worker threads end after it, by themselves
        assert threading.active_count() <= before
        with Port(f"127.0.0.1:{opened.port}", world.services(None)) as again:
            assert again.port == opened.port

    def test_a_port_that_never_started_can_be_stopped(self, world: World) -> None:
        Port("127.0.0.1:0", world.services(None)).stop()

    def test_without_an_embedded_store_the_interface_says_where_to_ask(self, world: World) -> None:
        with Port("127.0.0.1:0", world.services(None)) as opened:
            assert "a ClickHouse server of its own" in httpx.get(f"{opened.url}/?query=SELECT+1").text

    def test_a_closed_engine_answers_nothing(self, world: World) -> None:
        engine = Engine(os.path.realpath(world.path), "undertow")
        engine.close()
        with pytest.raises(QueryError, match="closed"):
            engine.answer(Statement("SELECT 1"))

    def test_the_control_token_is_made_once_and_is_its_owners_alone(self, tmp_path: Path) -> None:
        token = control_token(tmp_path / "new")
        assert control_token(tmp_path / "new").reveal() == token.reveal()
        assert len(token.reveal()) > 40
        assert token.reveal() not in repr(token)
        assert stat.S_IMODE((tmp_path / "new" / "control.token").stat().st_mode) == 0o600


class TestServerMode:
    """The same store code, with a server at the other end of HTTP."""

    def test_the_schema_is_made_on_the_server(self, served: Store) -> None:
        assert served.query("SELECT max(version) FROM meta").rows == [(5,)]
        assert served.engine is None

    def test_a_token_that_was_seen_inserts_nothing_over_http_either(self, served: Store) -> None:
        for token in ("a", "a", "b"):
            served.insert("windows", {"service": ["s"], "window_start": [1.0], "segment": [{}]}, token)
        assert served.query("SELECT count() FROM windows").rows == [(2,)]

    def test_reading_shows_the_last_revision(self, served: Store) -> None:
        for events in (1, 2):
            columns: dict[str, list[Any]] = {
                "service": ["s"],
                "first_seen": [1.0],
                "last_seen": [2.0],
                "events": [events],
            }
            served.insert("versions", columns, f"revision {events}")
        assert served.query("SELECT events FROM versions").rows == [(2,)]

    def test_errors_keep_their_code(self, served: Store) -> None:
        with pytest.raises(QueryError) as caught:
            served.query("SELECT * FROM nothing")
        assert caught.value.code == 60

    @pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
    def test_native_inserts_come_through_in_every_compression(
        self, served: Store, server_url: str, compression: str | bool
    ) -> None:
        with clickhouse_connect.get_client(dsn=server_url, compress=compression) as client:
            client.command("TRUNCATE TABLE dead_letters")
            rows = [(f"{number}; '\n\0 FORMAT Native\n", number) for number in range(10_000)]
            client.insert("dead_letters", rows, column_names=["reason", "line"])
            found = client.query("SELECT reason, line FROM dead_letters ORDER BY line").result_rows
            assert found == rows

    def test_statements_with_values_and_errors_pass_as_on_a_server(self, served: Store, server_url: str) -> None:
        with clickhouse_connect.get_client(dsn=server_url) as client:
            client.command("CREATE TABLE t (a UInt8) ENGINE = Memory")
            client.command("INSERT INTO t VALUES (1), (2)")
            assert client.command("SELECT sum(a) FROM t") == 3
            client.command("DROP TABLE t")
            with pytest.raises(DatabaseError):
                client.command("DROP TABLE t")

    def test_one_watch_at_a_time_has_a_data_folder_also_with_a_server(self, server_url: str, tmp_path: Path) -> None:
        where = settings.Store(url=server_url)
        with Store.open(where, tmp_path) as first, Store.open(where, tmp_path) as second:
            first.announce("http://127.0.0.1:1")
            with pytest.raises(StoreBusyError, match=r"serves it at http://127\.0\.0\.1:1;"):
                second.announce("http://127.0.0.1:2")
            found = holder(tmp_path)
        assert found == Holder(os.getpid(), "http://127.0.0.1:1")
        assert holder(tmp_path) is None

    def test_an_unreachable_server_is_told_apart_from_a_wrong_statement(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnreachableError, match=r"ClickHouse at 127\.0\.0\.1 does not answer; is"):
            Store.open(settings.Store(url="http://127.0.0.1:1/x"), tmp_path)

    def test_a_wrong_password_is_told_without_showing_it(self, tmp_path: Path) -> None:
        refusal = (
            "Code: 516. DB::Exception: default: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
        )
        with listener(403, refusal, {"X-ClickHouse-Exception-Code": "516"}, []) as url:
            where = settings.Store(url=url.replace("//", "//ann@"), password=TOKEN.reveal())
            with pytest.raises(
                StoreError, match="refuses the user or the password; see url and password_file"
            ) as caught:
                Store.open(where, tmp_path)
        assert TOKEN.reveal() not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize("url", ["localhost:8123", "tcp://h:9000", "http://u:hunter2@h/a b"])
    def test_a_url_of_another_form_is_refused_without_its_password(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(StoreError, match="is not of the form") as caught:
            Store.open(settings.Store(url=url), tmp_path)
        assert "hunter2" not in str(caught.value)


class listener:  # noqa: N801 (a context manager used like a function)
    """An HTTP server with one answer, which writes down who came."""

    def __init__(self, status: int, body: str, headers: dict[str, str], contacts: list[str]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                contacts.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815 (the name that the base class looks for)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
