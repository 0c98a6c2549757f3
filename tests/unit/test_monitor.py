"""The monitor: which detector sees which series, in what words it answers, and what a snapshot must match."""

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.detector import Alarm, Observation, Progress, SeriesSettings
from undertow.drift.detectors import DETECTORS
from undertow.drift.metrics import METRICS
from undertow.drift.monitor import Monitor, MonitorConfig
from undertow.drift.segments import Group
from undertow.drift.sequential import SequentialDetector
from undertow.drift.verdict import Estimate, Series, Verdict, verdict_id
from undertow.drift.windows import ClosedWindow, Windows

Column = NDArray[np.float64]

COLUMN = Catalogue().columns
DAY = 86_400.0
GROUPS = [Group("support", "prod"), Group("support", "prod", (("region", "eu"),))]
NEW = (GROUPS, Catalogue(), Categories())
SMALL = MonitorConfig(min_events=400, strict_events=100)


def windows_of(measures: dict[str, Column], count: int, groups: Sequence[int] = (0,)) -> Iterator[ClosedWindow]:
    """Return closed windows of 10 s with 20 events each, out of columns of values."""
    windows = Windows(Catalogue(), width=10.0, lateness=0.0)
    for number in range(count):
        chosen = slice(number * 20, number * 20 + 20)
        times = np.full(20, number * 10.0)
        values = np.full((20, len(COLUMN)), np.nan)
        for name, column in measures.items():
            values[:, COLUMN[name]] = column[chosen]
        windows.advance(times)
        windows.add(times, np.tile(np.array(groups, np.int32), (20, 1)), values)
        yield from windows.close()
    yield from windows.close(everything=True)


def follow(monitor: Monitor, measures: dict[str, Column], groups: Sequence[int] = (0,)) -> list[Verdict]:
    count = len(next(iter(measures.values()))) // 20
    return [verdict for window in windows_of(measures, count, groups) for verdict in monitor.observe(window)]


def shifted(before: float, after: float, seed: int = 1) -> Column:
    rng = np.random.default_rng(seed)
    hits: Column = (rng.random(2400) < np.r_[np.full(1600, before), np.full(800, after)]).astype(np.float64)
    return hits


def lengths(factor: float = 1.0, seed: int = 2, outliers: float = 0.0) -> Column:
    rng = np.random.default_rng(seed)
    values = rng.lognormal(5, 0.5, 2400) * np.r_[np.ones(1600), np.full(800, factor)]
    late = (np.arange(2400) >= 1600) & (rng.random(2400) < outliers)
    found: Column = np.where(late, values * 35, values)
    return found


def test_a_verdict_names_the_series_the_change_and_the_detector() -> None:
    monitor = Monitor(SMALL, *NEW)
    (verdict,) = follow(monitor, {"refusal_rate": shifted(0.02, 0.3)})
    assert verdict.series == Series("support", "prod", (), "refusal_rate")
    assert (verdict.kind, verdict.direction, verdict.detector) == ("page", "up", "beta_binomial")
    assert verdict.changed_from <= 800.0 <= verdict.changed_to <= verdict.detected_at
    assert verdict.before.value == pytest.approx(0.02, abs=0.02)
    assert verdict.id == verdict_id(verdict.series, verdict.detected_at, "alarm")


def test_the_same_windows_give_the_same_ids_and_a_slice_has_its_own() -> None:
    first, again = (follow(Monitor(SMALL, *NEW), {"refusal_rate": shifted(0.02, 0.3)}, (0, 1)) for _ in range(2))
    assert first == again
    assert [verdict.series.segment for verdict in first] == [(), (("region", "eu"),)]
    assert len({verdict.id for verdict in first}) == 2


def test_a_recovery_names_the_verdict_that_it_ends() -> None:
    back = np.concatenate([shifted(0.02, 0.3), (np.random.default_rng(5).random(800) < 0.02).astype(float)])
    page, recovered = follow(Monitor(SMALL, *NEW), {"refusal_rate": back})
    assert (page.kind, recovered.kind) == ("page", "recovered")
    assert recovered.opened == page.id
    assert recovered.id != page.id
    assert page.opened == ""


def test_a_shift_of_lengths_goes_to_the_detector_of_logs_in_the_metrics_own_unit() -> None:
    found = follow(Monitor(SMALL, *NEW), {"output_length": lengths(0.6)})
    main = [verdict for verdict in found if verdict.series.metric == "output_length"]
    assert [(verdict.direction, verdict.detector) for verdict in main] == [("down", "rank_betting")]
    assert main[0].before.value == pytest.approx(math.exp(5), rel=0.1)
    assert main[0].after.value == pytest.approx(0.6 * math.exp(5), rel=0.15)


