"""What every detector must hold to, found through the table; and what the two budgeted ones promise on top."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift import adapters
from undertow.drift.adapters import RiverDetector
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import Alarm, Detector, Observation, SeriesSettings
from undertow.drift.detectors import DETECTORS
from undertow.drift.metrics import METRICS, Family
from undertow.drift.sequential import SequentialDetector
from undertow.pipelines import snapshot

Floats = NDArray[np.float64]

HOUR, DAY = 3600.0, 86_400.0
STRICT, ENOUGH = 200, 2000
SHARE = Share.of(1.0, 64)
RATE, LENGTH = METRICS["refusal_rate"], METRICS["output_length"]
BUDGETED = ["beta_binomial", "clipped_gaussian"]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


every_detector = pytest.mark.parametrize("name", DETECTORS)
every_budgeted = pytest.mark.parametrize("name", BUDGETED)


def settings_of(name: str, **changed: Any) -> SeriesSettings:
    metric = RATE if name == "beta_binomial" else LENGTH
    values = {
        "band": math.log1p(metric.band),
        "page_from": math.log(metric.page_from),
        "season": math.log(metric.season),
        "harm": "both",
        "scale": "log" if metric.family is Family.POSITIVE else "share",
    }
    return SeriesSettings(**{**values, **changed})


def build(name: str, **changed: Any) -> Detector:
    return DETECTORS[name]({0: settings_of(name, **changed)}, ENOUGH, STRICT)


def window_of(start: float, width: float, series: Sequence[int], values: Sequence[Floats]) -> Observation:
    """Return the window in which each series saw these values; the series number is made of the metric 0."""
    counts = np.array([len(mine) for mine in values], float)
    sums = np.array([mine.sum() for mine in values])
    return Observation(
        start,
        start + width,
        np.array(series) * SERIES_METRICS,
        counts,
        sums,
        np.array([(mine**2).sum() for mine in values]),
        sums,
        np.full(len(values), start),
        (
            np.repeat(np.arange(len(values)), counts.astype(int)),
            np.concatenate(values),
            np.ones(int(counts.sum()), int),
        ),
    )


NO_CELLS = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


def summary_of(start: float, width: float, events: int, columns: Sequence[Floats]) -> Observation:
    """Return the window in which every series saw so many events, of which only the sums are known."""
    count = len(columns[0])
    sums, squares, raw = columns
    series, since = np.arange(count) * SERIES_METRICS, np.full(count, start)
    return Observation(start, start + width, series, np.full(count, float(events)), sums, squares, raw, since, NO_CELLS)


def values_at(name: str, rng: np.random.Generator, level: float, count: int) -> Floats:
    """Return values around a level: hits of that rate (rates), or normal logs of that mean."""
    if name == "beta_binomial":
        return (rng.random(count) < level).astype(float)
    return rng.normal(level, 0.6, count)


# a usual level, and the ones that a change brings: (usual, up, down)
LEVELS = {"beta_binomial": (0.1, 0.4, 0.005)}
USUAL_LENGTH = (5.0, 6.2, 3.8)


def levels_of(name: str) -> tuple[float, float, float]:
    return LEVELS.get(name, USUAL_LENGTH)


def shifting(name: str, seed: int = 1, series: int = 3, before: int = 100, after: int = 40) -> list[Observation]:
    """Windows of 10 s and 10 events in which the odd series go up, the even ones down, and each misses some windows."""
    rng = np.random.default_rng(seed)
    usual, up, down = levels_of(name)
    windows = []
    for number in range(before + after):
        seen = [i for i in range(series) if rng.random() < 0.9] or [0]
        level = [usual if number < before else (up if i % 2 else down) for i in seen]
        values = [values_at(name, rng, at, 10) for at in level]
        windows.append(window_of(number * 10.0, 10.0, seen, values))
    return windows


def follow(detector: Detector, windows: Sequence[Observation], share: Share = SHARE) -> list[tuple[float, Alarm]]:
    return [(window.end, alarm) for window in windows for alarm in detector.observe(window, share)]


def state_bytes(detector: Detector, folder: Path) -> bytes:
    path = folder / "state"
    snapshot.write(path, detector.snapshot())
    return path.read_bytes()


def restored(name: str, content: bytes, folder: Path) -> Detector:
    path = folder / "state"
    path.write_bytes(content)
    state = snapshot.read(path)
    assert state is not None
    detector = build(name)
    detector.restore(state)
    return detector


# -- every detector ---------------------------------------------------------------------------------------------------


@every_detector
def test_the_table_files_each_detector_under_its_own_name(name: str) -> None:
    assert DETECTORS[name].name == name


@every_detector
def test_a_restart_at_any_prefix_changes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_KEPT", 300)
    windows = shifting(name)
    whole = build(name)
    cuts: dict[int, bytes] = {}
    alarms: list[str] = []
    before: list[int] = []
    for number, window in enumerate(windows):
        if number % 32 == 0 or 99 < number < 106:
            cuts[number], before = state_bytes(whole, tmp_path), [*before, len(alarms)]
        alarms += [repr(alarm) for alarm in whole.observe(window, SHARE)]
    assert alarms, "a stream without an alarm proves nothing"
    for (cut, content), told in zip(cuts.items(), before, strict=True):
        other = restored(name, content, tmp_path)
        assert state_bytes(other, tmp_path) == content
        later = [repr(alarm) for _, alarm in follow(other, windows[cut:])]
        assert later == alarms[told:]
        assert state_bytes(other, tmp_path) == state_bytes(whole, tmp_path)


@every_detector
def test_series_batched_in_one_detector_and_each_in_its_own_say_the_same(name: str) -> None:
    windows = shifting(name, series=5)
    together: dict[int, list[str]] = defaultdict(list)
    for _, alarm in follow(build(name), windows):
        together[alarm.series // SERIES_METRICS].append(repr(alarm))
    assert together
    for number in range(5):
        alone = []
        detector = build(name)
        for window in windows:
            if number * SERIES_METRICS in window.series:
                alone += [repr(alarm) for alarm in detector.observe(_only(window, number), SHARE)]
        assert alone == together[number]


def _only(window: Observation, number: int) -> Observation:
    i = int(np.flatnonzero(window.series == number * SERIES_METRICS)[0])
    index, values, _ = window.cells
    return window_of(window.start, window.end - window.start, [number], [values[index == i]])


@every_detector
def test_memory_does_not_grow_with_the_stream(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_KEPT", 200)
    detector, rng = build(name), np.random.default_rng(5)
    sizes = []
    for number in range(1000):
        value = values_at(name, rng, levels_of(name)[0], 10)
        detector.observe(window_of(number * 10.0, 10.0, [0], [value]), SHARE)
        if number in {99, 999}:
            sizes.append(len(state_bytes(detector, tmp_path)))
    kept = 9 * (adapters._KEPT + 10) + 20 * (adapters._KEPT // 10 + 2)  # values of 9 bytes, windows of at most 20
    allowed = (
        kept + 100 if isinstance(detector, RiverDetector) else sizes[0] + 300
    )  # numbers take more bytes as they grow
    assert sizes[1] <= allowed, (
        f"{name}: {sizes[0]:,} bytes after 1,000 events, {sizes[1]:,} after 10,000, at most {allowed:,}"
    )


@every_detector
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["events", "sums", "squares", "raw", "since", "cells"])
def test_no_number_that_is_none_reaches_a_detector(name: str, wrong: float, column: str, tmp_path: Path) -> None:
    detector = build(name)
    good = shifting(name, before=20, after=0)
    follow(detector, good[:-1])
    before = state_bytes(detector, tmp_path)
    columns = {field: getattr(good[-1], field) for field in Observation.__dataclass_fields__}
    if column == "cells":
        index, values, counts = columns["cells"]
        columns["cells"] = (index, np.where(np.arange(len(values)) == 1, wrong, values), counts)
    else:
        columns[column] = np.r_[wrong, columns[column][1:]]
    with pytest.raises(ValueError, match=f"{column} must be"):
        detector.observe(Observation(**columns), SHARE)
    assert state_bytes(detector, tmp_path) == before


@every_detector
def test_no_page_before_the_strict_events(name: str) -> None:
    rng = np.random.default_rng(8)
    usual, up, down = levels_of(name)
    detector = build(name)
    seen = 0
    for number in range(STRICT // 10 - 1):
        level = (usual, up, down)[number // 7]
        alarms = detector.observe(window_of(number * 10.0, 10.0, [0], [values_at(name, rng, level, 10)]), SHARE)
        assert not [alarm for alarm in alarms if alarm.kind == "page"], f"{name} pages after {seen} events"
        seen += 10


# the delay after an abrupt change from the usual level up and down, in events, that each detector must keep
DELAYS = {
    "beta_binomial": (400, 600),
    "clipped_gaussian": (50, 50),
    "adwin": (100, 100),
    "page_hinkley": (100, 100),
    "kswin": (50, 50),
}


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in DETECTORS for seed in range(3 if name == "kswin" else 8)]
)
def test_a_declared_shift_is_found_in_time_and_its_time_lies_in_the_interval(name: str, seed: int) -> None:
    for level, direction, delay in zip(levels_of(name)[1:], ("up", "down"), DELAYS[name], strict=True):
        rng, changed_at = np.random.default_rng(seed), 4000.0
        found: list[Alarm] = []
        detector, began_anew = build(name), False
        for number in range(400 + delay // 10):
            values = values_at(name, rng, levels_of(name)[0] if number < 400 else level, 10)
            alarms = detector.observe(window_of(number * 10.0, 10.0, [0], [values]), SHARE)
            assert name not in BUDGETED or number >= 400 or not alarms, "nothing had changed yet"
            found += [alarm for alarm in alarms if number >= 400]
            began_anew |= 380 <= number <= 400 and any(alarm.direction != direction or number < 400 for alarm in alarms)
        if name not in BUDGETED:  # they send false alarms in between, as they say themselves, and then begin anew
            found = [alarm for alarm in found if alarm.direction == direction]
            if began_anew:
                continue
        assert [(alarm.kind, alarm.direction) for alarm in found[:1]] == [("page", direction)]
        assert found[0].changed_from <= changed_at <= found[0].changed_to
        assert found[0].changed_from <= found[0].changed_at <= found[0].changed_to
        assert (found[0].after.value > found[0].before.value) == (direction == "up")


@every_detector
def test_a_mirrored_stream_alarms_in_the_mirrored_direction(name: str) -> None:
    rng = np.random.default_rng(3)
    for sign, direction in ((1, "up"), (-1, "down")):
        detector = build(name)
        level = 0.5 if name == "beta_binomial" else 0.0
        step = 0.3 if name == "beta_binomial" else 1.2
        windows = [
            window_of(i * 10.0, 10.0, [0], [values_at(name, rng, level + (i >= 300) * sign * step, 10)])
            for i in range(340)
        ]
        found = [alarm.direction for end, alarm in follow(detector, windows) if end > 3000.0]
        assert found[:1] == [direction]


@every_detector
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_constant_series_is_silent(name: str, constant: float) -> None:
    windows = [window_of(i * 10.0, 10.0, [0], [np.full(10, constant)]) for i in range(600)]
    assert follow(build(name), windows) == []


@every_detector
def test_a_single_event_and_an_empty_window_are_silent(name: str) -> None:
    detector = build(name)
    empty = summary_of(0.0, 10.0, 0, [np.zeros(0)] * 3)
    windows = [empty, window_of(10.0, 10.0, [0], [np.ones(1)]), empty]
    assert follow(detector, windows) == []
    progress = detector.progress(0)
    assert progress is not None
    assert progress.changed_at is None
    assert detector.progress(SERIES_METRICS) is None
    assert detector.levels(SERIES_METRICS, 0.0) is None


@every_detector
def test_a_change_in_a_harmless_direction_is_a_notice(name: str) -> None:
    for harm, expected in (("up", {"up": "page", "down": "notice"}), ("none", {"up": "notice", "down": "notice"})):
        detector = build(name, harm=harm)
        found = [
            alarm for end, alarm in follow(detector, shifting(name, series=2, before=250, after=80)) if end > 2500.0
        ]
        kinds = {alarm.direction: alarm.kind for alarm in found[::-1] if alarm.kind != "recovered"}
        assert kinds == expected


@every_detector
def test_an_accepted_level_is_nothing_to_recover_from(name: str) -> None:
    rng = np.random.default_rng(4)
    usual, up, _ = levels_of(name)
    detector = build(name)
    detector.accept(0)  # nothing is known of the series: nothing happens
    windows = [
        window_of(i * 10.0, 10.0, [0], [values_at(name, rng, up if 300 <= i < 360 else usual, 10)]) for i in range(500)
    ]
    assert follow(detector, windows[:360])
    detector.accept(0)
    progress = detector.progress(0)
    assert progress is not None
    assert progress.changed_at is None
    assert "recovered" not in {alarm.kind for _, alarm in follow(detector, windows[360:])}


@every_detector
def test_an_alarm_explains_itself(name: str) -> None:
    for _, alarm in follow(build(name), shifting(name)):
        assert alarm.reason
        assert alarm.before.events > 0
        assert alarm.after.events > 0
        assert alarm.before.low <= alarm.before.value <= alarm.before.high
        assert alarm.after.low <= alarm.after.value <= alarm.after.high
        if name in BUDGETED:
            assert alarm.statistic >= alarm.threshold


@every_detector
def test_the_levels_before_and_since_a_time_are_those_of_the_traffic(name: str) -> None:
    rng = np.random.default_rng(2)
    usual = levels_of(name)[0]
    detector = build(name)
    values = [values_at(name, rng, usual, 10) for _ in range(30)]
    follow(detector, [window_of(i * 10.0, 10.0, [0], [value]) for i, value in enumerate(values)])
    assert detector.levels(0, 0.0) is None
    assert detector.levels(0, 1e9) is None
    levels = detector.levels(0, 150.0)
    assert levels is not None
    assert levels[0].events + levels[1].events == 300
    means = [np.mean(values[:15]), np.mean(values[15:])]
    expected = means if name == "beta_binomial" else np.exp(means)
    assert [level.value for level in levels] == pytest.approx(expected)


@every_detector
def test_the_docstring_says_what_it_cannot_do_where_it_comes_from_and_shows_it(name: str) -> None:
    doc = DETECTORS[name].__doc__ or ""
    for words in ("Cannot", "References", "Examples", ">>> "):
        assert words in doc, f"{name} does not say '{words}'"


# -- the budgeted detectors: false pages ------------------------------------------------------------------------------


class Null(NamedTuple):
    """Traffic in which nothing changes but what is allowed to."""

    name: str
    events: int  # of a series in a window of ten minutes
    series: int
    days: int
    draw: Callable[[np.random.Generator, float, tuple[int, int]], tuple[Floats, Floats, Floats]]


def rate(level: float, rho: float = 0.0, season: float = 0.0) -> Any:
    """Hits of a rate; `rho` clusters those of one window, `season` is the daily amplitude relative to the level."""

    def draw(rng: np.random.Generator, time: float, shape: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
        p = np.full(shape[0], level * (1 + season * math.sin(2 * math.pi * time / DAY)))
        if rho:
            p = rng.beta(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho)
        hits = rng.binomial(shape[1], p).astype(float)
        return hits, hits, hits

    return draw


def length(sd: float = 0.6, tail: int = 0, shared: float = 0.0, season: float = 0.0) -> Any:
    """Clipped logs; `tail` degrees of freedom of a t distribution, `shared` variance within a window."""

    def draw(rng: np.random.Generator, time: float, shape: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
        z = rng.standard_t(tail, shape) / math.sqrt(tail / (tail - 2)) if tail else rng.standard_normal(shape)
        z = z * math.sqrt(1 - shared) + rng.standard_normal((shape[0], 1)) * math.sqrt(shared)
        logs = 5 + sd * z + season * math.sin(2 * math.pi * time / DAY)
        clipped = np.clip(logs, 5 - 3.5 * sd, 5 + 3.5 * sd)
        return clipped.sum(axis=1), (clipped**2).sum(axis=1), logs.sum(axis=1)

    return draw


NULLS = {
    "independent": Null("beta_binomial", 20, 300, 5, rate(0.02)),
    "rare": Null("beta_binomial", 20, 300, 5, rate(0.001)),
    "season": Null("beta_binomial", 20, 300, 5, rate(0.02, season=0.5)),
    "season, much traffic": Null("beta_binomial", 300, 100, 5, rate(0.05, season=0.5)),
    "clusters": Null("beta_binomial", 20, 300, 5, rate(0.02, rho=0.05)),
    "clusters and season": Null("beta_binomial", 20, 300, 5, rate(0.02, rho=0.05, season=0.5)),
    "frequent clusters": Null("beta_binomial", 20, 300, 5, rate(0.2, rho=0.1)),
    "normal logs": Null("clipped_gaussian", 20, 200, 5, length()),
    "heavy tails": Null("clipped_gaussian", 20, 200, 5, length(tail=3)),
    "heavy tails and season": Null("clipped_gaussian", 20, 200, 5, length(tail=3, season=math.log(1.15))),
    "season of lengths, much traffic": Null("clipped_gaussian", 100, 60, 5, length(season=math.log(1.15))),
    "shared variance": Null("clipped_gaussian", 20, 200, 5, length(shared=0.1)),
}


def pages(null: Null, budgets: Sequence[float], seed: int = 11) -> list[int]:
    rng = np.random.default_rng(seed)
    detectors = [build(null.name) for _ in budgets]
    shares = [Share.of(budget, null.series) for budget in budgets]
    found = [0] * len(budgets)
    for number in range(null.days * 144):
        start = number * 600.0
        columns = null.draw(rng, start, (null.series, null.events))
        window = summary_of(start, 600.0, null.events, columns)
        for i, detector in enumerate(detectors):
            found[i] += sum(alarm.kind == "page" for alarm in detector.observe(window, shares[i]))
    return found


@pytest.mark.parametrize("null", NULLS)
def test_false_pages_stay_within_the_budget(null: str) -> None:
    for budget, found in zip((1.0, 10.0), pages(NULLS[null], (1.0, 10.0)), strict=True):
        assert found <= budget + 2 * math.sqrt(budget), f"{null}: {found} false pages on a budget of {budget:g}"


# -- the budgeted detectors: episodes ---------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a detector said of one series, and when."""

    hour: float
    alarm: Alarm

    @property
    def kind(self) -> str:
        return f"{self.alarm.kind} {self.alarm.direction}"


