"""Real data: what must stay silent, and the public benchmarks TCPD and NAB, run as they are."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench import hotelling

from scorecard import ours
from scorecard.ours import LENGTH, RATE, Kind, Watch
from scorecard.rivals import RIVALS
from scorecard.section import Goal, Row, Section, Size
from scorecard.traffic import WEEK, Floats, Ints, LengthTraffic, RateTraffic, Rng, binned, steady
from scorecard.yardstick import rate_of
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.detector import SeriesSettings

__all__ = ["sections"]

_SCORE = SeriesSettings(0.1, 0.25, 0.5, "both", "standard")  # a metric of the user's own
_KNOWN = 200  # values that a scale is taken from
_CLIP = 10.0
_STEP = 300.0  # seconds from a value to the next


def sections(size: Size, data: Path) -> list[Section]:
    return [_silent(size, data), _tcpd(data), _nab(data)]


# -- nothing changes --------------------------------------------------------------------------------------------------


class Resampled(LengthTraffic):
    """Logs drawn with replacement from real ones: independent by construction, whatever they are cut into."""

    def __init__(self, pool: Floats) -> None:
        self._pool = pool
        low, middle, high = np.quantile(pool, [0.16, 0.5, 0.84])
        self._clip = middle - 1.75 * (high - low), middle + 1.75 * (high - low)
        self.volume = steady

    def logs(self, rng: Rng, at: float, events: Ints, shift: float = 0.0) -> Floats:
        size = (len(events), int(events.max(initial=0)))
        drawn = binned(np.clip(rng.choice(self._pool, size), *self._clip))
        return np.where(np.arange(size[1]) < events[:, None], drawn, np.nan)


def _silent(size: Size, data: Path) -> Section:
    jobs: list[Any] = [
        partial(_march_row, data, task, size) for task in ("sensitiveq", "leetcode_easy", "prime", "happy_number")
    ]
    jobs += [partial(_refusal_row, data, size)]
    jobs += [partial(_arena_row, data, model, size) for model in ("gpt-4-0314", "gpt-3.5-turbo-1106")]
    if not size.quick:
        jobs.append(partial(_clinc_row, size))
    return Section(
        "real nulls",
        "False pages of real answers and queries",
        "20,000 events a week drawn with replacement (so independent by construction: these are tests of shape, not of "
        "dependence, which NAB below and the simulations above are for), 3.5 days known; pages in 1,000 series-weeks "
        "at a "
        "budget of 10.",
        ("data", "what is followed", "series", "pages on a budget of 10"),
        jobs,
        lambda rows: [
            Goal(
                "false pages on a budget of 10, real answers and queries: the worst",
                16.3,
                max(row.data["pages"] for row in rows),
            )
        ],
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


def _march(data: Path, task: str) -> list[dict[str, Any]]:
    rows = _rows(next((data / "llmdrift").glob(f"{task}.jsonl*")))
    return [row for row in rows if row["model"] == "gpt-3.5-turbo-0301"]


def _silent_row(name: str, what: str, kind: Kind, traffic: LengthTraffic | RateTraffic, size: Size) -> list[Row]:
    series = max(size.series // 4, 5)
    count = ours.false_pages(kind, lambda: traffic, 20_000.0, series, [10.0 / 1000], 3.5, size.watched)[0]
    pages = rate_of(count, series / 1000 * size.watched / 7)
    return [Row([name, what, f"{series:,}", str(pages)], {"pages": pages})]


def _march_row(data: Path, task: str, size: Size) -> list[Row]:
    logs = np.log([max(len(row["answer"] or ""), 1) for row in _march(data, task)])
    return _silent_row(
        f"LLMDrift, March, {task}", "characters an answer", Kind(ours.lengths, LENGTH), Resampled(logs), size
    )


def _refusal_row(data: Path, size: Size) -> list[Row]:
    answered = [row["answered"] for row in _march(data, "sensitiveq")]
    rate = 1 - sum(answered) / len(answered)
    return _silent_row("LLMDrift, March, sensitiveq", "refusals", Kind(ours.rates, RATE), RateTraffic(rate), size)


def _arena_row(data: Path, model: str, size: Size) -> list[Row]:
    rows = _rows(data / "arena-bench-v1" / f"{model}.jsonl.gz")
    logs = np.log([max(len(row["answer"] or ""), 1) for row in rows])
    return _silent_row(f"arena, {model}", "characters an answer", Kind(ours.lengths, LENGTH), Resampled(logs), size)


def _clinc_row(size: Size) -> list[Row]:
    series = max(size.series // 25, 1)
    alarms = hotelling.false_pages(hotelling.NULLS[0], series, budgets=(10.0 * series / 1000,))[0]
    pages = rate_of(sum(alarm.kind == "page" for alarm in alarms), series / 1000)
    return [Row(["CLINC, constant mix", "centroid of embeddings", f"{series}", str(pages)], {"pages": pages})]


# -- series of numbers, one value at a time ---------------------------------------------------------------------------

Found = list[tuple[int, int]]  # index at which an alarm came, and index from which it says that things have changed
Detector = Callable[[Sequence[Floats]], list[Found]]


def _ours(series: Sequence[Floats]) -> list[Found]:
    """Follow series as scores of the user's own: standardised by their first values, a value every five minutes."""
    whole = np.full((len(series), max(map(len, series))), np.nan)
    for row, values in zip(whole, series, strict=True):
        known = values[:_KNOWN]
        row[: len(values)] = np.clip((values - known.mean()) / max(known.std(), 1e-9), -_CLIP, _CLIP)
    watch = Watch(ours.scores(_SCORE), Share(1.0 / 64), len(series))
    found: list[Found] = [[] for _ in series]
    for at, scores in enumerate(whole.T):
        summary = ours.summed(np.isfinite(scores).astype(np.int64), scores[:, None])
        for alarm in watch.alarms(at * _STEP, _STEP, summary):
            if alarm.kind != "recovered":
                found[alarm.series // SERIES_METRICS].append((at, int(alarm.changed_at // _STEP)))
    return found


def _theirs(name: str) -> Detector:
    def run(values: Floats) -> Found:
        detect = RIVALS[name].make(RIVALS[name].default or 0.0)
        return [(at, at) for at, value in enumerate(values.tolist()) if detect(value)]

    return lambda series: [run(values) for values in series]


DETECTORS: dict[str, Detector] = {
    "**ours, as shipped**": _ours,
    "ADWIN, as shipped": _theirs("ADWIN"),
    "PageHinkley, as shipped": _theirs("PageHinkley"),
    "KSWIN, as shipped": _theirs("KSWIN"),
    "never": lambda series: [[] for _ in series],
    "always": lambda series: [[(at, at) for at in range(len(values))] for values in series],
}


# -- TCPD -------------------------------------------------------------------------------------------------------------


def _tcpd(data: Path) -> Section:
    return Section(
        "tcpd",
        "TCPD, 13 series",
        "F1 (margin 5) and covering, means over the series, by the paper's definitions; ours is dated by the change "
        "time "
        "that its alarm states. The series have 21 to 816 points, most fewer than the 200 events before which "
        "nothing may "
        "page: so this says little about a monitor of traffic, and silence is what was asked for. Offline methods "
        "(published, default settings, the same 13 series) see the future.",
        ("method", "F1", "covering"),
        [partial(_tcpd_row, name, data) for name in DETECTORS] + [partial(_published_rows, data)],
    )


def _tcpd_row(name: str, data: Path) -> list[Row]:
    annotations = json.loads((data / "tcpd" / "annotations.json").read_text())
    series = [_read_tcpd(data / "tcpd" / f"{title}.json") for title in annotations]
    scores = [
        score_tcpd(list(annotators.values()), sorted({since for _, since in found}), len(values))
        for annotators, found, values in zip(annotations.values(), DETECTORS[name](series), series, strict=True)
    ]
    f1, cover = np.mean(scores, axis=0)
    return [Row([name, f"{f1:.3f}", f"{cover:.3f}"])]


def _read_tcpd(path: Path) -> Floats:
    raw = json.loads(path.read_text())["series"][0]["raw"]
    values = np.array([math.nan if value is None else float(value) for value in raw])
    return np.where(np.isnan(values), np.nanmean(values), values)


def score_tcpd(annotators: Sequence[Sequence[int]], changes: Sequence[int], length: int) -> tuple[float, float]:
    """Return the F1 with a margin of 5 and the covering of van den Burg & Williams (arXiv 2003.06222)."""
    mine = {0, *changes}
    true = [{0, *points} for points in annotators]
    precision = len(_matched(set().union(*true), mine)) / len(mine)
    recall = float(np.mean([len(_matched(points, mine)) / len(points) for points in true]))
    covering = float(np.mean([_covering(points, mine, length) for points in true]))
    return 2 * precision * recall / (precision + recall), covering


def _matched(true: set[int], mine: set[int], margin: int = 5) -> set[int]:
    left, matched = set(mine), set()
    for point in sorted(true):
        near = [(abs(point - other), other) for other in left if abs(point - other) <= margin]
        if near:
            left.remove(min(near)[1])
            matched.add(point)
    return matched


def _covering(true: set[int], mine: set[int], length: int) -> float:
    parts = [[set(range(a, b)) for a, b in _pairs(points, length)] for points in (true, mine)]
    best = [len(a) * max(len(a & b) / len(a | b) for b in parts[1]) for a in parts[0]]
    return sum(best) / length


def _pairs(points: set[int], length: int) -> list[tuple[int, int]]:
    edges = [*sorted(points), length]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


def _published_rows(data: Path) -> list[Row]:
    with (data / "tcpd" / "published_default_scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        Row(
            [
                f"{name}, published",
                *(f"{np.mean([float(row[f'{name}_{kind}']) for row in rows]):.3f}" for kind in ("f1", "cover")),
            ]
        )
        for name in ("amoc", "binseg", "bocpd", "pelt", "zero")
    ]


