"""States of partitions in a compacted topic: in parts that fit a message, found again whole or not at all.

Two states of a partition are kept, under two slots in turn, so that one whose writer died in the middle leaves the one
before whole. Whoever goes on from a state writes the next one where any other who goes on from it would, with the same
bytes: two writers do not mix. A paused process may write an old state late; the highest position wins.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import msgspec

from undertow.pipelines.kafka.client import Client, Message, Partition
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.machine import Saved, Send
from undertow.pipelines.kafka.reading import to_end

__all__ = ["KeptState", "States", "key_of"]

VERSION = 1
SLOTS = 2
_ENVELOPE_BYTES = 4_096  # of a message beside the state: key, frame, and what the protocol adds


class _Part(msgspec.Struct, array_like=True, frozen=True):
    version: int
    position: int
    checksum: int  # of the whole state
    number: int
    parts: int
    content: bytes


class KeptState(NamedTuple):
    """A whole state, and the slot in which it lies."""

    saved: Saved
    slot: int


def key_of(role: str, partition: int, slot: int, part: int) -> bytes:
    """Return the key of a part.

    Examples
    --------
    >>> key_of("worker", 3, 0, 1)
    b'worker/3/0/1'
    """
    return f"{role}/{partition}/{slot}/{part}".encode()


class States:
    """The states of one role.

    Parameters
    ----------
    topic, partitions
        The compacted topic, and how many partitions it has.
    largest_bytes
        Of a message.
    """

    def __init__(self, client: Client, topic: str, partitions: int, role: str, largest_bytes: int) -> None:
        self.topic = topic
        self._client, self._partitions, self._role = client, partitions, role
        self._room = largest_bytes - _ENVELOPE_BYTES

    def messages(self, partition: int, slot: int, saved: Saved) -> Iterator[Send]:
        """Return the messages that keep a state."""
        checksum = zlib.crc32(saved.content)
        parts = range(0, max(len(saved.content), 1), self._room)
        for number, start in enumerate(parts):
            part = _Part(
                VERSION, saved.position, checksum, number, len(parts), saved.content[start : start + self._room]
            )
            key = key_of(self._role, partition, slot, number)
            yield Send(self.topic, partition % self._partitions, key, msgspec.msgpack.encode(part))

    def read(self, partitions: Collection[int]) -> dict[int, KeptState]:
        """Return the newest whole state of each of these partitions that has one.

        Raises
        ------
        KafkaError
            The topic cannot be read to its end, or a state was written by a newer Undertow.
        """
        wanted = {Partition(self.topic, number % self._partitions) for number in partitions}
        with closing(self._client.consumer([self.topic])) as consumer:
            return self.among((one for _, messages in to_end(consumer, wanted) for one in messages), partitions)

    def among(self, messages: Iterable[Message], partitions: Collection[int]) -> dict[int, KeptState]:
        """Return the newest whole state of each of these partitions that has one among messages that were read.

        Raises
        ------
        KafkaError
            A state was written by a newer Undertow.
        """
        found = _Found(self._role, partitions)
        for message in messages:
            found.add(message)
        return {number: state for number in partitions if (state := found.newest(number)) is not None}


class _Found:
    """Parts as they are read, put together."""

    def __init__(self, role: str, partitions: Collection[int]) -> None:
        self._role, self._partitions = role, set(partitions)
        self._parts: dict[tuple[int, int, int, int], dict[int, bytes]] = {}  # partition, slot, position, checksum
        self._whole: dict[int, KeptState] = {}

    def add(self, message: Message) -> None:
        """Take a message; those of other roles and partitions are passed over."""
        role, partition, slot = _named(message.key)
        if role != self._role or partition not in self._partitions or not message.value:
            return
        part = _part(message.value, f"{role}/{partition}")
        key = (partition, slot, part.position, part.checksum)
        parts = self._parts.setdefault(key, {})
        parts[part.number] = part.content
        if len(parts) == part.parts:
            del self._parts[key]
            self._keep(partition, slot, part, b"".join(parts[number] for number in range(part.parts)))

    def newest(self, partition: int) -> KeptState | None:
        """Return the whole state with the highest position."""
        return self._whole.get(partition)

    def _keep(self, partition: int, slot: int, part: _Part, content: bytes) -> None:
        known = self._whole.get(partition)
        if zlib.crc32(content) == part.checksum and (known is None or part.position >= known.saved.position):
            self._whole[partition] = KeptState(Saved(part.position, content), slot)


def _named(key: bytes | None) -> tuple[str, int, int]:
    role, _, rest = (key or b"").decode("utf-8", "replace").partition("/")
    numbers = rest.split("/")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):  # partition, slot, part
        return ("", -1, -1)
    return role, int(numbers[0]), int(numbers[1])


def _part(content: bytes, whose: str) -> _Part:
    try:
        part = msgspec.msgpack.decode(content, type=_Part)
    except msgspec.DecodeError as error:
        raise KafkaError(f"a saved state of {whose} is damaged ({error}): begin anew under another prefix") from error
    if part.version != VERSION:
        raise KafkaError(
            f"a saved state of {whose} has version {part.version}, this Undertow reads {VERSION}: go back to the "
            "Undertow that wrote it"
        )
    return part
