"""A distributed installation for tests: the roles as processes of their own, on real Kafka, with a settings file.

Every process ends with the block that started it, by its own id, however the test goes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError as ClientError

from undertow.pipelines.kafka.client import Message, Partition
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.clients.kafka_python import connection
from undertow.pipelines.kafka.lag import committed
from undertow.pipelines.kafka.reading import to_end
from undertow.pipelines.kafka.setup import check_topics, set_up
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.settings import Settings, load

__all__ = ["READS", "Installation", "wait_until"]

READS = {"worker": "events", "detect": "partials", "pager": "verdicts", "store": "rows"}  # the way of an event

PATIENCE_S = 180.0
_PAUSE_S = 0.1


class Installation:
    """The roles of one installation, on one machine; its settings are those of a user with `sections` on top.

    Parameters
    ----------
    folder
        Of its settings file and of what its processes say.
    servers
        Address of the broker.
    prefix
        Of its topics; none may be shared with another installation on that broker.
    """

    def __init__(self, folder: Path, servers: str, prefix: str, sections: Mapping[str, Mapping[str, Any]]) -> None:
        self.folder, self._processes = folder, dict[str, subprocess.Popen[bytes]]()
        kafka = {"servers": [servers], "prefix": prefix, "events": f"{prefix}.events", "replication": 1}
        self._write({"": {"data": str(folder / "data")}, **sections, "kafka": kafka | dict(sections.get("kafka", {}))})
        self.settings: Settings = load(self.file, {})

    @property
    def file(self) -> Path:
        """The settings file."""
        return self.folder / "undertow.toml"

    def __enter__(self) -> Self:
        for _ in set_up(self.settings):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._processes):
            self.kill(name)

    # -- processes ----------------------------------------------------------------------------------------------------

    def start(self, role: str, name: str = "1", *options: str) -> None:
        """Start a process of a role; a name that was used before is the same member, started again."""
        member = f"{role}-{name}"
        environ = {**os.environ, "UNDERTOW_KAFKA__INSTANCE": member}
        command = [sys.executable, "-m", "undertow.pipelines.cli", role, "-c", str(self.file), *options]
        with (self.folder / f"{member}.log").open("ab") as log:
            self._processes[member] = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def kill(self, member: str) -> None:
        """End a process as a crash would."""
        process = self._processes.pop(member, None)
        if process is not None:
            process.kill()
            process.wait()

    def restart(self, member: str) -> None:
        """Start a process again, as a supervisor would; one that still is there is killed before."""
        self.kill(member)
        role, _, name = member.partition("-")
        self.start(role, name)

    def stop(self, member: str) -> int:
        """Ask a process to end and return its exit code."""
        process = self._processes.pop(member)
        process.terminate()
        return process.wait(PATIENCE_S)

    def ended(self, member: str) -> int:
        """Wait until a process has ended by itself and return its exit code."""
        return self._processes[member].wait(PATIENCE_S)

    def freeze(self, member: str) -> None:
        """Let a process stand still, as a long pause of its machine would."""
        self._processes[member].send_signal(signal.SIGSTOP)

    def thaw(self, member: str) -> None:
        """Let it go on: it does not know that time has passed."""
        self._processes[member].send_signal(signal.SIGCONT)

    def revive(self) -> list[str]:
        """Start again every process that has ended by itself, as a supervisor would; return their names."""
        ended = [member for member, process in self._processes.items() if process.poll() is not None]
        for member in ended:
            self.restart(member)
        return ended

    def cpu_s(self, member: str) -> float:
        """Return the CPU seconds that a process has taken so far."""
        fields = Path(f"/proc/{self._processes[member].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def said(self, member: str) -> str:
        """Return what a process has printed."""
        return (self.folder / f"{member}.log").read_text(errors="replace")

    # -- the log ------------------------------------------------------------------------------------------------------

    def messages(self, topic: str) -> list[tuple[int, bytes | None]]:
        """Return all messages of a topic as (partition, value), each partition in its order."""
        return [(number, message.value) for number, message in self.read(topic)]

    def read(self, topic: str) -> list[tuple[int, Message]]:
        """Return all messages of a topic with their partitions, each partition in its order."""
        with closing(client_of(self.settings.kafka).consumer([topic])) as consumer:
            found = [(partition.number, message) for partition, some in to_end(consumer) for message in some]
        return sorted(found, key=itemgetter(0))

    def ends(self, role: str) -> dict[Partition, int]:
        """Return where the topic that a role reads ends now."""
        topic = getattr(Names.of(self.settings.kafka), READS[role])
        every = [Partition(topic, number) for number in range(check_topics(self.settings)[topic].partitions)]
        with closing(client_of(self.settings.kafka).consumer([topic])) as consumer:
            return {one: end for one, (_, end) in consumer.bounds(every).items()}

    def has_read(self, role: str, ends: Mapping[Partition, int]) -> bool:
        """Return whether a role has committed what lies before these ends: what it leads to is durable by then."""
        places = committed(self.settings.kafka)[role]
        return all(places.get(partition, 0) >= end for partition, end in ends.items())

    def members(self, role: str) -> set[str]:
        """Return the processes that share the partitions of a role; none while they are being shared anew."""
        kafka = self.settings.kafka
        group = f"{kafka.prefix}-{role}" + ("-faust" if (role, kafka.runner) == ("detect", "faust") else "")
        try:
            with closing(KafkaAdminClient(**connection(kafka))) as admin:
                found = admin.describe_groups([group])[group]
        except ClientError:  # nobody looks after the group yet
            return set()
        names = {str(member["group_instance_id"]).removeprefix(f"{group}-") for member in found["members"]}
        return names if found["group_state"] == "Stable" else set()

    def _write(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        lines: list[str] = []
        for section, values in sections.items():
            lines += [f"[{section}]"] if section else []
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text("\n".join(lines) + "\n")


def wait_until(
    true: Callable[[], bool],
    what: str,
    tell: Callable[[], str] = str,
    pause_s: float = _PAUSE_S,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for something to become true; fail with its name, and with what `tell` says, when it does not."""
    until = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < until, f"not within {patience_s:g} s: {what}\n{tell()}"
        time.sleep(pause_s)
