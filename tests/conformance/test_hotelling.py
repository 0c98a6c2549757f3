"""The detector of embeddings: what every detector must hold to, and the episodes of centroids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from undertow.drift.bases import Basis
from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.detectors import hotelling
from undertow.drift.detectors.hotelling import Hotelling
from undertow.drift.scatter import BANDS, SCATTER, factors, faded, note, persistence, unevenness
from undertow.drift.statistics.covariance import shrunk_eigenvalues
from undertow.drift.statistics.spheres import log_shift_likelihood
from undertow.drift.vector_profiles import VectorProfile
from undertow.pipelines import snapshot
from undertow.pipelines.embedders import static

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rng = np.random.Generator

DAY, SERIES = 86_400.0, 1024  # numbers of series are this far apart
SETTINGS = {"band": 0.1, "page_from": 0.25, "season": 0.25, "harm": "both"}
SHARE = Share.of(1.0, 64)
TOPICS = 20
USUAL = np.ones(TOPICS)
NEW = np.where(np.arange(TOPICS) < 6, 0.0, 1.0)  # topics 0 to 5 have never been seen …
CHANGED = np.where(np.arange(TOPICS) < 6, 1.0, 1.0)  # … and then take three events of ten
MORE = np.where(np.arange(TOPICS) < 2, 16.0, 1.0)  # two topics take most of the traffic


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def build(**changed: Any) -> Hotelling:
    return Hotelling({0: SeriesSettings(**{**SETTINGS, **changed})}, 2000, 200)


_CENTRES = np.random.default_rng(0).standard_normal((TOPICS, 256)) / 16


def vectors(rng: Rng, topics: Ints) -> Ints:
    """Return vectors about these topics, in steps of 1/4096."""
    near = _CENTRES[topics] + rng.standard_normal((len(topics), 256)) / 16 * (1 + np.arange(256)) ** -0.3
    steps: Ints = np.rint(4096 * near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.int64)
    return steps


def drawn(rng: Rng, weights: Floats, events: int = 10) -> Ints:
    return vectors(rng, rng.choice(TOPICS, events, p=weights / weights.sum()))


def window_of(start: float, seen: dict[int, Ints], width: float = 10.0) -> Observation:
    """Return the window in which each series, by its number, saw these vectors."""
    nothing = np.zeros(len(seen))
    sums = np.array([mine.sum(axis=0) for mine in seen.values()]).reshape(-1)
    cells = np.repeat(np.arange(len(seen)), 256), np.tile(np.arange(256.0), len(seen)), sums.astype(np.int64)
    events = np.array([float(len(mine)) for mine in seen.values()])
    numbers = np.array(list(seen), np.int64) * SERIES
    return Observation(start, start + width, numbers, events, nothing, nothing, nothing, nothing + start, cells)


def stream(plan: Sequence[tuple[Floats, int]], seed: int = 1, width: float = 10.0) -> Iterator[Observation]:
    """Yield windows of ten events of one series: of these topics, so many windows."""
    rng, number = np.random.default_rng(seed), 0
    for weights, windows in plan:
        for _ in range(windows):
            yield window_of(number * width, {0: drawn(rng, weights)}, width)
            number += 1


def follow(detector: Hotelling, windows: Iterator[Observation] | Sequence[Observation]) -> list[Alarm]:
    return [alarm for window in windows for alarm in detector.observe(window, SHARE)]


def kinds(alarms: Sequence[Alarm]) -> list[str]:
    return [alarm.kind for alarm in alarms]


def state_bytes(detector: Hotelling, folder: Path) -> bytes:
    snapshot.write(folder / "state", detector.snapshot())
    return (folder / "state").read_bytes()


def restored(content: bytes, folder: Path) -> Hotelling:
    (folder / "state").write_bytes(content)
    state = snapshot.read(folder / "state")
    assert state is not None
    detector = build()
    detector.restore(state)
    return detector


# -- what every detector must hold to ---------------------------------------------------------------------------------


def test_a_restart_at_any_prefix_changes_nothing(tmp_path: Path) -> None:
    windows = list(stream([(NEW, 200), (CHANGED, 120), (NEW, 200)]))
    whole, alarms = build(), list[str]()
    cuts: dict[int, tuple[bytes, int]] = {}
    for number, window in enumerate(windows):
        if number % 80 == 3:
            cuts[number] = state_bytes(whole, tmp_path), len(alarms)
        alarms += [repr(alarm) for alarm in whole.observe(window, SHARE)]
    assert len(alarms) >= 2, "a stream without a change and its return proves little"
    for cut, (content, told) in cuts.items():
        other = restored(content, tmp_path)
        assert state_bytes(other, tmp_path) == content
        assert [repr(alarm) for alarm in follow(other, windows[cut:])] == alarms[told:]
        assert state_bytes(other, tmp_path) == state_bytes(whole, tmp_path)


def test_series_batched_in_one_detector_and_each_in_its_own_say_the_same() -> None:
    rng = np.random.default_rng(2)
    streams = [
        {i: drawn(rng, MORE if number > 250 + 20 * i else USUAL) for i in range(4) if rng.random() < 0.9}
        for number in range(400)
    ]
    together = follow(build(), [window_of(n * 10.0, seen) for n, seen in enumerate(streams) if seen])
    assert {alarm.series for alarm in together} == {i * SERIES for i in range(4)}
    for i in range(4):
        alone = follow(build(), [window_of(n * 10.0, {i: seen[i]}) for n, seen in enumerate(streams) if i in seen])
        assert [repr(alarm) for alarm in alone] == [repr(a) for a in together if a.series == i * SERIES]


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    detector, sizes = build(), []
    for number, window in enumerate(stream([(USUAL, 1500)])):
        detector.observe(window, SHARE)
        if number in {749, 1499}:  # all directions are known from 640 windows on
            sizes.append(len(state_bytes(detector, tmp_path)))
    assert sizes[1] <= sizes[0] + 300
    assert sizes[1] < 900_000


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0, 256.0, 0.5])
def test_a_strange_coordinate_is_refused_and_changes_nothing(wrong: float, tmp_path: Path) -> None:
    detector = build()
    windows = list(stream([(USUAL, 30)]))
    follow(detector, windows[:-1])
    before = state_bytes(detector, tmp_path)
    columns = {field: getattr(windows[-1], field) for field in Observation.__dataclass_fields__}
    index, coordinates, sums = columns["cells"]
    columns["cells"] = index, np.where(coordinates == 7, wrong, coordinates), sums
    with pytest.raises(ValueError, match=r"cells must be finite|coordinates 0 to 255"):
        detector.observe(Observation(**columns), SHARE)
    assert state_bytes(detector, tmp_path) == before


def test_no_page_before_the_strict_events() -> None:
    assert follow(build(), stream([(NEW, 7), (MORE, 6), (CHANGED, 6)])) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("before", "after", "delay"), [(NEW, CHANGED, 400), (USUAL, MORE, 150)])
def test_a_declared_shift_is_found_in_time_and_its_time_lies_in_the_interval(
    before: Floats, after: Floats, delay: int, seed: int
) -> None:
    alarms = follow(build(), stream([(before, 700), (after, delay // 10)], seed))
    assert kinds(alarms) == ["page"]
    assert alarms[0].changed_from <= 7000.0 <= alarms[0].changed_to
    assert alarms[0].changed_from <= alarms[0].changed_at <= alarms[0].changed_to
    assert alarms[0].after.value > alarms[0].before.value
    assert alarms[0].statistic >= alarms[0].threshold


def test_an_alarm_explains_itself() -> None:
    (alarm,) = follow(build(), stream([(USUAL, 300), (MORE, 40)]))
    assert alarm.direction == "shift"
    for said in ("standard deviations", "cosine distance", f"of {alarm.threshold:.1f} needed", str(alarm.events)):
        assert said in alarm.reason
    for level in (alarm.before, alarm.after):
        assert 0 <= level.low <= level.value <= level.high <= 2
        assert level.events > 0
    assert type(alarm.before.value) is type(alarm.after.low) is float


def test_the_cosine_distance_is_that_of_the_centroids() -> None:
    rng = np.random.default_rng(5)
    mixes = [np.tile(vectors(rng, rng.choice(TOPICS, 5000, p=w / w.sum())), 1) for w in (USUAL, MORE)]
    usual, more = (vectors_.mean(axis=0) for vectors_ in mixes)
    truth = 1 - usual @ more / np.linalg.norm(usual) / np.linalg.norm(more)
    alarms = follow(build(), stream([(USUAL, 300), (MORE, 40)]))
    assert alarms[0].after.low <= truth <= alarms[0].after.high


@pytest.mark.parametrize("topics", [np.zeros(10, np.int64), np.arange(10)])
def test_a_constant_series_is_silent(topics: Ints) -> None:
    same = vectors(np.random.default_rng(3), topics)
    assert follow(build(), [window_of(n * 10.0, {0: same}) for n in range(700)]) == []


def test_a_single_event_and_an_empty_window_are_silent() -> None:
    detector, rng = build(), np.random.default_rng(3)
    windows = [
        window_of(0.0, {}),
        window_of(10.0, {0: drawn(rng, USUAL, 1)}),
        window_of(20.0, {0: drawn(rng, USUAL, 0)}),
    ]
    assert follow(detector, windows) == []
    progress = detector.progress(0)
    assert progress is not None
    assert (progress.learned, progress.strict_at, progress.pages_at, progress.changed_at) == (1, 200, 2000, None)
    assert detector.progress(SERIES) is None
    assert detector.levels(SERIES, 0.0) is None
    assert detector.pageable(0.0).tolist() == []


def test_windows_of_one_vector_find_the_shift_too() -> None:
    rng, detector = np.random.default_rng(4), build()
    alarms = follow(
        detector, [window_of(n * 60.0, {0: drawn(rng, MORE if n > 1500 else USUAL, 1)}) for n in range(1800)]
    )
    assert kinds(alarms) == ["page"]
    assert alarms[0].changed_from <= 1500 * 60.0 <= alarms[0].changed_to
    assert detector.pageable(0.0).tolist() == [0]


def test_a_harmless_metric_is_never_paged() -> None:
    assert kinds(follow(build(harm="none"), stream([(USUAL, 300), (MORE, 40)]))) == ["notice"]


def test_a_change_smaller_than_page_from_is_a_notice() -> None:
    assert kinds(follow(build(page_from=20.0), stream([(USUAL, 300), (MORE, 40)]))) == ["notice"]


def test_the_levels_before_and_since_a_time_are_those_of_the_traffic() -> None:
    detector = build()
    follow(detector, stream([(USUAL, 75)]))
    assert detector.levels(0, 0.0) is None
    assert detector.levels(0, 1e9) is None
    levels = detector.levels(0, 450.0)
    assert levels is not None
    assert levels[1].events == 300  # a level of distances rests on what is compared with the rest
    assert levels[0].events + levels[1].events == 750
    assert levels[0].low <= levels[1].value <= 2 * levels[0].high, "nothing has changed"


def test_series_beyond_the_limit_are_counted_and_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hotelling, "_SERIES_LIMIT", 2)
    rng, detector = np.random.default_rng(3), build()
    follow(detector, [window_of(n * 10.0, {i: drawn(rng, USUAL) for i in (4, 7, 9)}) for n in range(3)])
    assert detector.unfollowed == {9 * SERIES}
    assert detector.progress(9 * SERIES) is None
    assert set(detector.snapshot()["series"]) == {str(4 * SERIES), str(7 * SERIES)}


def test_the_docstring_says_what_it_cannot_do_where_it_comes_from_and_shows_it() -> None:
    doc = Hotelling.__doc__ or ""
    assert all(words in doc for words in ("Cannot", "References", "Examples", ">>> "))


# -- episodes ---------------------------------------------------------------------------------------------------------


def test_a_shift_and_its_return_are_one_page_and_one_recovery_of_it() -> None:
    detector = build()
    told = [
        (w.end, alarm) for w in stream([(USUAL, 300), (MORE, 60), (USUAL, 200)]) for alarm in detector.observe(w, SHARE)
    ]
    assert [alarm.kind for _, alarm in told] == ["page", "recovered"]
    (paged, page), (_, recovered) = told
    assert recovered.opened_at == paged
    assert recovered.before == page.before
    assert 3600.0 < recovered.changed_at <= 5000.0
    progress = detector.progress(0)
    assert progress is not None
    assert progress.changed_at is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("before", "after"), [(USUAL, MORE), (NEW, CHANGED)])
def test_a_change_that_lasts_is_told_once(before: Floats, after: Floats, seed: int) -> None:
    """The new centroid is first known from few vectors, which lie far from it along what is new."""
    detector = build()
    assert kinds(follow(detector, stream([(before, 400), (after, 300)], seed))) == ["page"]
    progress = detector.progress(0)
    assert progress is not None
    assert progress.changed_at is not None
    assert 3900.0 <= progress.changed_at <= 4100.0


def test_worsening_in_an_open_episode_is_a_second_page_and_both_recover() -> None:
    worse = np.where(np.arange(TOPICS) > 17, 100.0, 1.0)
    detector = build()
    alarms = follow(detector, stream([(USUAL, 300), (MORE, 200), (worse, 100), (USUAL, 300)]))
    assert kinds(alarms) == ["page", "page", "recovered", "recovered"]
    assert alarms[1].changed_from <= 5000.0 <= alarms[1].changed_to
    assert alarms[2].opened_at < alarms[3].opened_at


def test_an_accepted_level_is_nothing_to_recover_from() -> None:
    detector = build()
    detector.accept(0)  # nothing is known of the series: nothing happens
    windows = list(stream([(USUAL, 300), (MORE, 100), (USUAL, 100)]))
    assert kinds(follow(detector, windows[:400])) == ["page"]
    detector.accept(0)
    progress = detector.progress(0)
    assert progress is not None
    assert progress.changed_at is None
    assert "recovered" not in kinds(follow(detector, windows[400:]))


# -- traffic in which nothing changes but what is allowed to ----------------------------------------------------------


def daily(rng: Rng, start: float) -> Ints:
    swing = 0.4 * np.sin(2 * np.pi * start / DAY) * np.where(np.arange(TOPICS) < 10, 1, -1)
    return drawn(rng, 1 + swing, 20)


def in_sessions(rng: Rng, start: float) -> Ints:
    return vectors(rng, np.repeat(rng.integers(TOPICS, size=4), 5))


def in_bursts(rng: Rng, start: float) -> Ints:
    """Retries: one window in twenty ends with one input sent up to a hundred times."""
    usual = drawn(rng, USUAL, 20)
    return (
        np.concatenate([usual, np.repeat(usual[-1:], rng.integers(20, 100), axis=0)]) if rng.random() < 0.05 else usual
    )


NULLS: dict[str, Callable[[Rng, float], Ints]] = {
    "independent": lambda rng, start: drawn(rng, USUAL, 20),
    "one prompt and some others": lambda rng, start: vectors(rng, np.where(rng.random(20) < 0.9, 0, 7)),
    "season": daily,
    "sessions": in_sessions,
    "bursts": in_bursts,
}


@pytest.mark.parametrize("null", NULLS)
def test_false_pages_stay_within_the_budget(null: str) -> None:
    """At ten pages a week over eight series, four of them may bring about three in four days; most bring none."""
    found = 0
    for seed in range(4):
        detector, rng = build(), np.random.default_rng([7, seed])
        for start in np.arange(0.0, 4 * DAY, 1200.0).tolist():
            window = window_of(start, {0: NULLS[null](rng, start)}, 1200.0)
            found += sum(alarm.kind == "page" for alarm in detector.observe(window, Share(10 / 8)))
    assert found <= 2


def test_a_change_is_found_on_top_of_a_daily_profile() -> None:
    rng, detector = np.random.default_rng(9), build()
    told = []
    for start in np.arange(0.0, 5.5 * DAY, 600.0).tolist():
        seen = drawn(rng, MORE, 20) if start >= 5.2 * DAY else daily(rng, start)
        told += [(start, alarm.kind) for alarm in detector.observe(window_of(start, {0: seen}, 600.0), SHARE)]
    assert [kind for _, kind in told] == ["page"]
    assert 5.2 * DAY <= told[0][0] <= 5.2 * DAY + 7200


def test_the_embedder_that_ships_and_the_detector_find_a_change_of_topic() -> None:
    asked = {
        "money": ("freeze my bank account", "why was my card declined", "transfer money to savings", "pay the bill"),
        "travel": ("book a flight to rome", "do i need a visa", "lost luggage at the airport", "hotel near the beach"),
        "home": ("turn off the lights", "play some music", "add milk to the shopping list", "set a reminder"),
    }
    table = {topic: np.rint(static().embed(texts) * 4096).astype(np.int64) for topic, texts in asked.items()}
    rng, detector = np.random.default_rng(6), build()

    def said(topics: Sequence[str]) -> Ints:
        return np.array([table[topic][rng.integers(4)] for topic in rng.choice(topics, 10)])

    windows = [window_of(n * 10.0, {0: said(["money", "travel"] if n < 300 else list(asked))}) for n in range(320)]
    (alarm,) = follow(detector, windows)
    assert (alarm.kind, alarm.changed_from <= 3000.0 <= alarm.changed_to) == ("page", True)


# -- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [4, 8, 128, 256])
def test_the_likelihood_of_a_shift_is_the_mean_over_all_directions(dimensions: int) -> None:
    distance, length = np.meshgrid([0.0, 2.0, 10.0, 30.0], [0.5, 4.0, 20.0])
    expected = np.log(special.hyp0f1(dimensions / 2, (distance * length) ** 2 / 4)) - length**2 / 2
    found = log_shift_likelihood(distance, length, np.full(distance.shape, float(dimensions)))
    np.testing.assert_allclose(found, expected, atol=0.005 if dimensions == 4 else 0.001)


def test_shrunk_eigenvalues_are_nearer_to_the_truth_and_keep_the_trace() -> None:
    rng, truth = np.random.default_rng(1), np.r_[np.full(40, 1.0), np.full(40, 4.0)]
    values, directions = np.linalg.eigh(np.cov(rng.standard_normal((80, 160)) * np.sqrt(truth)[:, None]))
    best = np.einsum("ij,i,ij->j", directions, truth, directions)  # what new samples vary along the directions found
    shrunk = shrunk_eigenvalues(values, 160)
    assert shrunk.sum() == pytest.approx(values.sum())
    assert np.abs(np.log(shrunk / best)).mean() < 0.2 * np.abs(np.log(values / best)).mean()


def test_a_basis_learns_the_variances_of_one_event_from_blocks_of_any_size() -> None:
    rng, truth, basis = np.random.default_rng(1), 1.0 / np.arange(1, 257), Basis()
    for number in range(3000):
        events = 5.0 + number % 9
        basis.learn(events, events * 0.3 + rng.standard_normal(256) * np.sqrt(truth * events))
    fresh = rng.standard_normal((4000, 256)) * np.sqrt(truth)
    white = (fresh @ basis.directions).var(axis=0)
    assert white.shape == (256,)
    assert 0.9 < white[:8].mean() < 1.1
    assert 0.9 < white[8:128].mean() < 1.1
    assert basis.total == pytest.approx(truth.sum(), rel=0.05)


def scatter_of(blocks: Floats, long: Floats) -> Floats:
    row = np.zeros(SCATTER)
    for scale, measured in enumerate((blocks, long)):
        for one in measured:
            note(row, scale, np.full(len(BANDS), one))
    return row


def test_the_clustering_that_counts_is_the_larger_of_both_scales_and_never_below_one() -> None:
    quiet, lasting = (scatter_of(np.full(400, 0.5 + half), np.full(100, 1.5 + half)) for half in (0.0, 0.5))
    assert factors(scatter_of(np.full(400, 0.5), np.full(100, 0.5))[None], 0.0).tolist() == [[1.0] * 4]
    assert factors(quiet[None], 0.0)[0] == pytest.approx(1.5, abs=0.05)
    assert (factors(lasting[None], 3.0) >= factors(lasting[None], 0.0)).all()
    assert factors(faded(quiet, 16.0)[None], 0.0)[0] == pytest.approx(1.4, abs=0.05)
    short = scatter_of(np.full(400, 1.5), np.full(100, 1.0))
    assert (factors(faded(short, 16.0)[None], 3.0) > factors(short[None], 3.0) + 0.2).all()
    assert persistence(lasting) > persistence(scatter_of(np.full(400, 1.0), np.full(100, 1.0))) == 25.0


def test_scatter_that_jumps_is_shared_by_few_directions() -> None:
    rng = np.random.default_rng(2)
    even, jumping = (scatter_of(rng.chisquare(k, 4000) / k, np.ones(1)) for k in (8, 1))
    first = [unevenness(row[None], 1e9)[0, 0] for row in (even, jumping)]
    assert first == pytest.approx([1.0, 8.0], rel=0.15)
    assert unevenness(even[None], 128.0)[0, 2] >= 2.0  # 128 directions from as many blocks


def test_the_daily_profile_is_that_of_the_traffic_and_none_where_there_is_none() -> None:
    for amplitude in (0.0, 0.5):
        rng, basis, profile = np.random.default_rng(3), Basis(), VectorProfile(0.0)
        for start in np.arange(0.0, 4 * DAY, 600.0).tolist():
            season = amplitude * np.sin(2 * np.pi * (start + 300) / DAY) * (np.arange(256) == 5)
            total = 20 * season + rng.standard_normal(256) * np.sqrt(20)
            basis.learn(20.0, total)
            profile.record(start, 20.0, total)
        assert profile.fit(basis, np.ones(len(basis.variances)))
        assert profile.season(6 * 3600.0)[5] == pytest.approx(amplitude, abs=0.15)
        assert profile.season(18 * 3600.0)[5] == pytest.approx(-amplitude, abs=0.15)
        assert profile.mean_season(0.0, DAY)[5] == pytest.approx(0.0, abs=0.05)
    assert (profile.is_due(3 * DAY), profile.is_due(3 * DAY - 1)) == (True, False)
    assert profile.unknown(3 * DAY) == 0.0
