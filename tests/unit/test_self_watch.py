"""The watch looks at itself: each thing that can be wrong becomes one page, and what is usual becomes none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from undertow.alerts.incident import Change, Incident
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.segments import Group
from undertow.drift.windows import Cells, ClosedWindow
from undertow.pipelines.alert_settings import Health
from undertow.pipelines.meter import Measures
from undertow.pipelines.self_watch import Facts, SelfWatch
from undertow.pipelines.step import Step

CATALOGUE = Catalogue()
GROUPS = [Group("support", "prod"), Group("support", "prod", (("region", "eu"),))]
START = 1_767_571_200.0
DAY = 86_400.0


class World:
    """A clock, the outbox's place, and windows of calls that the test makes."""

    def __init__(self, folder: Path) -> None:
        self.now, self.told, self.folder = START, list[Change](), folder
        self.taken = self.rejected = self.events = self.late = 0
        self.settings = Health()
        self.rows: list[Incident] = []

    def submit(self, changes: Iterable[Change]) -> int:
        self.told += changes
        return 0

    def start(self) -> SelfWatch:
        path = self.folder / "self-watch.snapshot"
        return SelfWatch(self.settings, CATALOGUE, lambda: GROUPS, 60.0, self, self.rows.extend, path, lambda: self.now)

    def look(
        self, watch: SelfWatch, for_s: float, behind: float = 5.0, fails: float | None = None, every_s: float = 10.0
    ) -> None:
        """Let time pass with a look every ten seconds; the newest event is so many seconds `behind`."""
        for _ in range(int(for_s / every_s)):
            self.now += every_s
            latest = self.now - behind
            watch.look(Facts(self.taken, self.rejected, self.events, self.late, latest, fails, "disk full"))

    def kinds(self) -> list[tuple[str, str]]:
        return [(change.incident.about, str(change.kind)) for change in self.told]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def calls(at: float, count: int, **said: int) -> Step:
    """One closed window in which so many calls came, and so many of them say each metric."""
    counts = {"error_rate": count, **said}
    keys = sorted(((number(name) << 24) | bin_, n) for name, n in counts.items() for bin_ in (0,) if n)
    cells = Cells(np.array([key for key, _ in keys]), np.array([n for _, n in keys]))
    window = ClosedWindow(at, at + 10, cells)
    return Step([], Measures(np.zeros((0, 0)), []), np.zeros(0, bool), [window], [], [])


def number(metric: str, group: int = 0) -> int:
    return group * SERIES_METRICS + CATALOGUE.numbers[metric]


def hours(watch: SelfWatch, world: World, days: float, per_hour: int = 360, **said: int) -> None:
    """Days of traffic, a window an hour; the last one has just closed."""
    for _ in range(int(days * 24)):
        world.now += 3600
        watch.observe(calls(world.now - 10, per_hour, **said))


def test_a_stream_that_falls_silent_is_told_and_its_return_too(world: World) -> None:
    watch = world.start()
    hours(watch, world, 3)
    world.look(watch, 10)
    world.look(watch, 1200)
    assert world.kinds() == [("silence", "trigger")]
    told = world.told[0].incident
    assert (told.service, told.environment) == ("support", "prod")
    assert "support/prod has sent nothing for " in told.headline
    watch.observe(calls(world.now, 10))
    world.look(watch, 200)
    assert world.kinds()[1:] == [("silence", "resolve")]


def test_a_watch_that_was_down_does_not_call_its_own_absence_silence(world: World) -> None:
    watch = world.start()
    hours(watch, world, 3)
    world.look(watch, 80)
    world.now += 6 * 3600
    world.look(world.start(), 200)
    assert world.told == []


def test_an_input_that_is_lost_is_told_by_the_names_of_what_needs_it(world: World) -> None:
    watch = world.start()
    hours(watch, world, 2, per_hour=1000, output_tokens=990, latency=1000)
    hours(watch, world, 0.2, per_hour=1000, output_tokens=10, latency=1000)
    world.look(watch, 120)
    assert world.kinds() == [("coverage", "trigger")]
    incident = world.told[0].incident
    assert re.fullmatch(
        r"support/prod: fewer calls .* usual: output tokens a call 9\d[.\d]* % → 1 %", incident.headline
    )
    assert incident.severity == "error"
    assert any("needs output_tokens" in cause["text"] for cause in incident.causes)


def test_a_slice_is_no_stream_and_what_was_never_said_is_not_lost(world: World) -> None:
    watch = world.start()
    hours(watch, world, 2, per_hour=1000, latency=0)
    world.look(watch, 120)
    assert world.told == []
    assert len(watch._streams) == 1


def flow(world: World, watch: SelfWatch, records: int, **bad: int) -> None:
    """Ten minutes in which so many records come every ten seconds."""
    for _ in range(60):
        world.taken += records
        world.events += records - bad.get("rejected", 0)
        world.rejected += bad.get("rejected", 0)
        world.late += bad.get("late", 0)
        world.look(watch, 10)


def test_records_that_cannot_be_read_are_told(world: World) -> None:
    watch = world.start()
    flow(world, watch, 100)
    assert world.told == []
    flow(world, watch, 100, rejected=20)
    assert world.kinds() == [("dead letters", "trigger")]
    assert "20 % of the last " in world.told[0].incident.headline
    assert world.told[0].incident.severity == "warning"


def test_a_share_of_unreadable_records_that_is_usual_is_not(world: World) -> None:
    world.settings = Health(dead_letter_share=0.3)
    watch = world.start()
    for _ in range(4):
        flow(world, watch, 100, rejected=25)
    assert world.told == []


