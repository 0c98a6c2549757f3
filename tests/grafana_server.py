"""What Grafana's documentation says of its HTTP API, as far as dashboards are put into it: each rule beside its check.

Grafana itself cannot be run in a test. The rules are those of its pages on the APIs of folders, data sources and
dashboards, and of service account tokens.
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

__all__ = ["GrafanaServer"]

Json = dict[str, Any]
Answer = tuple[int, Any]


class GrafanaServer:
    """A Grafana on loopback; `token` may edit, `viewer` only look."""

    token, viewer = "glsa_editor", "glsa_viewer"

    def __init__(self) -> None:
        self.folders: dict[str, Json] = {}
        self.sources: dict[str, Json] = {}
        self.boards: dict[str, Json] = {}
        self.versions: dict[str, int] = {}
        self.writes: list[str] = []
        self.meanwhile: str | None = None  # the board that somebody else saves while we look at it

    def answer(self, method: str, path: str, token: str, body: Json) -> Answer:
        """Answer one request."""
        if path == "/api/health":  # "Returns health information about Grafana"; no authentication
            return 200, {"database": "ok", "version": "11.6.0"}
        # "401 – Unauthorized"
        if token not in {self.token, self.viewer}:
            return 401, {"message": "Invalid API key"}
        if method != "GET":
            # "403 – Access Denied"
            if token == self.viewer:
                return 403, {"message": "You'll need additional permissions to perform this action."}
            self.writes.append(path)
        what, _, uid = path.removeprefix("/api/").partition("/")
        return {"folders": self._folder, "datasources": self._source, "dashboards": self._dashboard}[what](
            method, uid.removeprefix("uid/"), body
        )

    def _folder(self, method: str, uid: str, body: Json) -> Answer:
        if method == "GET":
            return (200, self.folders[uid]) if uid in self.folders else (404, {"message": "folder not found"})
        # "412 – Precondition Failed: The folder already exists"
        if body["uid"] in self.folders:
            return 412, {"message": "a folder with that uid already exists"}
        self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"]}
        return 200, self.folders[body["uid"]]

    def _source(self, method: str, uid: str, body: Json) -> Answer:
        if method == "GET":
            return (200, self.sources[uid]) if uid in self.sources else (404, {"message": "Data source not found"})
        # "access": "proxy" or "direct"; "Passwords … under secureJsonData in order for them to be stored securely"
        assert {"name", "type", "access"} <= body.keys()
        assert "password" not in body["jsonData"]
        if method == "POST" and any(source["name"] == body["name"] for source in self.sources.values()):
            return 409, {"message": "data source with the same name already exists"}
        self.sources[body["uid"]] = body
        return 200, {"datasource": body, "message": "Datasource saved"}

    def _dashboard(self, method: str, uid: str, body: Json) -> Answer:
        if method == "GET":
            return self._board(uid)
        board = body["dashboard"]
        # "The uid can have a maximum length of 40 characters"
        if not board.get("title") or len(board["uid"]) > 40:
            return 400, {"message": "Dashboard title cannot be empty"}
        # "When updating existing dashboards, if you do not define the folderId or the folderUid property, then the
        # dashboard(s) are moved to the root level"
        if body.get("folderUid") not in self.folders:
            return 400, {"message": "folder not found"}
        return self._conflict(board, overwrite=body["overwrite"]) or self._save(board, body["folderUid"])

    def _board(self, uid: str) -> Answer:
        if uid not in self.boards:
            return 404, {"message": "Dashboard not found"}
        shown = {**self.boards[uid], "dashboard": {**self.boards[uid]["dashboard"], "version": self.versions[uid]}}
        if uid == self.meanwhile:
            self.versions[uid] += 1
        return 200, shown

    def _conflict(self, board: Json, *, overwrite: bool) -> Answer | None:
        """Return the refusal of what "Precondition Failed" is for: changed by someone else, a name taken."""
        uid, title = board["uid"], board["title"]
        if overwrite:
            return None
        if uid in self.boards and board.get("version") != self.versions[uid]:
            told = "The dashboard has been changed by someone else"
            return 412, {"status": "version-mismatch", "message": told}
        if any(other["dashboard"]["title"] == title for key, other in self.boards.items() if key != uid):
            told = "A dashboard with the same name in the folder already exists"
            return 412, {"status": "name-exists", "message": told}
        return None

    def _save(self, board: Json, folder: str) -> Answer:
        uid = board["uid"]
        self.versions[uid] = self.versions.get(uid, 0) + 1
        self.boards[uid] = {"dashboard": {**board, "id": len(self.boards) + 1}, "meta": {"folderUid": folder}}
        return 200, {"uid": uid, "status": "success", "version": self.versions[uid]}

    def __enter__(self) -> GrafanaServer:
        contract = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("authorization", "").removeprefix("Bearer ")
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, content = contract.answer(self.command, self.path, token, json.loads(body or b"{}"))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def __getattr__(self, name: str) -> Any:
                return self.do_GET if name in {"do_POST", "do_PUT"} else super().__getattribute__(name)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"
