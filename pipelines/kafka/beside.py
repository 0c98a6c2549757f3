"""The topics that every process of a role reads whole: before its machines start, and from then on."""

from __future__ import annotations

from contextlib import ExitStack, closing

from undertow.pipelines.kafka.client import Client, Consumer
from undertow.pipelines.kafka.machine import Role
from undertow.pipelines.kafka.reading import to_end

__all__ = ["Beside"]

BATCH = 10_000  # messages of a round


class Beside:
    """Lets a role hear what lies in the topics beside its own; opening it reads them to where they end now.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        They cannot be read to the end.
    """

    def __init__(self, role: Role, client: Client) -> None:
        self._role = role
        self._consumer: Consumer | None = None
        with ExitStack() as opened:
            if role.beside:
                self._consumer = opened.enter_context(closing(client.consumer(role.beside)))
                for partition, messages in to_end(self._consumer):
                    role.hear(partition.topic, messages)
            self._opened = opened.pop_all()

    def listen(self) -> None:
        """Let the role hear what has come since, without waiting for more."""
        if self._consumer is not None:
            for partition, messages in self._consumer.poll(0.0, BATCH).messages.items():
                self._role.hear(partition.topic, messages)

    def close(self) -> None:
        """Let go of the connection."""
        self._opened.close()
