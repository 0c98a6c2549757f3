"""What else there is, event by event: river's detectors, FOCuS, a z-test, and the optimum that knows both levels.

One knob of each is turned until the run length is the wanted one: `python -m tests.scorecard tune` searches by
simulation and writes tuned.json; the scorecard measures with other seeds what it has got.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from changepoint_online import Bernoulli, Focus
from river import drift
from river.drift import kswin
from scipy import stats

from scorecard.ours import Delays
from scorecard.yardstick import Change, Measured, Shift, mean_of, run_length_of, share_of

__all__ = ["RIVALS", "Found", "Rival", "delays", "key", "oracle", "pages", "remember", "run_length", "tune", "tuned"]

Detect = Callable[[float], bool]  # takes an event, says whether it alarms
_TUNED = Path(__file__).with_name("tuned.json")
_OPTIMUM_LOOKS = 20_000  # events after which even the optimum has missed a change
_FEWEST = 6  # streams
_CLOSE = 0.1  # of the log of the run length: near enough


class Rival(NamedTuple):
    """A detector with one knob: the higher, the fewer alarms."""

    name: str
    make: Callable[[float], Detect]
    default: float | None  # of the knob, as its authors ship it
    range: tuple[float, float]  # in which the knob is searched
    parameter: Callable[[float], str]  # what its authors call the knob, at a value of it
    slow: int = 1  # streams are so many times fewer

    def streams(self, streams: int) -> int:
        return max(streams // self.slow, min(streams, _FEWEST))


def _river(make: Callable[[float], Any]) -> Callable[[float], Detect]:
    def made(knob: float) -> Detect:
        detector = make(knob)

        def detect(x: float) -> bool:
            detector.update(x)
            return bool(detector.drift_detected)

        return detect

    return made


def _focus(knob: float) -> Detect:
    detector = Focus(Bernoulli())

    def detect(x: float) -> bool:
        nonlocal detector
        detector.update(x)
        fired = bool(detector.statistic() >= knob)
        if fired:
            detector = Focus(Bernoulli())
        return fired

    return detect


@cache
def _kolmogorov(size: int, apart: int) -> tuple[float, float]:
    """Return distance and p-value of two samples of this size, one of which is so many values ahead somewhere."""
    found = stats.ks_2samp([0] * apart + [1] * (size - apart), [1] * size)
    return float(found.statistic), float(found.pvalue)


def _ks_2samp(first: list[float], second: list[float], method: str) -> tuple[float, float]:
    """Do what scipy's function of that name does for two samples of one size."""
    a, b = np.sort(first), np.sort(second)
    both = np.concatenate([a, b])
    ahead = np.searchsorted(a, both, "right") - np.searchsorted(b, both, "right")
    return _kolmogorov(len(a), int(np.abs(ahead).max()))


# KSWIN spends nine tenths of its time on a p-value that depends on one whole number; remembered, it is the same value.
vars(kswin)["stats"] = SimpleNamespace(ks_2samp=_ks_2samp)


class _ZTest:
    """Compares each hundred events with all that came before them."""

    def __init__(self, knob: float) -> None:
        self._knob, self._past, self._block = knob, [0.0, 0.0], [0.0, 0.0]

    def __call__(self, x: float) -> bool:
        self._block[0] += 1
        self._block[1] += x
        if self._block[0] < 100:
            return False
        (n, hits), (seen, before) = self._block, self._past
        self._block, self._past = [0.0, 0.0], [seen + n, before + hits]
        level = (before + 0.5) / (seen + 1)
        return seen >= 1000 and abs(hits - n * level) > self._knob * math.sqrt(n * level * (1 - level))


def _log(name: str) -> Callable[[float], str]:
    return lambda knob: f"{name} = {math.exp(-knob):.3g}"


def _plain(name: str) -> Callable[[float], str]:
    return lambda knob: f"{name} = {knob:.3g}"


def _hddm(kind: Any) -> Callable[[float], Detect]:
    return _river(lambda h: kind(drift_confidence=math.exp(-h), two_sided_test=True))


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("ADWIN", _river(lambda h: drift.ADWIN(delta=math.exp(-h))), -math.log(0.002), (-2, 30), _log("delta")),
        Rival("PageHinkley", _river(lambda h: drift.PageHinkley(threshold=h)), 50.0, (0.05, 5e4), _plain("threshold")),
        Rival(
            "KSWIN",
            _river(lambda h: drift.KSWIN(alpha=math.exp(-h), seed=1)),
            -math.log(0.005),
            (0.5, 40),
            _log("alpha"),
            slow=16,
        ),
        Rival("DDM", _river(lambda h: drift.binary.DDM(drift_threshold=h)), 3.0, (0.5, 100), _plain("drift_threshold")),
        Rival(
            "EDDM",
            _river(lambda h: drift.binary.EDDM(alpha=1.0, beta=math.exp(-h))),
            -math.log(0.9),
            (0.001, 10),
            _log("beta"),
        ),
        Rival("HDDM_A", _hddm(drift.binary.HDDMA), -math.log(0.001), (0.01, 60), _log("drift_confidence"), slow=8),
        Rival("HDDM_W", _hddm(drift.binary.HDDMW), -math.log(0.001), (0.01, 60), _log("drift_confidence"), slow=8),
        Rival("FOCuS", _focus, None, (3, 40), _plain("threshold"), slow=8),
        Rival("|z| of 100 events", _ZTest, 3.0, (1, 40), _plain("|z|")),
    )
}


