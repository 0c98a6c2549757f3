"""Every failure that events show is told as the table says, within its bound, and nothing is told before it.

What can be watched without any text is asked, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scenarios.failure_modes import SCENARIOS
from scenarios.failure_traffic import SUPPORT
from scenarios.playing import Scenario, play, shortfalls
from scenarios.streams import since

from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.metrics import METRICS
from undertow.pipelines.check import inspect_file, render

SEED = 1
DETECTABLE = {  # the failure modes that requests and responses alone show
    *(2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 24, 25, 26, 27, 28, 29, 32, 33, 34, 35, 36, 37),
    *(38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 50, 51, 52, 55, 56, 58, 59, 60, 63),
}
SIMULATED = [scenario for scenario in SCENARIOS if not scenario.real]
REAL = [scenario for scenario in SCENARIOS if scenario.real]


def check(scenario: Scenario) -> None:
    """What is known to be missed fails, too, when it is found: then the table is to say so."""
    found = shortfalls(scenario, play(scenario, SEED))
    assert bool(found) == bool(scenario.missed), found


@pytest.mark.parametrize("scenario", SIMULATED, ids=lambda scenario: scenario.id)
def test_it_is_told_as_expected_and_nothing_is_told_before(scenario: Scenario) -> None:
    check(scenario)


@pytest.mark.usefixtures("shared_data")
@pytest.mark.parametrize("scenario", REAL, ids=lambda scenario: scenario.id)
def test_with_real_words_it_is_told_as_expected_and_nothing_is_told_before(scenario: Scenario) -> None:
    check(scenario)


def test_every_failure_that_events_show_is_in_the_table() -> None:
    assert {scenario.number for scenario in SCENARIOS} >= DETECTABLE
    assert len(DETECTABLE) == 49


def test_what_falls_short_is_said() -> None:
    right = next(scenario for scenario in SCENARIOS if scenario.number == 28)
    came = play(right, SEED)
    assert shortfalls(right, came) == []
    wrong: dict[str, Any] = {"within": 1, "segment": ("region", "moon"), "cause": "prompt_version=v0"}
    for name, value in (wrong | {"says": "all is well", "pages": 0, "recovers": True}).items():
        assert len(shortfalls(replace(right, **{name: value}), came)) == 1, name


def test_where_nothing_happens_nothing_is_told() -> None:
    nothing = replace(SCENARIOS[0], what=[], within=3000)
    came = play(nothing, SEED)
    assert came.pages == []
    assert len(shortfalls(nothing, came)) == 2  # it is not told, and not paged


TEXTS = ("instructions", "input", "output")
WITHOUT_TEXTS = {  # the metrics that live on words or on what was said in JSON
    *("refusal_rate", "partial_refusal_rate", "schema_violation_rate", "schema_violation", "output_structure"),
    *("output_format", "output_length", "input_length", "input_centroid", "output_centroid"),
}


def content_free(events: Sequence[Interaction]) -> list[Interaction]:
    """Return the events as one logs them who may not keep any text: names, numbers and reasons only."""
    bare = [msgspec.structs.replace(event, **dict.fromkeys(TEXTS)) for event in events]
    for event in bare:
        event.tool_calls = event.tool_calls and [
            ToolCall(run.name, error=run.error and "failed", result=run.result and True) for run in event.tool_calls
        ]
    return bare


def test_without_texts_check_names_what_cannot_be_watched_and_why(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    answers = (event for event in since(SUPPORT, SEED) if event.operation == "answer" and event.kind is Kind.CALL)
    events = content_free(list(islice(answers, 50)))
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    report = inspect_file(file)
    gaps = {gap.metric: gap for gap in report.gaps}
    assert set(gaps) >= WITHOUT_TEXTS
    assert all(re.search(r"output|input", gaps[name].needs) and gaps[name].hides for name in WITHOUT_TEXTS)
    watched = {metric.name for metric in report.metrics}
    assert watched >= {
        "error_rate",
        "latency",
        "input_tokens",
        "output_tokens",
        "cached_token_share",
        "truncation_rate",
    }
    assert watched | set(gaps) == {name for name in METRICS if "." not in name}
    assert not watched & set(gaps)
    for name in WITHOUT_TEXTS:
        assert f"Cannot be watched: {name}, for want of {gaps[name].needs}" in render(report)
