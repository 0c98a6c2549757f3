"""What should be live, as its owner declared it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.drift.definition import scalar_text, shortened

__all__ = ["Declared", "read_declared"]

Declared = Mapping[str, Mapping[str, frozenset[str]]]  # "service" or "service/environment" → dimension → values


def read_declared(raw: Mapping[str, Any]) -> dict[str, dict[str, frozenset[str]]]:
    """Return a declaration of what should be live from the tables of its file.

    A table is named by the service, or "service/environment"; its keys are dimensions, its values a text or a list of
    texts; a table `config` inside it holds entries of the configuration.

    Raises
    ------
    ValueError
        Something else stands there; the message names it.

    Examples
    --------
    >>> read_declared({"support": {"prompt_version": "v47", "config": {"index": 7}}})
    {'support': {'prompt_version': frozenset({'v47'}), 'config.index': frozenset({'7'})}}
    """
    declared: dict[str, dict[str, frozenset[str]]] = {}
    for service, table in raw.items():
        plain = dict(_table(table, service))
        config = _table(plain.pop("config", {}), f"{service}.config")
        entries = plain | {f"config.{name}": value for name, value in config.items()}
        declared[service] = {name: _values(service, name, value) for name, value in entries.items()}
    return declared


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ValueError(f"'{name}' is no table; write [{name}] and below it what should be live")


def _values(service: str, dimension: str, value: Any) -> frozenset[str]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, str | bool | int | float) for item in values):
        raise ValueError(f"{dimension} of '{service}' must be a value or a list of values, not {value!r}")
    return frozenset(shortened(scalar_text(item)) for item in values)
