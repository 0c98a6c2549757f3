"""Every question of every board, asked of the real engine after an incident: Grafana gets what it can draw."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from grafana_macros import ALL, Shown, expanded
from replayed import CHANGE, DURATION_S, SERVICE, START, replayed

from undertow.dashboards.board import Board, Kind, Panel, PromQL, Sql
from undertow.dashboards.boards import BOARDS
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.engine import Statement


class Asked(msgspec.Struct):
    """An answer as the data source sees it."""

    meta: list[dict[str, str]]
    data: list[list[Any]]

    @property
    def columns(self) -> list[str]:
        return [column["name"] for column in self.meta]

    @property
    def kinds(self) -> list[str]:
        return [_kind(column["type"]) for column in self.meta]


def _kind(name: str) -> str:
    """Return what Grafana makes of a type of ClickHouse's: time, number or text."""
    inner = name.removeprefix("LowCardinality(").removeprefix("Nullable(")
    if inner.startswith("Date"):
        return "time"
    return "number" if inner.startswith(("Int", "UInt", "Float", "Decimal")) else "text"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with replayed(tmp_path_factory.mktemp("replayed")) as opened:
        yield opened


@pytest.fixture(scope="module")
def incident(store: Store) -> str:
    ((found,),) = store.query("SELECT id FROM incidents WHERE state = 'paged'").rows
    return str(found)


def choices(board: Board, incident: str) -> list[dict[str, tuple[str, ...]]]:
    """Return values of the variables that people may choose, of each board several."""
    if board.uid == "undertow-incident":
        return [{"incident": (incident,)}]
    if board.uid == "undertow-service":
        series = [("schema_violation_rate", "all traffic"), ("latency", "operation=triage")]
        common = {"service": (SERVICE,), "environment": ALL}
        return [{**common, "metric": (metric,), "segment": (slice_,)} for metric, slice_ in series]
    return [{"service": ALL, "environment": ALL}, {"service": (SERVICE, "it's"), "environment": ("prod",)}]


def ask(store: Store, question: Sql, values: Mapping[str, tuple[str, ...]]) -> Asked:
    shown = Shown(START, time.time() + 3600, 60, values)  # the dead letters have the wall clock's time
    assert store.engine is not None
    answer = store.engine.answer(Statement(expanded(question.text, shown), format="JSONCompact"))
    return msgspec.json.decode(answer.body, type=Asked)


def questions() -> list[Any]:
    return [
        pytest.param(board, name, question, id=f"{board.uid} {name}")
        for board in BOARDS
        for name, question in board.questions.items()
        if isinstance(question, Sql)
    ]


def panel_of(board: Board, question: Sql | PromQL) -> Panel | None:
    return next((panel for panel in board.panels if question in panel.questions), None)


@pytest.mark.parametrize(("board", "name", "question"), questions())
def test_each_question_answers_what_its_place_can_show(
    store: Store, incident: str, board: Board, name: str, question: Sql
) -> None:
    answers = [ask(store, question, values) for values in choices(board, incident)]
    panel = panel_of(board, question)
    for answer in answers:
        if panel:
            check_columns(panel, answer)
        elif name.startswith("annotation"):
            assert answer.columns in (["time", "text", "tags"], ["time", "timeEnd", "text", "tags"])
            assert answer.kinds[0] == "time"
        else:
            assert len(answer.columns) in {1, 2}
    assert any(answer.data for answer in answers), "nothing to see, although there is something"


def check_columns(panel: Panel, answer: Asked) -> None:
    if panel.kind is Kind.LINES:
        assert answer.kinds[0] == "time"
        assert "number" in answer.kinds
        assert "time" not in answer.kinds[1:]
        moments = [row[0] for row in answer.data]
        assert moments == sorted(moments)
        assert f"${{__field.labels.{_text_column(answer)}}}" in panel.legend or "text" not in answer.kinds
    if panel.kind is Kind.NUMBER:
        assert set(answer.kinds) == {"number"}
        assert len(answer.data) == 1
    named = {*panel.hidden, *panel.units, *(link.column for link in panel.links)}
    assert named <= set(answer.columns)


def _text_column(answer: Asked) -> str:
    return next((name for name, kind in zip(answer.columns, answer.kinds, strict=True) if kind == "text"), "")


def board(uid: str) -> Board:
    return next(board for board in BOARDS if board.uid == uid)


def asked(store: Store, uid: str, title: str, values: Mapping[str, tuple[str, ...]]) -> Asked:
    (question,) = next(panel for panel in board(uid).panels if panel.title == title).questions
    assert isinstance(question, Sql)
    return ask(store, question, values)


def test_the_incident_is_seen_where_it_is(store: Store, incident: str) -> None:
    """The level of the rate is what the verdict says it was, and rises; of classic monitoring nothing moves."""
    found = asked(
        store, "undertow-incident", "What moved, as a multiple of its level before", {"incident": (incident,)}
    )
    of_service = [row for row in found.data if row[1] == "schema_violation_rate of all traffic"]
    minutes = range(int(START), int(START + DURATION_S), 60)
    assert len(of_service) == len(minutes)
    calm = [row[2] for row, minute in zip(of_service, minutes, strict=True) if minute + 60 < CHANGE]
    moved = [row[2] for row, minute in zip(of_service, minutes, strict=True) if minute > CHANGE]
    assert sum(calm) / len(calm) == pytest.approx(1, abs=1)
    assert sum(moved) / len(moved) > 10


def test_the_levels_are_those_of_the_calls(store: Store) -> None:
    values = {"service": ALL, "environment": ALL}
    lines = asked(store, "undertow-overview", "Calls that failed", values).data
    ((truth,),) = store.query(
        "SELECT avg(failed) FROM interactions WHERE kind = 'call' AND service = 'support' AND late = 0"
    ).rows
    mine = [row[2] for row in lines if row[1] == SERVICE]
    assert sum(mine) / len(mine) == pytest.approx(truth, rel=0.1)


def test_an_incident_leads_to_its_board_at_its_time(store: Store, incident: str) -> None:
    found = asked(store, "undertow-overview", "Incidents", {"service": ALL, "environment": ALL})
    (row,) = [dict(zip(found.columns, row, strict=True)) for row in found.data if incident in row]
    assert int(row["begin"]) / 1000 < CHANGE < int(row["end"]) / 1000


def test_what_is_filtered_out_is_not_counted(store: Store) -> None:
    everything = asked(store, "undertow-overview", "Calls", {"service": ALL, "environment": ALL}).data
    nothing = asked(store, "undertow-overview", "Calls", {"service": ("it's",), "environment": ALL}).data
    assert (int(everything[0][0]) > 9000, int(nothing[0][0])) == (True, 0)
