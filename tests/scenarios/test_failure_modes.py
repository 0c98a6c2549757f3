"""Every failure mode moves the metric that shows it and leaves another alone; some are played up to the verdict.

What is left of them without any text is tried too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.failure_modes import ELSEWHERE, MODES, Mode
from scenarios.failure_traffic import Make, call

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.metrics import METRICS, Family, parent_of, resolve
from undertow.drift.segments import Group
from undertow.drift.statistics.logbins import log_of, value_of
from undertow.drift.verdict import Verdict
from undertow.drift.windows import VECTOR_COUNT, Cells, ClosedWindow, merge
from undertow.pipelines.check import inspect_file, render
from undertow.pipelines.prices import price_table
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Detection, Embeddings, Ingest, Price, Rule, Settings

START = 1_772_442_000.0  # Monday, 09:00 UTC
DAY = 86_400.0
CALLS = 1000  # of each half, where the measures are asked
LEARNED = 2500  # before the change, where the whole way is played
BATCH = 500
MOVED, STILL = 6.0, 4.0  # standard errors
SIGNALS = {  # the numbers of the failure modes that are to show in a signal
    *(1, 4, 5, 9, 11, 12, 13, 14, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 34, 37, 39, 40, 41, 42, 43, 44, 47),
    *(48, 49, 51, 52, 53, 56, 58, 60, 63, 64),
}
SETTINGS = Settings(
    ingest=Ingest(task_idle_s=30.0, allowed_lateness_s=0.0),
    detection=Detection(
        dimensions=("operation", "region", "agent", "variant", "cohort"), min_events=600, strict_events=200
    ),
    embeddings=Embeddings(source="off"),
    rules={
        "residency": Rule(fields=("region", "serving_region"), allowed={"eu": ["eu-*"]}),
        "card_number": Rule(pattern=r"\b\d{4} \d{4} \d{4} \d{4}\b"),
    },
    prices={
        "house-large-0301": Price(input=1.0, output=4.0),
        "dearer": [Price(input=1.0, output=4.0), Price(input=1.4, output=5.6, since=date(2026, 3, 3))],
    },
)
Bins = tuple[NDArray[np.float64], NDArray[np.float64]]


def settings_of(mode: Mode) -> Settings:
    """Only where vectors are asked for are they computed."""
    source = "static" if "centroid" in mode.metric else "off"
    return msgspec.structs.replace(SETTINGS, embeddings=Embeddings(source=source))


@cache
def traffic(make: Make, first: int, calls: int, start: float) -> list[Interaction]:
    """One call a second, numbered from `first`; decoded as any event from outside would be."""
    rng = random.Random(first + 7)
    made = [
        {"id": f"c{n}", "time": start + n - first, "service": "s", **make(rng, n)} for n in range(first, first + calls)
    ]
    return msgspec.convert(made, list[Interaction])


def windows_of(processor: Processor, events: Sequence[Interaction]) -> tuple[list[ClosedWindow], list[Verdict]]:
    parts = [events[n : n + BATCH] for n in range(0, len(events), BATCH)]
    steps = [processor.step(part, [hash(event.id) for event in part]) for part in parts]
    steps.append(processor.finish())
    return [window for step in steps for window in step.windows], [told for step in steps for told in step.verdicts]


def bins(processor: Processor, windows: Sequence[ClosedWindow], metric: str, segment: Any) -> Bins:
    """Return the bins of a series over these windows and the count of each."""
    group = processor.counting.segments.groups.index(Group("s", "", (segment,) if segment else ()))
    cells: Cells = merge([window.cells for window in windows])
    mine = (cells.groups == group) & (cells.metrics == processor.counting.catalogue.numbers[parent_of(metric)])
    return cells.bins[mine].astype(np.float64), cells.counts[mine].astype(np.float64)


def moments(values: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and squared standard error."""
    n = counts.sum()
    mean = float(values @ counts / n)
    return mean, float((values - mean) ** 2 @ counts / n**2)


def standard_errors(metric: str, before: Bins, after: Bins) -> float:
    """Return by how many standard errors a series has moved, with a sign where its values have an order."""
    assert before[1].sum()
    assert after[1].sum(), f"{metric} has nothing to say"
    family = resolve(parent_of(metric)).family
    if family is Family.CATEGORY:
        return shift_of_shares(before, after)
    if family is Family.VECTOR:
        return shift_of_centroid(before, after)
    read = {Family.POSITIVE: log_of, Family.SCORE: value_of}.get(family, lambda plain: plain.astype(np.float64))
    values = [read(part[0].astype(np.int64)) for part in (before, after)]
    if metric != parent_of(metric):
        values = [beyond(metric, values[0], before[1])(part) for part in values]
    old, new = (moments(part, counts) for part, (_, counts) in zip(values, (before, after), strict=True))
    least = 1 / after[1].sum() ** 2 if family is Family.RATE else 1e-12  # none at all is not known without error
    return float((new[0] - old[0]) / (old[1] + new[1] + least) ** 0.5)


