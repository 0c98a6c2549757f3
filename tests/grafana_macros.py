"""What Grafana and its ClickHouse data source do to a question before the store sees it, by their documentation.

Variables (grafana.com/docs, "Variable syntax"): `${name:singlequote}` is the chosen values, each in single quotes and
with its own escaped by a backslash, joined by commas. Macros (the data source's README, "Macros"):

    $__conditionalAll(condition, $name)   the condition; `1=1` while all values of the variable are chosen
    $__timeFilter(column)                 column >= toDateTime(FROM) AND column <= toDateTime(TO)
    $__timeInterval(column)               toStartOfInterval(toDateTime(column), INTERVAL SECONDS second)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ALL", "Shown", "expanded"]

ALL = ("$__all",)


@dataclass(frozen=True)
class Shown:
    """What a person has chosen above the board: a stretch of time, the width of a point, and values."""

    start: float
    end: float
    interval_s: int
    values: Mapping[str, tuple[str, ...]]


def expanded(sql: str, shown: Shown) -> str:
    """Return the statement that the store is asked."""
    sql = _conditions(sql, shown)
    sql = re.sub(r"\$\{(\w+):singlequote\}", lambda found: _quoted(shown.values[found[1]]), sql)
    start, end = f"toDateTime({int(shown.start)})", f"toDateTime({int(shown.end)})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    interval = f"INTERVAL {shown.interval_s} second"
    sql = re.sub(r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), {interval})", sql)
    assert "$" not in sql, f"not a macro of the data source, or no variable: {sql}"
    return sql


def _conditions(sql: str, shown: Shown) -> str:
    pattern = re.compile(r"\$__conditionalAll\(((?:[^(),]|\([^()]*\))*), \$(\w+)\)")
    return pattern.sub(lambda found: "1=1" if shown.values[found[2]] == ALL else found[1], sql)


def _quoted(values: tuple[str, ...]) -> str:
    return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)
