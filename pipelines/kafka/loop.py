"""The one loop that every role runs: read, let the machines take, send, flush, commit.

The order is all there is to it: what a machine returned is acknowledged before the position behind it is committed, and
its state is among it. A partition that came begins with its newest state, one that went is forgotten. Any error ends
the process; the next one reads again what was not committed, and makes the same outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing

from undertow.pipelines.kafka.beside import Beside
from undertow.pipelines.kafka.client import Client, Consumer, Message, Partition, Position, Producer
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.held import Held, begin
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Output, Role, Saved, View
from undertow.pipelines.kafka.progress import Progress, Standing
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.watchdog import Watchdog
from undertow.pipelines.settings import Kafka

__all__ = ["Loop"]

POLL_S = 0.1  # wait for messages: how soon a stop, and what a machine has been waiting for, is seen
BATCH, LEAST = 10_000, 100  # messages of a round; between these as many as are done by the next commit
SURVEY_S = 2.0  # between two questions where the log ends
FLUSH_S = 60.0  # without an acknowledgement the process ends
MOST_UNACKNOWLEDGED = 33_554_432  # bytes; beyond it all partitions wait


class Loop:
    """One process of a role.

    Parameters
    ----------
    partitions
        Of the role's topic.
    states
        Where the role's states lie.
    clock
        Wall clock, seconds since the epoch: for roles that must know it, commits and the watchdog.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        From every method: the process must end, and may be started again.
    """

    def __init__(
        self,
        settings: Kafka,
        role: Role,
        client: Client,
        partitions: int,
        states: States,
        meter: LoopMeter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._role, self._states, self._clock = role, states, clock
        self._commit_s = settings.commit_s
        self._meter = meter or LoopMeter(role.name)
        self._all = [Partition(role.topic, number) for number in range(partitions)]
        self._progress = Progress(self._meter, settings.watchdog_s)
        self._commits, self._watchdog_s = Watchdog(), settings.watchdog_s
        self._held: dict[Partition, Held] = {}
        self._read: dict[Partition, int] = {}  # offset of the last message that came
        self._committed: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._ends: dict[Partition, int] = {}
        self._asked = float("-inf")
        self._settled = clock()
        self._limit = LEAST
        with ExitStack() as opened:
            self._producer: Producer = opened.enter_context(closing(client.producer()))
            self._beside = opened.enter_context(closing(Beside(role, client)))
            group = f"{settings.prefix}-{role.name}"
            self._consumer: Consumer = opened.enter_context(closing(client.consumer([role.topic], group)))
            self._opened = opened.pop_all()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Go round until somebody stops it, then make everything durable and leave the group.

        However it ends, the role has stopped before another member can begin.
        """
        with self._opened:
            try:
                while not stopped():
                    self.step()
            finally:
                last = self._role.leave()
            self._send_all(last)
            self._settle()

    def step(self) -> None:
        """Go round once."""
        with self._meter.timed("poll"):
            polled = self._consumer.poll(POLL_S, self._limit)
        start = time.perf_counter()
        self._let_go(polled.revoked)
        self._begin(polled.assigned)
        self._beside.listen()
        self._take(polled.messages)
        self._survey()
        self._send_all(self._role.meanwhile(self._view()))
        self._hold_back()
        if self._due(self._settled, self._commit_s):
            self._settle()
        if polled.messages:
            self._pace(sum(map(len, polled.messages.values())), time.perf_counter() - start)

    def _pace(self, messages: int, took: float) -> None:
        """Read next as many messages as will be done by the next commit: a round too long would hold it up."""
        self._meter.batch.observe(took)
        self._limit = min(max(int(messages * self._commit_s / took), LEAST), BATCH, 2 * self._limit)

    # -- partitions come and go ---------------------------------------------------------------------------------------

    def _let_go(self, revoked: Iterable[Partition]) -> None:
        for partition in revoked:
            for known in (self._held, self._read, self._committed, self._ends):
                known.pop(partition, None)
            self._progress.forget(partition)
            self._paused.discard(partition)

    def _begin(self, assigned: Sequence[Partition]) -> None:
        """Go on where the newest state of each partition says."""
        if not assigned:
            return
        saved = self._states.read([partition.number for partition in assigned])
        bounds, committed = self._consumer.bounds(assigned), self._consumer.committed(assigned)
        for partition in assigned:
            told = committed[partition]
            held = begin(
                self._role, partition, saved.get(partition.number), bounds[partition], told.offset if told else None
            )
            self._held[partition] = held
            self._ends[partition] = bounds[partition][1]
            self._consumer.seek(partition, held.machine.rewind)

    # -- messages -----------------------------------------------------------------------------------------------------

    def _take(self, messages: Mapping[Partition, Sequence[Message]]) -> None:
        for partition, held in list(self._held.items()):
            came = messages.get(partition, ())
            with self._meter.timed("take"):
                outputs = held.machine.take(came)
            self._send_all(outputs, partition)
            if came:
                self._meter.messages.inc(len(came))
                self._read[partition] = came[-1].offset

    def _send_all(self, outputs: Sequence[Output], partition: Partition | None = None) -> None:
        if not outputs:
            return
        with self._meter.timed("produce"):
            for output in outputs:
                if isinstance(output, Saved):
                    self._save(output, partition)
                else:
                    self._producer.send(output.topic, output.value, output.key, output.partition, output.headers)
                    self._meter.outputs.inc()

    def _save(self, saved: Saved, partition: Partition | None) -> None:
        """Keep a state in the slot that the one before does not lie in.

        What was sent before must be acknowledged first: who goes on from the state does not send it again.
        """
        if partition is None:
            raise KafkaError(f"{self._role.name} saves a state of no partition")
        held = self._held[partition]
        self._producer.flush(FLUSH_S)
        for one in held.kept(self._states, partition.number, saved):
            self._producer.send(one.topic, one.value, one.key, one.partition, one.headers)
            self._meter.outputs.inc()
        self._held[partition] = held.turned()

    # -- making it durable --------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Wait for what was sent, then commit what led to it; a commit that is refused comes later, or not at all."""
        with self._meter.timed("flush"):
            self._producer.flush(FLUSH_S)
            positions = {
                partition: held.machine.position
                for partition, held in self._held.items()
                if held.machine.position > self._committed.get(partition, -1)
            }
            taken = not positions or self._consumer.commit({one: Position(at) for one, at in positions.items()})
        if taken:
            self._committed |= positions
            self._meter.commits.inc(len(positions))
        self._settled = self._clock()
        # A client may have lost its place in the group for good and read on as if nothing were.
        refused = "" if taken else "there is something to commit"
        self._commits.look(self._settled, self._watchdog_s, tuple(self._committed.items()), refused)

    def _hold_back(self) -> None:
        """Hold the partitions whose machines are full, and all of them while the broker does not keep up with us."""
        waiting = self._producer.unacknowledged
        everything = waiting > MOST_UNACKNOWLEDGED / (2 if self._paused else 1)
        wanted = {partition for partition, held in self._held.items() if everything or held.machine.full}
        if wanted - self._paused:
            self._consumer.pause(sorted(wanted - self._paused))
        if self._paused - wanted:
            self._consumer.resume(sorted(self._paused - wanted))
        self._paused = wanted
        self._meter.unacknowledged.set(waiting)
        self._meter.held.set(len(wanted))

    # -- looking around -----------------------------------------------------------------------------------------------

    def _view(self) -> View:
        machines = {partition.number: held.machine for partition, held in self._held.items()}
        ends = {partition.number: end for partition, end in self._ends.items()}
        return View(self._clock(), machines, ends, self._asked)

    def _survey(self) -> None:
        """Ask now and then where the log ends; see how far behind we are, and whether we get on."""
        if not self._due(self._asked, SURVEY_S):
            return
        if self._held:
            self._ends = {partition: end for partition, (_, end) in self._consumer.bounds(list(self._held)).items()}
        self._asked = self._clock()
        if self._held:
            read, ends = self._read, self._ends
            ours = {one: Standing(held.machine, read.get(one), ends[one]) for one, held in self._held.items()}
            self._progress.look(self._asked, ours)
        else:
            self._look_at_the_group()

    def _due(self, since: float, period: float) -> bool:
        """Return whether so many seconds have passed; a clock that was set back does not stop everything."""
        return not 0.0 <= self._clock() - since < period

    def _look_at_the_group(self) -> None:
        """Without partitions of our own: somebody must get on, or the group is stuck and we with it."""
        committed = self._consumer.committed(self._all)
        places = {one: place.offset if place else 0 for one, place in committed.items()}
        bounds = self._consumer.bounds(self._all)
        behind = sum(max(end - max(places[one], first), 0) for one, (first, end) in bounds.items())
        waiting = f"no partition is ours and the group is {behind} messages behind" if behind else ""
        self._progress.look_without(self._asked, tuple(sorted(places.items())), waiting)
