"""Real answers of GPT-3.5, March and June 2023: the change of version is paged, and March alone is silent."""

from pathlib import Path

import pytest
from resampled import JUNE, MARCH, START, answers, replayed, stream

from undertow.drift.metrics import parent_of

SEAM = START + 4000.5  # between the last answer of March and the first of June
MOVED = {  # what the data's own documentation says has changed, as far as these metrics show it
    "sensitiveq": {"refusal_rate": "down", "output_length": "down"},
    "leetcode_easy": {"output_length": "up"},
    "prime": {"output_length": "up"},
    "happy_number": {"output_length": "up", "output_tokens": "up"},
}


@pytest.mark.data
@pytest.mark.parametrize("task", MOVED)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_change_of_version_is_one_incident(shared_data: Path, tmp_path: Path, task: str, seed: int) -> None:
    """It is paged once, after the seam, with the seam inside the change-time interval, for the metrics that moved."""
    rows = answers(shared_data / "llmdrift", task)
    found = replayed(stream(rows, [(MARCH, 4000), (JUNE, 2000)], seed), tmp_path / "events.jsonl")
    assert len(found.incidents) == 1, [incident.headline for incident in found.incidents]
    incident = found.incidents[0]
    assert incident.opened_at > SEAM
    assert incident.changed_from <= SEAM <= incident.changed_to
    moved = {parent_of(verdict.series.metric) for verdict in incident.verdicts if verdict.kind == "page"}
    assert moved >= set(MOVED[task])
    directions = {v.series.metric: v.direction for v in incident.verdicts if not v.series.segment}
    wrong = {metric for metric, way in MOVED[task].items() if directions.get(metric, way) != way}
    assert not wrong


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("task", MOVED)
def test_march_alone_stays_within_the_budget(shared_data: Path, tmp_path: Path, run_folder: Path, task: str) -> None:
    """20 seeds of 20,000 answers, five from each task: 4.6 days of traffic at a budget of one false page a week.

    The tasks share that page: whichever is last in this run sees those of all.
    """
    pages = []
    rows = answers(shared_data / "llmdrift", task)
    for seed in range(sorted(MOVED).index(task), 20, len(MOVED)):
        found = replayed(stream(rows, [(MARCH, 20_000)], seed), tmp_path / "events.jsonl")
        assert found.processor.monitor.pageable() > 10, "a stream that is still learning proves nothing by silence"
        pages += [incident.headline for incident in found.incidents]
    told = run_folder / "march"
    told.mkdir(exist_ok=True)
    (told / task).write_text("\n".join(pages))
    together = [page for path in sorted(told.iterdir()) for page in path.read_text().splitlines()]
    assert len(together) <= 1, together