def test_a_few_enormous_values_are_seen_in_the_tail_and_not_in_the_mean() -> None:
    rng = np.random.default_rng(3)
    values = rng.lognormal(5, 0.5, 12_000)
    values[9_000:] *= np.where(rng.random(3_000) < 0.04, 35, 1)
    found = follow(Monitor(SMALL, *NEW), {"latency": values})
    assert [(verdict.series.metric, verdict.kind) for verdict in found] == [("latency.high", "page")]
    assert found[0].changed_from <= 4500.0 <= found[0].changed_to
    assert found[0].after.value == pytest.approx(0.05, abs=0.03)


def test_a_metric_that_is_off_is_not_followed_nor_are_its_tails() -> None:
    config = MonitorConfig(min_events=400, strict_events=100, metrics_off=["latency", "output_length.high"])
    monitor = Monitor(config, *NEW)
    assert follow(monitor, {"latency": lengths(outliers=0.3), "output_length": lengths()}) == []
    followed = {status.series.metric for status in monitor.statuses()}
    assert followed == {"output_length", "output_length.low"}


def test_a_detector_can_be_chosen_by_name_and_costs_nothing_of_the_budget() -> None:
    default, chosen = (
        Monitor(MonitorConfig(min_events=400, strict_events=100, detectors=detectors), *NEW)
        for detectors in ({}, {"latency": "adwin"})
    )
    found = follow(chosen, {"latency": lengths(3.0)})
    follow(default, {"latency": lengths(3.0)})
    main = [verdict for verdict in found if verdict.series.metric == "latency"]
    assert [(verdict.kind, verdict.direction, verdict.detector) for verdict in main] == [("page", "up", "adwin")]
    assert main[0].before.value == pytest.approx(math.exp(5), rel=0.1)
    assert default.pageable() == chosen.pageable() + 1


def test_pages_outside_the_budget_are_notices_beyond_ten_a_week() -> None:
    config = MonitorConfig(min_events=400, strict_events=100, detectors={"refusal_rate": "adwin"})
    monitor = Monitor(config, *NEW)
    waves = np.tile(np.r_[np.zeros(200), np.ones(200)], 20)
    kinds = [verdict.kind for verdict in follow(monitor, {"refusal_rate": waves})]
    assert len(kinds) > 12
    assert kinds.count("page") == 10
    assert set(kinds[kinds.index("notice") :][-2:]) == {"notice"}


def test_bands_and_page_from_of_the_configuration_reach_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, SeriesSettings] = {}
    original = SequentialDetector.__init__

    def spy(self: SequentialDetector, settings: dict[int, SeriesSettings], *events: int) -> None:
        seen.update(settings)
        original(self, settings, *events)

    monkeypatch.setattr(SequentialDetector, "__init__", spy)
    Monitor(MonitorConfig(bands={"latency": 0.3}, page_from={"refusal_rate": 2.0}), *NEW)
    assert seen[COLUMN["latency"]].band == pytest.approx(math.log(1.3))
    assert seen[COLUMN["refusal_rate"]].page_from == pytest.approx(math.log(2.0))
    assert seen[COLUMN["refusal_rate"]].band == pytest.approx(math.log1p(METRICS["refusal_rate"].band))
    assert (seen[COLUMN["latency"]].scale, seen[COLUMN["refusal_rate"]].scale) == ("log", "share")
    assert seen[COLUMN["latency"]].harm == "up"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"detectors": {"latency": "magic"}},
            "detector 'magic' of metric 'latency' is not one of " + ", ".join(DETECTORS),
        ),
        ({"strict_events": 3000}, "strict_events = 3000 must not exceed min_events = 2000"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitorConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["detectors", "bands", "page_from", "metrics_off"])
def test_an_unknown_metric_is_refused_wherever_it_is_named(field: str) -> None:
    with pytest.raises(KeyError, match="did you mean 'latency'"):
        MonitorConfig(**{field: {"latancy": "adwin"}})  # type: ignore[arg-type]


def test_a_snapshot_of_other_detectors_is_refused_with_a_way_out() -> None:
    state = Monitor(SMALL, *NEW).snapshot()
    other = Monitor(MonitorConfig(detectors={"latency": "kswin"}), *NEW)
    with pytest.raises(ValueError, match=r"follows other metrics or detectors.*move the state away"):
        other.restore(state)


def test_states_go_from_learning_over_strict_to_watching_and_changed() -> None:
    monitor = Monitor(SMALL, *NEW)
    states: list[str] = []
    for window in windows_of({"refusal_rate": shifted(0.02, 0.5)}, 90):
        monitor.observe(window)
        (status,) = monitor.statuses()
        assert isinstance(status.progress, Progress)
        states += [] if states and states[-1] == status.state else [status.state]
    assert states[:3] == ["learning", "strict", "watching"]
    assert "changed" in states


