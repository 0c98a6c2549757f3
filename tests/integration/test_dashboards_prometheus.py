"""Every question of the boards to Prometheus, asked of a real one that holds the metrics as they are written."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alertmanager_server import free_port
from outside import program
from prometheus_client.registry import CollectorRegistry

from undertow.dashboards.board import PromQL
from undertow.dashboards.boards import BOARDS
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.telemetry import registry

SCRAPE_S, SCRAPES = 15, 60
QUESTIONS = [
    pytest.param(question.text, id=name)
    for board in BOARDS
    for name, question in board.questions.items()
    if isinstance(question, PromQL)
]


class Everything(dict[str, Any]):
    """A status in which every number is there."""

    def get(self, name: str, default: Any = None) -> Any:
        labelled = {"states": {"learning": 3, "watching": 4}, "limits": {"series": 1}}
        return Everything() if name == "practice" else labelled.get(name, 7)

    def __getitem__(self, name: str) -> Any:
        return self.get(name)


def role() -> CollectorRegistry:
    meter = LoopMeter("worker")
    meter.messages.inc(5)
    meter.lag({0: 3, 1: 4})
    return meter.registry


def history(metrics: CollectorRegistry, end: float) -> Iterator[str]:
    """Yield what Prometheus would have read of the metrics: counters rise by one from each time to the next."""
    for family in metrics.collect():
        yield f"# TYPE {family.name} {family.type}"
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            for number in range(SCRAPES):
                value = sample.value + (number if family.type == "counter" else 0)
                yield f"{sample.name}{{{labels}}} {value} {end - SCRAPE_S * (SCRAPES - number)}"


@pytest.fixture(scope="module")
def now() -> float:
    return float(int(time.time()))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[httpx.Client]:
    server, tool = program("prometheus", "prometheus"), program("prometheus", "promtool")
    folder = tmp_path_factory.mktemp("prometheus")
    lines = [*history(registry(Everything), now), *history(role(), now), "# EOF"]
    (folder / "history").write_text("\n".join(lines) + "\n")
    (folder / "config.yml").write_text("")
    blocks: list[str | Path] = [tool, "tsdb", "create-blocks-from", "openmetrics", folder / "history", folder / "data"]
    subprocess.run(blocks, check=True, capture_output=True)
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/config.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([server, *options, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=30) as client:
            wait_for(client, folder / "log")
            yield client
    finally:
        process.terminate()
        process.wait()


def wait_for(client: httpx.Client, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_lines_for_an_answer(prometheus: httpx.Client, now: float, question: str) -> None:
    """Grafana's `$__rate_interval` is four times the interval of the scrapes, at least."""
    expression = question.replace("$__rate_interval", f"{4 * SCRAPE_S}s")
    assert "$" not in expression
    asked: dict[str, str | float] = {"query": expression, "start": now - 600, "end": now - 60, "step": SCRAPE_S}
    answer = prometheus.get("/api/v1/query_range", params=asked).json()
    assert answer["status"] == "success", answer
    lines = answer["data"]["result"]
    assert lines, "nothing to see, although there is something"
    moving = "rate(" in question and "undertow_loop_seconds" not in question
    assert all(float(value) == pytest.approx(1 / SCRAPE_S) for _, value in lines[0]["values"]) or not moving


def test_what_the_watch_counts_and_holds_is_on_a_board() -> None:
    """A metric that is added is either shown or left out on purpose."""
    shown = " ".join(str(question.values[0]) for question in QUESTIONS)
    names = {family.name for family in registry(Everything).collect()}
    left_out = {"undertow_watermark", "undertow_tasks", "undertow_pageable_series"}
    assert {name for name in names if name not in shown} == left_out
