"""Incidents through outbox and channel to a contract server that fails in every documented way."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alert_samples import T0, series, verdict
from pagerduty_server import FAULTS, PagerDutyServer

from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import Change, Context
from undertow.alerts.incidents import Incidents, IncidentsConfig
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager
from undertow.drift.verdict import Verdict

KEY = "0123456789abcdef0123456789abcdef"
QUICK = Timeouts(connect_s=1.0, total_s=0.2)
INCIDENTS = 60


class Clock:
    now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite")
    yield box
    box.close()


def lives() -> list[list[Verdict]]:
    """Sixty environments that change within ten minutes, get worse, and recover, by detection time."""
    first = [verdict(series(environment=f"tenant-{n:02}"), at=T0 + 10 * n) for n in range(INCIDENTS)]
    worse = [
        verdict(
            series("output_length", environment=v.series.environment), at=v.detected_at + 300, before=800, after=500
        )
        for v in first
    ]
    back = [verdict(v.series, "recovered", v.detected_at + 1200 + n, opened=v.id) for n, v in enumerate(first + worse)]
    return [[v] for v in sorted(first + worse + back, key=lambda v: v.detected_at)]


def changes() -> list[Change]:
    """What is told about those sixty: a trigger, two updates and a resolve each."""
    incidents = Incidents(IncidentsConfig(pages_per_hour=INCIDENTS))
    return [change for at in lives() for change in incidents.apply(at, Context(), at[0].detected_at)]


def deliver(pager: Pager, clock: Clock, outbox: Outbox, rounds: int = 2000) -> None:
    """Pump until nothing waits, letting the clock stand in for all waiting."""
    for _ in range(rounds):
        due = pager.next_due()
        if due is None:
            return
        clock.now = max(clock.now, due)
        pager.pump()
        clock.now += 0.5
    pytest.fail(f"still pending after {rounds} rounds: {outbox.counts(clock())}")


def faults(share: float, kinds: tuple[str, ...], seed: int) -> Callable[[int], str | None]:
    rng = random.Random(seed)
    return lambda _: rng.choice(kinds) if rng.random() < share else None


def accepted(server: PagerDutyServer) -> dict[str, list[str]]:
    """The actions of the calls that were taken, in order, by dedup key."""
    stories: dict[str, list[str]] = {}
    for call in server.calls:
        if call.result == "202" and call.event is not None:
            stories.setdefault(call.event["dedup_key"], []).append(call.event["event_action"])
    return stories


def test_sixty_incidents_outlive_a_service_that_fails_three_calls_in_ten(outbox: Outbox) -> None:
    clock, told = Clock(), changes()
    passing = tuple(fault for fault in FAULTS if fault != "400")
    with PagerDutyServer(clock, faults(0.3, passing, seed=8)) as server:
        pager = Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url, timeouts=QUICK)}, clock)
        pager.submit(told)
        deliver(pager, clock, outbox)
        # None lost: one alert an incident, opened and resolved.
        assert Counter(str(c.kind) for c in told) == {
            "trigger": INCIDENTS,
            "update": 2 * INCIDENTS,
            "resolve": INCIDENTS,
        }
        assert len(server.alerts) == len({alert.dedup_key for alert in server.alerts}) == INCIDENTS
        assert not [alert for alert in server.alerts if alert.open]
        # None out of order, counted by raw calls: every story is triggers, then resolves.
        stories = accepted(server)
        assert all(story == sorted(story, key=["trigger", "resolve"].index) for story in stories.values())
        assert all(set(story) == {"trigger", "resolve"} for story in stories.values())
        # Every kind of failure was met, nothing is left over, and what was sent twice had lost its first answer.
        results, counts = Counter(server.results()), outbox.counts(clock())
        assert set(results) == {"202", *passing} - {"lost_answer"}
        assert (counts.pending, counts.refused, counts.dropped) == (0, 0, 0)
        assert results["202"] > counts.delivered >= 3 * INCIDENTS
        assert 0.2 < sum(results[fault] for fault in passing) / len(server.calls) < 0.4


def test_a_refused_trigger_is_recorded_and_its_resolve_never_sent(outbox: Outbox) -> None:
    clock, told = Clock(), changes()
    with PagerDutyServer(clock, lambda number: "400" if number == 0 else None) as server:
        pager = Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url)}, clock)
        mine = [c for c in told if c.incident.id == told[0].incident.id and c.kind != "update"]
        pager.submit(mine)
        deliver(pager, clock, outbox)
        assert [str(c.kind) for c in mine] == ["trigger", "resolve"]
        assert server.results() == ["400"]
        assert outbox.refusals()[0][2] == "the channel never took its trigger"


def test_the_own_limit_keeps_a_burst_below_the_service_s(outbox: Outbox) -> None:
    clock = Clock()
    with PagerDutyServer(clock) as server:
        pager = Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url)}, clock)
        pager.submit(change for change in changes() if change.kind != "update")
        deliver(pager, clock, outbox)
        assert server.results() == ["202"] * 2 * INCIDENTS
        times = [call.at for call in server.calls]
        assert max(sum(1 for t in times if at <= t < at + 60) for at in times) <= 100


def test_the_server_s_limit_is_waited_out_when_others_use_the_same_key(outbox: Outbox) -> None:
    clock = Clock()
    with PagerDutyServer(clock, limit_per_minute=10) as server:
        pager = Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url)}, clock)
        pager.submit(change for change in changes() if change.kind == "trigger")
        deliver(pager, clock, outbox)
        results = Counter(server.results())
        assert results["202"] == INCIDENTS
        assert results["429"] > 0


DIES_AFTER_SENDING = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from alert_samples import change
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager

class Killed(Outbox):
    def delivered(self, entry, now):
        os.kill(os.getpid(), signal.SIGKILL)

clock = lambda: 2e9
channel = PagerDuty("0123456789abcdef0123456789abcdef", clock, sys.argv[2])
pager = Pager(Killed(sys.argv[1]), {"pagerduty": channel}, clock)
pager.submit([change()])
pager.pump()
"""


def test_a_kill_between_sending_and_recording_repeats_under_the_same_key(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "outbox.sqlite"
    with PagerDutyServer(clock) as server:
        helpers = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", DIES_AFTER_SENDING, str(path), server.url, helpers]
        assert subprocess.run(command, check=False, timeout=60).returncode == -9
        outbox = Outbox(path)
        assert outbox.counts(clock()).pending == 1
        pager = Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url)}, clock)
        deliver(pager, clock, outbox)
        outbox.close()
        first, second = (call.event for call in server.calls)
        assert first == second
        assert first is not None
        assert len(server.alerts) == 1
