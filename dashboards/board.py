"""What a Grafana dashboard is, declared once and as plain values: boards of rows of panels, each over one question.

A question to the store is SQL with the macros of Grafana's ClickHouse data source (`$__timeFilter`, `$__timeInterval`,
`$__conditionalAll`) and `${variable:singlequote}`; a question to Prometheus is PromQL. `undertow.dashboards.grafana`
writes the JSON that Grafana reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Annotation", "Board", "Kind", "Link", "Page", "Panel", "PromQL", "Row", "Sql", "Variable"]

COLUMNS = 24  # of Grafana's grid


class Kind(StrEnum):
    """How a panel shows its answer, by Grafana's own names."""

    LINES = "timeseries"  # columns: a time, texts that name the line, numbers; oldest first
    NUMBER = "stat"  # one row, numbers
    TABLE = "table"


@dataclass(frozen=True)
class Sql:
    """A question to the store."""

    text: str


@dataclass(frozen=True)
class PromQL:
    """A question to Prometheus; `legend` names its lines, with `{{label}}` for the value of a label."""

    text: str
    legend: str = ""


@dataclass(frozen=True)
class Link:
    """A link from the cells of a column to another board, `query` being what is added to its address."""

    column: str
    board: str
    query: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture.

    Parameters
    ----------
    description
        What is shown and how it is counted: the text behind the panel's ⓘ.
    unit
        Grafana's id of a unit (`percentunit`, `s`, `currencyUSD` …).
    legend
        How a line is called; `${__field.labels.service}` is the value of a column of texts.
    stacked
        Lines are stacked as shares of their sum.
    hidden
        Columns of a table that only links need.
    units
        Units of single columns.
    """

    title: str
    kind: Kind
    questions: tuple[Sql | PromQL, ...]
    description: str
    unit: str = "short"
    legend: str = ""
    stacked: bool = False
    hidden: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    width: int = 12
    height: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.width <= COLUMNS:
            raise ValueError(f"panel '{self.title}': width {self.width} does not fit into {COLUMNS} columns")
        if len({type(question) for question in self.questions}) != 1:
            raise ValueError(f"panel '{self.title}' asks nothing, or two data sources at once")


@dataclass(frozen=True)
class Row:
    """Panels under one heading, laid out from left to right and then downwards."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice above the board; the question answers one column, or the value and what is shown for it.

    `several` lets people choose several values or all, which is then the default.
    """

    name: str
    label: str
    question: Sql
    several: bool = False


@dataclass(frozen=True)
class Annotation:
    """Marks on every time axis: the question answers `time`, `text`, `tags` and, for a stretch of time, `timeEnd`."""

    name: str
    question: Sql
    colour: str


@dataclass(frozen=True)
class Page:
    """A page outside Grafana that a board leads to; `address` may hold variables of the board."""

    title: str
    address: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard; `uid` is its address in Grafana and never changes."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    annotations: tuple[Annotation, ...] = ()
    pages: tuple[Page, ...] = ()
    since: str = "now-6h"  # what is shown when nobody has chosen a time
    prometheus: bool = False  # whether it asks Prometheus, too

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of its panels."""
        return tuple(panel for row in self.rows for panel in row.panels)

    @property
    def questions(self) -> dict[str, Sql | PromQL]:
        """Every question that it asks, by what asks it."""
        asked: dict[str, Sql | PromQL] = {f"variable {one.name}": one.question for one in self.variables}
        asked |= {f"annotation {one.name}": one.question for one in self.annotations}
        for panel in self.panels:
            asked |= {f"panel {panel.title} {number}": one for number, one in enumerate(panel.questions)}
        return asked
