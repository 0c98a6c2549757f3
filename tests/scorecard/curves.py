"""What a delay, a run length and a false page depend on: the curves behind the goals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from scorecard import ours
from scorecard.abrupt import CHANGES, LENGTHS, OURS, UNBANDED, kinds
from scorecard.nulls import BUDGETS, LOADS, Load, null_row
from scorecard.ours import PLAIN, Kind
from scorecard.section import Row, Section, Size
from scorecard.yardstick import Change, Shift, beyond, geometric_mean, optimal_delay

__all__ = ["sections"]

_EVENTS = 5  # a window
_PAGES_A_WEEK = 6_048_000.0  # events between two false pages: one a week at 10 events a second


def sections(size: Size) -> list[Section]:
    return [_history(size), _bands(size), _looks(size), _wander(size)]


# -- how much is known ------------------------------------------------------------------------------------------------


def _history(size: Size) -> Section:
    known = (2000, 10_000, 50_000) if not size.quick else (2000,)
    return Section(
        "ingredients",
        "Curve: delay by what is known, and by what is allowed for",
        f"Geometric mean over the six changes of delay / D* at a run length of {size.long:,.0f}; in brackets the share "
        "of changes not found within {size.most:,} events, which count as so many. Windows of {_EVENTS} events.",
        ("events known", *OURS),
        [partial(_history_row, learned, size) for learned in known],
    )


def _history_row(learned: int, size: Size) -> list[Row]:
    cells = []
    for kind in kinds(learned).values():
        found = [ours.delays(kind, change, size.long, learned, size, _EVENTS) for change in CHANGES]
        mean = geometric_mean(
            [
                delays.mean.scaled(1 / optimal_delay(change, size.long))
                for delays, change in zip(found, CHANGES, strict=True)
            ]
        )
        missed = sum(delays.missed.value for delays in found) / len(found)
        cells.append(f"{mean} ({missed:.0%})")
    return [Row([f"{learned:,}", *cells])]


# -- how much is benign -----------------------------------------------------------------------------------------------


def _bands(size: Size) -> Section:
    lengths, rates = list(LENGTHS), [CHANGES[1], CHANGES[3], CHANGES[4]]
    plan: list[tuple[Change | Shift, float, float]] = [
        *((change, band, _PAGES_A_WEEK) for change in lengths for band in (0.0, 0.05, 0.1)),
        *((change, band, size.long) for change in rates for band in (0.0, 0.1, 0.2)),
    ]
    return Section(
        "bands",
        "Curve: delay by the width of the benign band",
        f"Ours with ρ = 0, {size.learned:,} events known; lengths at a run length of {_PAGES_A_WEEK:,.0f}, rates at "
        f"{size.long:,.0f}. A change must be told from the band's edge, not from the level inside it: the third column "
        "is what Page's CUSUM needs that is told the edge and the level after the change. The last column is what is "
        "left for the detector to answer for. Windows of {_EVENTS} events.",
        ("change", "δ", "D* of the edge / D*", "delay / D*", "delay / D* of the edge"),
        [partial(_band_row, *case, size) for case in (plan[:1] if size.quick else plan)],
    )


def _band_row(change: Change | Shift, band: float, nominal: float, size: Size) -> list[Row]:
    rates = isinstance(change, Change)
    kind = Kind(ours.independent, PLAIN) if rates else Kind(ours.lengths, UNBANDED)
    width = math.log1p(band)
    banded = kind._replace(told=kind.told.__class__(**{**vars(kind.told), "band": width}))
    delay = ours.delays(banded, change, nominal, size.learned, size, _EVENTS).mean
    best, edge = optimal_delay(change, nominal), optimal_delay(beyond(change, width), nominal)
    times = [str(delay.scaled(1 / each)) for each in (best, edge)]
    return [Row([str(change), f"{band:g}", f"{edge / best:.2f}", *times])]


# -- how often it is looked -------------------------------------------------------------------------------------------


def _looks(size: Size) -> Section:
    nominal = 1e4 if not size.quick else 500.0
    return Section(
        "looks",
        "Curve: run length by how often it is looked",
        f"Realised over nominal run length, nominal {nominal:,.0f}, 20,000 events known, ρ = 0, δ = 0. The bound holds "
        "for a look after every event; windows hide what happens inside them.",
        ("events a window", *(f"{rate:.0%}" for rate in _LOOKED_AT)),
        [partial(_look_row, step, nominal, size) for step in ((1, 5, 25, 100) if not size.quick else (20,))],
    )


_LOOKED_AT = (0.01, 0.2)


def _look_row(step: int, nominal: float, size: Size) -> list[Row]:
    kind = Kind(ours.independent, PLAIN)
    found = [ours.run_length(kind, Change(rate, rate), nominal, size.learned, size.runs, step) for rate in _LOOKED_AT]
    return [Row([str(step), *map(str, found)])]


# -- how well the wander is known -------------------------------------------------------------------------------------


def _wander(size: Size) -> Section:
    busy = LOADS[1]
    return Section(
        "wander",
        "Curve: false pages by the days that have taught the wander",
        "Rates of 1 % whose log odds wander with a memory of a day (sd .1), 20,000 events a week: pages in 1,000 "
        "series-weeks.",
        ("days known", *(f"on a budget of {budget:g}" for budget in BUDGETS)),
        [
            partial(_wander_row, busy._replace(days=days), size)
            for days in ((14.0,) if size.quick else (14.0, 21.0, 35.0))
        ],
    )


def _wander_row(load: Load, size: Size) -> list[Row]:
    some = replace(size, series=size.series // 2)
    found: Sequence[Row] = null_row("rates", "wander, AR(1) of a day, sd .1", load, some)
    return [Row([f"{load.days:g}", *found[0].cells[-2:]])]
