"""The whole path inside one process, on small streams that one can follow by hand."""

import math
from typing import Any

import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.prices import Price, PriceTable
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Budget, Detection, Ingest, Settings
from undertow.pipelines.step import Step

COLUMN = Catalogue().columns
PRICES = PriceTable({"small": Price(input=1.0, output=4.0)})
SETTINGS = Settings(
    ingest=Ingest(window_s=10.0, allowed_lateness_s=20.0, task_idle_s=30.0, task_limit_s=120.0),
    detection=Detection(dimensions=("region",), min_events=200, strict_events=100),
    budget=Budget(false_pages_per_week=10.0),
)


def call(number: int, time: float, **fields: Any) -> Interaction:
    return Interaction(**{"id": str(number), "time": time, "service": "s", **fields})


def take(processor: Processor, *events: Interaction) -> Step:
    return processor.step(events, [hash(event.id) for event in events])


def processor(settings: Settings = SETTINGS) -> Processor:
    return Processor(settings, PRICES)


def counts(windows: list[ClosedWindow], metric: str) -> dict[float, int]:
    """Return how many values of a metric the windows hold for the whole of the service, by start."""
    found = {}
    for window in windows:
        mine = (window.cells.metrics == COLUMN[metric]) & (window.cells.groups == 0)
        if mine.any():
            found[window.start] = int(window.cells.counts[mine].sum())
    return found


def test_a_call_is_measured_and_counted_in_its_window() -> None:
    mine = processor()
    step = take(mine, call(1, 5.0, output="Hello", latency=0.5, refused=False), call(2, 7.0))
    assert step.measured.values[0, COLUMN["output_length"]] == 5
    assert step.measured.values[0, COLUMN["refusal_rate"]] == 0
    assert math.isnan(step.measured.values[1, COLUMN["latency"]])
    assert step.windows == []
    later = take(mine, call(3, 31.0, latency=0.5))
    assert counts(later.windows, "latency") == {0.0: 1}
    assert counts(later.windows, "error_rate") == {0.0: 2}


def test_a_repeat_counts_once_and_another_content_is_a_conflict() -> None:
    mine = processor()
    event = call(1, 5.0, latency=0.5)
    step = mine.step([event, event, event], [7, 7, 8])
    assert [each.id for each in step.events] == ["1"]
    assert mine.step([event], [7]).events == []
    assert counts(mine.finish().windows, "latency") == {0.0: 1}
    assert (mine.counters.events, mine.counters.duplicates, mine.counters.conflicts) == (1, 3, 1)


def test_two_services_with_the_same_ids_lose_nothing() -> None:
    step = take(processor(), call(1, 5.0), call(1, 5.0, service="other"))
    assert len(step.events) == 2


def test_a_late_event_is_marked_and_counted_and_left_out() -> None:
    mine = processor()
    take(mine, call(1, 100.0, latency=0.5))
    step = take(mine, call(2, 60.0, latency=0.5), call(3, 85.0, latency=0.5))
    assert step.late.tolist() == [True, False]
    assert mine.counters.late == 1
    assert counts([*step.windows, *mine.finish().windows], "latency") == {80.0: 1, 100.0: 1}


def test_a_shadow_call_is_measured_and_stays_out_of_the_windows_of_live_traffic() -> None:
    mine = processor()
    step = take(mine, call(1, 5.0, latency=0.5), call(2, 5.0, latency=9.0, shadow_of="1", cost=1.0))
    assert step.measured.values[1, COLUMN["latency"]] == 9.0
    closed = mine.finish().windows
    assert counts(closed, "latency") == {0.0: 1}
    assert sum(counts(closed, "calls_per_task").values()) == 1


@pytest.mark.parametrize("kind", [Kind.SCORE, Kind.CHANGE])
def test_what_is_no_call_has_no_measures_of_calls(kind: Kind) -> None:
    mine = processor()
    step = take(mine, call(1, 5.0, kind=kind, latency=0.5, error="timeout", output="Deployed v2"))
    assert np.isnan(step.measured.values).all()
    assert np.isnan(step.measured.costs).all()
    assert all(not len(window.cells.keys) for window in mine.finish().windows)


def test_calls_are_priced_and_an_unknown_model_is_not_free() -> None:
    step = take(
        processor(),
        call(1, 1.0, model="small", input_tokens=1000, output_tokens=500),
        call(2, 1.0, cost=0.25),
        call(3, 1.0, model="unknown", input_tokens=1000),
    )
    assert step.measured.costs[:2].tolist() == [0.003, 0.25]
    assert math.isnan(step.measured.costs[2])


def test_a_task_counts_once_where_it_ends() -> None:
    mine = processor()
    for number in range(3):
        take(mine, call(number, 5.0 + number * 10, task="t", cost=0.1, tool_calls=[ToolCall("find")]))
    assert mine.counting.open_tasks == 1
    assert mine.counters.tasks == 0
    step = take(mine, call(9, 120.0, task="u", cost=1.0))
    assert mine.counters.tasks == 1
    assert counts(step.windows, "cost_per_task") == {50.0: 1}
    ended = next(window for window in step.windows if window.start == 50.0)
    mine_only = ended.cells.metrics == COLUMN["calls_per_task"]
    assert math.exp((ended.cells.bins[mine_only][0] - 8192) * math.log(1.02)) == pytest.approx(3, rel=0.01)
    assert counts(mine.finish().windows, "cost_per_task") == {150.0: 1}
    assert mine.counting.open_tasks == 0