def watch(
    name: str,
    level: Callable[[float], float],
    hours: int,
    series: int = 20,
    events: int = 180,
    seed: int = 0,
    **changed: Any,
) -> list[list[Told]]:
    """Follow several series whose level is a function of the hour, in windows of half an hour."""
    rng, detector, share = np.random.default_rng(seed), build(name, **changed), Share.of(1.0, series)
    told: list[list[Told]] = [[] for _ in range(series)]
    for number in range(hours * 2):
        start = number * 1800.0
        if name == "beta_binomial":
            columns = rate(level(start / HOUR))(rng, start, (series, events))
        else:
            logs = rng.normal(level(start / HOUR), 0.6, (series, events))
            columns = logs.sum(axis=1), (logs**2).sum(axis=1), logs.sum(axis=1)
        for alarm in detector.observe(summary_of(start, 1800.0, events, columns), share):
            told[alarm.series // SERIES_METRICS].append(Told((start + 1800.0) / HOUR, alarm))
    return told


def mostly(told: Sequence[Sequence[Told]], kinds: Sequence[str]) -> list[Sequence[Told]]:
    """Return the series of which exactly this was said; at most two of twenty may have had bad luck."""
    found = [entries for entries in told if [entry.kind for entry in entries] == list(kinds)]
    others = Counter(tuple(entry.kind for entry in entries) for entries in told if entries not in found)
    assert len(found) >= 0.9 * len(told), f"{others} instead of {kinds}"
    return found


def between(usual: float, changed: float, start: float, end: float = math.inf) -> Callable[[float], float]:
    return lambda hour: changed if start <= hour < end else usual


def daily(hour: float) -> float:
    return 1 + 0.5 * math.sin(2 * math.pi * hour / 24)


RETURNS = {
    "a rate, on the first day": ("beta_binomial", 0.02, 0.08, 20, 28, 40),
    "a rate, for half an hour": ("beta_binomial", 0.02, 0.5, 20, 20.5, 30),
    "a rate, with a profile": ("beta_binomial", 0.02, 0.08, 120, 130, 150),
    "a rate that falls": ("beta_binomial", 0.3, 0.1, 80, 90, 110),
    "a length": ("clipped_gaussian", 5.0, 4.65, 40, 50, 70),
    "a length, with a profile": ("clipped_gaussian", 5.0, 5.35, 120, 130, 140),
}


@pytest.mark.parametrize("case", RETURNS)
def test_a_shift_and_its_return_are_one_page_and_one_recovery_of_it(case: str) -> None:
    name, usual, changed, start, end, hours = RETURNS[case]
    there, back = ("up", "down") if changed > usual else ("down", "up")
    told = watch(name, between(usual, changed, start, end), hours)
    for page, recovered in mostly(told, [f"page {there}", f"recovered {back}"]):
        assert recovered.alarm.opened_at == page.hour * HOUR
        assert start < page.hour <= end < recovered.hour
        assert recovered.alarm.before == page.alarm.before


def test_a_shift_at_the_daily_peak_and_its_return_are_one_page_and_one_recovery() -> None:
    """The new level is learned at hours that are not those of the return."""
    told = watch("beta_binomial", lambda h: 0.02 * daily(h) * (3 if 126 <= h < 132 else 1), 200, events=900)
    mostly(told, ["page up", "recovered down"])


WORSE = {
    "2, 6, 30 % within days": ("beta_binomial", (0.02, 0.06, 0.3), (40, 60), 100),
    "2, 6, 30 % with a profile": ("beta_binomial", (0.02, 0.06, 0.3), (128, 200), 240),
    "lengths": ("clipped_gaussian", (5.0, 5.3, 5.9), (40, 80), 120),
}


@pytest.mark.parametrize("case", WORSE)
def test_worsening_in_an_open_episode_is_a_second_page_and_no_third(case: str) -> None:
    name, levels, hours, end = WORSE[case]
    told = watch(name, lambda hour: levels[sum(hour >= at for at in hours)], end)
    for first, second in mostly(told, ["page up", "page up"]):
        assert hours[0] < first.hour <= hours[1] < second.hour <= hours[1] + 2
        assert second.alarm.changed_from <= hours[1] * HOUR <= second.alarm.changed_to


def test_worsening_recovers_with_every_alarm_of_the_episode() -> None:
    told = watch("beta_binomial", lambda h: 0.02 if h < 40 or h > 70 else 0.06 if h < 60 else 0.3, 90)
    for entries in mostly(told, ["page up", "page up", "recovered down", "recovered down"]):
        assert [entry.alarm.opened_at for entry in entries[2:]] == [entry.hour * HOUR for entry in entries[:2]]


LASTING = {
    "a rate, changed on the first day": ("beta_binomial", between(0.02, 0.08, 20), "up"),
    "a rate, changed after days": ("beta_binomial", between(0.02, 0.05, 127), "up"),
    "a rate with a season": ("beta_binomial", lambda hour: 0.05 * daily(hour) * (1 if hour < 127 else 3), "up"),
    "a rate with a season that falls at night": (
        "beta_binomial",
        lambda hour: 0.1 * daily(hour) * (1 if hour < 138 else 0.3),
        "down",
    ),
    "a length": ("clipped_gaussian", between(5.0, 4.65, 127), "down"),
    "a length with a season": ("clipped_gaussian", lambda hour: 5 + 0.2 * (daily(hour) - 1) + 0.5 * (hour > 126), "up"),
}


@pytest.mark.parametrize("case", LASTING)
def test_a_change_that_lasts_for_ten_days_is_told_once(case: str) -> None:
    name, level, direction = LASTING[case]
    told = watch(name, level, 370, seed=4, series=25)
    mostly(told, [f"page {direction}"])


@every_budgeted
def test_a_change_smaller_than_page_from_is_a_notice(name: str) -> None:
    usual, changed = (0.2, 0.4) if name == "beta_binomial" else (5.0, 5.4)
    for page_from, kind in ((math.log(10.0), "notice"), (0.1, "page")):
        told = watch(name, between(usual, changed, 40), 60, page_from=page_from)
        mostly(told, [f"{kind} up"])


@every_budgeted
def test_small_steps_add_up_to_a_page(name: str) -> None:
    levels = (0.1, 0.16, 0.25) if name == "beta_binomial" else (5.0, 5.25, 5.5)
    page_from = 0.8 if name == "beta_binomial" else 0.4
    steps = watch(name, lambda hour: levels[int(hour // 50)], 150, page_from=page_from, events=900)
    mostly(steps, ["notice up", "page up"])


@every_budgeted
def test_a_partial_return_of_a_metric_that_hurts_upwards_wakes_nobody(name: str) -> None:
    levels = (0.05, 0.4, 0.2) if name == "beta_binomial" else (5.0, 6.0, 5.5)
    told = watch(name, lambda hour: levels[int(hour // 40)], 120, harm="up")
    mostly(told, ["page up", "notice down"])


@every_budgeted
def test_a_day_that_was_only_partly_seen_says_nothing_about_the_wander(name: str) -> None:
    """Born at 18:00, changed within a day: neither may widen the band that hides further changes."""
    detector, rng = build(name), np.random.default_rng(6)
    for number in range(8 * 48):
        start = 18 * HOUR + number * 1800.0
        if name == "beta_binomial":
            columns = rate(0.02 * daily(start / HOUR) * (1 if number < 67 else 3))(rng, start, (20, 2000))
        else:
            logs = rng.normal(5 + 0.2 * daily(start / HOUR) + 0.5 * (number >= 67), 0.6, (20, 600))
            columns = logs.sum(axis=1), (logs**2).sum(axis=1), logs.sum(axis=1)
        events = 2000 if name == "beta_binomial" else 600
        detector.observe(summary_of(start, 1800.0, events, columns), SHARE)
    assert isinstance(detector, SequentialDetector)
    assert detector.baselines.days[:, 3].min() >= 5, "the wander is not estimated yet"
    assert detector.baselines.wander(np.arange(20)).max() < 0.25