# -- NAB --------------------------------------------------------------------------------------------------------------


_PROBATION = 0.15  # share of a series in which alarms do not count


class Series(NamedTuple):
    """Values, labelled windows as index pairs, and how long it lasts."""

    values: Floats
    windows: list[tuple[int, int]]
    weeks: float


def _nab(data: Path) -> Section:
    return Section(
        "nab",
        "NAB, 28 series",
        "Values five minutes apart, the first 15 % are probation. Windows found, alarms outside them a series-week, "
        "and "
        "NAB's standard score of these series. They are full of daily seasons, spikes and dependence, so the last "
        "column is "
        "also the test of false alarms on real, dependent data: the guarantee is for independent or clustered events "
        "and "
        "does not cover them. Published scores of the full benchmark (58 series, so for scale only): HTM 70.1, CAD OSE "
        "69.9, KNN-CAD 58.0, RelEnt 54.6, windowedGaussian 39.7, Bayes changepoint 17.7, random 11.0 to 16.8.",
        ("method", "score", "windows found", "false alarms a series-week", "where nothing is labelled"),
        [partial(_nab_row, name, data) for name in DETECTORS],
    )


def _read_nab(data: Path) -> dict[str, Series]:
    labels, found = json.loads((data / "nab" / "labels.json").read_text()), {}
    for name, told in labels.items():
        with gzip.open(data / "nab" / f"{name}.gz", "rt") as file:
            rows = list(csv.DictReader(file))
        times = [_time(row["timestamp"]) for row in rows]
        windows = [
            (int(np.searchsorted(times, _time(start))), int(np.searchsorted(times, _time(end))))
            for start, end in told["windows"]
        ]
        found[name] = Series(np.array([float(row["value"]) for row in rows]), windows, (times[-1] - times[0]) / WEEK)
    return found


