"""Failure modes played from events to the page: `python -m tests.bench.scenarios [numbers] [--seeds N]`.

Plays the table of `tests/scenarios/failure_modes.py` with several seeds, prints what came of it, and, when all of it
was played, writes it into docs/scenarios.md. Scenarios with real words are left out, and named, where the shared data
sets are missing; the document then keeps what it says.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

from outside import data_folder
from scenarios.failure_modes import SCENARIOS
from scenarios.playing import Played, Scenario, play, shortfalls
from scenarios.streams import Stream

from bench.blocks import replaced

DOCUMENT = Path(__file__).parents[2] / "docs" / "scenarios.md"
_TOGETHER = 8  # scenarios in one go: what is learned of their stream is learned once in a process
_COLUMNS = (
    *("#", "what happens", "stream", "metric", "in", "delay: events (time)", "bound", "page leads with", "right cause"),
    *("false pages before", "as expected"),
)


class Row(NamedTuple):
    """A scenario and what came of it, a play a seed."""

    scenario: Scenario
    plays: Sequence[Played]

    @property
    def expected(self) -> int:
        """How many plays came as expected."""
        return sum(not shortfalls(self.scenario, played) for played in self.plays)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scenarios", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, help="of failure modes; by default all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    chosen = [i for i, one in enumerate(SCENARIOS) if not asked.numbers or one.number in asked.numbers]
    left_out = [i for i in chosen if SCENARIOS[i].real and not data_folder().is_dir()]
    rows = played([i for i in chosen if i not in left_out], asked.seeds, asked.processes)
    measured = f"{_summary(rows)}\n\n{table(rows)}\n\n{streams(rows)}"
    print(f"\n{measured}")  # noqa: T201 – a report
    if left_out:
        print(f"NOT PLAYED, no shared data sets in {data_folder()}: {[SCENARIOS[i].id for i in left_out]}")  # noqa: T201
    elif not asked.numbers:
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(), "scenarios", measured))


def played(places: Sequence[int], seeds: int, processes: int) -> list[Row]:
    """Play the scenarios at these places of the table, a few of one stream at a time."""
    by_stream: defaultdict[Stream, list[int]] = defaultdict(list)
    for place in places:
        by_stream[SCENARIOS[place].stream].append(place)
    groups = [group[i : i + _TOGETHER] for group in by_stream.values() for i in range(0, len(group), _TOGETHER)]
    jobs = [(group, seed) for seed in range(1, seeds + 1) for group in groups]
    plays: defaultdict[int, list[Played]] = defaultdict(list)
    with ProcessPoolExecutor(processes) as pool:
        for (group, _), found in zip(jobs, pool.map(_played, jobs), strict=True):
            for place, one in zip(group, found, strict=True):
                plays[place].append(one)
    return [Row(SCENARIOS[place], plays[place]) for place in places]


def _played(job: tuple[Sequence[int], int]) -> list[Played]:
    group, seed = job
    return [_told(SCENARIOS[place], play(SCENARIOS[place], seed)) for place in group]


def _told(scenario: Scenario, one: Played) -> Played:
    """Print where it falls short, as soon as that is known."""
    for said in shortfalls(scenario, one):
        print(f"{scenario.id}: {said}", flush=True)  # noqa: T201
    return one


def table(rows: Iterable[Row]) -> str:
    """Return what came of the scenarios, one a line."""
    head = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    return "\n".join([*head, *map(_line, rows)])


def streams(rows: Iterable[Row]) -> str:
    """Return how much was learned of each stream before the change."""
    lines = ["| stream | events before the change | time |", "|---|---|---|"]
    learned = {row.scenario.stream: median(one.learned for one in row.plays) for row in rows}
    lines += [f"| {stream.name} | {events:,.0f} | {_time(stream.calm_s)} |" for stream, events in learned.items()]
    return "\n".join(lines)


def _summary(rows: Sequence[Row]) -> str:
    plays = [(row.scenario, played) for row in rows for played in row.plays]
    told = sum(played.delay(scenario) is not None for scenario, played in plays)
    ranks = [played.rank(scenario) for scenario, played in plays if played.incident(scenario)]
    calms = {(_learned(row), seed): played for row in rows for seed, played in enumerate(row.plays)}.values()
    return (
        f"{len(rows)} scenarios of {len({row.scenario.number for row in rows})} failure modes, "
        f"{len(rows[0].plays)} seeds each: {sum(row.expected for row in rows)} of {len(plays)} plays came as expected. "
        f"{told} were told; {ranks.count(1)} of {len(ranks)} pages put the right cause first, "
        f"{sum(rank is not None and rank <= 3 for rank in ranks)} among the first three. "
        f"{sum(len(played.false_pages) for played in calms)} false pages in "
        f"{sum(played.learned for played in calms):,} calm events before the changes."
    )


def _learned(row: Row) -> Stream:
    return row.scenario.stream.learned or row.scenario.stream


def _line(row: Row) -> str:
    scenario, plays = row
    cells = [
        str(scenario.number or "–"),
        scenario.title + (f" ({scenario.real})" if scenario.real else ""),
        scenario.stream.name,
        f"`{scenario.metric}`" + (" (notice)" if scenario.told == "notice" else ""),
        "=".join(scenario.segment) if scenario.segment else "",
        _delays(scenario, plays),
        f"{scenario.within:,}",
        ", ".join(f"`{name}`" for name in sorted({played.leads(scenario) for played in plays} - {""})),
        _ranks(scenario, plays),
        str(sum(len(played.false_pages) for played in plays)),
        f"{row.expected} of {len(plays)}" + (f": {scenario.missed}" if scenario.missed else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _delays(scenario: Scenario, plays: Sequence[Played]) -> str:
    """Return the median delay, and the worst in brackets."""
    found = sorted(delay for played in plays if (delay := played.delay(scenario)) is not None)
    if not found:
        return "–"
    worst = f", at most {found[-1][0]:,}" if len(found) > 1 else ""
    return f"{found[len(found) // 2][0]:,} ({_time(found[len(found) // 2][1])}){worst}"


def _ranks(scenario: Scenario, plays: Sequence[Played]) -> str:
    ranks = [str(played.rank(scenario) or "–") for played in plays if played.incident(scenario)]
    return f"{scenario.cause}: {', '.join(ranks)}" if ranks else ""


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    main()
