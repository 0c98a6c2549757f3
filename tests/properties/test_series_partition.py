"""Verdicts do not depend on how events and series are spread over partitions, on who waits for whom, nor on restarts.

No broker: events are counted by as many sources as there are, their cuts go through the wire, in any order that keeps
each source's own, to as many series partitions; these hear late what the others claim, and are killed now and then.
What they say is compared, byte by byte, with what one process says of the same events.
"""

import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from undertow.drift.interaction import Embedding, Interaction, ToolCall
from undertow.drift.pin import Pin
from undertow.drift.prices import PriceTable
from undertow.drift.verdict import Verdict
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.counting import Counting
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.arrivals import carry_out
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.control import claimed
from undertow.pipelines.kafka.decisions import RULING, Ruling
from undertow.pipelines.kafka.machine import Output, Saved
from undertow.pipelines.kafka.partials import encode, series_partition
from undertow.pipelines.kafka.series_partition import SeriesPartition
from undertow.pipelines.kafka.source_partition import Cut
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Budget, Detection, Embeddings, Ingest, Kafka, Rule, Settings
from undertow.pipelines.step import Step

WINDOW_S = 240.0
DAY = 86_400.0
START = 20_000 * DAY - 2 * 3600.0  # a day ends after two hours
EVENTS = 3_600
SETTINGS = Settings(
    ingest=Ingest(window_s=WINDOW_S, allowed_lateness_s=60.0, task_idle_s=30.0, task_limit_s=90.0),
    detection=Detection(
        dimensions=("region",),
        min_events=120,
        strict_events=40,
        parity=("region", "environment"),
        stated={"mail/error_rate": 0.2},
        detector={"reasoning_tokens": "page_hinkley"},
    ),
    budget=Budget(false_pages_per_week=300.0, weight={"bank": 1.7, "latency": 0.3}),
    embeddings=Embeddings(source="event"),
    rules={"residency": Rule(fields=("account", "held_in"), equal=True)},
)
NAMES = Names.of(Kafka())
PIN = Pin(id="1", kind="days", source="", service="bank", first=20_000 - 1, last=20_000 - 1)


RULED_AT = START + EVENTS * 6.0 * 0.7  # most of what changes has been found by then


class Spread(NamedTuple):
    """Over how many partitions events and series are spread, and the luck of this run."""

    sources: int
    partitions: int
    seed: int


@cache
def stream(seed: int) -> list[Interaction]:
    """Three services, one of them in two environments, of which two change in the middle, and back near the end."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(EVENTS):
        changed = EVENTS // 2 < number < EVENTS * 4 // 5
        service = ["bank", "bank", "bank", "bank", "mail", "chat"][int(rng.integers(6))]
        bad, worse = changed and service == "bank", changed and service in {"bank", "mail"}
        region = ["eu", "us", "asia"][int(rng.integers(3))]
        account = f"acc{int(rng.integers(40))}"
        direction = rng.normal(size=8) + (np.arange(8) < 2) * (3.0 if bad else 0.5)
        found.append(
            Interaction(
                id=str(number),
                time=START + number * 6.0,
                service=service,
                environment="prod" if service != "bank" or rng.random() < 0.75 else "staging",
                operation=["x", "y"][int(rng.integers(2))],
                response_model="m2" if bad else "m1",
                attributes={
                    "region": region,
                    "account": account,
                    "held_in": account if rng.random() < 0.998 else "elsewhere",
                },
                refused=bool(rng.random() < (0.5 if bad else 0.05)),
                output="x" * int(rng.lognormal(4.0 if bad else 3.5, 0.4)),
                latency=float(rng.lognormal(0.5 if worse else 0.3, 0.4)),
                output_tokens=int(rng.lognormal(5.2 if worse else 5.0, 0.4)),
                input_tokens=int(rng.lognormal(6.2 if worse else 6.0, 0.4)),
                reasoning_tokens=int(rng.lognormal(4.0 + number // 300 % 2, 0.2)),
                cost=float(rng.lognormal(-3.0, 0.5)),
                http_status=500 if rng.random() < (0.5 if region == "eu" else 0.1) else 200,
                finish_reason="length" if rng.random() < (0.3 if bad else 0.05) else "stop",
                tool_calls=[ToolCall(["find", "read"][int(rng.random() < (0.8 if bad else 0.2))])],
                task=f"{account}-{number // 50}",
                scores={"zeal": float(rng.normal(-1.0 if bad else 0.0)), "aid": float(rng.normal())},
                embedding=Embedding(input=direction.tolist()),
            )
        )
    return found


def fresh(event: Interaction) -> Interaction:
    return msgspec.structs.replace(event)


@cache
def alone(seed: int, ruled_as: Spread | None = None) -> list[bytes]:
    """What one process says; with a spread, each of its rulings is followed before the window from which it holds."""
    processor = Processor(SETTINGS, PriceTable())
    processor.monitor.pinned.pin(PIN)
    waiting = sorted(
        (holds_from, place) for place, (_, holds_from, _) in enumerate(rulings(ruled_as) if ruled_as else ())
    )
    judge = processor._judging.judge

    def ruled(window: ClosedWindow) -> list[Verdict]:
        while waiting and waiting[0][0] <= window.start:
            carry_out(rulings(ruled_as)[waiting.pop(0)[1]][2], processor._judging)
        return judge(window)

    processor._judging.judge = ruled  # type: ignore[method-assign]
    events = [fresh(event) for event in stream(seed)]
    steps = [processor.step(events[at : at + 100], [0] * 100) for at in range(0, EVENTS, 100)]
    return [msgspec.msgpack.encode(verdict) for step in [*steps, processor.finish()] for verdict in step.verdicts]


def cuts(events: Sequence[Interaction], counting: Counting, rng: random.Random) -> Iterator[Cut]:
    """Count one source's events in batches of any size."""
    position, previous, waiting = 0, -1, list[Step]()
    while position < len(events):
        size = rng.randrange(1, 40)
        batch = [fresh(event) for event in events[position : position + size]]
        waiting.append(counting.step(batch, [0] * len(batch)))
        position += len(batch)
        if waiting[-1].windows:
            open_from = counting.windows.watermark // WINDOW_S * WINDOW_S
            yield _cut(position, previous, open_from, waiting)
            previous, waiting = position, []
    yield _cut(position + 1, previous, np.inf, [*waiting, counting.finish()])


