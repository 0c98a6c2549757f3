"""All roles on a broker in memory: the verdicts of one process, and every page, whoever dies when."""

import math
import random
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec
import pytest
from memory_kafka import MemoryKafka

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.incident import Change, ChangeKind, Incident
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.verdict import Verdict
from undertow.drift.windows import ClosedWindow
from undertow.pipelines import paging
from undertow.pipelines.judging import in_order
from undertow.pipelines.kafka.arrivals import carry_out
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.deciding import Deciding
from undertow.pipelines.kafka.decisions import RULING, Ruling, decision_of, ruling_of
from undertow.pipelines.kafka.detecting import Detect
from undertow.pipelines.kafka.incident_log import Finished, Planned, read
from undertow.pipelines.kafka.installation_status import status_on
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.paging_role import PagerRole
from undertow.pipelines.kafka.partials import decode as decode_partial
from undertow.pipelines.kafka.running import Build
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.kafka.verdict_messages import decode
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Budget, Detection, Embeddings, Ingest, Kafka, Settings
from undertow.pipelines.status import status_text
from undertow.pipelines.wire.native import NativeDecoder

START = 1_728_000_000.0
WINDOW_S = 60.0
EVENTS = 3_000
PATIENCE_S = 240.0
NAMES = Names.of(Kafka())
TOPICS = {
    NAMES.events: 3,
    NAMES.partials: 2,
    NAMES.rows: 3,
    NAMES.dead: 3,
    NAMES.state: 3,
    NAMES.series: 2,
} | dict.fromkeys((NAMES.verdicts, NAMES.control, NAMES.incidents), 1)
ROLES: dict[str, Build] = {"worker": Worker, "detect": Detect, "pager": PagerRole}


def facts() -> dict[str, TopicFacts]:
    return {topic: TopicFacts(count, 1, {}) for topic, count in TOPICS.items()}


def settings_in(folder: Path) -> Settings:
    return Settings(
        data=str(folder),
        ingest=Ingest(window_s=WINDOW_S, allowed_lateness_s=30.0, dedup_horizon_s=120.0),
        detection=Detection(dimensions=("region",), min_events=100, strict_events=40),
        budget=Budget(false_pages_per_week=300.0),
        embeddings=Embeddings(source="off"),
        kafka=Kafka(series_partitions=TOPICS[NAMES.partials], commit_s=0.001),
    )


@cache
def stream() -> list[bytes]:
    """Two services, one of which refuses for an hour."""
    rng = random.Random(5)
    return [msgspec.json.encode(event(rng, number)) for number in range(EVENTS)]


def event(rng: random.Random, number: int) -> Interaction:
    service, bad = rng.choice(["bank", "chat"]), 1_500 < number < 2_200
    return Interaction(
        id=str(number),
        time=START + number * 5.0,
        service=service,
        task=f"t{number // 4}",
        attributes={"region": rng.choice(["eu", "us"])},
        model="m2" if bad and service == "bank" else "m1",
        refused=rng.random() < (0.7 if bad and service == "bank" else 0.04),
        latency=rng.lognormvariate(0.0, 0.4),
        http_status=200,
        finish_reason=rng.choice(["stop", "length"]),
    )


@cache
def alone() -> list[bytes]:
    processor, decoder = Processor(settings_in(Path("none")), PriceTable()), NativeDecoder()
    events = [decoder(content) for content in stream()]
    found = [processor.step([one for one in events if isinstance(one, Interaction)], [0] * EVENTS)]
    found.append(processor.tick(END))
    return [msgspec.msgpack.encode(verdict) for step in found for verdict in step.verdicts]


END = START + EVENTS * 5.0 + 4_000.0


class Told:
    """A channel that notes what it is told."""

    name = "told"

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def send(self, change: Change) -> Delivery:
        self.changes.append(change)
        return Delivery(Outcome.DELIVERED)


