"""The profile `demo` of docker-compose.yml, without containers: the same commands, files and variables, as processes.

Kafka and Prometheus are the real ones, ClickHouse is the engine behind HTTP. Windows last two minutes, and the traffic
is thinner than in the project, so that it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from clickhouse_server import served
from compose_project import STAYING, ByHand, resolved
from go_programs import built
from installation import wait_until

from undertow.dashboards.board import PromQL
from undertow.dashboards.boards.monitor import BOARD
from undertow.pipelines import settings
from undertow.pipelines.clickhouse import StoreError, ask_server

TABLES = ("interactions", "windows", "mixes", "verdicts", "versions", "spend", "incidents")
CHANGED = {"UNDERTOW_INGEST__WINDOW_S": "120"}
PROJECT, THINNER = (
    "--hours 3 --rate 10 --incident refusal_creep@9000",
    "--hours 2 --rate 3 --incident refusal_creep@3600",
)


def _thinner(command: str) -> str:
    return command.replace(PROJECT, THINNER)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ByHand, settings.Store]]:
    """The project, up, with the demo's events sent."""
    folder = tmp_path_factory.mktemp("project")
    services = resolved(built("compose", folder), "demo")["services"]
    assert PROJECT in services["demo"]["command"][0]
    with served(folder / "clickhouse") as url, ByHand(services, folder / "services", _address(url), CHANGED) as by_hand:
        by_hand.kafka()
        by_hand.prometheus()
        by_hand.to_its_end("topics")
        for role in STAYING:
            by_hand.role(role)
        by_hand.to_its_end("demo", _thinner)
        yield by_hand, settings.Store(url=url)


def _address(url: str) -> str:
    return url.removeprefix("http://").partition("/")[0]


def _count(store: settings.Store, table: str) -> int:
    with suppress(StoreError):  # the tables are about to be made
        return int(ask_server(store, f"SELECT count() FROM {table}").rows[0][0])  # noqa: S608
    return 0


def _said(by_hand: ByHand) -> str:
    assert by_hand.ended() == [], "\n".join(by_hand.said(name) for name in by_hand.ended())
    return "\n".join(f"{role}: {by_hand.said(role)[-1500:]}" for role in STAYING)


def test_the_incident_is_told_and_stored_with_all_that_led_to_it(project: tuple[ByHand, settings.Store]) -> None:
    by_hand, store = project
    assert int(by_hand.said("demo").split("sent ")[1].split()[0]) > 10_000
    wait_until(lambda: "refuse" in by_hand.said("pager"), "the page", lambda: _said(by_hand))
    for table in TABLES:
        wait_until(lambda table=table: _count(store, table) > 0, f"rows of {table}", lambda: _said(by_hand))  # type: ignore[misc]
    incidents = ask_server(store, "SELECT service, headline FROM incidents FINAL").rows
    assert "support" in {service for service, headline in incidents if "refuse" in headline}
    _said(by_hand)


@pytest.mark.parametrize("role", STAYING)
def test_every_role_passes_its_health_check(project: tuple[ByHand, settings.Store], role: str) -> None:
    wait_until(lambda: project[0].healthy(role), role, lambda: _said(project[0]))


def test_prometheus_reads_every_role_and_the_board_has_its_lines(project: tuple[ByHand, settings.Store]) -> None:
    by_hand, _ = project
    with httpx.Client(base_url=f"http://{by_hand.metrics('prometheus')}", timeout=60.0) as client:

        def asked(expression: str) -> list[Any]:
            answer = client.get("/api/v1/query", params={"query": expression}).json()
            found: list[Any] = answer["data"]["result"]
            return found

        wait_until(lambda: len(asked("up == 1")) == len(STAYING), "every role is read", lambda: _said(by_hand))
        roles = [panel for row in BOARD.rows if "distributed" in row.title for panel in row.panels]
        for question in (one for panel in roles for one in panel.questions):
            assert isinstance(question, PromQL)
            expression = question.text.replace("$__rate_interval", "5s")
            wait_until(lambda expression=expression: bool(asked(expression)), expression)  # type: ignore[misc]