def test_levels_are_those_of_a_known_group_and_metric() -> None:
    monitor = Monitor(SMALL, *NEW)
    follow(monitor, {"error_rate": shifted(0.1, 0.1)})
    levels = monitor.levels(GROUPS[0], "error_rate", 600.0)
    assert levels is not None
    assert levels[0].value == pytest.approx(0.1, abs=0.03)
    assert monitor.levels(GROUPS[1], "error_rate", 600.0) is None
    assert monitor.levels(Group("nobody", ""), "error_rate", 600.0) is None


def test_a_window_without_cells_moves_only_the_clock() -> None:
    monitor = Monitor(SMALL, *NEW)
    empty = next(iter(windows_of({}, 1)))
    assert monitor.observe(empty) == []
    assert monitor.last_closed == 10.0
    assert list(monitor.statuses()) == []


def test_every_number_that_reaches_a_detector_is_finite_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates and logs, tails and their parents: each detector sees its own series, with its own cells."""
    seen: list[Observation] = []

    def spy(_: SequentialDetector, window: Observation, share: Share) -> list[Alarm]:
        seen.append(window)
        return []

    monkeypatch.setattr(SequentialDetector, "observe", spy)
    follow(
        Monitor(SMALL, *NEW),
        {"latency": lengths(), "refusal_rate": shifted(0.1, 0.1)},
        (0, 1),
    )
    assert seen
    for window in seen:
        index, values, counts = window.cells
        for i in range(len(window.series)):
            assert counts[index == i].sum() == window.events[i]
            assert (values * counts)[index == i].sum() == pytest.approx(window.sums[i])


def stated(rate: float, where: str = "refusal_rate") -> MonitorConfig:
    return MonitorConfig(min_events=2000, strict_events=200, stated={where: rate})


@pytest.mark.parametrize("where", ["refusal_rate", "support/refusal_rate"])
def test_a_stated_rate_is_tested_from_the_first_event(where: str) -> None:
    hits = (np.random.default_rng(1).random(2400) < 0.05).astype(np.float64)
    found = follow(Monitor(stated(0.003, where), *NEW), {"refusal_rate": hits})
    assert [verdict.kind for verdict in found] == ["page"]
    assert found[0].before == Estimate(0.003, 0.003, 0.003, 0)
    assert found[0].detected_at <= 300.0
    assert follow(Monitor(stated(0.05, where), *NEW), {"refusal_rate": hits}) == []
    assert follow(Monitor(stated(0.003, "other/refusal_rate"), *NEW), {"refusal_rate": hits}) == []


def test_a_stated_rate_is_never_learned_away_and_recovery_means_to_it() -> None:
    rng = np.random.default_rng(2)
    hits = (rng.random(40_000) < np.repeat([0.01, 0.05, 0.01], [10_000, 20_000, 10_000])).astype(np.float64)
    monitor = Monitor(stated(0.01), *NEW)
    assert [verdict.kind for verdict in follow(monitor, {"refusal_rate": hits})] == ["page", "recovered"]
    status = next(status for status in monitor.statuses() if status.series.metric == "refusal_rate")
    assert status.state == "watching"
    assert status.progress.level.value == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("where", "rate", "message"),
    [("output_length", 0.1, "cannot be stated"), ("refusal_rate", 1.5, "must lie between 0 and 1")],
)
def test_a_level_that_cannot_be_stated_is_refused(where: str, rate: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stated(rate, where)


def test_a_service_or_metric_that_weighs_more_needs_less_evidence() -> None:
    hits, limits = shifted(0.02, 0.2), {}
    for name in ("nothing", "support", "refusal_rate"):
        config = MonitorConfig(min_events=400, strict_events=100, weights={name: 8.0})
        limits[name] = follow(Monitor(config, *NEW), {"refusal_rate": hits})[0].threshold
    assert limits["support"] == pytest.approx(limits["nothing"] - math.log(8), abs=0.05)
    assert limits["refusal_rate"] == pytest.approx(limits["support"], abs=0.05)


def test_series_that_fell_silent_a_week_ago_leave_their_share_to_the_others() -> None:
    monitor = Monitor(SMALL, *NEW)
    follow(monitor, {"refusal_rate": shifted(0.02, 0.02)})
    assert monitor.pageable() == 1
    empty = next(windows_of({"refusal_rate": np.full(20, np.nan)}, 1))
    monitor.observe(msgspec.structs.replace(empty, start=8 * DAY, end=8 * DAY + 10))
    assert monitor.pageable() == 0
