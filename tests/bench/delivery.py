"""Delivery under faults: `python -m tests.bench.delivery [--incidents N] [--share S] [--seeds K] [--jobs J]`.

Incidents go through the outbox and the PagerDuty channel to a contract server that fails a share of all calls, in every
way that its documentation and a network know, is away for a whole day, and whose client is stopped and started again on
the way. Time is played: what would be waited for is skipped, except for the answers that never come.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from alert_samples import change
from pagerduty_server import FAULTS, PagerDutyServer

from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import Change, ChangeKind
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager

__all__ = ["PASSING", "Clock", "Result", "delivered_in_spite_of"]

KEY = "0123456789abcdef0123456789abcdef"
PASSING = tuple(fault for fault in FAULTS if fault != "400")  # a 400 is a refusal, which nobody repeats
QUICK = Timeouts(connect_s=1.0, total_s=0.2)
DAY_S = 86_400.0
ROUND_S = 0.5  # between two rounds
STORY = (  # what happens, and how often the incident has grown graver by then
    (ChangeKind.TRIGGER, 0),
    (ChangeKind.UPDATE, 0),
    (ChangeKind.ACKNOWLEDGE, 0),
    (ChangeKind.ESCALATE, 1),
    (ChangeKind.ACKNOWLEDGE, 1),
    (ChangeKind.RESOLVE, 1),
)
ALERTS = 2  # of an incident, one for each severity
ORDER = ("trigger", "acknowledge", "resolve")


class Clock:
    """The time that is played."""

    now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Result:
    """What became of it, counted from the raw calls that arrived, not from what the receiver makes of them."""

    incidents: int
    calls: int = 0
    results: Counter[str] = field(default_factory=Counter)
    lost: int = 0  # alerts of which the page, the acknowledgement or the end never arrived
    out_of_order: int = 0  # incidents of which a call was taken before an earlier one, or that had no open alert
    doubled: int = 0  # alerts that were opened a second time
    repeats: int = 0  # calls taken more than once, under the same key, as their answer was lost
    restarts: int = 0
    hours: float = 0.0  # played, until the last was told
    left: int = 0  # still waiting, refused or dropped at the end

    @property
    def failed(self) -> float:
        """The share of calls that failed."""
        return 1 - self.results["202"] / self.calls


def delivered_in_spite_of(
    share: float, incidents: int, seed: int, folder: Path, restart_every: int = 200, outage_s: float = DAY_S
) -> Result:
    """Tell about so many incidents, a new one every other second, while that share of calls fails."""
    clock, chance = Clock(), random.Random(seed)
    away_from = clock.now + incidents  # in the middle of it all
    began = clock.now

    def fault(_: int) -> str | None:
        if away_from <= clock.now < away_from + outage_s:
            return "503"
        return chance.choice(PASSING) if chance.random() < share else None

    with PagerDutyServer(clock, fault) as server:
        result = Result(incidents)
        outbox = _play(server, clock, _stories(incidents), folder, result, restart_every)
        counts = outbox.counts(clock.now)
        outbox.close()
        _count(server, result)
    result.left = counts.pending + counts.refused + counts.dropped
    result.repeats = result.results["202"] - counts.delivered - incidents  # an escalation is two calls
    result.hours = (clock.now - began) / 3600
    return result


def _stories(incidents: int) -> list[tuple[float, Change]]:
    """Return when each change is submitted, in seconds from the start: two seconds apart, lives of ten minutes."""
    told = [
        (2.0 * number + 120.0 * place, change(kind, number, place + 1, step=step))
        for number in range(incidents)
        for place, (kind, step) in enumerate(STORY)
    ]
    return sorted(told, key=lambda entry: entry[0])


def _play(
    server: PagerDutyServer,
    clock: Clock,
    stories: list[tuple[float, Change]],
    folder: Path,
    result: Result,
    restart_every: int,
) -> Outbox:
    began, path = clock.now, folder / "outbox.sqlite"
    outbox, pager = _started(path, server, clock)
    waiting, rounds = list(reversed(stories)), 0
    while waiting or pager.next_due() is not None:
        while waiting and began + waiting[-1][0] <= clock.now:
            pager.submit([waiting.pop()[1]])
        pager.pump()
        rounds += 1
        if rounds % restart_every == 0:
            outbox.close()
            outbox, pager = _started(path, server, clock)
            result.restarts += 1
        clock.now = max(clock.now + ROUND_S, _next(pager, began, waiting))
    return outbox


def _started(path: Path, server: PagerDutyServer, clock: Clock) -> tuple[Outbox, Pager]:
    outbox = Outbox(path)
    return outbox, Pager(outbox, {"pagerduty": PagerDuty(KEY, clock, server.url, timeouts=QUICK)}, clock)


def _next(pager: Pager, began: float, waiting: list[tuple[float, Change]]) -> float:
    times = [began + waiting[-1][0]] if waiting else []
    due = pager.next_due()
    return min([*times, *([due] if due is not None else [])], default=0.0)


def _count(server: PagerDutyServer, result: Result) -> None:
    taken: dict[str, list[tuple[str, str]]] = {}  # of each incident: dedup key, action
    for call in server.calls:
        if call.result == "202" and call.event is not None:
            key = call.event["dedup_key"]
            taken.setdefault(key.split("/")[1], []).append((key, call.event["event_action"]))
    result.calls, result.results = len(server.calls), Counter(server.results())
    complete = [alert for calls in taken.values() for alert in _alerts(calls).values() if {*alert} == {*ORDER}]
    result.lost = ALERTS * result.incidents - len(complete)
    result.out_of_order = sum(not _in_order(calls) for calls in taken.values())
    result.doubled = len(server.alerts) - len({alert.dedup_key for alert in server.alerts})


def _alerts(calls: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the actions of each alert of an incident, the alert that came first first."""
    alerts: dict[str, list[str]] = {}
    for key, action in calls:
        alerts.setdefault(key, []).append(action)
    return alerts


