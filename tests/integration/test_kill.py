"""`undertow run` killed at any moment and started again ends where an uninterrupted run ends."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from undertow.pipelines import snapshot
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.settings import Store as StoreSettings
from undertow.pipelines.simulator import Scenario, write

EVENTS_PER_S, SECONDS = 13.5, 7200
KILLS = 20
PATIENCE_S = 900


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 events in which refusals rise for a while, after an hour."""
    path = tmp_path_factory.mktemp("traffic") / "support.jsonl"
    scenario = Scenario(seed=3, duration_s=SECONDS, rate_per_s=EVENTS_PER_S)
    assert write(scenario.plant("refusal_creep", after_s=3000, for_s=2400), path) > 100_000
    return path


def _start(folder: Path, traffic: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    config = folder / "undertow.toml"
    config.write_text(f'data = "{folder}/data"\n[store]\nlisten = "127.0.0.1:0"\ncommit_records = 3000\n')
    command = [sys.executable, "-m", "undertow.pipelines.cli", "run", "--once", "-c", str(config), str(traffic)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _kill(process: subprocess.Popen[bytes], folder: Path, commits: int, after_s: float) -> bool:
    """Kill the process that long after it has made so many commits; False when it was done before."""
    path = folder / "data" / "state.snapshot"
    until = time.monotonic() + PATIENCE_S
    for _ in range(commits):
        before = _changed(path)
        while _changed(path) == before and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _found(folder: Path) -> dict[str, object]:
    """Return all that a run leaves behind which must not depend on how often it was killed."""
    with Store.open(StoreSettings(), folder / "data") as store:
        found: dict[str, object] = {
            name: store.query(query).rows
            for name, query in {
                "verdicts": "SELECT * EXCEPT stored FROM verdicts ORDER BY id",
                "incidents": "SELECT * EXCEPT stored FROM incidents ORDER BY id",
                # a sum of floats depends on how rows lie in parts
                "calls": "SELECT count(), uniqExact(service, id), sum(output_length), round(sum(cost), 6) "
                "FROM interactions",
                "windows": "SELECT metric, count(), sum(events), sum(hits) FROM windows GROUP BY ALL ORDER BY metric",
            }.items()
        }
    outbox = sqlite3.connect(folder / "data" / "outbox.sqlite")
    found["told"] = outbox.execute("SELECT change_id, channel FROM entries ORDER BY change_id, channel").fetchall()
    outbox.close()
    return found


@pytest.fixture
def whole(traffic: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The run that nobody kills, beside the other: it is not needed before the end."""
    process = _start(tmp_path / "whole", traffic)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_run_killed_twenty_times_finds_what_an_uninterrupted_run_finds(
    traffic: Path, tmp_path: Path, whole: subprocess.Popen[bytes]
) -> None:
    """Rows, windows, verdicts, incidents and what was told are the same, and nothing is there twice."""
    chance = random.Random(11)
    taken = []
    for number in range(KILLS):
        process = _start(tmp_path / "killed", traffic)
        # One in four dies while it starts or makes up for the last one's death, the others some way behind a commit.
        commits, delay = (0, chance.uniform(0.2, 2.0)) if number % 4 == 0 else (1, chance.uniform(0.0, 0.4))
        assert _kill(process, tmp_path / "killed", commits, delay), "the run ended before it was killed often enough"
        state = snapshot.read(tmp_path / "killed" / "data" / "state.snapshot")
        taken.append(state["taken"] if state else 0)
    assert len(set(taken)) > KILLS // 2, f"kills that meet no progress prove nothing: {taken}"
    assert _finish(_start(tmp_path / "killed", traffic)) == 0
    assert _finish(whole) == 0
    expected, found = _found(tmp_path / "whole"), _found(tmp_path / "killed")
    assert expected["incidents"], "the scenario must page, or the comparison proves nothing"
    for name, rows in expected.items():
        assert found[name] == rows, name


def _finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=PATIENCE_S)
    return process.returncode
