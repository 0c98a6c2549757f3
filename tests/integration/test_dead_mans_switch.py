"""The whole process is killed, and somebody outside notices: the alert that always fires ends, and calls stay out."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alertmanager_server import Replica
from free_ports import free_port

PATIENCE_S = 120.0
EVERY_S = 2.0
ROUTED = """
route: {{receiver: switch, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
- name: switch
  webhook_configs: [{{url: "{url}/alerts", send_resolved: true}}]
"""


class Switch:
    """A dead man's switch: it is called while all is well, and raises the alarm when calls stay out."""

    def __init__(self) -> None:
        self.pings: list[float] = []
        self.alerts: list[tuple[str, str]] = []  # name and status, as Alertmanager notifies
        switch = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                switch.heard(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def heard(self, path: str, body: bytes) -> None:
        if path == "/ping":
            self.pings.append(time.monotonic())
        else:
            said: dict[str, Any] = json.loads(body)
            self.alerts += [(alert["labels"]["alertname"], alert["status"]) for alert in said["alerts"]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def alarm(self) -> bool:
        """Whether calls have stayed out for five times their interval."""
        return bool(self.pings) and time.monotonic() - self.pings[-1] > 5 * EVERY_S

    def __enter__(self) -> Switch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as made:
        yield made


@pytest.fixture
def outside(tmp_path: Path, alertmanager: str, switch: Switch) -> Iterator[Replica]:
    replica = Replica(alertmanager, tmp_path / "am", free_port(), ROUTED.format(url=switch.url))
    try:
        replica.start()
        yield replica
    finally:
        replica.stop()


def watching(folder: Path, outside: Replica, switch: Switch) -> subprocess.Popen[bytes]:
    (folder / "app.jsonl").touch()
    config = folder / "undertow.toml"
    config.write_text(
        f'data = "{folder / "data"}"\n[ingest]\npaths = ["{folder / "app.jsonl"}"]\n[store]\nlisten = "127.0.0.1:0"\n'
        f'[alerts.alertmanager]\nurls = ["{outside.url}"]\n'
        f'[alerts.watchdog]\nname = "test"\nping_url = "{switch.url}/ping"\nevery_s = {EVERY_S}\n'
    )
    command = [sys.executable, "-m", "undertow.pipelines.cli", "run", "-c", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def eventually(what: str, holds: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def test_when_the_process_is_killed_the_alarm_comes_from_outside(
    tmp_path: Path, outside: Replica, switch: Switch
) -> None:
    process = watching(tmp_path, outside, switch)
    try:
        eventually("it lives, and says so", lambda: len(switch.pings) >= 3)
        eventually("its alert fires", lambda: ("UndertowWatchdog", "firing") in switch.alerts)
        assert outside.firing() == {"UndertowWatchdog": "none"}
        assert not switch.alarm
    finally:
        process.kill()
        process.wait()
    eventually("the calls stay out, and the switch alarms", lambda: switch.alarm)
    eventually("the alert that always fires has ended", lambda: switch.alerts[-1] == ("UndertowWatchdog", "resolved"))