class Run:
    """One process of each role; any of them may die, with what it had not flushed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        self.kafka, self.told, self._rng = MemoryKafka(TOPICS), Told(), random.Random(seed)
        self.settings = settings_in(folder)
        monkeypatch.setattr(paging, "channels", lambda *_: {"told": self.told})
        self._processes = dict(self._started(name) for name in ROLES)

    def write(self, messages: Sequence[bytes]) -> None:
        for content in messages:
            partition = int(msgspec.json.decode(content)["task"][1:]) % TOPICS[NAMES.events]
            self.kafka.append(NAMES.events, partition, content, None, ())

    def end(self) -> None:
        """Say in every partition that it is late."""
        for number in range(TOPICS[NAMES.events]):
            self.kafka.append(NAMES.events, number, b"%f" % END, None, [(TICK, b"")])

    def step(self) -> None:
        for loop, _ in list(self._processes.values()):
            loop.step()

    def kill(self, name: str) -> None:
        """End a process as a crash would: some of what it sent last is in the log, some is not."""
        loop, role = self._processes.pop(name)
        loop._producer.write(self._rng.randrange(6))  # type: ignore[attr-defined]
        if isinstance(role, PagerRole) and role._telling is not None:
            role._telling.close()
            role._telling.finished()  # was told, and nobody knows
        loop._consumer.close()
        self._processes[name] = self._started(name)[1]

    def _started(self, name: str) -> tuple[str, tuple[Loop, object]]:
        meter = LoopMeter(name)
        role = ROLES[name](self.settings, facts(), self.kafka, meter)
        topic = NAMES.states(name)
        states = States(self.kafka, topic, TOPICS[topic], name, 8_388_608)
        return name, (Loop(self.settings.kafka, role, self.kafka, TOPICS[role.topic], states, meter), role)

    def close(self) -> None:
        for _, role in self._processes.values():
            role.close()  # type: ignore[attr-defined]

    def judged(self) -> dict[tuple[int, float], bytes]:
        found: dict[tuple[int, float], bytes] = {}
        for _, message in self.kafka.values(NAMES.verdicts):
            if decision_of(message.key, message.value) is not None:
                continue
            judged = decode(message.value or b"")
            key = judged.partition, judged.start
            assert found.setdefault(key, message.value or b"") == message.value, "a repeat differs from what was said"
        return found

    def verdicts(self) -> list[bytes]:
        windows: dict[float, list[Verdict]] = {}
        for (_, start), content in self.judged().items():
            windows.setdefault(start, []).extend(decode(content).verdicts)
        return [msgspec.msgpack.encode(v) for start in sorted(windows) for v in in_order(windows[start])]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run(tmp_path, monkeypatch, seed=3)
    yield run
    run.close()


def finish(run: Run) -> None:
    """Go on until everything has been judged and told."""
    run.end()
    until, quiet = time.monotonic() + PATIENCE_S, 0
    while quiet < 20:
        before = sum(map(len, run.kafka.logs.values()))
        run.step()
        time.sleep(0.005)
        quiet = 0 if _moved(run, before) or untold(run) else quiet + 1
        assert time.monotonic() < until, f"not told within {PATIENCE_S:g} s: {untold(run)}"


def _moved(run: Run, before: int) -> bool:
    """Return whether the log has grown by more than signs of life."""
    return sum(map(len, run.kafka.logs.values())) > before + 1


def untold(run: Run) -> set[str]:
    """Return the pages of the log of incidents of which it does not say that they have been told."""
    records = [read(message.key, message.value) for _, message in run.kafka.values(NAMES.incidents)]
    done = {record.change for record in records if isinstance(record, Finished)}
    return {change.id for change in pages(run)} - done


def test_three_roles_say_what_one_process_says_and_tell_it(run: Run) -> None:
    for at in range(0, EVENTS, 250):
        run.write(stream()[at : at + 250])
        run.step()
    finish(run)
    assert run.verdicts() == alone()
    kinds = [change.kind for change in run.told.changes]
    assert kinds.count(ChangeKind.TRIGGER) >= 1
    assert in_turn(run.told.changes)


def test_whoever_dies_nothing_is_said_otherwise_and_every_page_is_told(run: Run) -> None:
    rng = random.Random(8)
    for at in range(0, EVENTS, 125):
        run.write(stream()[at : at + 125])
        for _ in range(rng.randrange(1, 4)):
            run.step()
        if rng.random() < 0.6:
            run.kill(rng.choice(list(ROLES)))
    finish(run)
    assert run.verdicts() == alone()
    assert {change.id for change in run.told.changes} >= {change.id for change in pages(run)}
    assert in_turn(run.told.changes)


def test_what_somebody_accepts_is_accepted_once_and_from_one_window_on_whoever_dies(run: Run) -> None:
    rng, decided = random.Random(4), ""
    deciding = Deciding(NAMES, run.kafka, lambda: open_incidents(run), set)
    for at in range(0, EVENTS, 125):
        run.write(stream()[at : at + 125])
        for _ in range(rng.randrange(1, 4)):
            run.step()
        if not decided and (found := [one for one in open_incidents(run) if one.service == "bank"]):
            decided = found[0].id
            for _ in range(2):  # as whoever is not sure that it was heard
                deciding.control("accept", {"id": decided, "by": "anna"})
        if rng.random() < 0.6:
            run.kill(rng.choice(list(ROLES)))
    finish(run)
    closed = [one for one in planned_changes(run) if one.kind is ChangeKind.RESOLVE and one.incident.id == decided]
    assert {(one.incident.resolution, one.incident.decided_by) for one in closed} == {("accepted", "anna")}
    assert len({msgspec.msgpack.encode(one) for one in closed}) == 1
    assert run.verdicts() == ruled_alone(run)
    assert run.verdicts() != alone()
    assert said_once(run)


def test_a_page_says_where_it_is_and_what_came_with_it(run: Run) -> None:
    for at in range(0, EVENTS, 250):
        run.write(stream()[at : at + 250])
        run.step()
    finish(run)
    last = {change.incident.id: change.incident for change in planned_changes(run)}
    (page, *_) = [one for one in last.values() if any(v.series.metric == "refusal_rate" for v in one.verdicts)]
    assert page.place == "all of the traffic alike"
    assert [(cause["dimension"], cause["value"]) for cause in page.causes[:1]] == [("model", "m2")]
    assert page.cards


def test_the_status_is_that_of_the_last_states(run: Run) -> None:
    for at in range(0, EVENTS, 250):
        run.write(stream()[at : at + 250])
        run.step()
    finish(run)
    status = status_on(run.settings, run.kafka, facts())
    assert {one["service"] for one in status["series"]} == {"bank", "chat"}
    assert status["states"]["watching"] > 0
    assert START < status["last_closed_window"] <= END
    assert status["practice"]["pages"] + status["open_incidents"] > 0
    assert "on Kafka, " in status_text(status)
    assert " UTC, as of the last states" in status_text(status)


def test_the_status_of_an_installation_that_has_seen_nothing(run: Run) -> None:
    assert "nothing judged yet" in status_text(status_on(run.settings, run.kafka, facts()))


def open_incidents(run: Run) -> list[Incident]:
    book = Book()
    for _, message in run.kafka.values(NAMES.incidents):
        record = read(message.key, message.value)
        if record is not None:
            book.take(record)
    return book.open()


def ruled_alone(run: Run) -> list[bytes]:
    """What one process says that follows the rulings from the windows that the log names."""
    processor, decoder = Processor(settings_in(Path("none")), PriceTable()), NativeDecoder()
    rulings, judge = list(ruled(run)), processor._judging.judge

    def follow(window: ClosedWindow) -> list[Verdict]:
        while rulings and rulings[0][0] <= window.start:
            carry_out(rulings.pop(0)[1], processor._judging)
        return judge(window)

    processor._judging.judge = follow  # type: ignore[method-assign]
    events = [decoder(content) for content in stream()]
    found = [processor.step([one for one in events if isinstance(one, Interaction)], [0] * EVENTS)]
    return [msgspec.msgpack.encode(v) for step in [*found, processor.tick(END)] for v in step.verdicts]


def ruled(run: Run) -> Iterator[tuple[float, Ruling]]:
    """Yield each ruling with the first window that not every source had passed where it lies."""
    told = set[int]()
    passed = {(n, s): -math.inf for n in range(TOPICS[NAMES.partials]) for s in range(TOPICS[NAMES.events])}
    for number, message in run.kafka.values(NAMES.partials):
        if message.key != RULING:
            partial = decode_partial(message.value or b"")
            passed[number, partial.source] = max(passed[number, partial.source], partial.open_from)
        elif (ruling := ruling_of(message.value)).position not in told:
            told.add(ruling.position)
            yield min(until for (n, _), until in passed.items() if n == number), ruling


def said_once(run: Run) -> bool:
    """Return whether no change was ever planned in two ways."""
    contents: dict[bytes | None, bytes | None] = {}
    records = [message for _, message in run.kafka.values(NAMES.incidents) if str(message.key).startswith("b'change/")]
    return all(contents.setdefault(message.key, message.value) == message.value for message in records)


def planned_changes(run: Run) -> list[Change]:
    records = [read(message.key, message.value) for _, message in run.kafka.values(NAMES.incidents)]
    return [record.change for record in records if isinstance(record, Planned)]


def pages(run: Run) -> list[Change]:
    """Return what must be told; an update may be overtaken by the next."""
    return [one for one in planned_changes(run) if not one.silent and one.kind is not ChangeKind.UPDATE]


def in_turn(changes: Sequence[Change]) -> bool:
    """Return whether no incident was opened again after it was over, unless told that it is over once more."""
    over: set[str] = set()
    for change in changes:
        if change.kind is ChangeKind.RESOLVE:
            over.add(change.incident.id)
        elif change.incident.id in over:
            return False
    return bool(changes)
