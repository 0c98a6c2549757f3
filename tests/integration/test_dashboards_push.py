"""`undertow dashboards`: into a Grafana that keeps the rules of its API, and into files."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grafana_server import GrafanaServer

from undertow.dashboards.boards import BOARDS
from undertow.dashboards.grafana import board_json, files
from undertow.pipelines import cli_dashboards
from undertow.pipelines.grafana import GrafanaError, push
from undertow.pipelines.settings import Grafana

PASSWORD, OLD_TOKEN = "s3cret", "glsa_old"


@pytest.fixture
def grafana() -> Iterator[GrafanaServer]:
    with GrafanaServer() as server:
        yield server


def where(server: GrafanaServer, **changed: str) -> Grafana:
    return Grafana(**{"url": server.url, "token": server.token, **changed})


def test_the_boards_are_put_into_their_folder(grafana: GrafanaServer) -> None:
    done = push(where(grafana, folder="LLM behaviour"))
    assert done == ["folder 'LLM behaviour' created", *(f"{board.uid} created" for board in BOARDS)]
    assert [folder["title"] for folder in grafana.folders.values()] == ["LLM behaviour"]
    for board in BOARDS:
        held = grafana.boards[board.uid]
        assert held["meta"]["folderUid"] in grafana.folders
        assert {name: held["dashboard"][name] for name in board_json(board)} == board_json(board)


def test_doing_it_again_writes_nothing(grafana: GrafanaServer) -> None:
    push(where(grafana))
    grafana.writes.clear()
    assert [line.rpartition(" ")[0] for line in push(where(grafana))[1:]] == [f"{b.uid} is up to" for b in BOARDS]
    assert grafana.writes == []


def test_what_was_changed_by_hand_or_moved_is_put_right_on_top_of_it(grafana: GrafanaServer) -> None:
    push(where(grafana))
    changed, moved = BOARDS[0].uid, BOARDS[1].uid
    grafana.boards[changed]["dashboard"]["panels"] = []
    grafana.versions[changed] = 7
    grafana.boards[moved]["meta"]["folderUid"] = "elsewhere"
    assert [line for line in push(where(grafana)) if "updated" in line] == [f"{changed} updated", f"{moved} updated"]
    assert grafana.versions[changed] == 8
    assert grafana.boards[changed]["dashboard"]["panels"] == board_json(BOARDS[0])["panels"]


def test_the_data_source_is_made_when_its_address_is_set_and_updated_later(grafana: GrafanaServer) -> None:
    store = "http://reader%40home@clickhouse:8124/behaviour"
    assert push(where(grafana, store=store, password=PASSWORD))[1] == "data source created"
    (source,) = grafana.sources.values()
    address = {"host": "clickhouse", "port": 8124, "secure": False, "username": "reader@home"}
    assert source["jsonData"] == {"protocol": "http", "defaultDatabase": "behaviour", **address}
    assert source["secureJsonData"] == {"password": PASSWORD}
    assert push(where(grafana, store="https://clickhouse"))[1] == "data source updated"
    (source,) = grafana.sources.values()
    assert (source["jsonData"]["port"], source["jsonData"]["defaultDatabase"]) == (8443, "undertow")


@contextmanager
def web_page() -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>It works</h1>")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(where: Grafana) -> str:
    with pytest.raises(GrafanaError) as caught:
        push(where)
    assert "glsa_" not in str(caught.value)
    return str(caught.value)


def test_what_goes_wrong_is_told_in_one_sentence(grafana: GrafanaServer) -> None:
    assert "does not know the token; set token_file in [grafana]" in refusal(where(grafana, token=OLD_TOKEN))
    assert "its role must be Editor" in refusal(where(grafana, token=grafana.viewer))
    push(where(grafana))
    grafana.meanwhile = BOARDS[0].uid
    grafana.boards[BOARDS[0].uid]["dashboard"]["panels"] = []
    assert "changed by someone else); push again" in refusal(where(grafana))


def test_a_name_that_another_dashboard_has_is_told(grafana: GrafanaServer) -> None:
    grafana.boards["mine"] = {"dashboard": {"title": BOARDS[0].title}, "meta": {}}
    assert "A dashboard with the same name in the folder already exists" in refusal(where(grafana))


def test_what_is_no_grafana_is_told() -> None:
    with web_page() as url:
        assert "is no Grafana; is [grafana] url right?" in refusal(Grafana(url=url))
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert "does not answer; is [grafana] url right?" in refusal(Grafana(url=url))
    assert "is not of the form" in refusal(Grafana(url="grafana:3000"))
    assert "use token_file" in refusal(Grafana(url="http://admin:glsa_x@grafana:3000"))
    assert "token='***'" in repr(Grafana(token=OLD_TOKEN))


def command(*words: str) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-W", "error", "-m", "undertow.pipelines.cli", "dashboards", *words]
    return subprocess.run(full, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_takes_the_token_from_a_file_and_ends_with_an_error_code(
    grafana: GrafanaServer, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{grafana.token}\n")
    config = tmp_path / "undertow.toml"
    config.write_text(f'[grafana]\nurl = "{grafana.url}/"\ntoken_file = "{tmp_path / "token"}"\n')
    done = command("push", "-c", str(config))
    assert (done.returncode, done.stderr, done.stdout.count("created")) == (0, "", 1 + len(BOARDS))
    (tmp_path / "token").write_text("wrong")
    done = command("push", "-c", str(config))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("undertow: Grafana at http://127.0.0.1")


def test_without_the_clients_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "undertow.pipelines.grafana")
    monkeypatch.delattr("undertow.pipelines.grafana")
    monkeypatch.setitem(sys.modules, "grafana_client.api", None)
    with pytest.raises(RuntimeError, match=r"grafana_client.api is missing: pip install 'undertow\[grafana\]'"):
        cli_dashboards.push()


def test_the_files_are_the_boards(tmp_path: Path) -> None:
    assert command("export", str(tmp_path / "new" / "folder")).returncode == 0
    assert {path.name: path.read_text() for path in (tmp_path / "new" / "folder").iterdir()} == files()
