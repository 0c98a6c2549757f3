"""A contract server of PagerDuty's Events API v2: each rule is quoted beside its check, each failure can be ordered."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

FAULTS = ("429", "400", "500", "502", "503", "504", "timeout", "half_open", "reset", "lost_answer")


@dataclass(frozen=True)
class Call:
    """One raw call as it arrived: when, what became of it, and what it said (None when it was no JSON object)."""

    at: float
    result: str
    event: dict[str, Any] | None
    size: int


@dataclass
class Alert:
    """One alert; events that found it open, in order."""

    dedup_key: str
    open: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class PagerDutyServer:
    """Listens on loopback. `fault` is asked before each call for a fault or None; `clock` times the rate limit."""

    clock: Callable[[], float]
    fault: Callable[[int], str | None] = lambda _number: None
    limit_per_minute: int = 120
    calls: list[Call] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)  # the change events that were taken
    ignored: list[dict[str, Any]] = field(default_factory=list)  # acknowledge or resolve without an open alert
    _recent: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> PagerDutyServer:
        self._released = threading.Event()
        handler = type("Handler", (_Handler,), {"pagerduty": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def hang(self) -> None:
        """Keep the caller waiting until the server stops."""
        self._released.wait(10)

    def results(self) -> list[str]:
        return [call.result for call in self.calls]

    def next_fault(self) -> str | None:
        with self._lock:
            return self.fault(len(self.calls))

    def take(self, body: bytes, timeline: bool = False) -> tuple[int, dict[str, Any]]:
        """Apply the documented rules to one body, of an alert or for the timeline; return status and answer."""
        with self._lock:
            status, answer, event = self._judge(body, timeline)
            self.calls.append(Call(self.clock(), str(status), event, len(body)))
            return status, answer

    def note(self, result: str, body: bytes) -> None:
        """Record a call that an ordered fault kept from being taken."""
        with self._lock:
            self.calls.append(Call(self.clock(), result, _parsed(body), len(body)))

    def _judge(self, body: bytes, timeline: bool) -> tuple[int, dict[str, Any], dict[str, Any] | None]:
        # "Size: payload limited to 512 KB."
        if len(body) > 512_000:
            return 413, {"status": "invalid event", "message": "Payload too large"}, None
        event = _parsed(body)
        errors = change_problems(event) if timeline else problems(event)
        if event is None or errors:
            # "400 invalid, do not retry"
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}, event
        # "~120 calls/min per integration key, sliding 60 s"; "on 429 the event is NOT ingested"
        if self._is_over_the_limit():
            return (
                429,
                {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly."},
                event,
            )
        if timeline:
            self.changes.append(event)
            return 202, {"status": "success", "message": "Change event processed"}, event
        # "202 accepted (asynchronous: not yet an incident)"; "No dedup_key = new alert every time (UUID returned)."
        key = event.get("dedup_key") or f"generated-{len(self.calls)}"
        self._ingest(event, key)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}, event

    def _is_over_the_limit(self) -> bool:
        now = self.clock()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= self.limit_per_minute:
            return True
        self._recent.append(now)
        return False

    def _ingest(self, event: dict[str, Any], key: str) -> None:
        # "same dedup_key AND same routing_key applies to the open alert"
        alert = next((a for a in self.alerts if a.open and a.dedup_key == key), None)
        if alert is None and event["event_action"] != "trigger":
            # "`acknowledge`/`resolve` with no open alert are dropped"
            self.ignored.append(event)
            return
        if alert is None:
            # "After resolve, the same key on `trigger` makes a NEW alert"
            alert = Alert(key)
            self.alerts.append(alert)
        alert.events.append(event)
        alert.open = event["event_action"] != "resolve"


def problems(event: dict[str, Any] | None) -> list[str]:
    """Return what the documentation objects to in an event."""
    if event is None:
        return ["the body is not a JSON object"]
    found = []
    # "`routing_key` (required, 32 chars)"
    if not isinstance(event.get("routing_key"), str) or len(event["routing_key"]) != 32:
        found.append("'routing_key' must have 32 characters")
    # "`event_action` (required: `trigger`|`acknowledge`|`resolve`)"
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        found.append("'event_action' is missing or unknown")
    # "`dedup_key` (<=255 chars)"
    if len(event.get("dedup_key", "")) > 255:
        found.append("'dedup_key' is too long")
    # "acknowledge/resolve need only routing_key, dedup_key, event_action"
    if event.get("event_action") == "trigger":
        return found + _payload_problems(event.get("payload")) + _link_problems(event)
    return found + ([] if event.get("dedup_key") else ["'dedup_key' is missing"])


def change_problems(event: dict[str, Any] | None) -> list[str]:
    """Return what the documentation objects to in a change event."""
    if event is None:
        return ["the body is not a JSON object"]
    # "No severity, no dedup_key"; "`payload.summary` (required, <=1024)"
    payload = event.get("payload") or {}
    found = [f"'{name}' is not part of a change event" for name in ("dedup_key", "event_action") if name in event]
    found += ["'payload.severity' is not part of a change event"] if "severity" in payload else []
    found += [] if 0 < len(payload.get("summary", "")) <= 1024 else ["'payload.summary' is missing or too long"]
    # "not accepted on ruleset keys (start with `R`)"
    key = event.get("routing_key", "")
    return found + ([] if len(key) == 32 and not key.startswith("R") else ["'routing_key' takes no change events"])


def _payload_problems(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    found = []
    # "`summary` (required, <=1024)"
    if not payload.get("summary") or len(payload["summary"]) > 1024:
        found.append("'payload.summary' is missing or too long")
    # "`source` (required)"
    if not payload.get("source"):
        found.append("'payload.source' is missing or blank")
    # "`severity` (required: `critical`|`error`|`warning`|`info`)"
    if payload.get("severity") not in {"critical", "error", "warning", "info"}:
        found.append("'payload.severity' is missing or unknown")
    # "`timestamp` (ISO 8601)"
    if "timestamp" in payload:
        try:
            datetime.fromisoformat(payload["timestamp"])
        except (TypeError, ValueError):
            found.append("'payload.timestamp' is not ISO 8601")
    # "`custom_details` (object)"
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("'payload.custom_details' is not an object")
    return found


def _link_problems(event: dict[str, Any]) -> list[str]:
    # "`images[]` {src https required, href, alt}, `links[]` {href required, text}"
    found = ["'links' need an href" for link in event.get("links", []) if not link.get("href")]
    images = event.get("images", [])
    return found + ["'images' need an https src" for image in images if not image.get("src", "").startswith("https://")]


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that have left; what was taken is in the record."""


