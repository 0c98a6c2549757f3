"""river's detectors as detectors of this system: what is fed, kept and said."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.drift import adapters
from undertow.drift.adapters import River, RiverDetector
from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation, SeriesSettings

SHARE = Share.of(1.0, 64)


class _Ninth:
    """Alarms with the ninth value, and remembers what it was fed."""

    def __init__(self) -> None:
        self.fed: list[float] = []

    @property
    def drift_detected(self) -> bool:
        return len(self.fed) == 9

    def update(self, x: float) -> None:
        self.fed.append(x)


class Ninth(RiverDetector):
    name = "ninth"

    def _make(self) -> River:
        return _Ninth()


class Never(Ninth):
    def _make(self) -> River:
        river = _Ninth()
        river.fed = [0.0] * 10
        return river


def settings(**changed: object) -> dict[int, SeriesSettings]:
    values = {"band": 0.1, "page_from": 0.2, "season": 0.4, "harm": "both", "scale": "share"}
    return {0: SeriesSettings(**{**values, **changed})}  # type: ignore[arg-type]


def window(start: float, values: list[float]) -> Observation:
    array, one = np.array(values), np.ones(1)
    cells = (np.zeros(len(array), np.int64), array, np.ones(len(array), np.int64))
    sums = one * array.sum()
    return Observation(start, start + 10, np.array([0]), one * len(array), sums, sums, sums, one * start, cells)


def alarms(detector: RiverDetector, *windows: list[float]) -> list[Alarm]:
    return [alarm for i, values in enumerate(windows) for alarm in detector.observe(window(i * 10.0, values), SHARE)]


def test_an_alarm_tells_the_levels_before_and_after_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_RECENT", 4)
    detector = Ninth(settings(), 2000, 5)
    (alarm,) = alarms(detector, [0.0] * 5, [1.0] * 4, [1.0] * 8)
    assert (alarm.kind, alarm.direction) == ("page", "up")
    assert (alarm.before.value, alarm.before.events) == (0.0, 5)
    assert (alarm.after.value, alarm.after.events) == (1.0, 4)
    assert (alarm.changed_from, alarm.changed_at, alarm.changed_to) == (0.0, 10.0, 20.0)


@pytest.mark.parametrize(("harm", "kind"), [("both", "page"), ("up", "page"), ("down", "notice"), ("none", "notice")])
def test_only_a_harmful_direction_is_a_page(harm: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_RECENT", 4)
    assert [alarm.kind for alarm in alarms(Ninth(settings(harm=harm), 2000, 5), [0.0] * 5, [1.0] * 4)] == [kind]


def test_before_the_strict_events_an_alarm_is_a_notice_and_the_count_outlives_it() -> None:
    found = alarms(Ninth(settings(), 2000, 10), [0.0] * 5, [1.0] * 4, [1.0] * 5, [0.0] * 4)
    assert [alarm.kind for alarm in found] == ["notice", "page"]


def test_a_level_of_logarithms_is_told_in_the_metrics_own_unit() -> None:
    detector = Never(settings(scale="log"), 2000, 5)
    alarms(detector, [0.0] * 20, list(np.log([2.0, 8.0])))
    levels = detector.levels(0, 10.0)
    assert levels is not None
    assert [level.value for level in levels] == pytest.approx([1.0, 4.0])
    rates = Never(settings(), 2000, 5)
    alarms(rates, [0.0] * 20, [1.0, 1.0, 0.0, 1.0])
    levels = rates.levels(0, 10.0)
    assert levels is not None
    assert [level.value for level in levels] == [0.0, 0.75]


def test_levels_that_are_not_known_are_none() -> None:
    detector = Never(settings(), 2000, 5)
    alarms(detector, [0.0] * 20)
    assert detector.levels(0, 0.0) is None
    assert detector.levels(0, 100.0) is None
    assert detector.levels(7, 5.0) is None


def test_the_older_half_is_forgotten_when_the_values_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_KEPT", 40)
    detector = Never(settings(), 2000, 5)
    for i in range(30):
        detector.observe(window(i * 10.0, [float(i % 2)] * 5), SHARE)
        fed = detector.snapshot()["fed"]["0"]
        assert len(fed["values"]) <= 44
        assert sum(count for _, count in fed["windows"]) == len(fed["values"])
    progress = detector.progress(0)
    assert progress is not None
    assert progress.learned == 150


def test_the_values_of_a_window_come_in_an_order_that_depends_on_its_time_alone() -> None:
    def order(start: float, series: int) -> list[float]:
        detector = Never(settings(), 2000, 5)
        values: NDArray[np.float64] = np.arange(20.0)
        base = window(start, values.tolist())
        detector.observe(dataclasses.replace(base, series=np.array([series])), SHARE)
        return detector.snapshot()["fed"][str(series)]["values"]  # type: ignore[no-any-return]

    assert order(10.0, 0) == order(10.0, 2048) != order(20.0, 0)
    assert sorted(order(10.0, 0)) == list(range(20))
    assert order(-10.0, 0), "before 1970 there was time, too"
