"""Real Apache Kafka for tests: one node in KRaft mode, on its own ports, below its own folder.

Where it comes from, the first that is there: the jars on Maven Central (Java and Maven, resolved once into a cache), or
a container engine that answers. `UNDERTOW_TEST_KAFKA=host:port` names a broker that runs already.

`shared` gives all processes of one test run the same broker. Each user holds a shared lock on a file; a keeper, the
broker's parent, waits for that lock alone: it gets it when the last user is gone, however it went, and ends the broker.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
from free_ports import free_port

__all__ = ["PASSWORD", "USER", "Addresses", "Broker", "installed", "shared"]

USER, PASSWORD = "undertow", "correct horse"  # who may come in over SASL
_POM = Path(__file__).with_name("kafka.pom.xml")
_IMAGE = "apache/kafka:4.1.0"
_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
_KEYSTORE_PASSWORD = "keys-of-tests"  # noqa: S105  # guards nothing
_PATIENCE_S = 300.0
_HEAP = "512m"


class Addresses(msgspec.Struct):
    """Where a broker listens; TLS and SASL only where the tests started it themselves from the jars."""

    plaintext: str
    sasl: str | None = None
    tls: str | None = None
    ca_file: str | None = None


def installed() -> Path | None:
    """Return the folder of Kafka's jars and the broker's keys, or None; the first call may take a minute."""
    if not (shutil.which("java") and shutil.which("mvn")):
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "undertow-tests"
    jars = home / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "lock", fcntl.LOCK_EX):
        if not jars.is_dir() and not _resolve(jars):
            return None
    return jars


def _resolve(jars: Path) -> bool:
    half = jars.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={half}"]
    done = subprocess.run(["mvn", "-q", "-B", "-f", str(_POM), *goal], capture_output=True, timeout=600, check=False)
    if done.returncode == 0:
        _make_keys(half)
        half.rename(jars)
    return done.returncode == 0


def _make_keys(folder: Path) -> None:
    """Make the broker's certificate, which vouches for itself."""
    keys, store = str(folder / "keys.p12"), ["-storepass", _KEYSTORE_PASSWORD, "-alias", "broker"]
    names = ["-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1,dns:localhost"]
    _run(["keytool", "-genkeypair", "-keyalg", "EC", "-validity", "36500", *names, "-keystore", keys, *store])
    _run(["keytool", "-exportcert", "-rfc", "-keystore", keys, *store, "-file", str(folder / "ca.pem")])


def _container() -> list[str] | None:
    """Return the start of the command that runs a container, if an engine answers."""
    if not shutil.which("docker"):
        return None
    answer = subprocess.run(["docker", "version"], capture_output=True, timeout=30, check=False)
    return ["docker", "run", "--rm", "--network", "host", "--memory", "1g"] if answer.returncode == 0 else None


