"""Every question of the boards to Prometheus, asked of a real one that holds the metrics as they are written."""

from __future__ import annotations

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from free_ports import free_port
from installation import wait_until
from memory_kafka import MemoryKafka
from outside import program
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from undertow.dashboards.board import PromQL
from undertow.dashboards.boards import BOARDS
from undertow.pipelines.kafka.block_sink import SinkMeter
from undertow.pipelines.kafka.detecting import Detect
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.paging_role import PagerRole
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.settings import Alerts, Kafka, Settings
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


def registries(folder: Path) -> dict[str, CollectorRegistry]:
    """The metrics of `undertow run` and of every role, by the process that shows them."""
    kafka = Kafka(series_partitions=2, user_key="secret")
    configured = Settings(data=str(folder), kafka=kafka, alerts=Alerts(console=False))
    topics = {name: TopicFacts(2, 1, {}) for name in Names.of(kafka)}
    meters = {role: LoopMeter(role) for role in ("worker", "detect", "pager", "store")}
    for name, build in (("worker", Worker), ("detect", Detect), ("pager", PagerRole)):
        build(configured, topics, MemoryKafka(dict.fromkeys(topics, 2)), meters[name]).close()
    SinkMeter(meters["store"].registry)
    for meter in meters.values():
        meter.lag({0: 3, 1: 4})
    found = {name: meter.registry for name, meter in meters.items()}
    (latest,) = (one for one in found["detect"].collect() if one.name == "undertow_last_closed_window_seconds")
    assert latest.samples[0].value == 0.0, "nothing was judged"
    return {"run": registry(Everything), **found}


def history(metrics: Mapping[str, CollectorRegistry], end: float) -> Iterator[str]:
    """Yield what Prometheus would have read of the metrics: counters rise by one from each time to the next."""
    families: dict[str, list[Metric]] = defaultdict(list)
    for instance, shown in metrics.items():
        for family in shown.collect():
            for sample in family.samples:
                sample.labels["instance"] = instance
            families[family.name].append(family)
    for name, alike in families.items():
        yield f"# TYPE {name} {alike[0].type}"
        for sample in (sample for family in alike for sample in family.samples):
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            for number in range(SCRAPES):
                value = sample.value + (number if alike[0].type in {"counter", "histogram"} else 1)
                yield f"{sample.name}{{{labels}}} {value} {end - SCRAPE_S * (SCRAPES - number)}"


@pytest.fixture(scope="module")
def now() -> float:
    return float(int(time.time()))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[httpx.Client]:
    server, tool = program("prometheus", "prometheus"), program("prometheus", "promtool")
    folder = tmp_path_factory.mktemp("prometheus")
    lines = [*history(registries(folder), now), "# EOF"]
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
    def ready() -> bool:
        with suppress(httpx.TransportError):
            return client.get("/-/ready").status_code == 200
        return False

    wait_until(ready, "Prometheus is ready", log.read_text)


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
    counted = question.startswith("sum(rate(") or ("_total" in question and " by (role)" in question)
    rates = {round(float(value) * SCRAPE_S, 6) for line in lines for _, value in line["values"]}
    assert not counted or rates <= {1.0, 2.0}, "one a scrape from each process"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every metric of every process, as queries name it."""
    found = registries(tmp_path_factory.mktemp("names")).values()
    return {_name(family) for metrics in found for family in metrics.collect()}


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_what_is_counted_and_held_is_on_a_board_and_nothing_else_is(names: set[str]) -> None:
    """A metric that is added is either shown or left out on purpose."""
    asked = " ".join(str(question.values[0]) for question in QUESTIONS)
    shown = {name.removesuffix("_bucket") for name in re.findall(r"undertow_\w+", asked)}
    left_out = {"undertow_watermark", "undertow_tasks_total", "undertow_pageable_series"}
    assert names - shown == left_out
    assert shown - names == set()


def test_what_the_documentation_names_is_there(names: set[str]) -> None:
    for file in ("kafka.md", "store.md", "compose.md", "grafana.md", "scaling.md"):
        text = (Path(__file__).parents[2] / "docs" / file).read_text()
        named = {
            name for name in re.findall(r"\bundertow_[a-z_]+[a-z]\b", text) if not name.startswith("undertow_test")
        }
        assert named - names == set(), file
