"""Idle partitions are told the time, never so early that a backlog becomes late: a simulated clock."""

import math
from collections.abc import Mapping

import pytest

from undertow.pipelines.kafka.ticks import GRACE, Ours, Tail, Ticks
from undertow.pipelines.settings import Ingest

WINDOW_S, IDLE_S, AHEAD_S, SURVEY_S = 10.0, 30.0, 300.0, 2.0
NOBODY: Mapping[int, Tail] = {}


class Log:
    """A partition on the simulated broker: its events are read at once unless the reader lags."""

    def __init__(self, latest: float = -math.inf) -> None:
        self.end = 0
        self.position = 0
        self.latest = latest

    def event(self, time: float, *, read: bool = True) -> None:
        self.end += 1
        if read:
            self.position, self.latest = self.end, max(self.latest, time)


class World:
    """A worker that owns some partitions, asks every two seconds, and writes the ticks that its policy wants."""

    def __init__(self, ours: int, others: int = 0) -> None:
        self.now = 1_000_000.0
        self.ours = {number: Log(self.now) for number in range(ours)}
        self.others = {number: Log(self.now) for number in range(ours, ours + others)}
        self.told: list[tuple[float, int, float]] = []  # when, partition, time
        self._ticks = Ticks(Ingest(window_s=WINDOW_S, idle_tick_s=IDLE_S, max_ahead_s=AHEAD_S))

    def survey(self) -> None:
        """Let two seconds pass, and ask the broker, which answers."""
        self.now += SURVEY_S
        ours = {number: Ours(log.position, log.end, log.latest) for number, log in self.ours.items()}
        idle = self._ticks.idle(self.now, ours)
        others = {number: Tail(log.end, log.latest) for number, log in self.others.items()}
        for number, time in self._ticks.times(self.now, idle, ours, others).items() if idle else ():
            self.told.append((self.now, number, time))
            self.ours[number].event(time)

    def run(self, seconds: float, *busy: Log) -> None:
        """Let time pass; events come to the busy ones."""
        for _ in range(int(seconds / SURVEY_S)):
            for log in busy:
                log.event(self.now)
            self.survey()


def test_nothing_is_told_before_the_silence_has_lasted() -> None:
    world = World(2)
    world.run(IDLE_S - SURVEY_S, world.ours[1])
    assert world.told == []
    world.run(3 * SURVEY_S + WINDOW_S, world.ours[1])
    assert {number for _, number, _ in world.told} == {0}


def test_an_idle_partition_follows_the_busy_ones_a_silence_behind() -> None:
    world = World(2)
    world.run(600.0, world.ours[1])
    times = [time for _, _, time in world.told]
    assert times == sorted(set(times))
    assert all(time % WINDOW_S == 0 for time in times)
    assert all(when - IDLE_S - WINDOW_S - SURVEY_S <= time <= when - IDLE_S for when, _, time in world.told[1:])
    assert len(times) >= 50, "a tick for each window: our own ticks do not end the silence"


def test_a_tick_is_never_later_than_the_latest_event_of_the_others() -> None:
    """They lag behind the wall clock by an hour: a backlog is being written."""
    world = World(1, others=1)
    world.ours[0].latest = world.others[1].latest = world.now - 7200.0
    for step in range(300):
        world.others[1].event(world.now - 7200.0 + step * 3 * SURVEY_S)
        world.survey()
        assert all(time <= world.others[1].latest for _, _, time in world.told)
    assert world.told


def test_a_partition_with_unread_messages_is_not_idle() -> None:
    world = World(2)
    world.ours[0].event(world.now, read=False)
    world.run(600.0, world.ours[1])
    assert world.told == []


def test_after_an_outage_it_waits_as_long_again() -> None:
    """Producers then write what they have kept: a tick that overtakes it would make it late."""
    world = World(2)
    world.run(20.0, world.ours[1])
    world.now += 100.0  # nobody answers
    back = world.now
    world.run(300.0, world.ours[1])
    assert min(when for when, _, _ in world.told) >= back + 100.0 + IDLE_S


def test_when_all_are_silent_the_wall_clock_counts_after_a_long_grace() -> None:
    world = World(1, others=1)
    start = world.now
    world.run(GRACE * IDLE_S)
    assert world.told == []
    world.run(600.0)
    assert world.told
    assert all(time <= when - GRACE * IDLE_S for when, _, time in world.told)
    assert world.told[-1][2] > start + 300.0


@pytest.mark.parametrize("behind", [AHEAD_S + GRACE * IDLE_S + 60.0, 7 * 86_400.0])
def test_a_recording_that_was_written_and_has_ended_is_not_told_today(behind: float) -> None:
    world = World(2)
    for log in world.ours.values():
        log.latest = world.now - behind
    world.run(1200.0)
    assert all(time <= world.now - behind for _, _, time in world.told)


def test_a_partition_that_never_had_an_event_is_told_too() -> None:
    """Or no window could ever be closed in all partitions."""
    world = World(2)
    world.ours[0].latest = -math.inf
    world.run(120.0, world.ours[1])
    assert world.told


def test_a_partition_that_is_alone_and_empty_is_told_nothing() -> None:
    world = World(1)
    world.ours[0].latest = -math.inf
    world.run(1200.0)
    assert world.told == []


def test_an_event_ends_the_silence() -> None:
    world = World(2)
    for _ in range(20):
        world.run(IDLE_S - 2 * SURVEY_S, world.ours[1])
        world.ours[0].event(world.now)
    assert world.told == []