def test_a_share_above_the_limit_but_not_twice_the_usual_is_not_told(world: World) -> None:
    watch = world.start()
    for hour in range(32):
        world.taken += 100_000
        world.rejected += 4_000 if hour < 30 else 7_000
        world.look(watch, 3600, every_s=3600)
    assert world.told == []
    flow(world, watch, 100, rejected=9)
    assert world.kinds() == [("dead letters", "trigger")]


def test_events_that_come_too_late_are_told(world: World) -> None:
    watch = world.start()
    flow(world, watch, 100, late=60)
    assert world.kinds() == [("late events", "trigger")]
    assert world.told[0].incident.severity == "error"


def lagging(world: World, watch: SelfWatch, behind: Iterator[float]) -> None:
    for seconds in behind:
        world.taken += 100
        world.events += 100
        world.look(watch, 10, behind=seconds)


def test_a_lag_that_does_not_shrink_is_told_and_catching_up_is_not(world: World) -> None:
    watch = world.start()
    lagging(world, watch, (90_000.0 - 30 * n for n in range(200)))
    assert world.told == []
    lagging(world, watch, (84_000.0 + n for n in range(100)))
    assert world.kinds() == [("lag", "trigger")]
    assert "and does not catch up" in world.told[0].incident.headline


def test_a_lag_within_the_limit_is_not_told(world: World) -> None:
    watch = world.start()
    lagging(world, watch, (500.0 for _ in range(200)))
    assert world.told == []


def test_a_store_that_takes_nothing_is_told(world: World) -> None:
    watch = world.start()
    world.look(watch, 100, fails=world.now)
    assert world.told == []
    world.look(watch, 100, fails=world.now - 100)
    assert world.kinds() == [("store", "trigger")]
    assert {"kind": "health", "text": "disk full"} in world.told[0].incident.causes


def test_what_was_learned_and_what_holds_outlive_the_process(world: World) -> None:
    watch = world.start()
    hours(watch, world, 3)
    world.look(watch, 1200, fails=world.now - 1000)
    assert {about for about, _ in world.kinds()} == {"store", "silence"}
    first = {change.incident.id for change in world.told}
    told_before = [change.id for change in world.told]
    world.told.clear()
    watch = world.start()
    assert {change.id for change in world.told} <= set(told_before), "told again under the ids that the outbox knows"
    world.told.clear()
    world.look(watch, 300)
    watch.observe(calls(world.now, 10))
    world.look(watch, 300)
    assert {change.incident.id for change in world.told if change.kind == "resolve"} == first


def test_streams_beyond_the_limit_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undertow.pipelines.self_watch.STREAMS", 0)
    watch = world.start()
    watch.observe(calls(world.now, 10))
    assert (len(watch._streams), watch.unwatched) == (0, 1)


def test_the_status_says_what_is_wrong(world: World) -> None:
    watch = world.start()
    world.look(watch, 100, fails=world.now - 1000)
    (wrong,) = watch.status()["wrong"]
    assert (wrong["about"], wrong["paged"]) == ("store", True)
    assert watch.status()["conditions"] == 1


def silent(world: World) -> tuple[SelfWatch, str]:
    """A watch that has told of a silence, and the incident's id."""
    watch = world.start()
    hours(watch, world, 3)
    world.look(watch, 1210)
    return watch, world.told[0].incident.id


def test_what_is_told_becomes_rows_and_people_decide_about_it(world: World) -> None:
    watch, key = silent(world)
    assert [one.id for one in watch.incidents] == [key]
    taken = watch.control("acknowledge", {"id": key, "by": "anna", "elsewhere": "https://example.pagerduty.com/1"})
    assert taken == {"incident": key, "state": "acknowledged"}
    assert watch.control("false", {"id": key, "by": "anna", "reason": "moved house"}) == {
        "incident": key,
        "resolution": "false",
    }
    assert [str(one.state) for one in world.rows] == ["paged", "acknowledged", "false"]
    assert [one.revision for one in world.rows] == [1, 2, 3]
    assert world.kinds() == [("silence", "trigger"), ("silence", "acknowledge"), ("silence", "resolve")]
    world.look(watch, 3600)
    assert len(world.told) == 3, "false for as long as it lasts"


def test_a_decision_outlives_the_process(world: World) -> None:
    watch, key = silent(world)
    watch.control("acknowledge", {"id": key, "by": "anna"})
    again = world.start()
    assert [one.acknowledged_by for one in again.incidents] == ["anna"]
    world.look(again, 10)
    assert [str(change.kind) for change in world.told[2:]] == ["acknowledge"], "told again, the outbox knows it"


def test_a_decision_about_something_else_is_not_its_own(world: World) -> None:
    watch, key = silent(world)
    assert watch.control("acknowledge", {"id": "another"}) is None
    assert watch.control("deploy", {"id": key}) is None


def test_a_stream_of_weekdays_has_a_quiet_first_weekend_and_is_missed_on_its_second_day(world: World) -> None:
    """From Monday on, 9 to 17 o'clock; dies on a Tuesday, or lives until the weekend and comes back on Monday."""

    def days(watch: SelfWatch, until: int) -> None:
        while world.now < START + until * 3600:
            hour = int(world.now - START) // 3600
            if hour // 24 % 7 < 5 and 9 <= hour % 24 < 17:
                watch.observe(calls(world.now, 50))
            world.look(watch, 600, every_s=300)

    watch = world.start()
    days(watch, 7 * 24 + 12)
    assert world.told == []
    world.now = START
    world.folder /= "another"
    world.folder.mkdir()
    watch = world.start()
    days(watch, 24 + 13)
    world.look(watch, 3 * 3600, every_s=60)
    assert world.kinds() == [("silence", "trigger")]
