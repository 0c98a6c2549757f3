"""An Alertmanager of one's own for a test: the program of Debian or of its authors, on loopback."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["Replica"]

NOBODY = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""
PATIENCE_S = 120


@dataclass
class Replica:
    """One Alertmanager of its own; what it held is gone when it is stopped."""

    program: str
    folder: Path
    port: int
    configuration: str = NOBODY
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "alertmanager.yml").write_text(self.configuration)
        options = {
            "config.file": self.folder / "alertmanager.yml",
            "storage.path": self.folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
            "cluster.listen-address": "",
            "log.level": "error",
        }
        self.process = subprocess.Popen(
            [self.program, *(f"--{name}={value}" for name, value in options.items())],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE_S
        while not self._ready():
            assert self.process.poll() is None, "it has ended by itself"
            assert time.monotonic() < until, "it does not become ready"
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def firing(self) -> dict[str, str]:
        """Return incident (else name) → severity of the alerts that it holds for active."""
        alerts = httpx.get(f"{self.url}/api/v2/alerts", timeout=10).raise_for_status().json()
        labels = [alert["labels"] for alert in alerts]
        return {one.get("incident", one["alertname"]): one["severity"] for one in labels}
