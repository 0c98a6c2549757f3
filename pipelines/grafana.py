"""Puts the dashboards into a Grafana by its HTTP API: folder, data source, boards. Doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

from undertow.dashboards.boards import BOARDS
from undertow.dashboards.grafana import CLICKHOUSE, board_json
from undertow.pipelines import settings

__all__ = ["GrafanaError", "push"]

Json = dict[str, Any]

FOLDER_UID = DATA_SOURCE_UID = "undertow"
TIMEOUT_S = 30.0
_MISSING = 404
_KEPT_BY_GRAFANA = frozenset({"id", "version"})


class GrafanaError(RuntimeError):
    """Grafana cannot be reached or does not do it: the message says what, why and the way out."""


def push(where: settings.Grafana) -> list[str]:
    """Create or update the folder, the data source if `store` names one, and the boards; say what was done.

    A board that Grafana holds as it should be is left alone, so that its history does not grow. One that somebody
    has changed by hand is replaced; Grafana keeps the former version.

    Raises
    ------
    GrafanaError
        There is no Grafana at this address, it refuses the token, or somebody else saves at the same moment.
    """
    url = _address(where.url)
    api = GrafanaApi.from_url(url, credential=where.token or None, timeout=TIMEOUT_S)
    with _translated(url), closing(api.client.s):
        if not isinstance(health := api.client.GET("/health"), dict) or "database" not in health:
            raise GrafanaError(f"what answers at {where.url} is no Grafana; is [grafana] url right?")
        done = [_folder(api, where.folder)]
        if where.store:
            done.append(_data_source(api, where.store, where.password))
        return done + [_board(api, board_json(board)) for board in BOARDS]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise GrafanaError(f"[grafana] url = '{url}' is not of the form http(s)://host:3000")
    if parts.username or parts.password:
        raise GrafanaError("[grafana] url holds a user or a password; use token_file, which no error shows")
    return url.rstrip("/") + "/"  # the client joins its own paths to it


def _folder(api: GrafanaApi, title: str) -> str:
    if _found(api.folder.get_folder, FOLDER_UID) is not None:
        return f"folder '{title}' is there"
    api.folder.create_folder(title, uid=FOLDER_UID)
    return f"folder '{title}' created"


def _data_source(api: GrafanaApi, store: str, password: str) -> str:
    wanted = _clickhouse(store, password)
    if _found(api.datasource.get_datasource_by_uid, DATA_SOURCE_UID) is None:
        api.datasource.create_datasource(wanted)
        return "data source created"
    api.datasource.update_datasource_by_uid(DATA_SOURCE_UID, wanted)
    return "data source updated"


def _clickhouse(store: str, password: str) -> Json:
    """Return Grafana's ClickHouse data source over HTTP, which a server and the port of `undertow run` both speak."""
    url = urlsplit(store)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise GrafanaError(f"[grafana] store = '{store}' is not of the form http(s)://user@host:8123/database")
    secure = url.scheme == "https"
    return {
        "uid": DATA_SOURCE_UID,
        "name": "Undertow",
        "type": CLICKHOUSE,
        "access": "proxy",
        "jsonData": {
            "protocol": "http",
            "host": url.hostname,
            "port": url.port or (8443 if secure else 8123),
            "secure": secure,
            "username": unquote(url.username or "") or "default",
            "defaultDatabase": url.path.strip("/") or "undertow",
        },
        "secureJsonData": {"password": password},
    }


def _board(api: GrafanaApi, wanted: Json) -> str:
    found = _found(api.dashboard.get_dashboard, wanted["uid"])
    if found and _content(found["dashboard"]) == wanted and found["meta"].get("folderUid") == FOLDER_UID:
        return f"{wanted['uid']} is up to date"
    version = (
        {"version": found["dashboard"]["version"]} if found else {}
    )  # Grafana refuses it if that is not the latest
    request = {"dashboard": {**wanted, **version}, "folderUid": FOLDER_UID, "overwrite": False}
    api.dashboard.update_dashboard({**request, "message": "undertow dashboards push"})
    return f"{wanted['uid']} {'updated' if found else 'created'}"


def _content(dashboard: Json) -> Json:
    return {name: value for name, value in dashboard.items() if name not in _KEPT_BY_GRAFANA}


def _found(get: Callable[[str], Any], uid: str) -> Json | None:
    """Return what there is under a uid, None where there is nothing."""
    try:
        found: Json = get(uid)
    except GrafanaClientError as error:
        if error.status_code == _MISSING:
            return None
        raise
    return found


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn the client's errors into one sentence each."""
    try:
        yield
    except GrafanaException as error:
        raise GrafanaError(_sentence(error, url)) from error
    except OSError as error:  # the client's own errors of the network are such
        raise GrafanaError(f"Grafana at {url} does not answer; is [grafana] url right? ({_reason(error)})") from error
    except ValueError as error:  # no JSON
        raise GrafanaError(f"what answers at {url} is no Grafana; is [grafana] url right?") from error


def _sentence(error: GrafanaException, url: str) -> str:
    said = error.response.get("message", "") if isinstance(error.response, dict) else ""
    match error.status_code:
        case 401:
            return f"Grafana at {url} does not know the token; set token_file in [grafana] to one of a service account"
        case 403:
            return f"the token may not do this in Grafana ({said}); its role must be Editor, with `store` set Admin"
        case 404:
            return f"what answers at {url} is no Grafana; is [grafana] url right?"
        case 412:
            return f"Grafana has another version of a dashboard than a moment ago ({said}); push again"
        case 0:
            return f"Grafana at {url} did not answer within {TIMEOUT_S:.0f} s"
    return f"Grafana at {url} refuses it with {error.status_code}: {said or error.message}"


def _reason(error: OSError) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
