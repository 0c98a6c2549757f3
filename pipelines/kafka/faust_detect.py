"""The same machines under Faust: its group, its table with a changelog, its producer; nothing else knows of Faust.

An agent hands over what comes, and one task does the rest in the order that the plain loop keeps
(`undertow.pipelines.kafka.loop`): take, send, wait for the acknowledgements, write the state. What makes it exact is
not Faust's, which skips messages across a rebalance and goes on from what it has committed:

1. A state has its position in it, and its changelog is the topic of the plain loop, with the same records: who judges
   a partition goes on from there. What Faust has committed is never asked.
2. A message counts if it is the next one or was had before. While the next one does not come and the log has it, the
   reader is sent back to it again and again: Faust's fetching may undo a single seek.
3. Messages are acknowledged to Faust when all that they led to lies in the log.
4. Any error ends the process.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import faust
import msgspec
from aiokafka.errors import IllegalStateError
from aiokafka.errors import KafkaError as LibraryError
from faust.types import TP

from undertow.pipelines.kafka.beside import Beside
from undertow.pipelines.kafka.client import Client, Message, Partition
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError, MessageTooLargeError
from undertow.pipelines.kafka.held import Held, begin
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Output, Role, Saved, Send, View
from undertow.pipelines.kafka.progress import Progress, Standing
from undertow.pipelines.kafka.states import States
from undertow.pipelines.settings import Kafka

__all__ = ["FaustLoop"]

POLL_S = 0.1  # wait for messages: how soon a stop, and what a machine has been waiting for, is seen
BATCH = 256  # messages of a round, and as many behind them in Faust's own buffer
SURVEY_S = 1.0  # between two questions where the log ends; what does not come is gone back to as often
FLUSH_S = 60.0  # without an acknowledgement the process ends
REQUEST_S = 20.0  # for one question to the broker
STOP_S = 60.0  # to leave the group
HEARTBEATS = 4  # in the time after which a silent process is taken for dead

for _name in ("faust", "mode", "aiokafka", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what ends the process is told in one sentence


class _Reading(msgspec.Struct):
    """How far a partition has been read."""

    next: int  # offset of the message that the machine takes next
    end: int  # of the log, as the broker said last
    seen: int = -1  # offset of the last message up to there, also if it was had before
    looked: int = -1  # that, at the last survey
    committed: int = -1  # up to where we have committed what Faust may have forgotten to


class FaustLoop:
    """One process of a role, as `undertow.pipelines.kafka.loop.Loop` is: the same parameters, the same errors."""

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
        self._largest = settings.max_message_bytes
        self._meter = meter or LoopMeter(role.name)
        self._progress = Progress(self._meter, settings.watchdog_s)
        self._held: dict[int, Held] = {}
        self._reading: dict[int, _Reading] = {}
        self._paused: set[TP] = set()
        self._asked = float("-inf")
        self._beside = Beside(role, client)
        self._came: asyncio.Queue[Any] = asyncio.Queue(BATCH)
        self._app = _app(settings, role, partitions)
        self._table = self._app.Table(
            "states",
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            changelog_topic=_raw(self._app, states.topic, partitions),
        )
        self._app.agent(_raw(self._app, role.topic, partitions), name="messages")(self._hand_over)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Go round until somebody stops it, then leave the group: what was read is durable by then."""
        with closing(self._beside):
            asyncio.run(self._serve(stopped))

    async def _serve(self, stopped: Callable[[], bool]) -> None:
        """Start Faust and go round; only a good end waits for Faust to stop, since a broken one may not."""
        starting = asyncio.ensure_future(self._app.start())
        try:
            while not stopped():
                await self._round()
                self._check(starting)
            await self._deliver(self._role.leave())
        except (LibraryError, TimeoutError) as error:
            raise _ended(error) from error
        await self._leave()

    async def _leave(self) -> None:
        try:
            await asyncio.wait_for(self._app.stop(), STOP_S)
        except TimeoutError as error:
            raise KafkaError(f"Faust has not left its group within {STOP_S:g} s; what was read is durable") from error
        except LibraryError as error:
            raise _ended(error) from error

    def _check(self, starting: asyncio.Future[None]) -> None:
        """End when a part of Faust has ended: it would go on without it."""
        reason = self._app.crash_reason or (starting.exception() if starting.done() else None)
        if reason is not None:
            raise _ended(reason) from reason

    async def _hand_over(self, stream: Any) -> None:
        """Give what comes to the rounds; it waits while they are behind."""
        events: AsyncIterable[Any] = stream.noack().events()
        async for event in events:
            await self._came.put(event)

    async def _round(self) -> None:
        with self._meter.timed("poll"):
            events = await self._next_events()
        start = time.perf_counter()
        self._beside.listen()
        await self._share()
        await self._take(events)
        await self._survey()
        await self._deliver(self._role.meanwhile(self._view()))
        self._hold_back()
        if events:
            self._meter.batch.observe(time.perf_counter() - start)

    async def _next_events(self) -> list[Any]:
        """Return what has come; wait a little for the first."""
        with suppress(TimeoutError):
            first = await asyncio.wait_for(self._came.get(), POLL_S)
            return [first, *(self._came.get_nowait() for _ in range(self._came.qsize()))]
        return []

    # -- partitions come and go ---------------------------------------------------------------------------------------

    async def _share(self) -> None:
        """See which partitions are ours, as soon as their states have been read."""
        if not self._app.tables.actives_ready:
            return
        assigned = {tp for tp in self._app.consumer.assignment() if tp.topic == self._role.topic}
        for number in self._held.keys() - {tp.partition for tp in assigned}:
            del self._held[number], self._reading[number]
            self._progress.forget(Partition(self._role.topic, number))
        came = sorted(tp for tp in assigned if tp.partition not in self._held)
        if came:
            await self._begin(came)

    async def _begin(self, came: Sequence[TP]) -> None:
        """Go on where the newest state of each partition says."""
        numbers = [tp.partition for tp in came]
        kept = self._states.among((Message(0, value, key) for key, value in self._table.data.items()), numbers)
        firsts, ends = await self._app.consumer.earliest_offsets(*came), await self._app.consumer.highwaters(*came)
        for tp in came:
            bounds = (firsts[tp], ends[tp])
            held = begin(self._role, Partition(*tp), kept.get(tp.partition), bounds, committed=None)
            self._held[tp.partition] = held
            self._reading[tp.partition] = _Reading(held.machine.rewind, ends[tp])
            await self._go_back(tp)

    async def _go_back(self, tp: TP) -> None:
        """Go back to what is next if Faust is beyond it; never on: Faust commits nothing behind what it left out."""
        due = self._reading[tp.partition].next
        with suppress(IllegalStateError):  # it is just being taken away
            if (await self._app.consumer.position(tp) or 0) > due:
                await self._app.consumer.seek_wait({tp: due})

    # -- messages -----------------------------------------------------------------------------------------------------

    async def _take(self, handed_over: Sequence[Any]) -> None:
        came = defaultdict(list)
        for event in handed_over:
            came[event.message.partition].append(event)
        for number, held in list(self._held.items()):
            events = self._in_turn(self._reading[number], came[number])
            with self._meter.timed("take"):
                outputs = held.machine.take([_message(event.message) for event in events])
            await self._keep(outputs, number)
            self._meter.messages.inc(len(events))
            for event in events:
                event.ack()

    def _in_turn(self, reading: _Reading, events: Iterable[Any]) -> list[Any]:
        """Return those that are next; what was had before is given back, and behind a gap nothing counts."""
        next_ones = []
        for event in events:
            offset = event.message.offset
            if offset == reading.next:
                next_ones.append(event)
                reading.next += 1
            elif offset < reading.next:
                event.ack()
            else:
                continue
            reading.seen = offset
        return next_ones

    async def _keep(self, outputs: Sequence[Output], number: int) -> None:
        """Send, and write states; who goes on from one does not send again what came before it."""
        sends: list[Send] = []
        for output in outputs:
            if isinstance(output, Saved):
                held = self._held[number]
                await self._deliver(sends)
                await self._deliver(held.kept(self._states, number, output))
                self._held[number], sends = held.turned(), []
            else:
                sends.append(output)
        await self._deliver(sends)

    async def _deliver(self, sends: Iterable[Send]) -> None:
        """Send, and wait until the broker has it all."""
        with self._meter.timed("produce"):
            sent = [await self._send(one) for one in sends]
        with self._meter.timed("flush"):
            try:
                await asyncio.wait_for(asyncio.gather(*sent), FLUSH_S)
            except TimeoutError as error:
                raise DeliveryError(f"the broker has not acknowledged within {FLUSH_S:g} s") from error
            except LibraryError as error:
                raise DeliveryError(f"the broker refused a message: {error}") from error

    async def _send(self, one: Send) -> Any:
        size = len(one.value or b"")
        if size > self._largest:
            raise MessageTooLargeError(one.topic, size, self._largest)
        self._meter.outputs.inc()
        return await self._app.producer.send(one.topic, one.key, one.value, one.partition, None, list(one.headers))

    # -- looking around -----------------------------------------------------------------------------------------------

    def _view(self) -> View:
        machines = {number: held.machine for number, held in self._held.items()}
        ends = {number: reading.end for number, reading in self._reading.items()}
        return View(self._clock(), machines, ends, self._asked)

    async def _survey(self) -> None:
        """Ask now and then where the log ends; see whether we get on, and go back to what does not come."""
        if 0.0 <= self._clock() - self._asked < SURVEY_S:
            return
        if not self._held:
            self._asked = self._clock()
            joining = "" if self._app.tables.actives_ready else "Faust has not joined its group"
            self._progress.look_without(self._asked, (), joining)
            return
        ends = await self._app.consumer.highwaters(*(TP(self._role.topic, number) for number in self._held))
        self._asked = self._clock()
        for tp, end in ends.items():
            self._reading[tp.partition].end = end
        self._progress.look(self._asked, {Partition(*tp): self._standing(tp.partition) for tp in ends})
        for tp in ends:
            await self._look_for_next(tp)

    def _standing(self, number: int) -> Standing:
        reading = self._reading[number]
        return Standing(self._held[number].machine, reading.seen, reading.end)

    async def _look_for_next(self, tp: TP) -> None:
        """Go back to what is next if it is in the log and nothing up to there has come since the last look."""
        reading = self._reading[tp.partition]
        silent, reading.looked = reading.seen == reading.looked, reading.seen
        if silent and reading.next < reading.end and not self._held[tp.partition].machine.full:
            await self._go_back(tp)
        elif silent and reading.committed <= reading.seen == reading.next - 1:
            await self._commit(tp)

    async def _commit(self, tp: TP) -> None:
        """Commit what has been read: a commit that is refused in a rebalance Faust forgets until more comes."""
        reading, consumer = self._reading[tp.partition], cast(Any, self._app.consumer)
        if await consumer._commit({tp: reading.next}):  # noqa: SLF001 – the public one believes it is done
            reading.committed = reading.next

    def _hold_back(self) -> None:
        """Hold the partitions whose machines are full."""
        full = {TP(self._role.topic, number) for number, held in self._held.items() if held.machine.full}
        if self._app.tables.actives_ready:
            self._app.consumer.pause_partitions(full)
            self._app.consumer.resume_partitions({tp for tp in self._paused - full if tp.partition in self._held})
            self._paused = full
        self._meter.held.set(len(full))


