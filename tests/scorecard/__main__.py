"""How good the detection is, beside what else there is: `python -m tests.scorecard [--quick] [--only NAME] [tune]`.

Writes docs/scorecard.md and its figures. `tune` searches the knobs of the other detectors by simulation and keeps them
in tuned.json; what the scorecard says of them is measured anew, with other seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from scorecard import abrupt, budget, courses, curves, document, nulls, others, real, rivals, why
from scorecard.section import FULL, QUICK, Job, Row, Section, Size
from scorecard.yardstick import Change, Shift

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
CORES = 2
_TUNED_ON = 100  # streams


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scorecard", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "tune"], default="run")
    parser.add_argument("--quick", action="store_true", help="seconds: shows that it runs")
    parser.add_argument("--only", default="", help="tables whose name contains this; then nothing is written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the shared data sets")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--cores", type=int, default=CORES)
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else FULL
    if asked.what == "tune":
        tune(asked.only, asked.cores)
        return
    chosen = [section for section in sections(size, asked.data) if asked.only in section.name]
    parts = list(measured(chosen, 1 if asked.quick else asked.cores))
    if asked.only:
        sys.stdout.write(document.markdown(parts, size))
    else:
        sys.stdout.write(f"{document.write(asked.docs, parts, size)}\n")


def sections(size: Size, data: Path) -> list[Section]:
    """Return all tables; those of real data only where they are there."""
    found = [
        section for part in (abrupt, budget, courses, nulls, why, curves, others) for section in part.sections(size)
    ]
    if not data.exists():
        sys.stderr.write(f"no data in {data}: the tables of real data are left out; --data names another folder\n")
        return [section for section in found if section.name != "embeddings"]
    return [*found, *real.sections(size, data)]


def measured(chosen: Sequence[Section], cores: int) -> Iterator[tuple[Section, list[Row]]]:
    """Run all jobs, each in its own process where there are several; say what took how long."""
    if cores == 1:
        yield from ((section, [row for job in section.jobs for row in job()]) for section in chosen)
        return
    with ProcessPoolExecutor(cores) as pool:
        waiting = [(section, [pool.submit(_timed, job) for job in section.jobs]) for section in chosen]
        for section, futures in waiting:
            yield section, _collected(section, futures)


def _timed(job: Job) -> tuple[list[Row], float]:
    began = time.process_time()
    return job(), time.process_time() - began


def _collected(section: Section, futures: Sequence[Future[tuple[list[Row], float]]]) -> list[Row]:
    done = [future.result() for future in futures]
    sys.stderr.write(f"{section.name}: {sum(seconds for _, seconds in done):,.0f} s of CPU\n")
    return [row for rows, _ in done for row in rows]


def tune(only: str, cores: int) -> None:
    """Search the knobs of the detectors whose name contains `only`, and keep them as they are found."""
    jobs: dict[str, Callable[[], rivals.Found]] = {}
    for rival in rivals.RIVALS.values():
        changes: list[Change | Shift] = [*abrupt.CHANGES]
        if rival.name in abrupt.ON_VALUES:
            changes += [*abrupt.RAW, *abrupt.LOGS]
        for change in changes:
            jobs[rivals.key(rival, change, abrupt.SHORT)] = partial(
                rivals.tune, rival.name, change, abrupt.SHORT, abrupt.SHORT_LEARNED, rival.streams(_TUNED_ON)
            )
    for change in abrupt.CHANGES:
        jobs[rivals.key(rivals.RIVALS["ADWIN"], change, FULL.long)] = partial(
            rivals.tune, "ADWIN", change, FULL.long, FULL.learned, _TUNED_ON
        )
    with ProcessPoolExecutor(cores) as pool:
        waiting = {pool.submit(job): name for name, job in jobs.items() if only in name}
        for future in as_completed(waiting):
            rivals.remember({waiting[future]: future.result()})
            sys.stderr.write(f"{waiting[future]}: {future.result()}\n")


if __name__ == "__main__":
    main()
