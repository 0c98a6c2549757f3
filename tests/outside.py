"""What some tests need and this repository does not hold: shared data sets, a browser, an Alertmanager.

Where it is missing, the tests that need it are left out and named in a line at the end of the run. Under CI
(`CI=true`) they fail: a check that silently did not run is worse than none.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["LEFT_OUT", "browser", "data_folder", "needed_data", "program"]

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
        _give_up(f"no shared data sets in {folder}; UNDERTOW_TEST_DATA names another folder")
    return folder


def browser() -> str:
    """Return the program of a Chromium, or end the test."""
    found = next((path for path in map(shutil.which, _BROWSERS) if path), None)
    if found is None:
        _give_up(f"no browser ({', '.join(_BROWSERS)}); apt-get install chromium")
    return found


def program(package: str, *names: str) -> str:
    """Return the program of a Debian package under the first of its names that is installed, or end the test."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        _give_up(f"no {names[0]}; apt-get install {package}")
    return found


def _give_up(missing: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(LEFT_OUT + missing)