def test_silence_lets_windows_close_and_never_turns_time_back() -> None:
    mine = processor()
    take(mine, call(1, 5.0, latency=0.5))
    assert mine.tick(29.0).windows == []
    assert len(mine.tick(30.0).windows) == 1
    assert mine.tick(1.0).windows == []
    assert take(mine, call(2, 8.0)).late.tolist() == [True]


def test_after_the_end_of_the_input_what_it_held_cannot_be_opened_again() -> None:
    mine = processor()
    take(mine, call(1, 5.0, latency=0.5, task="t"))
    assert [window.start for window in mine.finish().windows] == [0.0, 30.0]
    step = take(mine, call(2, 7.0, latency=0.5), call(3, 12.0, latency=0.5))
    assert step.late.tolist() == [True, False]


def test_an_empty_step_and_an_empty_stream_say_nothing() -> None:
    mine = processor()
    for step in (mine.step([], []), mine.finish(), mine.finish()):
        assert (step.events, step.windows, step.verdicts, step.changes) == ([], [], [], [])


def shifting(count: int = 700, **changed: Any) -> list[Interaction]:
    """A service whose refusals go from few to most after ten minutes, with a new model."""
    rng = np.random.default_rng(1)
    return [
        call(
            i,
            1000.0 + i * 2,
            refused=bool(rng.random() < (0.9 if i >= 450 else 0.02)),
            latency=0.5,
            response_model="m2" if i >= 445 else "m1",
            attributes={"region": "eu"},
            http_status=200,
            **changed,
        )
        for i in range(count)
    ]


def played(mine: Processor, events: list[Interaction]) -> list[Step]:
    return [take(mine, *events[i : i + 50]) for i in range(0, len(events), 50)]


def test_a_page_tells_that_http_stayed_green_and_which_version_is_the_suspect() -> None:
    steps = played(processor(), shifting())
    changes = [change for step in steps for change in step.changes]
    assert changes
    incident = changes[-1].incident
    assert {verdict.series.metric for verdict in incident.verdicts if verdict.kind == "page"} == {"refusal_rate"}
    assert [(version.dimension, version.value) for version in incident.versions] == [("response_model", "m2")]
    levels = {level.metric: (level.before, level.after) for level in incident.http}
    assert levels["error_rate"] == (0.0, 0.0)
    assert levels["latency_p50"] == pytest.approx((0.5, 0.5), rel=0.02)


def test_a_tool_says_only_whether_it_failed() -> None:
    step = take(processor(), call(1, 5.0, kind=Kind.TOOL, latency=0.5, error="timeout"))
    said = np.flatnonzero(~np.isnan(step.measured.values[0]))
    assert [name for name, column in COLUMN.items() if column in said] == ["tool_error_rate"]
    assert step.measured.values[0, COLUMN["tool_error_rate"]] == 1.0


def test_more_traffic_and_nothing_else_is_silent() -> None:
    events = [
        call(
            i, 1000.0 + (i * 2 if i < 600 else 1200 + (i - 600) * 1.2), latency=0.5 + (i % 7) * 0.1, refused=i % 50 == 0
        )
        for i in range(1500)
    ]
    assert [verdict for step in played(processor(), events) for verdict in step.verdicts] == []


def test_accepted_and_false_close_an_incident_and_an_unknown_one_is_refused() -> None:
    for resolution in ("accepted", "false"):
        mine = processor()
        played(mine, shifting())
        (incident,) = mine.incidents.open
        with pytest.raises(ValueError, match="nonsense"):
            mine.decide("nonsense", resolution, 2400.0)
        step = mine.decide(incident.id, resolution, 2400.0)
        assert step.changes[-1].incident.resolution == resolution
        assert mine.incidents.open == []


def test_history_leaves_baselines_and_no_incident() -> None:
    mine = processor()
    played(mine, shifting())
    assert mine.incidents.open
    mine.forget_incidents()
    assert mine.incidents.open == []
    assert any(status.state == "changed" for status in mine.monitor.statuses())


def test_a_state_of_another_version_or_other_windows_is_refused_with_a_way_out() -> None:
    state = processor().snapshot()
    with pytest.raises(ValueError, match=r"version 99.*move it away"):
        Processor(SETTINGS, PRICES, state | {"version": 99})
    with pytest.raises(ValueError, match=r"window_s = 10\.0 differs from 60\.0.*move the state away"):
        Processor(SETTINGS, PRICES, state | {"fixed": {"window_s": 60.0, "dimensions": ["region"]}})


def test_metrics_that_are_off_are_not_measured() -> None:
    off = Settings(detection=Detection(metrics_off=["latency", "refusal_rate"]))
    step = take(Processor(off, PRICES), call(1, 5.0, latency=0.5, refused=True, output="x"))
    assert np.isnan(step.measured.values[0, [COLUMN["latency"], COLUMN["refusal_rate"]]]).all()
    assert step.measured.values[0, COLUMN["output_length"]] == 1


@pytest.mark.parametrize("enormous", [1e300, 5e-324, 0.0])
def test_no_number_is_too_large_or_too_small(enormous: float) -> None:
    mine = processor()
    take(mine, call(1, 5.0, latency=enormous, cost=enormous, input_tokens=10**15))
    assert counts(mine.finish().windows, "latency") == {0.0: 1}