# -- run length and delay ---------------------------------------------------------------------------------------------


def _first(detect: Detect, values: Iterable[float]) -> int | None:
    """Return how many of the values it takes to the first alarm."""
    return next((number for number, x in enumerate(values, 1) if detect(x)), None)


def _taught(rival: Rival, knob: float, values: Iterable[float]) -> Detect:
    """Return a detector that has seen these values; their alarms do not count."""
    detect = rival.make(knob)
    for x in values:
        detect(x)
    return detect


def run_length(
    rival: Rival, knob: float, change: Change | Shift, nominal: float, learned: int, runs: int, seed: int
) -> Measured:
    """Return the events to the first alarm where nothing changes, over `nominal`; at most 2 × nominal are seen."""
    rng, length, exposure, alarms = np.random.default_rng([31, seed]), int(2 * nominal), 0, 0
    for _ in range(runs):
        values = change.draw(rng, learned + length, False).tolist()
        at = _first(_taught(rival, knob, values[:learned]), values[learned:])
        exposure, alarms = exposure + (length if at is None else at), alarms + (at is not None)
    return run_length_of(exposure, alarms).scaled(1 / nominal)


def delays(rival: Rival, knob: float, change: Change | Shift, learned: int, runs: int, most: int) -> Delays:
    """Return how long a change takes to be found; a miss counts as `most`."""
    rng, found = np.random.default_rng(32), []
    for _ in range(runs):
        detect = _taught(rival, knob, change.draw(rng, learned, False).tolist())
        found.append(_first(detect, change.draw(rng, most, True).tolist()))
    values = [float(most if at is None else at) for at in found]
    return Delays(mean_of(values), share_of(sum(at is None for at in found), runs), 0)


def pages(rival: Rival, knob: float, streams: Iterator[list[int]], learned: int) -> int:
    """Return the alarms in streams after those events that only teach."""
    count = 0
    for events in streams:
        detect = _taught(rival, knob, events[:learned])
        count += sum(detect(x) for x in events[learned:])
    return count


def oracle(change: Change, nominal: float, runs: int) -> Delays:
    """Return the delays of Page's CUSUM that knows both rates, at the run length of Siegmund's formula."""
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        short = (math.exp(middle) - middle - 1) / change.divergences[0] < nominal
        low, high = (middle, high) if short else (low, middle)
    hit, miss = math.log(change.after / change.before), math.log((1 - change.after) / (1 - change.before))
    rng, score, found = np.random.default_rng(33), np.zeros(runs), np.full(runs, float(_OPTIMUM_LOOKS))
    for at in range(-2000, _OPTIMUM_LOOKS):
        rate = change.before if at < 0 else change.after
        score = np.maximum(score + np.where(rng.random(runs) < rate, hit, miss), 0)
        score[score >= high] *= at >= 0  # before the change it begins anew
        found = np.where((score >= high) & (found == _OPTIMUM_LOOKS), at + 1, found)
        if at >= 0 and found.max() < _OPTIMUM_LOOKS:
            break
    return Delays(mean_of(found.tolist()), share_of(int((found == _OPTIMUM_LOOKS).sum()), runs), 0)


# -- tuning -----------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A knob, and how it was found."""

    knob: float
    parameter: str  # in its authors' words
    run_length: float | None  # realised over wanted, on the streams that it was tuned on; None without any alarm
    streams: int


def tune(name: str, change: Change | Shift, nominal: float, learned: int, runs: int, steps: int = 8) -> Found:
    """Return the knob at which the run length is the wanted one, by bisection."""
    rival, nearest = RIVALS[name], math.inf
    low, high = rival.range
    best = Found(low, rival.parameter(low), None, runs)
    for _ in range(steps):
        knob = math.sqrt(low * high) if low > 0 else (low + high) / 2
        value = run_length(rival, knob, change, nominal, learned, runs, seed=1).value
        if abs(math.log(value)) < nearest:
            best, nearest = Found(knob, rival.parameter(knob), value, runs), abs(math.log(value))
        if nearest < _CLOSE:
            break
        low, high = (knob, high) if value < 1 else (low, knob)
    return best


@cache
def tuned() -> dict[str, Found]:
    """Return the knobs that `tune` has found, by name, traffic and run length."""
    known = json.loads(_TUNED.read_text()) if _TUNED.exists() else {}
    return {name: Found(**found) for name, found in known.items()}


def key(rival: Rival, change: Change | Shift, nominal: float) -> str:
    return f"{rival.name}, {change.usual}, run length {nominal:g}"


def remember(found: dict[str, Found]) -> None:
    """Write the knobs, those of before included."""
    tuned.cache_clear()
    known = {name: each._asdict() for name, each in sorted((tuned() | found).items())}
    _TUNED.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    tuned.cache_clear()