def _in_order(calls: list[tuple[str, str]]) -> bool:
    """Tell whether each alert went its way, and the milder one ended after the graver one had begun, not later."""
    alerts = _alerts(calls)
    story = [(key, action) for key in alerts for action in ORDER]
    ends = ORDER.index("resolve")
    story.insert(ends + 1, story.pop(ends))  # the graver one begins, then the milder one ends
    each = all(actions == sorted(actions, key=ORDER.index) for actions in alerts.values())
    return each and [*dict.fromkeys(calls)] == [call for call in story if call in calls]


def _of_seed(arguments: argparse.Namespace, seed: int) -> tuple[Result, float]:
    logging.disable()  # it would say each of some thousand failures
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = delivered_in_spite_of(arguments.share, arguments.incidents, seed, Path(folder))
    return found, time.monotonic() - began


def _printed(arguments: argparse.Namespace) -> bool:
    print("| seed | incidents | calls | failed | lost | out of order | doubled | repeats | restarts | hours | s |")  # noqa: T201
    print("|---" * 11 + "|")  # noqa: T201
    good, kinds = True, Counter[str]()
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        for seed, (found, took) in enumerate(pool.map(partial(_of_seed, arguments), range(arguments.seeds))):
            row = (seed, found.incidents, found.calls, f"{found.failed:.0%}", found.lost, found.out_of_order)
            rest = (found.doubled, found.repeats, found.restarts, f"{found.hours:.1f}", f"{took:.0f}")
            print(f"| {' | '.join(map(str, (*row, *rest)))} |", flush=True)  # noqa: T201
            kinds += found.results
            good = good and not (found.lost or found.out_of_order or found.doubled or found.left)
    print("\n" + ", ".join(f"{name}: {count}" for name, count in kinds.most_common()))  # noqa: T201
    return good


def main() -> None:
    """Run with each seed and print a row; end with an error when something was lost or out of order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery", description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.3, help="of calls that fail")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once; a run waits for answers most of the time")
    sys.exit(0 if _printed(parser.parse_args()) else 1)


if __name__ == "__main__":
    main()
