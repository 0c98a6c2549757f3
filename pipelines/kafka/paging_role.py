"""`undertow pager`: joins verdicts into incidents and tells people; one process is active, others stand by.

Active is whose partition of the verdicts it is; others follow the log of incidents and are ready. A change is told
when it has come back from the log, and only while the lease holds.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from undertow.alerts.incident import Incident
from undertow.pipelines import paging
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.client import Client, Message
from undertow.pipelines.kafka.deciding import Deciding
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.incident_log import Lease as Sign
from undertow.pipelines.kafka.incident_log import Place as At
from undertow.pipelines.kafka.incident_log import Planned, Record, key_of, read, value_of
from undertow.pipelines.kafka.installation_watch import InstallationWatch
from undertow.pipelines.kafka.lease import Lease
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Place, Send, View
from undertow.pipelines.kafka.pager_partition import PagerPartition
from undertow.pipelines.kafka.pager_port import pager_port
from undertow.pipelines.kafka.role_meters import PagerMeter
from undertow.pipelines.kafka.telling import Telling
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.kafka.watchdog import Watchdog
from undertow.pipelines.server import ControlError
from undertow.pipelines.settings import Settings

__all__ = ["PagerRole"]

_FORGET_S = 3600.0  # between two looks for what may be forgotten


class PagerRole:
    """The role: the one partition of verdicts, and what is told of it."""

    name = "pager"

    def __init__(self, settings: Settings, topics: Mapping[str, TopicFacts], client: Client, meter: LoopMeter) -> None:
        self._settings, self._names = settings, Names.of(settings.kafka)
        self.topic = self._names.verdicts
        self.beside: Sequence[str] = [self._names.incidents]
        self._rows = topics[self._names.rows].partitions
        signed = paging.addresses(settings)
        self._channels = paging.channels(settings, sys.stderr, signed)
        self._book = Book()
        self._telling: Telling | None = None
        self._unsaid: list[Send] = []  # what was told before the partition went
        self._lease: Lease | None = None
        self._watch: InstallationWatch | None = None
        self._machine: PagerPartition | None = None
        self._forgot_at = time.monotonic()
        self._heard = 0  # signs of life, of anybody
        self._alive = Watchdog()  # a group may stand still, and who was replaced not notice, with no verdict that waits
        self._meter = PagerMeter(meter.registry)
        self._reading = threading.Lock()  # the port's threads look into the book
        self._deciding = Deciding(self._names, client, self.incidents, self._silences)
        with ExitStack() as opened:
            self._watchdog = opened.enter_context(paging.watchdog(settings, self._channels))
            port = pager_port(
                settings, self.control, self.incidents, self.status, self._window_age, meter.registry, signed
            )
            opened.enter_context(port)
            self._opened = opened.pop_all()

    def incidents(self) -> list[Incident]:
        """Return the incidents that are open, as they were told last."""
        with self._reading:
            return self._book.open()

    def control(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Write down what somebody outside decides.

        Raises
        ------
        undertow.pipelines.server.ControlError
            It cannot be done, or not now; the message says why.
        """
        try:
            return self._deciding.control(action, arguments)
        except KafkaError as error:
            raise ControlError(f"it could not be written down: {error}") from error

    def status(self) -> dict[str, Any]:
        """Return what can be said of this process."""
        telling = self._telling
        counts = telling.counts() if telling is not None else None
        return {
            "active": telling is not None,
            "open_incidents": len(self.incidents()),
            "window_age": self._window_age(),
            "undelivered": counts.pending if counts else None,
            "refused_deliveries": counts.refused if counts else None,
        }

    def _silences(self) -> set[str]:
        with self._reading:
            return {silence.id for silence in self._book.silences()}

    def _window_age(self) -> float | None:
        machine = self._machine
        closed = machine.last_closed if machine is not None else None
        return None if closed is None else time.time() - closed

    def machine(self, place: Place) -> PagerPartition:
        """Return the machine of the partition; from now on we say that it is ours."""
        self._stop_telling()
        kafka = self._settings.kafka
        machine = PagerPartition(
            self._settings, self._names, kafka.series_partitions, self._rows, place.saved, place.first
        )
        self._machine, self._lease = machine, Lease(f"{kafka.instance}/{uuid.uuid4().hex}", kafka.session_s)
        return machine

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        """Follow what is to be told, what has been told, and who tells it."""
        for message in messages:
            record = read(message.key, message.value)
            if isinstance(record, Sign):
                self._heard += 1
                if self._lease is not None:
                    self._lease.hear(record)
            elif record is not None:
                with self._reading:
                    self._book.take(record)
                if self._telling is not None:
                    self._telling.take(record)

    def meanwhile(self, view: View) -> list[Send]:
        """Return signs of life and what was told; begin to tell when we may, stop when the partition is gone."""
        replaced = self._lease is not None and not self._lease.holds
        heard = -1 if replaced else self._heard
        self._alive.look(view.now, self._settings.kafka.watchdog_s, heard, "a pager must have the right to tell")
        if self._machine is None or self._machine not in view.machines.values():
            return self.leave()
        self._watchdog.beat()
        return [*self._left_unsaid(), *self._signs(), *self._finished(), *self._looked(), *self._forgotten()]

    def leave(self) -> list[Send]:
        """Stop telling, and return what was told until then: who comes next does not tell it again."""
        self._stop_telling()
        return self._left_unsaid()

    def close(self) -> None:
        """Stop telling."""
        self._stop_telling()
        self._opened.close()

    def _signs(self) -> list[Send]:
        if self._lease is None:
            return []
        if self._lease.holds and self._telling is None:
            self._telling = Telling(self._settings, self._channels, self._lease, self._book)
            self._watch = InstallationWatch(self._settings.alerts.health, self._book.health, time.time)
        sign = self._lease.sign()
        return [] if sign is None else [self._send(sign)]

    def _finished(self) -> list[Send]:
        if self._telling is None or self._machine is None or self._lease is None:
            return []
        self._meter.show(self._telling.counts(), self._machine.counts()["open"], active=self._lease.holds)
        return self._told(self._telling)

    def _looked(self) -> list[Send]:
        """Tell what is wrong with the installation, and what people have decided about that."""
        machine = self._machine
        if self._watch is None or machine is None:
            return []
        decided, machine.unclaimed = machine.unclaimed, []
        changes = [change for decision in decided for change in self._watch.decide(decision)]
        changes += self._watch.look(machine.heard())
        state = [self._send(self._watch.state)] if self._watch.is_to_be_saved(changes) else []
        now = time.time()
        return [*(self._send(Planned(At(now, n), change)) for n, change in enumerate(changes)), *state]

    def _told(self, telling: Telling) -> list[Send]:
        return [self._send(one) for one in telling.finished()]

    def _forgotten(self) -> list[Send]:
        """Delete what is too old to be told, now and then."""
        if self._telling is None or time.monotonic() - self._forgot_at < _FORGET_S:
            return []
        self._forgot_at = time.monotonic()
        with self._reading:
            forgotten = self._book.forget(time.time(), self._telling.waiting())
        return [Send(self._names.incidents, 0, key, None) for key in forgotten]

    def _send(self, record: Record) -> Send:
        return Send(self._names.incidents, 0, key_of(record), value_of(record))

    def _stop_telling(self) -> None:
        """Stop; what was told until then is so, whoever tells from now on."""
        telling, self._telling = self._telling, None
        self._machine = self._lease = self._watch = None
        if telling is not None:
            telling.close()
            self._unsaid += self._told(telling)
            self._meter.stand_by()

    def _left_unsaid(self) -> list[Send]:
        unsaid, self._unsaid = self._unsaid, []
        return unsaid