def _time(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _nab_row(name: str, data: Path) -> list[Row]:
    read = _read_nab(data)
    total = hits = windows = 0.0
    false = dict.fromkeys(read, 0)
    for (path, series), found in zip(
        read.items(), DETECTORS[name]([series.values for series in read.values()]), strict=True
    ):
        alarms = [at for at, _ in found if at >= _PROBATION * len(series.values)]
        inside = [[at for at in alarms if start <= at <= end] for start, end in series.windows]
        false[path] = len(alarms) - sum(map(len, inside))
        total += score_nab(alarms, series.windows)
        hits, windows = hits + sum(map(bool, inside)), windows + len(series.windows)
    calm = [path for path in read if "NoAnomaly" in path]
    rates = [
        rate_of(sum(false[path] for path in some), sum(read[path].weeks for path in some)) for some in (read, calm)
    ]
    score = 100 * (total + windows) / (2 * windows)
    return [Row([name, f"{score:.1f}", f"{hits:.0f} of {windows:.0f}", *map(str, rates)])]


def score_nab(alarms: Sequence[int], windows: Sequence[tuple[int, int]]) -> float:
    """Return the raw score of a series, standard profile (Lavin & Ahmad, arXiv 1510.03336)."""
    score = 0.0
    for start, end in windows:
        first = min((at for at in alarms if start <= at <= end), default=None)
        score += -1.0 if first is None else _sigmoid(-(end - first + 1) / (end - start + 1)) / _sigmoid(-1.0)
    for at in alarms:
        if not any(start <= at <= end for start, end in windows):
            last = max(((end, start) for start, end in windows if end < at), default=None)
            score += 0.11 * (-1.0 if last is None else _sigmoid((at - last[0]) / max(last[0] - last[1], 1)))
    return score


def _sigmoid(position: float) -> float:
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1