class _Handler(BaseHTTPRequestHandler):
    """Reads one call, and answers as the contract or the ordered fault says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body of an answer leave apart: the second would wait 40 ms
    pagerduty: ClassVar[PagerDutyServer]

    def do_POST(self) -> None:
        fault = self.pagerduty.next_fault()
        if fault == "half_open":  # the connection stands, nobody reads from it
            self.pagerduty.note(fault, b"")
            self.pagerduty.hang()
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length", 0))
        if len(body := self.rfile.read(length)) < length:  # the caller has left in the middle of it
            self.close_connection = True
            return
        if self.path not in {"/v2/enqueue", "/v2/change/enqueue"}:
            self.pagerduty.note("404", body)
            self._answer(404, {"message": "Not Found"})
        elif fault is None:
            self._answer(*self.pagerduty.take(body, "change" in self.path))
        elif fault.isdigit():
            self.pagerduty.note(fault, body)
            self._answer(int(fault), {"status": "ordered", "message": f"ordered to fail with {fault}"})
        else:
            self._break(fault, body)

    def _break(self, fault: str, body: bytes) -> None:
        self.close_connection = True
        if fault == "lost_answer":  # taken, but the caller never hears of it
            self.pagerduty.take(body, "change" in self.path)
        else:
            self.pagerduty.note(fault, body)
        if fault == "timeout":
            self.pagerduty.hang()
        else:
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # close sends a reset
            self.connection.close()

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "30")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the calls are recorded."""
