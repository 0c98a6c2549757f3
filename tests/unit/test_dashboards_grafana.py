"""The JSON of the boards is what Grafana's own schema knows, laid out without overlap, for any data source."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from undertow.alerts.links import grafana
from undertow.dashboards.board import Board, Kind, Panel, PromQL, Sql
from undertow.dashboards.boards import BOARDS
from undertow.dashboards.grafana import board_json, files
from undertow.drift.metrics import METRICS

PROVISIONED = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def missing(written: Any, read: Any, where: str = "") -> list[str]:
    """Return what of the written is not in what Grafana's schema makes of it."""
    if isinstance(written, dict):
        lost = [f"{where}.{name}" for name in written if not isinstance(read, dict) or name not in read]
        return lost or [one for name in written for one in missing(written[name], read[name], f"{where}.{name}")]
    if isinstance(written, list):
        pairs = zip(written, read, strict=True)
        return [one for number, pair in enumerate(pairs) for one in missing(*pair, f"{where}[{number}]")]
    return [] if written == read else [f"{where}: {written!r} is read as {read!r}"]


@each_board
def test_grafanas_schema_knows_all_of_it(board: Board) -> None:
    register_default_plugins()  # the options of its panels, the questions of its data sources
    written = board_json(board)
    for annotation in written["annotations"]["list"]:
        del annotation["target"]  # the schema has no word on it but "this should just be a normal query target"
    read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))
    assert missing(written, read) == []


@each_board
def test_panels_lie_beside_one_another(board: Board) -> None:
    panels = board_json(board)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@each_board
def test_every_question_goes_to_a_data_source_that_people_choose(board: Board) -> None:
    text = files()[f"{board.uid}.json"]
    chosen = {variable["name"] for variable in board_json(board)["templating"]["list"]}
    assert {"${datasource}", "${prometheus}"} & {part for part in text.split('"') if part.startswith("${")} <= {
        f"${{{name}}}" for name in chosen
    }
    asks_prometheus = any(isinstance(question, PromQL) for question in board.questions.values())
    assert ("prometheus" in chosen) is asks_prometheus


@each_board
def test_every_panel_says_what_it_shows(board: Board) -> None:
    titles = [panel.title for panel in board.panels]
    assert len(set(titles)) == len(titles)
    assert [panel.title for panel in board.panels if not panel.description.endswith(".")] == []


def test_links_lead_to_boards_that_are_there() -> None:
    linked = {link.board for board in BOARDS for panel in board.panels for link in panel.links}
    assert linked
    assert linked <= {board.uid for board in BOARDS}


def test_the_board_of_an_incident_and_its_report_lead_to_each_other() -> None:
    (board,) = (board for board in BOARDS if board.pages)
    (page,) = board.pages
    to_board = urlsplit(grafana("https://grafana.example.org").href)
    assert to_board.path == f"/d/{board.uid}"
    (asked,) = (name.removeprefix("var-") for name in parse_qs(to_board.query) if name.startswith("var-"))
    assert asked in {variable.name for variable in board.variables}
    assert urlsplit(page.address).path == f"/incidents/${{{asked}}}"
    assert page.address in {link.get("url") for link in board_json(board)["links"]}


def test_the_provisioned_files_are_what_the_code_writes() -> None:
    """After a change: `undertow dashboards export deploy/grafana/dashboards`."""
    assert {path.name: path.read_text() for path in PROVISIONED.iterdir()} == files()


def test_a_panel_that_cannot_be_drawn_is_refused() -> None:
    good: dict[str, Any] = {"title": "T", "kind": Kind.TABLE, "description": "D."}
    with pytest.raises(ValueError, match="does not fit into 24 columns"):
        Panel(**good, questions=(Sql("SELECT 1"),), width=25)
    with pytest.raises(ValueError, match="asks nothing, or two data sources"):
        Panel(**good, questions=(Sql("SELECT 1"), PromQL("up")))
    with pytest.raises(ValueError, match="asks nothing"):
        Panel(**good, questions=())


def test_units_are_those_of_the_metrics() -> None:
    panels = {panel.title: panel.unit for panel in BOARDS[0].panels}
    assert panels["Answers that refuse"] == "percentunit"
    assert panels[METRICS["latency"].title.capitalize()] == "s"
    assert panels["Cost of a task"] == "currencyUSD"
    assert panels["Length of answers"] == "short"
