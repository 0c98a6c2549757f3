"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ("undertow.drift", "undertow.alerts", "undertow.dashboards", "undertow.pipelines")


def _modules() -> list[str]:
    names = list(PACKAGES)
    for package in PACKAGES:
        found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        names += [module.name for module in found if not module.name.endswith("__main__")]
    return names


@pytest.mark.parametrize("name", _modules())
def test_examples(name: str) -> None:
    """What a docstring shows is what happens."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0
