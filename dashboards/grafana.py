"""The boards as Grafana's dashboard JSON, for its HTTP API and for provisioning by file alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from undertow.dashboards.board import COLUMNS, Annotation, Board, Kind, Link, Page, Panel, PromQL, Row, Sql, Variable
from undertow.dashboards.boards import BOARDS

__all__ = ["CLICKHOUSE", "PROMETHEUS", "board_json", "files"]

Json = dict[str, Any]

CLICKHOUSE, PROMETHEUS = "grafana-clickhouse-datasource", "prometheus"  # types of data sources
SCHEMA_VERSION = 39  # of Grafana 11; a newer Grafana migrates it on loading
_STORE = {"type": CLICKHOUSE, "uid": "${datasource}"}
_METRICS = {"type": PROMETHEUS, "uid": "${prometheus}"}
_FORMATS = {Kind.LINES: ("timeseries", 0), Kind.NUMBER: ("table", 1), Kind.TABLE: ("table", 1)}
_LISTED, _SORTED = 2, 0  # refresh when the time changes; keep the order of the answer


def board_json(board: Board) -> Json:
    """Return a board as Grafana's JSON, without an id of its own: `uid` says which one it is.

    Examples
    --------
    >>> from undertow.dashboards.boards import BOARDS
    >>> board_json(BOARDS[0])["uid"]
    'undertow-overview'
    """
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["undertow"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,  # one crosshair over all panels
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": board.since, "to": "now"},
        "refresh": "1m",
        "links": [_all_boards(), *map(_page, board.pages)],
        "templating": {"list": [*_sources(board), *(_variable(one) for one in board.variables)]},
        "annotations": {"list": [_annotation(one) for one in board.annotations]},
        "panels": _panels(board.rows),
    }


def files() -> dict[str, str]:
    """Return the files that Grafana reads when it is provisioned: name → text."""
    return {f"{board.uid}.json": json.dumps(board_json(board), indent=2, ensure_ascii=False) + "\n" for board in BOARDS}


def _all_boards() -> Json:
    kept = {"asDropdown": False, "includeVars": False, "keepTime": True, "targetBlank": False}
    return {
        "type": "dashboards",
        "title": "Undertow",
        "tags": ["undertow"],
        "icon": "external link",
        "tooltip": "",
        **kept,
    }


def _page(page: Page) -> Json:
    return {
        "type": "link",
        "title": page.title,
        "url": page.address,
        "icon": "doc",
        "tooltip": page.description,
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
    }


def _sources(board: Board) -> Iterator[Json]:
    yield _source("datasource", "Store", CLICKHOUSE)
    if board.prometheus:
        yield _source("prometheus", "Prometheus", PROMETHEUS)


def _source(name: str, label: str, kind: str) -> Json:
    return {"type": "datasource", "name": name, "label": label, "query": kind, "refresh": 1, "hide": 0}


def _variable(variable: Variable) -> Json:
    everything: Json = {"current": {"selected": True, "text": ["All"], "value": ["$__all"]}} if variable.several else {}
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": _STORE,
        "query": variable.question.text,
        "refresh": _LISTED,
        "sort": _SORTED,
        "multi": variable.several,
        "includeAll": variable.several,
        "hide": 0,
        **everything,
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "name": annotation.name,
        "datasource": _STORE,
        "enable": True,
        "hide": False,
        "iconColor": annotation.colour,
        "target": _target(annotation.question, Kind.TABLE, "annotation"),
    }


def _panels(rows: tuple[Row, ...]) -> list[Json]:
    """Lay the panels out from left to right, a new line where one does not fit any more."""
    panels: list[Json] = []
    bottom = 0
    for row in rows:
        panels.append(_heading(row, len(panels) + 1, bottom))
        x, y, bottom = 0, bottom + 1, bottom + 1
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, bottom
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
            x, bottom = x + panel.width, max(bottom, y + panel.height)
    return panels


def _heading(row: Row, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel) -> Json:
    asked = [_target(question, panel.kind, chr(ord("A") + n)) for n, question in enumerate(panel.questions)]
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": asked[0]["datasource"],
        "targets": asked,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind],
    }


def _target(question: Sql | PromQL, kind: Kind, name: str) -> Json:
    if isinstance(question, PromQL):
        shown = {"legendFormat": question.legend, "range": True, "editorMode": "code"}
        return {"refId": name, "datasource": _METRICS, "expr": question.text, **shown}
    query_type, number = _FORMATS[kind]
    form = {"editorType": "sql", "queryType": query_type, "format": number, "pluginVersion": "4.0.0"}
    return {"refId": name, "datasource": _STORE, "rawSql": question.text, **form}


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, **({"displayName": panel.legend} if panel.legend else {})}
    if panel.kind is Kind.LINES:
        stacking = {"mode": "percent" if panel.stacked else "none", "group": "A"}
        filled = {"fillOpacity": 60 if panel.stacked else 0, "showPoints": "auto", "spanNulls": False}
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "stacking": stacking, **filled}
    return defaults


def _overrides(panel: Panel) -> list[Json]:
    changed = [_override(column, "custom.hidden", True) for column in panel.hidden]
    changed += [_override(column, "unit", unit) for column, unit in panel.units.items()]
    changed += [_override(link.column, "links", [_link(link)]) for link in panel.links]
    return changed


def _override(column: str, name: str, value: Any) -> Json:
    return {"matcher": {"id": "byName", "options": column}, "properties": [{"id": name, "value": value}]}


def _link(link: Link) -> Json:
    return {"title": link.title, "url": f"/d/{link.board}?var-datasource=${{datasource}}&{link.query}"}


_OPTIONS: dict[Kind, Json] = {
    Kind.LINES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Kind.NUMBER: {
        "colorMode": "none",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    Kind.TABLE: {"showHeader": True, "cellHeight": "sm"},
}
