"""docker-compose.yml as Compose's own parser resolves it, and its services as processes of this machine.

`ByHand` runs what Compose would: the commands, environments and files of the project, only at other addresses. The
broker's properties are made of its environment by the program that the image itself uses for that.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from free_ports import free_port
from installation import wait_until
from kafka_broker import installed
from outside import give_up, program

from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.probe import probe
from undertow.pipelines.settings import Kafka

__all__ = ["DEPLOY", "ROOT", "STAYING", "WANTED", "ByHand", "parse", "resolved"]

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
STAYING = ("worker", "detect", "pager", "store")
WANTED = re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
PATIENCE_S = 120.0
_BIN = Path(sys.executable).parent
_LOOKUP = re.compile(r"dns_sd_configs:.*?names: \[(?P<names>.*?)\].*", re.DOTALL)


def parse(parser: Path, environment: Mapping[str, str], *profiles: str) -> subprocess.CompletedProcess[str]:
    """Let the parser read the file, with these variables set and no others."""
    command = [os.fspath(parser), os.fspath(ROOT / "docker-compose.yml"), *profiles]
    given = {**environment, "PATH": os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, env=given, timeout=60, check=False)


class ByHand:
    """The services of a project below `folder`; whatever was started ends with the block.

    Parameters
    ----------
    services
        Of the project, as the parser resolved them.
    store
        host:port of what answers as ClickHouse.
    changed
        Settings that are other than in the project, as variables of the environment.
    """

    def __init__(self, services: Mapping[str, Any], folder: Path, store: str, changed: Mapping[str, str]) -> None:
        self.folder, self._services, self._changed = folder, services, changed
        self._ports = {name: free_port() for name in ("broker", "controller", "prometheus", *STAYING)}
        broker, controller = (f"127.0.0.1:{self._ports[name]}" for name in ("broker", "controller"))
        self._addresses = {"kafka:9092": broker, "kafka:9093": controller, "clickhouse:8123": store}
        self._addresses |= {"://:9092": f"://{broker}", "://:9093": f"://{controller}"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ByHand:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def metrics(self, service: str) -> str:
        """Return where a service answers over HTTP."""
        return f"127.0.0.1:{self._ports[service]}"

    def healthy(self, service: str) -> bool:
        """Run the health check of a role."""
        _, python, *check = self._services[service]["healthcheck"]["test"]
        command = [_BIN / python, *(text.replace("127.0.0.1:9464", self.metrics(service)) for text in check)]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    def said(self, service: str) -> str:
        """Return what a service has printed."""
        return (self.folder / f"{service}.log").read_text(errors="replace")

    # -- starting -----------------------------------------------------------------------------------------------------

    def kafka(self) -> None:
        """Start the broker with the properties that its image would make of the environment."""
        jars = installed()
        if jars is None:
            give_up("no Java or no Maven for Kafka's jars")
        given = self._moved(self._services["kafka"]["environment"], {"/var/lib/kafka/data": str(self.folder / "log")})
        folders = {name: self.folder / name for name in ("default", "mounted", "final")}
        for one in folders.values():
            one.mkdir(parents=True)
        (folders["default"] / "server.properties").touch()
        java, options = ["java", "-cp", f"{jars}/*"], (f"--{name}-configs-dir={one}" for name, one in folders.items())
        self._run("kafka", [*java, "kafka.docker.KafkaDockerWrapper", "setup", *options], given)
        start = [
            "java",
            given["KAFKA_HEAP_OPTS"],
            *java[1:],
            "kafka.Kafka",
            str(folders["final"] / "server.properties"),
        ]
        self._start("kafka", start, given)
        wait_until(self._lets_us_in, "the broker", lambda: self.said("kafka")[-2000:])

    def _lets_us_in(self) -> bool:
        with suppress(KafkaError):
            probe(Kafka(servers=(self._addresses["kafka:9092"],)))
            return True
        return False

    def prometheus(self) -> None:
        """Start Prometheus with the project's configuration; it looks every second instead of every fifteen."""
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text().replace("15s", "1s")
        (self.folder / "prometheus.yml").write_text(_LOOKUP.sub(self._looked_up, text))
        options = [f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/prometheus"]
        command = [program("prometheus", "prometheus"), *options, f"--web.listen-address={self.metrics('prometheus')}"]
        self._start("prometheus", command, {})

    def _looked_up(self, lookup: re.Match[str]) -> str:
        """Return what the containers' name server would answer."""
        targets = ", ".join(self.metrics(service) for service in lookup["names"].split(", "))
        return f"static_configs:\n      - targets: [{targets}]\n"

    def role(self, service: str) -> None:
        """Start a service that is a command of Undertow and stays."""
        self._start(service, [str(_BIN / "undertow"), *self._command(service)], self._environment(service))

    def to_its_end(self, service: str, change: Callable[[str], str] = str) -> None:
        """Run a service that ends by itself; `change` is applied to each part of its command."""
        entry = self._services[service].get("entrypoint") or [str(_BIN / "undertow")]
        command = [*entry, *map(change, self._command(service))]
        self._run(service, command, self._environment(service))

    def ended(self) -> list[str]:
        """Return which services have ended although they should stay."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    # -- what Compose would do ----------------------------------------------------------------------------------------

    def _command(self, service: str) -> list[str]:
        """Return the command; what it calls /data/undertow.toml is what is mounted there."""
        mounts = {one["target"]: one["source"] for one in self._services[service]["volumes"] if one["type"] == "bind"}
        own = self.folder / f"{service}.toml"
        own.write_text(self._configuration(service, Path(mounts["/data/undertow.toml"]).read_text()))
        return [part.replace("/data/undertow.toml", str(own)) for part in self._services[service]["command"]]

    def _configuration(self, service: str, text: str) -> str:
        moved = self._moved_text(text).replace("/data/state", str(self.folder / f"{service}-state"))
        return moved.replace("0.0.0.0:9464", self.metrics(service)) if service in STAYING else moved

    def _environment(self, service: str) -> dict[str, str]:
        return {**self._moved(self._services[service]["environment"], {}), **self._changed}

    def _moved(self, values: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
        return {name: more.get(value, self._moved_text(value)) for name, value in values.items()}

    def _moved_text(self, text: str) -> str:
        for before, after in self._addresses.items():
            text = text.replace(before, after)
        return text

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with self._log(name) as log:
            process = subprocess.Popen(command, env=_with_path(environment), stdout=log, stderr=log)
        self._running[name] = process

    def _run(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with self._log(name) as log:
            process = subprocess.Popen(
                command, env=_with_path(environment), stdout=log, stderr=log, start_new_session=True
            )
            try:
                code = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # a shell's children, too
                raise
        assert code == 0, self.said(name)

    @contextmanager
    def _log(self, name: str) -> Iterator[Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            yield log


def _with_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a container, where `undertow` is on the path."""
    return {**environment, "PATH": f"{_BIN}:{os.environ['PATH']}", "OPENBLAS_NUM_THREADS": "1"}


def resolved(parser: Path, *profiles: str) -> dict[str, Any]:
    """Return the project with every variable set to something."""
    done = parse(parser, dict.fromkeys(WANTED, "x"), *profiles)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