def _cut(position: int, previous: int, open_from: float, steps: Sequence[Step]) -> Cut:
    windows, found, versions = (
        [one for step in steps for one in getattr(step, name)] for name in ("windows", "found", "versions")
    )
    return Cut(position, previous, open_from, windows, found, versions)


@cache
def logs(spread: Spread) -> list[list[bytes]]:
    """Return what lies in each series partition: the sources' partials in some order, some of them twice."""
    rng = random.Random(spread.seed)
    told: list[list[list[bytes]]] = []  # source → cut → message by partition
    for source in range(spread.sources):
        mine = [event for event in stream(spread.seed) if _source(event, spread.sources) == source]
        counting = Counting(SETTINGS, PriceTable())
        messages = [encode(cut, source, counting, spread.partitions) for cut in cuts(mine, counting, rng)]
        told.append([[content for _, content in sorted(of_cut)] for of_cut in messages])
    return [list(_mixed([[cut[p] for cut in source] for source in told], rng)) for p in range(spread.partitions)]


def _source(event: Interaction, sources: int) -> int:
    return int(str(event.task).partition("-")[0][3:]) % sources


def _mixed(sources: list[list[bytes]], rng: random.Random) -> Iterator[bytes]:
    places = [0] * len(sources)
    while left := [s for s, source in enumerate(sources) if places[s] < len(source)]:
        source = min(left, key=lambda s: places[s] + rng.uniform(0, 12))
        yield sources[source][places[source]]
        places[source] += 1
        if rng.random() < 0.05:
            places[source] = max(0, places[source] - rng.randrange(3))  # a worker was taken over: it says it again


@cache
def rulings(spread: Spread) -> tuple[tuple[int, float, Ruling], ...]:
    """Return, by series partition, where in the log what was found by `RULED_AT` is accepted, and from which window."""
    said = [msgspec.msgpack.decode(content, type=Verdict) for content in alone(spread.seed)]
    return tuple(_ruled(spread, number, said) for number in range(spread.partitions))


def _ruled(spread: Spread, number: int, said: Sequence[Verdict]) -> tuple[int, float, Ruling]:
    found = [v for v in said if v.kind == "page" and v.detected_at <= RULED_AT]
    mine = [v for v in found if series_partition(v.series.service, spread.partitions) == number]
    machine = SeriesPartition(SETTINGS, NAMES, number, spread.sources, 3)
    for offset, content in enumerate(logs(spread)[number]):
        machine.take([Message(offset, content)])
        if machine._passed > RULED_AT:
            break
    return machine.position, machine._passed, Ruling(7, "accept", {"by": "anna"}, RULED_AT, mine)


@cache
def ruled_logs(spread: Spread) -> list[list[Message]]:
    """Return what lies in each series partition, with the ruling in its place, and once more behind it."""
    found = []
    for log, (place, _, ruling) in zip(logs(spread), rulings(spread), strict=True):
        messages: list[tuple[bytes | None, bytes]] = [(None, content) for content in log]
        told = (RULING, msgspec.msgpack.encode(ruling))
        messages = [*messages[:place], told, *messages[place : place + 9], told, *messages[place + 9 :]]
        found.append([Message(offset, value, key) for offset, (key, value) in enumerate(messages)])
    return found


