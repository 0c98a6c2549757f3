"""Shared by all tests: what they need from outside, said aloud where it is missing; and no proxy stands in the way."""

import os
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded: the workers share the cores already

import pytest
from hypothesis import settings
from kafka_broker import Addresses
from outside import LEFT_OUT, broker, browser, needed_data, program

settings.register_profile(
    "undertow",
    deadline=None,  # no test depends on how busy the machine is
    derandomize="CI"
    in os.environ,  # a change is judged by the same examples as the last one; elsewhere new ones are tried
)
settings.load_profile("undertow")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the shared data sets; who asks for it is marked `data`."""
    return needed_data()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of a headless browser."""
    return browser()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def kafka_addresses(run_folder: Path) -> Iterator[Addresses]:
    """A Kafka broker, one for all processes of this run."""
    with broker(run_folder / "kafka") as addresses:
        yield addresses


@pytest.fixture(scope="session")
def alertmanager() -> str:
    """The program of an Alertmanager; Debian calls it by a longer name than its authors do."""
    return program("prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")


@pytest.fixture(scope="session")
def openssl() -> str:
    """The program that makes keys and certificates."""
    return program("openssl", "openssl")


@pytest.hookimpl(tryfirst=True)  # before `-m data` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.data)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the last word before the totals
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Name the tests that were left out, one line for each thing that was missing."""
    yield
    left_out: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if LEFT_OUT in reason:
            left_out[reason.partition(LEFT_OUT)[2]].append(report.nodeid)
    for missing, tests in left_out.items():
        terminalreporter.write_line(f"NOT RUN: {len(tests)} tests, {missing}: {_names(tests)}", yellow=True, bold=True)


def _names(tests: list[str]) -> str:
    """Return the tests without the cases of their parameters."""
    return ", ".join(sorted({test.rpartition("/")[2].partition("[")[0] for test in tests}))
