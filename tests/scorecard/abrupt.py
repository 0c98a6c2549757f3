"""Sudden changes at equal run length: ours with the threshold of the formula, others as shipped and re-tuned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from scorecard import ours, rivals
from scorecard.ours import LENGTH, PLAIN, RATE, Delays, Kind
from scorecard.section import Bar, Goal, Row, Section, Size
from scorecard.traffic import DAY, WEEK
from scorecard.yardstick import Change, Measured, Shift, geometric_mean, optimal_delay, ratio
from undertow.drift.detector import SeriesSettings

__all__ = [
    "CHANGES",
    "LENGTHS",
    "LOGS",
    "OURS",
    "RAW",
    "SHORT",
    "SHORT_LEARNED",
    "UNBANDED",
    "kinds",
    "sections",
    "told",
]

CHANGES = tuple(
    Change(before / 100, after / 100)
    for before, after in ((0.3, 11.0), (1.0, 3.0), (2.0, 6.0), (2.0, 3.0), (20.0, 30.0), (10.0, 2.0))
)
BANDED = SeriesSettings(math.log1p(0.1), 0.0, 0.0, "both")
OURS = ("ρ = 0, δ = 0", "ρ measured, δ = 0", "ρ = 0, δ = .1", "as shipped")
STEP = 25  # events a window in which run lengths are measured


def sections(size: Size) -> list[Section]:
    return [_delays(size), _lengths_of_runs(size), _rivals(size), _raw(size), _incidents(size), _positive(size)]


def kinds(learned: int) -> dict[str, Kind]:
    """Return our detector of rates in the forms of `OURS`, for series that have seen so many events in a week."""
    forms = (
        Kind(ours.independent, PLAIN),
        Kind(ours.rates, PLAIN),
        Kind(ours.independent, BANDED),
        Kind(ours.rates, RATE, pace=WEEK / learned),
    )
    return dict(zip(OURS, forms, strict=True))


def told(delays: Delays, change: Change | Shift, nominal: float) -> tuple[str, Measured]:
    """Return the delay as a multiple of D*, as text and as a number."""
    times = delays.mean.scaled(1 / optimal_delay(change, nominal))
    missed = f", {delays.missed.value:.0%} missed" if delays.missed.value else ""
    return f"{times}{missed}", times


# -- the long run length ----------------------------------------------------------------------------------------------


def _delays(size: Size) -> Section:
    return Section(
        "delay",
        f"Rates: delay at a run length of {size.long:,.0f}",
        f"Mean events from the change to the alarm, as a multiple of D*, after {size.learned:,} events, with a look "
        f"after every event; as shipped, after {STEP // 5}. The optimum is Page's CUSUM, told both rates. Ours by "
        "formula; as shipped means ρ measured, δ = .1 and a daily cycle to be learned from a week of those events. "
        "ADWIN with the delta that simulation finds for each rate.",
        ("change", "D*, events", "optimum", *OURS, "ADWIN re-tuned"),
        [partial(_delay_row, change, size) for change in CHANGES],
        _delay_goals,
        "Delay at equal run length, multiples of D*",
    )


def _delay_row(change: Change, size: Size) -> list[Row]:
    best = optimal_delay(change, size.long)
    found = {"optimum": told(rivals.oracle(change, size.long, size.runs), change, size.long)}
    for name, kind in kinds(size.learned).items():
        step = STEP // 5 if name == OURS[-1] else 1
        found[name] = told(ours.delays(kind, change, size.long, size.learned, size, step), change, size.long)
    adwin = rivals.RIVALS["ADWIN"]
    knob = rivals.tuned().get(rivals.key(adwin, change, size.long))
    if knob is not None:
        found["ADWIN"] = told(
            rivals.delays(adwin, knob.knob, change, size.learned, size.runs, size.most), change, size.long
        )
    cells = [str(change), f"{best:,.0f}", *(found[name][0] for name in ("optimum", *OURS)), found.get("ADWIN", "––")[0]]
    bars = [Bar(f"{change}, {name}", times, name in OURS) for name, (_, times) in found.items()]
    return [Row(cells, {name: times for name, (_, times) in found.items()}, bars)]


def _delay_goals(rows: Sequence[Row]) -> list[Goal]:
    goals = []
    for name, most in (("ρ = 0, δ = 0", 1.35), ("ρ measured, δ = 0", 1.5), ("ρ = 0, δ = .1", 1.7)):
        found = [row.data[name] for row in rows]
        goals.append(Goal(f"rates, {name}: delay / D*, geometric mean", most, geometric_mean(found), "ingredients"))
    worst = max(row.data["ρ = 0, δ = 0"] for row in rows)
    goals.append(Goal("rates, ρ = 0, δ = 0: delay / D*, worst", 1.7, worst, "ingredients"))
    return goals + _against_adwin([row for row in rows if "ADWIN" in row.data])


def _against_adwin(rows: Sequence[Row]) -> list[Goal]:
    """Compare with ADWIN over all changes, and over the big jump and the drop."""
    if not rows:
        return []
    mine, theirs = ([row.data[name] for row in rows] for name in ("ρ = 0, δ = 0", "ADWIN"))
    whole = ratio(geometric_mean(mine), geometric_mean(theirs))
    ends = ratio(geometric_mean([theirs[0], theirs[-1]]), geometric_mean([mine[0], mine[-1]]))
    return [
        Goal("delay of ours over ADWIN's, re-tuned, geometric mean", 1.1, whole),
        Goal("times faster than ADWIN, re-tuned, on the big jump and the drop", math.inf, ends, least=1.25),
    ]


# -- run lengths ------------------------------------------------------------------------------------------------------


def _lengths_of_runs(size: Size) -> Section:
    return Section(
        "run length",
        f"Rates: realised over nominal run length, nominal {size.long:,.0f}",
        f"First alarms of any kind where nothing changes, windows of {STEP} events. More than 1: fewer false alarms "
        "than told.",
        ("rate", *OURS, "ADWIN re-tuned"),
        [partial(_run_row, rate, size) for rate in sorted({change.before for change in CHANGES})],
        lambda rows: [
            Goal(
                f"realised / nominal run length at {row.cells[0]}, ρ = 0, δ = 0",
                2.0,
                row.data["ρ = 0, δ = 0"],
                "looks",
                0.9,
            )
            for row in rows
        ],
    )


def _run_row(rate: float, size: Size) -> list[Row]:
    usual = Change(rate, rate)
    found = {
        name: ours.run_length(kind, usual, size.long, size.learned, size.runs, STEP)
        for name, kind in kinds(size.learned).items()
    }
    adwin, other = rivals.RIVALS["ADWIN"], "–"
    knob = rivals.tuned().get(rivals.key(adwin, usual, size.long))
    if knob is not None:
        runs = size.runs // 2
        other = str(rivals.run_length(adwin, knob.knob, usual, size.long, size.learned, runs, seed=2))
    return [Row([usual.usual, *map(str, found.values()), other], found)]


# -- everybody at the short run length --------------------------------------------------------------------------------

SHORT, SHORT_LEARNED = 1e4, 2000


def _rivals(size: Size) -> Section:
    nominal = SHORT if not size.quick else 500.0
    jobs = [partial(_ours_short, name, size, nominal) for name in OURS[:2]]
    for name, rival in rivals.RIVALS.items():
        if not (size.quick and rival.slow > 1):
            jobs += [partial(_rival_row, name, tuned, size, nominal) for tuned in ([True, False])]
    return Section(
        "rivals",
        f"Rates: everybody at a run length of {nominal:,.0f}",
        f"Delay as a multiple of D* after {SHORT_LEARNED:,} events; a miss counts as {size.most:,} events. As shipped, "
        "the run length is whatever it is: it stands in the last column, over the nominal one, lowest and highest of "
        "the rates. Whose re-tuned run length stays far from 1 cannot be tuned to it: the knob that came nearest is "
        "used. DDM and EDDM watch for rising rates only. *Always* alarms at the first event, *never* never.",
        ("detector", *map(str, _few(size)), "geometric mean", "realised run length"),
        [*jobs, partial(_dummies, size, nominal)],
        figure=f"Everybody at a run length of {nominal:,.0f}: delay, geometric mean, multiples of D*",
    )


def _few(size: Size) -> tuple[Change, ...]:
    return CHANGES[1:2] if size.quick else CHANGES


def _usual(size: Size) -> list[Change]:
    return [Change(rate, rate) for rate in sorted({change.before for change in _few(size)})]


def _ours_short(name: str, size: Size, nominal: float) -> list[Row]:
    kind = kinds(SHORT_LEARNED)[name]
    delays = [ours.delays(kind, change, nominal, SHORT_LEARNED, size, STEP // 5) for change in _few(size)]
    runs = [ours.run_length(kind, usual, nominal, SHORT_LEARNED, size.runs, STEP) for usual in _usual(size)]
    return [_short_row(f"**ours, {name}**", size, nominal, delays, runs, True)]


def _rival_row(name: str, tuned: bool, size: Size, nominal: float) -> list[Row]:
    rival, how = rivals.RIVALS[name], "re-tuned" if tuned else "as shipped"
    few = rival.streams(size.streams)
    known = {change.usual: _knob(rival, tuned, change) for change in _few(size)}
    knobs = {usual: knob for usual, knob in known.items() if knob is not None}
    if len(knobs) < len(known):
        return []
    delays = [rivals.delays(rival, knobs[change.usual], change, SHORT_LEARNED, few, size.most) for change in _few(size)]
    runs = [
        rivals.run_length(rival, knobs[usual.usual], usual, nominal, SHORT_LEARNED, few, seed=2)
        for usual in _usual(size)
    ]
    return [_short_row(f"{name}, {how}", size, nominal, delays, runs, False)]


def _knob(rival: rivals.Rival, tuned: bool, change: Change | Shift) -> float | None:
    if not tuned:
        return rival.default
    found = rivals.tuned().get(rivals.key(rival, change, SHORT))
    return found and found.knob


def _dummies(size: Size, nominal: float) -> list[Row]:
    best = [optimal_delay(change, nominal) for change in _few(size)]
    rows = []
    for name, delay, run in (("always", 1.0, 1 / nominal), ("never", float(size.most), math.inf)):
        times = [Measured(*[delay / each] * 3) for each in best]
        rows.append(
            Row([name, *(f"{each.value:.2g}" for each in times), f"{geometric_mean(times).value:.2g}", f"{run:g}"])
        )
    return rows


def _short_row(name: str, size: Size, nominal: float, delays: list[Delays], runs: list[Measured], is_ours: bool) -> Row:
    found = [told(delay, change, nominal) for delay, change in zip(delays, _few(size), strict=True)]
    mean = geometric_mean([times for _, times in found])
    span = f"{min(runs)} to {max(runs)}"
    bar = Bar(name.strip("*"), mean, is_ours)
    return Row([name, *(cell for cell, _ in found), str(mean), span], {"mean": mean}, [bar])


# -- lengths and money, raw and on the log ----------------------------------------------------------------------------

RAW = tuple(
    Shift(factor, sd, level, name)
    for name, sd, level in (("tokens", 0.7, 5.0), ("dollars", 1.2, math.log(0.004)))
    for factor in (0.8, 1.3, 0.5)
)
LOGS = tuple(change._replace(name=f"log {change.name}") for change in RAW)
ON_VALUES = ("ADWIN", "PageHinkley", "KSWIN")
UNBANDED = SeriesSettings(0.0, 0.0, 0.0, "both", "log")


def _raw(size: Size) -> Section:
    changes = len(RAW) if not size.quick else 1
    jobs = [partial(_raw_ours, changes, size)]
    jobs += [partial(_raw_row, name, fed, size) for name in ON_VALUES for fed in (RAW[:changes], LOGS[:changes])]
    return Section(
        "raw",
        f"Lengths and money: everybody at a run length of {SHORT:,.0f}",
        f"Delay as a multiple of D* after {SHORT_LEARNED:,} values whose log is normal (sd .7 for tokens, 1.2 for "
        "dollars). Ours, by formula and with δ = 0, takes the log itself; river's detectors are fed raw values and "
        "logs, each re-tuned by simulation.",
        ("detector", *map(str, RAW[:changes]), "geometric mean", "realised run length"),
        jobs,
        _raw_goals,
    )


def _raw_ours(changes: int, size: Size) -> list[Row]:
    kind = Kind(ours.lengths, UNBANDED)
    delays = [ours.delays(kind, change, SHORT, SHORT_LEARNED, size) for change in LOGS[:changes]]
    runs = [
        ours.run_length(kind, change._replace(factor=1.0), SHORT, SHORT_LEARNED, size.runs, STEP)
        for change in LOGS[:changes:3]
    ]
    return [_raw_told("**ours, by formula**", LOGS[:changes], delays, runs)]


def _raw_row(name: str, changes: Sequence[Shift], size: Size) -> list[Row]:
    rival = rivals.RIVALS[name]
    knobs = {change.usual: _knob(rival, True, change) for change in changes}
    known = {usual: knob for usual, knob in knobs.items() if knob is not None}
    if len(known) < len(knobs):
        return []
    few = rival.streams(size.streams)
    delays = [rivals.delays(rival, known[change.usual], change, SHORT_LEARNED, few, size.most) for change in changes]
    runs = [
        rivals.run_length(rival, known[change.usual], change, SHORT, SHORT_LEARNED, few, seed=2)
        for change in changes[::3]
    ]
    return [_raw_told(f"{name}, {'logs' if changes[0].name.startswith('log') else 'raw'}", changes, delays, runs)]


def _raw_told(name: str, changes: Sequence[Shift], delays: Sequence[Delays], runs: Sequence[Measured]) -> Row:
    found = [told(delay, change, SHORT) for delay, change in zip(delays, changes, strict=True)]
    mean = geometric_mean([times for _, times in found])
    return Row([name, *(cell for cell, _ in found), str(mean), f"{min(runs)} to {max(runs)}"], {"mean": mean})


def _raw_goals(rows: Sequence[Row]) -> list[Goal]:
    mine = rows[0].data["mean"]
    return [
        Goal(
            f"times faster than {row.cells[0]} tokens and dollars, re-tuned",
            math.inf,
            ratio(row.data["mean"], mine),
            least=2.0,
        )
        for row in rows[1:]
        if row.cells[0].endswith("raw")
    ]


# -- known incidents, low traffic, lengths ----------------------------------------------------------------------------


def _incidents(size: Size) -> Section:
    ten = 6_048_000.0  # events a week at 10 a second
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
        "which share a budget of 1 a week with 999 others and have seen 2,000 events.",
        ("incident", "change", "D*", *(f"events, {name}" for name in OURS)),
        [partial(_incident_row, *case, size) for case in plan],
        lambda rows: [
            Goal(f"events to the page: {row.cells[1]}, {row.cells[0]}, ρ = 0, δ = 0", most, row.data["ρ = 0, δ = 0"])
            for row, (*_, most) in zip(rows, plan, strict=True)
        ],
    )


def _incident_row(change: Change, name: str, nominal: float, learned: int, goal: float, size: Size) -> list[Row]:
    found = {how: ours.delays(kind, change, nominal, learned, size).mean for how, kind in kinds(learned).items()}
    return [Row([name, str(change), f"{optimal_delay(change, nominal):,.0f}", *map(str, found.values())], found)]


LENGTHS = {Shift(0.8): 1.8, Shift(1.3): 1.8, Shift(0.5): 1.5}


def _positive(size: Size) -> Section:
    nominal = 6_048_000.0 if not size.quick else 1e4
    return Section(
        "lengths",
        f"Lengths and cost: delay at a run length of {nominal:,.0f}",
        "The log is normal with sd .7; multiples of D*, which knows both levels and has no band; after "
        f"{size.learned:,} values.",
        ("change", "D*, events", "δ = .05", "δ = 0"),
        [partial(_length_row, change, nominal, size) for change in LENGTHS],
        lambda rows: [
            Goal(f"lengths, δ = .05, {change}: delay / D*", most, row.data["banded"], "bands")
            for row, (change, most) in zip(rows, LENGTHS.items(), strict=True)
        ],
    )


def _length_row(change: Shift, nominal: float, size: Size) -> list[Row]:
    banded = SeriesSettings(LENGTH.band, 0.0, 0.0, "both", "log")
    found = [
        told(
            ours.delays(Kind(ours.lengths, settings), change, nominal, size.learned, size),
            change,
            nominal,
        )
        for settings in (banded, UNBANDED)
    ]
    best = f"{optimal_delay(change, nominal):,.0f}"
    return [Row([str(change), best, *(cell for cell, _ in found)], {"banded": found[0][1]})]