class Cluster:
    """Series partitions that hear of each other late, and are killed."""

    def __init__(self, spread: Spread, kill: float, *, ruled: bool = False) -> None:
        self._rng, self._spread, self._kill = random.Random(spread.seed), spread, kill
        plain = [[Message(offset, content) for offset, content in enumerate(log)] for log in logs(spread)]
        self._logs = ruled_logs(spread) if ruled else plain
        self._settings = msgspec.structs.replace(SETTINGS, kafka=Kafka(series_partitions=spread.partitions))
        self._control: list[tuple[bytes, bytes]] = []
        self._saved: dict[int, Saved] = {}
        self.told: dict[tuple[int, float], bytes] = {}
        self.kills = 0
        self._heard = [0] * spread.partitions
        self._machines = [self._machine(number) for number in range(spread.partitions)]

    def run(self) -> None:
        while any(machine.position < len(log) for machine, log in zip(self._machines, self._logs, strict=True)):
            number = self._rng.randrange(self._spread.partitions)
            self._turn(number, self._logs[number])
        known = -1
        while known < len(self.told):  # whoever still waits for others
            known = len(self.told)
            for number in range(self._spread.partitions):
                self._hear(number, len(self._control))
                self._keep(number, self._machines[number].take([]))

    def _turn(self, number: int, log: Sequence[Message]) -> None:
        if self._rng.random() < self._kill:
            self.kills += 1
            self._heard[number] = 0
            self._machines[number] = self._machine(number)
        machine = self._machines[number]
        self._hear(number, self._rng.randint(self._heard[number], len(self._control)))
        size = 0 if machine.full else self._rng.randrange(12)
        self._keep(number, machine.take(log[machine.position : machine.position + size]))

    def _machine(self, number: int) -> SeriesPartition:
        saved = self._saved.get(number)
        content = saved.content if saved else None
        machine = SeriesPartition(self._settings, NAMES, number, self._spread.sources, 3, content)
        if saved is None:
            machine._judging.monitor.pinned.pin(PIN)
        assert machine.rewind == (saved.position if saved else 0)
        return machine

    def _hear(self, number: int, until: int) -> None:
        compacted = dict(self._control[:until]) if not self._heard[number] else self._control[:until]
        records = compacted.items() if isinstance(compacted, dict) else compacted[self._heard[number] :]
        for key, value in records:
            said = claimed(key, value)
            assert said is not None
            self._machines[number].hear(said)
        self._heard[number] = until

    def _keep(self, number: int, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Saved):
                self._saved[number] = output
            elif output.topic == NAMES.control:
                assert output.key is not None
                assert output.value is not None
                self._control.append((output.key, output.value))
            elif output.topic == NAMES.verdicts:
                start = decode(output.value or b"").start
                assert self.told.setdefault((number, start), output.value or b"") == output.value, "a repeat differs"

    def verdicts(self) -> list[bytes]:
        """Return what all have said, window by window."""
        windows: dict[float, list[Verdict]] = {}
        for content in self.told.values():
            judged = decode(content)
            windows.setdefault(judged.start, []).extend(judged.verdicts)
        return [msgspec.msgpack.encode(v) for start in sorted(windows) for v in in_order(windows[start])]


@pytest.mark.parametrize(
    ("sources", "partitions", "kill"),
    [(1, 1, 0.0), (1, 8, 0.0), (3, 2, 0.05), (8, 1, 0.02), (8, 8, 0.02)],
)
def test_however_events_and_series_are_spread_the_verdicts_are_those_of_one_process(
    sources: int, partitions: int, kill: float
) -> None:
    cluster = Cluster(Spread(sources, partitions, seed=1), kill)
    cluster.run()
    assert cluster.verdicts() == alone(1)
    assert cluster.kills or not kill


@pytest.mark.parametrize(("sources", "partitions", "kill"), [(1, 1, 0.0), (3, 2, 0.1), (8, 8, 0.05)])
def test_an_accepted_level_holds_from_the_same_window_whoever_waits_for_whom(
    sources: int, partitions: int, kill: float
) -> None:
    spread = Spread(sources, partitions, seed=1)
    cluster = Cluster(spread, kill, ruled=True)
    cluster.run()
    assert cluster.verdicts() == alone(1, spread)
    assert alone(1, spread) != alone(1)
    assert cluster.kills or not kill


def test_the_stream_of_these_tests_leads_to_verdicts_of_all_kinds() -> None:
    """Or the property above would hold of nothing."""
    verdicts = [msgspec.msgpack.decode(content, type=Verdict) for content in alone(1)]
    assert {verdict.detector for verdict in verdicts} >= {
        *("beta_binomial", "rank_betting", "bounded_betting", "multinomial", "hotelling"),
        *("page_hinkley", "parity", "rule"),
    }
    assert {verdict.kind for verdict in verdicts} == {"page", "notice", "recovered"}
    assert {verdict.series.service for verdict in verdicts} >= {"bank", "mail"}
    assert len({verdict.threshold for verdict in verdicts}) > 10