def beyond(metric: str, values: NDArray[np.float64], counts: NDArray[np.float64]) -> Any:
    """Return the function that says which values lie in a tail: beyond the 1st or 99th percentile of these."""
    high = metric.endswith(".high")
    limit = np.quantile(np.repeat(values, counts.astype(np.int64)), 0.99 if high else 0.01)
    return lambda part: (part > limit if high else part < limit).astype(np.float64)


def way(mode: Mode) -> float:
    return -1.0 if mode.direction == "down" else 1.0


def shift_of_shares(before: Bins, after: Bins) -> float:
    """Return Pearson's statistic as standard deviations above what chance gives."""
    names = np.union1d(before[0], after[0])
    table = np.array([[part[1][part[0] == name].sum() for name in names] for part in (before, after)])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    freedom = max(len(names) - 1, 1)
    return float((((table - expected) ** 2 / expected).sum() - freedom) / (2 * freedom) ** 0.5)


def shift_of_centroid(before: Bins, after: Bins) -> float:
    """Return the squared distance of two centroids as a multiple of what chance gives."""
    found = []
    for coordinates, sums in (before, after):
        counted = coordinates == VECTOR_COUNT
        n = float(sums[counted][0])
        centroid = sums[~counted] / n / 4096
        found.append((centroid, (1 - float(centroid @ centroid)) / n))
    (old, wander), (new, more) = found
    return float(((new - old) ** 2).sum()) / (wander + more)


def played(mode: Mode, before: Sequence[Interaction], after: Sequence[Interaction]) -> Callable[[str, Any], float]:
    """Return the function that says by how much a metric has moved in a slice."""
    processor = Processor(settings_of(mode), price_table(SETTINGS.prices))
    windows, _ = windows_of(processor, [*before, *after])
    halves = [[window for window in windows if (window.start < START + DAY) is old] for old in (True, False)]
    return lambda metric, segment: standard_errors(metric, *(bins(processor, half, metric, segment) for half in halves))


@pytest.mark.parametrize("mode", [mode for mode in MODES if not mode.told], ids=lambda mode: mode.id)
def test_the_metric_moves_and_the_control_does_not(mode: Mode) -> None:
    moved = played(mode, traffic(mode.before, 0, CALLS, START), traffic(mode.after, CALLS, CALLS, START + DAY))
    assert way(mode) * moved(mode.metric, mode.segment) > MOVED
    assert abs(moved(mode.control, mode.control_segment)) < STILL


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.told], ids=lambda mode: mode.id)
def test_it_is_told_after_the_change_and_nothing_is_told_before(mode: Mode) -> None:
    processor = Processor(settings_of(mode), price_table(SETTINGS.prices))
    change = START + LEARNED
    events = [*traffic(mode.before, 0, LEARNED, START), *traffic(mode.after, LEARNED, mode.calls, change)]
    verdicts = windows_of(processor, events)[1]
    assert [told for told in verdicts if told.detected_at < change] == []
    told = [one for one in verdicts if one.series.metric == mode.metric and one.kind in {"page", "notice"}]
    assert told, {(one.kind, one.series.metric) for one in verdicts}
    assert mode.told in {one.kind for one in told}
    assert {one.direction for one in told} == {mode.direction}
    assert told[0].changed_from <= change + 300.0
    assert (mode.control, mode.control_segment or ()) not in {
        (one.series.metric, one.series.segment and one.series.segment[0]) for one in verdicts
    }


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
    events = content_free(traffic(call, 0, 50, START))
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


REMAINING = ["truncation_rate", "tool_error_rate", "cached_token_share", "latency.high", "error_rate", "cost_per_task"]


@pytest.mark.parametrize("metric", [*REMAINING, "calls_per_task.high", "score.satisfaction"])
def test_without_texts_what_remains_still_moves(metric: str) -> None:
    mode = next(mode for mode in MODES if mode.metric == metric)
    halves = traffic(mode.before, 0, CALLS, START), traffic(mode.after, CALLS, CALLS, START + DAY)
    moved = played(mode, *map(content_free, halves))
    assert way(mode) * moved(metric, mode.segment) > MOVED


def test_every_number_is_tested_here_or_in_a_test_that_exists() -> None:
    tests = Path(__file__).parent.parent
    for place in (place for places in ELSEWHERE.values() for place in places):
        file, _, name = place.partition("::")
        assert f"def {name}(" in (tests / file).read_text(), f"{place} does not exist"
    missing = {mode.number for mode in MODES} | set(ELSEWHERE)
    assert SIGNALS - missing == set()