def _ended(reason: BaseException) -> KafkaError:
    """Say what broke and in which step, since the words of what Faust and its client raise may be none."""
    steps = traceback.extract_tb(reason.__traceback__)
    step = f" in {steps[-1].name} of {Path(steps[-1].filename).name}" if steps else ""
    said = " ".join(f"{type(reason).__name__}{step}: {reason}".split())
    return KafkaError(f"Faust cannot go on ({said}): ending, to be started again")


def _message(one: Any) -> Message:
    return Message(one.offset, one.value, one.key, one.timestamp, one.headers or ())


# -- the app ----------------------------------------------------------------------------------------------------------


class _App(faust.App):
    """Nothing but a group, a table and a producer: no web server, no topics of its own, no folder."""

    async def on_first_start(self) -> None:
        """Make no folder: all that lasts lies in Kafka."""


def _app(settings: Kafka, role: Role, partitions: int) -> faust.App:
    group = f"{settings.prefix}-{role.name}-faust"  # not the plain loop's: libraries do not share a group
    return _App(
        group,
        broker=[f"kafka://{server}" for server in settings.servers],
        broker_credentials=_credentials(settings),
        broker_client_id=settings.prefix,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / HEARTBEATS,
        broker_request_timeout=max(REQUEST_S, settings.session_s),
        broker_rebalance_timeout=REQUEST_S / 2,
        broker_commit_interval=settings.commit_s,
        consumer_group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=max(4_194_304, settings.max_message_bytes),
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_max_request_size=settings.max_message_bytes,
        processing_guarantee="at_least_once",
        store="memory://",
        stream_buffer_maxsize=BATCH,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )


def _raw(app: faust.App, name: str, partitions: int) -> Any:
    """Return a topic of bytes as they are."""
    return app.topic(
        name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )


def _credentials(settings: Kafka) -> Any:
    """Return who we are, in Faust's words; None where the broker asks nobody."""
    protocol = settings.security_protocol
    context = None
    if protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    if not protocol.startswith("SASL"):
        return faust.SSLCredentials(context) if context else None
    return faust.SASLCredentials(
        username=settings.username, password=settings.password, mechanism=settings.sasl_mechanism, ssl_context=context
    )
