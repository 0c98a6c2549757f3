"""A role for tests of what runs roles: it adds numbers up, tells each sum, and saves it now and then."""

from collections.abc import Callable, Sequence
from typing import Any

from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Output, Place, Saved, Send, View

__all__ = ["BESIDE", "EVERY", "NUMBERS", "STATE", "SUMS", "TRUTH", "Clock", "Summing", "Sums"]

NUMBERS, SUMS, STATE, BESIDE = "numbers", "sums", "state", "beside"
EVERY = 5  # numbers between two states


class Summing:
    """Tells the sum so far behind each number, and saves it now and then."""

    full = False

    def __init__(self, place: Place) -> None:
        self.place = place
        self.position, self._sum = (place.first, 0) if place.saved is None else _plain(place.saved)
        self.rewind = self.position

    def take(self, messages: Sequence[Message]) -> Sequence[Output]:
        outputs: list[Output] = []
        for message in messages:
            self.position, self._sum = message.offset + 1, self._sum + int(message.value or b"0")
            outputs.append(Send(SUMS, self.place.number, b"%d" % self.position, b"%d" % self._sum))
            if self.position % EVERY == 0:
                outputs.append(Saved(self.position, b"%d %d" % (self.position, self._sum)))
        return outputs


def _plain(saved: bytes) -> tuple[int, int]:
    position, total = saved.split()
    return int(position), int(total)


class Sums:
    """A role."""

    name, topic = "adder", NUMBERS

    def __init__(self, beside: Sequence[str] = (), machine: Callable[[Place], Any] = Summing) -> None:
        self.beside = beside
        self._machine = machine
        self.machines: list[Any] = []
        self.heard: list[bytes | None] = []
        self.seen: list[View] = []
        self.heard_before_start = -1

    def machine(self, place: Place) -> Any:
        self.heard_before_start = len(self.heard)
        self.machines.append(self._machine(place))
        return self.machines[-1]

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        assert topic == BESIDE
        self.heard += [message.value for message in messages]

    def meanwhile(self, view: View) -> Sequence[Send]:
        self.seen.append(view)
        return ()

    def leave(self) -> Sequence[Send]:
        return ()

    def close(self) -> None:
        self.closed = True


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


# Two partitions that hold the numbers 0 to 11.
TRUTH = {(number, b"%d" % (offset + 1)): b"%d" % sum(range(offset + 1)) for number in range(2) for offset in range(12)}
