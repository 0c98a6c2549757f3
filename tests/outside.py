"""What some tests need and this repository does not hold: shared data sets, a browser, an Alertmanager,
a Kafka broker.

Where it is missing, the tests that need it are left out and named in a line at the end of the run. Under CI
(`CI=true`) they fail: a check that silently did not run is worse than none.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import kafka_broker
import pytest

__all__ = ["LEFT_OUT", "broker", "browser", "data_folder", "give_up", "needed_data", "program"]

LEFT_OUT = "left out: "
_ROOT = Path(__file__).parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def data_folder() -> Path:
    """Return where the shared data sets are, if they are anywhere: UNDERTOW_TEST_DATA, or beside the repository."""
    named = os.environ.get("UNDERTOW_TEST_DATA")
    return Path(named) if named else _ROOT.parent / "shared" / "data"


def needed_data() -> Path:
    """Return the folder of the shared data sets, or end the test."""
    folder = data_folder()
    if not folder.is_dir():
        give_up(f"no shared data sets in {folder}; UNDERTOW_TEST_DATA names another folder")
    return folder


def browser() -> str:
    """Return the program of a Chromium, or end the test."""
    found = next((path for path in map(shutil.which, _BROWSERS) if path), None)
    if found is None:
        give_up(f"no browser ({', '.join(_BROWSERS)}); apt-get install chromium")
    return found


@contextmanager
def broker(folder: Path) -> Iterator[kafka_broker.Addresses]:
    """Lend a Kafka broker, the same to all processes that name the same folder, or end the test."""
    named = os.environ.get("UNDERTOW_TEST_KAFKA")
    if named:
        yield kafka_broker.Addresses(named)
        return
    with ExitStack() as stack:
        try:
            addresses = stack.enter_context(kafka_broker.shared(folder))
        except RuntimeError as error:
            give_up(f"{error}; UNDERTOW_TEST_KAFKA=host:port names a broker")
        yield addresses


def program(package: str, *names: str) -> str:
    """Return the program of a Debian package under the first of its names that is installed, or end the test."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        give_up(f"no {names[0]}; apt-get install {package}")
    return found


def give_up(missing: str) -> NoReturn:
    """End the test: left out, or failed where nothing may be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(LEFT_OUT + missing)
