"""Users who adapt: days after the answers changed, what is asked changes, too."""

from __future__ import annotations

import random

from undertow.alerts.incident import Incident
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Budget, Detection, Embeddings, Ingest, Settings

T0, DAY, EVERY_S = 1_790_000_000.0, 86_400.0, 120.0
ANSWERS_CHANGE = 3 * DAY  # to half their length
ENDS = 7 * DAY
SETTINGS = Settings(
    ingest=Ingest(window_s=600.0, allowed_lateness_s=600.0),
    detection=Detection(dimensions=("operation",), min_events=1000, strict_events=500),
    budget=Budget(false_pages_per_week=1.0),
    embeddings=Embeddings(source="off"),
)


def incidents(questions_change: float) -> list[Incident]:
    """Replay a week of a call every two minutes; from a time on users, who get half an answer, ask twice as much."""
    rng = random.Random(8)
    calls = []
    for number in range(int(ENDS / EVERY_S)):
        at = number * EVERY_S
        asked = rng.lognormvariate(3.5, 0.4) * (2.0 if at >= questions_change else 1.0)
        said = rng.lognormvariate(5.0, 0.4) * (0.5 if at >= ANSWERS_CHANGE else 1.0)
        calls.append(
            Interaction(
                id=str(number),
                time=T0 + at,
                service="support",
                operation="answer",
                input="a" * round(asked),
                output="b" * round(said),
                http_status=200,
            )
        )
    processor = Processor(SETTINGS, PriceTable())
    changes = processor.step(calls, range(len(calls))).changes + processor.finish().changes
    return list({change.incident.id: change.incident for change in changes}.values())


def told(found: list[Incident], metric: str) -> list[str]:
    return [one.moved_by for one in found if any(v.series.metric == metric for v in one.verdicts)]


def test_inputs_that_shift_two_days_after_the_answers_are_told_as_users_who_adapt() -> None:
    found = incidents(ANSWERS_CHANGE + 2 * DAY)
    (answers,), (questions,) = told(found, "output_length"), told(found, "input_length")
    assert "adapt" not in answers
    assert "inputs shifted 2 d" in questions
    assert questions.endswith("after the answers: users adapt")


def test_inputs_that_shift_with_the_answers_are_not() -> None:
    texts = told(incidents(ANSWERS_CHANGE + 3600.0), "input_length")
    assert texts
    assert [text for text in texts if "adapt" in text] == []
