"""The detector of embeddings, on real queries: `python -m tests.bench.hotelling [null|delay|speed] [--series N]`.

The queries are CLINC150's (five domains of 15 intents), embedded with the static table that ships; which of them arrive
is simulated from fixed seeds. null: false pages in so many series-weeks at budgets of 1 and 10; delay: events until a
change is paged; speed: CPU time a window and an event, bytes a series.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK, Share
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.detectors.hotelling import Hotelling
from undertow.pipelines import snapshot
from undertow.pipelines.embedders import static

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rng = np.random.Generator

DATA = Path(__file__).parents[3] / "shared" / "data" / "clinc150" / "queries.jsonl.gz"
DAY = 86_400.0
SETTINGS = SeriesSettings(band=0.1, page_from=0.25, season=0.25, harm="both")
UNIT = 4096.0  # the windows add up vectors in steps of 1/4096
COORDINATES = np.arange(256.0)
ALARM_LIMIT = 5000  # events after which a change counts as missed


class Queries(NamedTuple):
    """The vectors in steps of 1/4096, and the intent and domain of each; domains are sorted by name."""

    vectors: Ints
    intents: Ints
    domains: Ints


@cache
def queries() -> Queries:
    with gzip.open(DATA, "rt") as file:
        rows = [json.loads(line) for line in file]
    vectors = np.rint(static().embed([row["text"] for row in rows]) * UNIT).astype(np.int64)
    intents, domains = (np.unique([row[key] for row in rows], return_inverse=True)[1] for key in ("intent", "domain"))
    said = vectors.any(axis=1)
    return Queries(vectors[said], intents[said], domains[said])


@cache
def of_intent() -> list[Ints]:
    """Return which queries have an intent."""
    return [np.flatnonzero(queries().intents == intent) for intent in range(75)]


def domain_of() -> Ints:
    """Return the domain of each intent."""
    return np.array([queries().domains[members[0]] for members in of_intent()])


def drawn(rng: Rng, weights: Floats, events: int) -> Ints:
    """Return the queries of independent events whose intents have these weights."""
    intents = rng.choice(75, events, p=weights / weights.sum())
    return np.array([rng.choice(of_intent()[intent]) for intent in intents], np.int64)


def detector(settings: SeriesSettings = SETTINGS) -> Hotelling:
    return Hotelling({0: settings}, 2000, 200)


def window(at: float, width: float, sums: Ints, events: int, series: int = 0) -> Observation:
    """Return the window in which one series saw vectors with this sum."""
    nothing = np.zeros(1)
    cells = np.zeros(256, np.int64), COORDINATES, sums
    return Observation(
        at, at + width, np.array([series]), nothing + events, nothing, nothing, nothing, nothing + at, cells
    )


# -- null -------------------------------------------------------------------------------------------------------------

Traffic = Callable[[Rng, float, int], Ints]  # the vectors that arrive in a window: at a time, so many events


def independent(rng: Rng, at: float, events: int) -> Ints:
    return queries().vectors[drawn(rng, np.ones(75), events)]


def few_topics(rng: Rng, at: float, events: int) -> Ints:
    return queries().vectors[drawn(rng, np.arange(1.0, 76.0) ** -1.5, events)]


def sessions(length: int) -> Traffic:
    """Each session asks so many questions of one intent, all in one window."""

    def traffic(rng: Rng, at: float, events: int) -> Ints:
        count = max(events // length, 1)
        intents = np.repeat(rng.integers(75, size=count), events // count)
        return queries().vectors[[rng.choice(of_intent()[intent]) for intent in intents]]

    return traffic


def bursts(rng: Rng, at: float, events: int) -> Ints:
    """Retries: one query is sent once, or, one time in twenty, up to a hundred times."""
    repeats = np.where(rng.random(events) < 0.05, np.minimum(rng.pareto(1.2, events) * 3 + 2, 100), 1).astype(int)
    return queries().vectors[np.repeat(drawn(rng, np.ones(75), events), repeats)[:events]]


def seasonal(amplitude: float) -> Traffic:
    """The first two domains come by day, the last two by night."""

    def traffic(rng: Rng, at: float, events: int) -> Ints:
        swing = amplitude * math.sin(2 * math.pi * at / DAY)
        weights = 1 + swing * np.array([1, 1, 0, -1, -1])[domain_of()]
        return queries().vectors[drawn(rng, weights, events)]

    return traffic


def wandering(rng: Rng, at: float, events: int) -> Ints:
    """Shares of domains wander over days, by 10 %."""
    swing = 0.1 * np.sin(2 * np.pi * at / (2.6 * DAY) + np.arange(5) * 2.5)
    return queries().vectors[drawn(rng, 1 + swing[domain_of()], events)]


class Lasting:
    """The topic of the hour: an autocorrelated mix (AR(1) on the log shares of intents, with a memory of an hour)."""

    def __init__(self, sd: float, memory: float = 3600.0) -> None:
        self._sd, self._memory, self._logs, self._at = sd, memory, np.zeros(75), 0.0

    def __call__(self, rng: Rng, at: float, events: int) -> Ints:
        kept = math.exp(-(at - self._at) / self._memory)
        self._logs = kept * self._logs + self._sd * math.sqrt(1 - kept**2) * rng.standard_normal(75)
        self._at = at
        return queries().vectors[drawn(rng, np.exp(self._logs), events)]


def templates(rng: Rng, at: float, events: int) -> Ints:
    """Four in five inputs are the same prompt, the rest one of a hundred."""
    return queries().vectors[np.where(rng.random(events) < 0.8, 7, rng.integers(100, size=events))]


def normal(rng: Rng, at: float, events: int) -> Ints:
    vectors = rng.standard_normal((events, 256)) / np.arange(1, 257) ** 0.5 + 0.3 * (COORDINATES == 3)
    steps: Ints = np.rint(UNIT * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.int64)
    return steps


class Null(NamedTuple):
    """Traffic in which nothing changes but what is allowed to; `series` divides those that are asked for."""

    name: str
    events: int  # of a series in ten minutes
    divisor: int
    traffic: Callable[[], Traffic]


NULLS = (
    Null("constant mix", 20, 1, lambda: independent),
    Null("constant mix, low traffic", 2, 1, lambda: independent),
    Null("constant mix, high traffic", 200, 5, lambda: independent),
    Null("few topics", 20, 1, lambda: few_topics),
    Null("normal vectors", 20, 1, lambda: normal),
    Null("one prompt and some others", 20, 1, lambda: templates),
    Null("sessions of 5 of one intent", 20, 1, lambda: sessions(5)),
    Null("sessions of 20 of one intent", 20, 1, lambda: sessions(20)),
    Null("sessions of 5, high traffic", 200, 5, lambda: sessions(5)),
    Null("retry bursts, up to 100", 20, 1, lambda: bursts),
    Null("topics by the hour, log sd .3", 20, 1, lambda: Lasting(0.3)),
    Null("topics by the hour, log sd .7", 20, 1, lambda: Lasting(0.7)),
    Null("season of domains ±30 %", 20, 1, lambda: seasonal(0.3)),
    Null("season of domains ±30 %, high traffic", 200, 5, lambda: seasonal(0.3)),
    Null("shares wander over days ±10 %", 20, 1, lambda: wandering),
    Null("shares wander, high traffic", 200, 5, lambda: wandering),
)


def false_pages(null: Null, series: int, days: int = 7, budgets: tuple[float, ...] = (1.0, 10.0)) -> list[list[Alarm]]:
    """Return the alarms at each budget, learning included."""
    found: list[list[Alarm]] = [[] for _ in budgets]
    for number in range(series):
        rng, traffic = np.random.default_rng([11, number]), null.traffic()
        watching = [detector() for _ in budgets]
        for at in np.arange(0.0, days * DAY, 600.0).tolist():
            vectors = traffic(rng, at, null.events)
            seen = window(at, 600.0, vectors.sum(axis=0), len(vectors))
            for told, watched, budget in zip(found, watching, budgets, strict=True):
                told.extend(watched.observe(seen, Share(budget / series)))
    return found


# -- delay ------------------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """The weights of the 75 intents before and after."""

    name: str
    before: Floats
    after: Floats


def replaced(share: float) -> tuple[Floats, Floats]:
    """So many of the intents, by number, give way to as many that were never seen."""
    count = round(75 * share / (1 + share))
    order = np.random.default_rng(0).permutation(75)
    before, after = np.ones(75), np.ones(75)
    before[order[:count]] = after[order[count : 2 * count]] = 0
    return before, after


def new_domain(share: float) -> tuple[Floats, Floats]:
    mine = domain_of() == 3
    return np.where(mine, 0.0, 1 / 60), np.where(mine, share / 15, (1 - share) / 60)


def new_intent(share: float) -> tuple[Floats, Floats]:
    before = np.where(np.arange(75) == 20, 0.0, 1 / 74)
    return before, np.where(np.arange(75) == 20, share, (1 - share) / 74)


def more_of_domain(share: float) -> tuple[Floats, Floats]:
    mine = domain_of() == 3
    return np.ones(75), np.where(mine, (0.2 + share) / 15, (0.8 - share) / 60)


CHANGES = (
    Change("20 % of intents replaced", *replaced(0.2)),
    Change("a new domain takes 30 %", *new_domain(0.3)),
    Change("a new domain takes 10 %", *new_domain(0.1)),
    Change("a new domain takes 5 %", *new_domain(0.05)),
    Change("a new intent takes 30 %", *new_intent(0.3)),
    Change("a new intent takes 10 %", *new_intent(0.1)),
    Change("a domain of 20 % gains 30 %", *more_of_domain(0.3)),
    Change("a domain of 20 % gains 10 %", *more_of_domain(0.1)),
)


def delay(change: Change, seed: int, learned: int, threshold: float) -> float:
    """Return the events from the change to the page, infinity where there was none in time."""
    rng, watched = np.random.default_rng([5, seed]), detector()
    share = Share(WEEK / math.exp(threshold))  # one event a second
    vectors = queries().vectors
    chosen = np.concatenate([drawn(rng, change.before, learned), drawn(rng, change.after, ALARM_LIMIT)])
    for at in range(0, len(chosen), 5):
        seen = window(float(at), 5.0, vectors[chosen[at : at + 5]].sum(axis=0), 5)
        for alarm in watched.observe(seen, share):
            if alarm.kind == "page" and at >= learned:
                return at + 5.0 - learned
    return math.inf


# -- speed ------------------------------------------------------------------------------------------------------------


def speed(events: int, folder: Path) -> tuple[float, int]:
    """Return CPU seconds a window of so many events, once everything is learned, and the bytes of a series' state."""
    rng, watched, share = np.random.default_rng(3), detector(), Share(1 / 128)
    vectors = queries().vectors
    seen = [
        window(at * 10.0, 10.0, vectors[rng.integers(len(vectors), size=events)].sum(axis=0), events)
        for at in range(8000 // min(events, 20))
    ]
    learned = len(seen) * 3 // 4
    for one in seen[:learned]:
        watched.observe(one, share)
    began = time.process_time()
    for one in seen[learned:]:
        watched.observe(one, share)
    taken = (time.process_time() - began) / (len(seen) - learned)
    snapshot.write(folder / "state", watched.snapshot())
    return taken, (folder / "state").stat().st_size


# -- the tables -------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hotelling", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["null", "delay", "speed"], default=["null", "delay", "speed"])
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    asked = parser.parse_args()
    for what in asked.what:
        {"null": print_null, "delay": print_delay, "speed": print_speed}[what](asked.series, asked.only)


def print_null(series: int, only: str) -> None:
    say("| traffic | events a week | series-weeks | false pages on a budget of 1 | of 10 |", 5)
    for null in NULLS:
        if only in null.name:
            count = max(series // null.divisor, 1)
            pages = [Counter(alarm.kind for alarm in told)["page"] for told in false_pages(null, count)]
            say(f"| {null.name} | {null.events * 1008:,} | {count} | {pages[0]} | {pages[1]} |")


def print_delay(series: int, only: str) -> None:
    """Print delays at a run length of 10,000 events, and at one page a week over 64 series at one event a second."""
    thresholds = {"1e4": math.log(1e4), "one page a week": math.log(WEEK * 64)}
    say("| change | events learned | run length | median events to the page | 90 % of series | missed |", 6)
    for change in CHANGES:
        if only in change.name:
            for learned in (2000, 10_000):
                for name, threshold in thresholds.items():
                    found = sorted(delay(change, seed, learned, threshold) for seed in range(max(series // 10, 1)))
                    missed, most = sum(map(math.isinf, found)), found[len(found) * 9 // 10]
                    middle = statistics.median(found)
                    say(f"| {change.name} | {learned:,} | {name} | {middle:.0f} | {most:.0f} | {missed} |")


def print_speed(series: int, only: str) -> None:
    say("| events in a window | µs a window | µs an event | bytes a series |", 4)
    with tempfile.TemporaryDirectory() as folder:
        for events in (1, 10, 100, 1000):
            taken, size = speed(events, Path(folder))
            say(f"| {events} | {taken * 1e6:.0f} | {taken / events * 1e6:.2f} | {size:,} |")


def say(row: str, header: int = 0) -> None:
    print(row + ("\n" + "|---" * header + "|" if header else ""), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
