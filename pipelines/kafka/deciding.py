"""What people decide, on its way into the logs: checked against what the log of incidents holds, then written."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec

from undertow.alerts.incident import Incident
from undertow.dashboards.tables import table
from undertow.pipelines import pins, silencing
from undertow.pipelines.control import check_control
from undertow.pipelines.kafka import decisions, incident_log
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.decisions import Decision
from undertow.pipelines.kafka.incident_log import Lifted, Record
from undertow.pipelines.kafka.reading import to_end
from undertow.pipelines.kafka.setup import check_topics
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.server import ControlError
from undertow.pipelines.settings import Settings

__all__ = ["Deciding", "decide", "silences"]

FLUSH_S = 20.0
_COLUMNS = ("id", "about", "until", "by", "reason")


class Deciding:
    """Writes decisions where those who carry them out read them.

    Parameters
    ----------
    incidents
        Returns the open incidents.
    silences
        Returns the ids of the silences that people have set.
    clock
        Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        names: Names,
        client: Client,
        incidents: Callable[[], Sequence[Incident]],
        silences: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._names, self._client, self._clock = names, client, clock
        self._incidents, self._silences = incidents, silences

    def control(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Write down a decision; return what it is and where it went.

        Raises
        ------
        undertow.pipelines.server.ControlError
            It cannot be done; the message says why.
        undertow.pipelines.kafka.errors.KafkaError
            The broker does not take it.
        """
        if action in silencing.SILENCING:
            return self._silence(action, arguments)
        check_control(action, arguments, lambda: {one.id for one in self._incidents()}, self._check_pin)
        decision = Decision(uuid.uuid4().hex, action, dict(arguments), self._clock())
        self._send(self._names.verdicts, decisions.key_of(decision), msgspec.msgpack.encode(decision))
        return {"decision": decision.id, "action": action, "written_to": self._names.verdicts}

    def _silence(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        record: Record
        if action == "lift":
            record = Lifted(str(arguments.get("id", "")))
            if record.id not in self._silences():
                raise ControlError(f"no silence '{record.id}' is set; `undertow silences` lists them")
            answer = {"lifted": record.id}
        else:
            record = silencing.asked(arguments, self._clock())
            answer = silencing.shown(record)
        self._send(self._names.incidents, incident_log.key_of(record), incident_log.value_of(record))
        return {**answer, "written_to": self._names.incidents}

    def _check_pin(self, action: str, arguments: Mapping[str, str]) -> None:
        """Refuse what can be no pin; whether it can hold is seen where its series are judged."""
        if action == "pin":
            pins.pin_of(arguments, self._clock(), 0)

    def _send(self, topic: str, key: bytes, value: bytes | None) -> None:
        with closing(self._client.producer()) as producer:
            producer.send(topic, value, key, 0)
            producer.flush(FLUSH_S)


def decide(settings: Settings, action: str, arguments: Mapping[str, Any]) -> str:
    """Take a decision of the command line; return one sentence that says where it went.

    Raises
    ------
    undertow.pipelines.server.ControlError
        It cannot be done; the message says why.
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, or a topic does not exist.
    """
    book, client = _book(settings)
    deciding = Deciding(
        Names.of(settings.kafka), client, book.open, lambda: {one.id for one in book.silences()}, time.time
    )
    answer = deciding.control(action, arguments)
    where, about = answer.pop("written_to"), answer.get("id") or answer.get("lifted") or arguments.get("id", "")
    what = f"{action} {about}".strip()
    return f"{what}: written into {where} of the installation on {settings.kafka.servers[0]}; its pager carries it out"


def silences(settings: Settings) -> str:
    """Return which silences hold now, as the log of incidents says.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, or a topic does not exist.
    """
    book, _ = _book(settings)
    shown = [silencing.shown(one) for one in book.silences() if one.starts_at <= time.time() < one.ends_at]
    rows = [tuple(one[name] for name in _COLUMNS) for one in shown]
    return table(list(_COLUMNS), rows) if rows else "no silence holds now"


def _book(settings: Settings) -> tuple[Book, Client]:
    check_topics(settings)
    book, client = Book(), client_of(settings.kafka)
    with closing(client.consumer([Names.of(settings.kafka).incidents])) as consumer:
        for _, messages in to_end(consumer):
            for message in messages:
                record = incident_log.read(message.key, message.value)
                if record is not None:
                    book.take(record)
    return book, client