class Broker:
    """A broker below `folder`; `start` it, `kill` it as a crash would, start it again on the same log.

    Parameters
    ----------
    folder
        What it prints lies here; its log on `disk`, a folder below, for which another file system may stand.
    session_ms
        Silence after which it counts as gone: until then it cannot come back after a `kill`.

    Raises
    ------
    RuntimeError
        There is nothing to run it with, or it does not come up; the message ends with its last words.
    """

    def __init__(self, folder: Path, session_ms: int = 300_000) -> None:
        self.folder, self._session_ms = folder, session_ms
        self.disk = folder / "disk"
        self._jars = installed()
        self._ports = [free_port() for _ in range(4)]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if self._jars:
            java = ["java", f"-Xmx{_HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self._jars}/*"]
            self._prepare(java)
            self._command = [*java, "kafka.Kafka", str(folder / "server.properties")]
        elif container := _container():
            self._write_properties(secured=False)
            self._command = [*container, "-v", f"{folder}:/mnt/shared/config", _IMAGE]
        else:
            raise RuntimeError("no Kafka: neither Java with Maven nor a container engine")

    @property
    def addresses(self) -> Addresses:
        """Where it listens."""
        plain, sasl, tls, _ = (f"127.0.0.1:{port}" for port in self._ports)
        return Addresses(plain, sasl, tls, str(self._jars / "ca.pem")) if self._jars else Addresses(plain)

    @property
    def pid(self) -> int:
        """The process to send signals to."""
        if self._process is None:
            raise RuntimeError("the broker does not run")
        return self._process.pid

    def said(self) -> str:
        """Return what it has printed since it was started."""
        return (self.folder / "broker.out").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self.folder / "broker.out").open("wb") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        until = time.monotonic() + _PATIENCE_S
        while not _answers(self._ports[0]):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"Kafka did not come up:\n{self.said()[-2000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash would: nothing is flushed, nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it for good."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self.kill()

    def _prepare(self, java: list[str]) -> None:
        self._write_properties(secured=True)
        properties = str(self.folder / "server.properties")
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        _run([*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", properties, "--add-scram", user])

    def _write_properties(self, *, secured: bool) -> None:
        plain, sasl, tls, controller = self._ports
        listeners = {"PLAINTEXT": plain} | ({"SASL_PLAINTEXT": sasl, "SSL": tls} if secured else {})
        written = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{n}://127.0.0.1:{p}" for n, p in {**listeners, "CONTROLLER": controller}.items()),
            "listener.security.protocol.map": ",".join(f"{n}:{n}" for n in listeners) + ",CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "broker.session.timeout.ms": self._session_ms,  # a busy machine must not lose its only broker
        }
        if secured:
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            written |= {
                "log.dirs": self.disk / "log",
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
                "ssl.keystore.type": "PKCS12",
                "ssl.keystore.location": f"{self._jars}/keys.p12",
                "ssl.keystore.password": _KEYSTORE_PASSWORD,
            }
        lines = "".join(f"{name}={value}\n" for name, value in written.items())
        (self.folder / "server.properties").write_text(lines)


@contextmanager
def shared(folder: Path) -> Iterator[Addresses]:
    """Lend the broker of this test run, started by whoever comes first; `folder` is common to all its processes.

    Raises
    ------
    RuntimeError
        There is nothing to run it with, or it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("ab") as users:
        with _locked(folder / "start", fcntl.LOCK_EX):
            addresses = _joined(folder, users) or _started(folder, users)
        yield addresses


def _joined(folder: Path, users: IO[bytes]) -> Addresses | None:
    """Become a user of the broker that runs; None when there is none, or its keeper is ending it."""
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        addresses = msgspec.json.decode((folder / "addresses.json").read_bytes(), type=Addresses)
    except (BlockingIOError, FileNotFoundError):
        return None
    return addresses if _answers(int(addresses.plaintext.rpartition(":")[2])) else None


def _started(folder: Path, users: IO[bytes]) -> Addresses:
    fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that is ending its broker
    home = folder / f"broker-{os.getpid()}-{time.monotonic_ns()}"
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(folder), str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # ctrl-C ends the users, and then the keeper ends the broker
    )
    if keeper.stdout is None:
        raise RuntimeError("the keeper has no output")
    with keeper.stdout as said:
        line = said.readline()
        keeper.wait()  # at once: it has left its work to a child
        if line.strip() != b"up":
            raise RuntimeError((line + said.read()).decode(errors="replace"))
    return msgspec.json.decode((folder / "addresses.json").read_bytes(), type=Addresses)


def _keep(folder: Path, home: Path) -> None:
    """Run a broker as long as it has users, in the background: whoever started this may go before the others."""
    if os.fork():
        return
    broker = Broker(home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        broker.start()
        (folder / "addresses.json").write_bytes(msgspec.json.encode(broker.addresses))
        sys.stdout.write("up\n")
        sys.stdout.flush()
        with (folder / "users").open("ab") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (folder / "addresses.json").unlink()
    finally:
        broker.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stdout + done.stderr).decode(errors='replace')[-1000:]}")


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), Path(sys.argv[2]))
