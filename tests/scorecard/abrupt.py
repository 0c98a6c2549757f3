"""Sudden changes at equal run length: ours with the threshold of the formula, others as shipped and re-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from scorecard import ours, rivals
from scorecard.ours import LENGTH, PLAIN, Delays, Kind
from scorecard.section import Bar, Goal, Row, Section, Size
from scorecard.traffic import DAY, WEEK
from scorecard.yardstick import Change, Measured, Shift, geometric_mean, optimal_delay
from undertow.drift.detector import SeriesSettings

__all__ = ["sections"]

CHANGES = tuple(
    Change(before / 100, after / 100)
    for before, after in ((0.3, 11.0), (1.0, 3.0), (2.0, 6.0), (2.0, 3.0), (20.0, 30.0), (10.0, 2.0))
)
BANDED = SeriesSettings(float(np.log1p(0.1)), 0.0, 0.0, "both")
OURS = {
    "ρ = 0, δ = 0": Kind(ours.independent, PLAIN),
    "ρ measured, δ = 0": Kind(ours.rates, PLAIN),
    "ρ = 0, δ = .1": Kind(ours.independent, BANDED),
}
BAND_COST = "2 → 3 % is 1.38 times the band's edge: at δ = .1 little of the change is left to be seen"
CLUSTER_COST = "ρ has to be measured with a standard error on top, and a burst of hits may be one cluster"


def sections(size: Size) -> list[Section]:
    return [_delays(size), _lengths_of_runs(size), _rivals(size), _incidents(size), _positive(size)]


def _told(delays: Delays, change: Change | Shift, nominal: float) -> tuple[str, Measured]:
    times = delays.mean.scaled(1 / optimal_delay(change, nominal))
    missed = f", {delays.missed.value:.0%} missed" if delays.missed.value else ""
    return f"{times}{missed}", times


# -- the long run length ----------------------------------------------------------------------------------------------


def _delays(size: Size) -> Section:
    return Section(
        "delay",
        f"Rates: delay at a run length of {size.long:,.0f}",
        f"Mean events from the change to the alarm, as a multiple of D*, after {size.learned:,} events. Ours by "
        "formula; "
        "ADWIN with the delta that simulation finds for each rate. The optimum is Page's CUSUM, told both rates.",
        ("change", "D*, events", "optimum", *OURS, "ADWIN re-tuned"),
        [partial(_delay_row, change, size) for change in CHANGES],
        _delay_goals,
        "Delay at equal run length, multiples of D*",
    )


def _delay_row(change: Change, size: Size) -> list[Row]:
    best = optimal_delay(change, size.long)
    told = {"optimum": _told(rivals.oracle(change, size.long, size.runs), change, size.long)}
    for name, kind in OURS.items():
        told[name] = _told(ours.delays(kind, change, size.long, size.learned, size.runs), change, size.long)
    adwin = rivals.RIVALS["ADWIN"]
    knob = rivals.tuned().get(rivals.key(adwin, change.before, size.long))
    if knob is not None:
        told["ADWIN"] = _told(rivals.delays(adwin, knob, change, size.learned, size.runs // 2), change, size.long)
    cells = [str(change), f"{best:,.0f}", *(told[name][0] for name in ("optimum", *OURS)), told.get("ADWIN", ("–",))[0]]
    bars = [Bar(f"{change}, {name}", times, name in OURS) for name, (_, times) in told.items()]
    return [Row(cells, {name: times for name, (_, times) in told.items()}, bars)]


def _delay_goals(rows: Sequence[Row]) -> list[Goal]:
    goals = []
    for name, most, worst, reason in (
        ("ρ = 0, δ = 0", 1.35, 1.7, "two-sided, and eight alternatives share the weight that one known needs alone"),
        ("ρ measured, δ = 0", 1.5, None, CLUSTER_COST),
        ("ρ = 0, δ = .1", 1.7, None, BAND_COST),
    ):
        found = [row.data[name] for row in rows]
        goals.append(Goal(f"rates, {name}: delay / D*, geometric mean", most, geometric_mean(found), reason))
        if worst:
            goals.append(Goal(f"rates, {name}: delay / D*, worst", worst, max(found), reason))
    paired = [row for row in rows if "ADWIN" in row.data]
    if paired:
        mean = [geometric_mean([row.data[name] for row in paired]) for name in ("ρ = 0, δ = 0", "ADWIN")]
        ratio = mean[0].scaled(1 / mean[1].value)
        goals.append(Goal("ours over ADWIN re-tuned, geometric mean (ADWIN's error not counted)", 1.1, ratio))
        fast = [row.data for row in (paired[0], paired[-1])]  # the big jump and the drop
        ratios = [data["ρ = 0, δ = 0"].scaled(1 / data["ADWIN"].value) for data in fast]
        goals.append(Goal("the same on the big jump and the drop", 0.8, geometric_mean(ratios)))
    return goals


def _lengths_of_runs(size: Size) -> Section:
    return Section(
        "run length",
        f"Rates: realised over nominal run length, nominal {size.long:,.0f}",
        "First alarms of any kind where nothing changes, windows of 25 events. More than 1: fewer false alarms than "
        "told.",
        ("rate", *OURS, "ADWIN re-tuned"),
        [partial(_run_row, rate, size) for rate in sorted({change.before for change in CHANGES})],
        lambda rows: [
            Goal(f"realised / nominal run length at {row.cells[0]}, {name}", 2.0, row.data[name], "", 0.9)
            for row in rows
            for name in ("ρ = 0, δ = 0",)
        ],
    )


def _run_row(rate: float, size: Size) -> list[Row]:
    found = {
        name: ours.run_length(kind, Change(rate, rate), size.long, size.learned, size.runs // 2, 25)
        for name, kind in OURS.items()
    }
    adwin = rivals.RIVALS["ADWIN"]
    knob, other = rivals.tuned().get(rivals.key(adwin, rate, size.long)), "–"
    if knob is not None:
        other = str(rivals.run_length(adwin, knob, rate, size.long, size.learned, size.streams, seed=2))
    return [Row([f"{rate * 100:g} %", *map(str, found.values()), other], found)]


# -- everybody at the short run length --------------------------------------------------------------------------------

SHORT, SHORT_LEARNED = 1e4, 2000


def _rivals(size: Size) -> Section:
    nominal = SHORT if not size.quick else 500.0
    jobs = [partial(_ours_short, size, nominal)]
    for name, rival in rivals.RIVALS.items():
        if size.quick and rival.slow:
            continue
        knobs = {"re-tuned": None} | ({"as shipped": rival.default} if rival.default is not None else {})
        jobs += [partial(_rival_row, name, how, knob, size, nominal) for how, knob in knobs.items()]
    return Section(
        "rivals",
        f"Rates: everybody at a run length of {nominal:,.0f}",
        f"Delay as a multiple of D* after {SHORT_LEARNED:,} events; a miss counts as 20,000 events. As shipped, the "
        "run "
        "length is whatever it is: it stands in the last column, over the nominal one, lowest and highest of the "
        "rates.",
        ("detector", *map(str, _short(size)), "geometric mean", "realised run length"),
        jobs,
        figure="Everybody at a run length of 10,000: delay, geometric mean, multiples of D*",
    )


def _short(size: Size) -> tuple[Change, ...]:
    return CHANGES[1:2] if size.quick else CHANGES


def _ours_short(size: Size, nominal: float) -> list[Row]:
    kind = OURS["ρ measured, δ = 0"]
    delays = [ours.delays(kind, change, nominal, SHORT_LEARNED, size.runs) for change in _short(size)]
    runs = [
        ours.run_length(kind, Change(rate, rate), nominal, SHORT_LEARNED, size.runs, 10)
        for rate in sorted({change.before for change in _short(size)})
    ]
    return [_short_row("**ours, by formula**", size, nominal, delays, runs, True)]


def _rival_row(name: str, how: str, knob: float | None, size: Size, nominal: float) -> list[Row]:
    rival = rivals.RIVALS[name]
    few = size.streams // 4 if rival.slow else size.streams
    knobs = {
        change.before: knob if knob is not None else rivals.tuned().get(rivals.key(rival, change.before, SHORT))
        for change in _short(size)
    }
    known = {rate: found for rate, found in knobs.items() if found is not None}
    if len(known) < len(knobs) or not _installed(name):
        return [Row([f"{name}, {how}", *["–"] * (len(_short(size)) + 2)])]
    delays = [rivals.delays(rival, known[change.before], change, SHORT_LEARNED, few) for change in _short(size)]
    runs = [rivals.run_length(rival, found, rate, nominal, SHORT_LEARNED, few, 2) for rate, found in known.items()]
    return [_short_row(f"{name}, {how}", size, nominal, delays, runs, False)]


def _installed(name: str) -> bool:
    if name != "FOCuS":
        return True
    try:
        import changepoint_online
    except ModuleNotFoundError:
        return False
    return bool(changepoint_online)


def _short_row(name: str, size: Size, nominal: float, delays: list[Delays], runs: list[Measured], is_ours: bool) -> Row:
    told = [_told(delay, change, nominal) for delay, change in zip(delays, _short(size), strict=True)]
    mean = geometric_mean([times for _, times in told])
    span = f"{min(runs)} to {max(runs)}"
    bar = Bar(name.strip("*"), mean, is_ours)
    return Row([name, *(cell for cell, _ in told), str(mean), span], {"mean": mean}, [bar])


# -- known incidents, low traffic, lengths ----------------------------------------------------------------------------


def _incidents(size: Size) -> Section:
    ten = 6_048_000.0  # events a week at 10 a second
    kind = OURS["ρ = 0, δ = 0"]
    plan = [
        (Change(0.003, 0.11), "schema violations at 10 a second", ten, size.learned, 65.0),
        (Change(0.02, 0.06), "refusals at 10 a second", ten, size.learned, 500.0),
        (Change(0.01, 0.3), "20 events a day", 20 * WEEK / DAY * 1000, 2000, 20.0),
        (Change(0.01, 0.3), "200 events a day", 200 * WEEK / DAY * 1000, 2000, 24.0),
    ]
    return Section(
        "incidents",
        "Known incidents",
        "Mean events to the page: one false page a week at 10 events a second (one series), and series of low traffic "
        "which share a budget of 1 a week with 999 others and have seen 2,000 events. ρ = 0, δ = 0.",
        ("incident", "change", "D*", "events", "multiple of D*"),
        [partial(_incident_row, kind, *case, size) for case in plan],
        lambda rows: [
            Goal(f"events to the page: {row.cells[1]}, {row.cells[0]}", most, row.data["events"])
            for row, (*_, most) in zip(rows, plan, strict=True)
        ],
    )


def _incident_row(
    kind: Kind, change: Change, name: str, nominal: float, learned: int, goal: float, size: Size
) -> list[Row]:
    found = ours.delays(kind, change, nominal, learned, size.runs)
    times, _ = _told(found, change, nominal)
    cells = [name, str(change), f"{optimal_delay(change, nominal):,.0f}", str(found.mean), times]
    return [Row(cells, {"events": found.mean})]


LENGTHS = {Shift(0.8, 0.7): 1.8, Shift(1.3, 0.7): 1.8, Shift(0.5, 0.7): 1.5}


def _positive(size: Size) -> Section:
    nominal = 6_048_000.0 if not size.quick else 1e4
    told = SeriesSettings(LENGTH.band, 0.0, 0.0, "both", "log")
    return Section(
        "lengths",
        f"Lengths and cost: delay at a run length of {nominal:,.0f}",
        "The log is normal with sd .7; δ = .05; multiples of D*, which knows both levels and has no band.",
        ("change", "D*, events", "ours"),
        [partial(_length_row, change, nominal, told, size) for change in LENGTHS],
        lambda rows: [
            Goal(
                f"lengths, δ = .05, {change}: delay / D*", most, row.data["ours"], "the band of 5 % is part of the 20 %"
            )
            for row, (change, most) in zip(rows, LENGTHS.items(), strict=True)
        ],
    )


def _length_row(change: Shift, nominal: float, told: SeriesSettings, size: Size) -> list[Row]:
    found = ours.delays(Kind(ours.gaussian, told), change, nominal, size.learned, size.runs, step=5)
    cell, times = _told(found, change, nominal)
    return [Row([str(change), f"{optimal_delay(change, nominal):,.0f}", cell], {"ours": times})]
