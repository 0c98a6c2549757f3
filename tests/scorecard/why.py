"""What is said about a change: who moved, and what did it."""

from __future__ import annotations

from collections import Counter
from functools import partial

from bench import causes
from bench.movers import SAID
from planted import KINDS
from planted_movers import MOVERS, moved

from scorecard.section import Row, Section, Size
from scorecard.yardstick import share_of
from undertow.drift.causes import explain

__all__ = ["sections"]


def sections(size: Size) -> list[Section]:
    return [_movers(size), _causes(size)]


def _movers(size: Size) -> Section:
    return Section(
        "movers",
        "Users, model or mix: what is said",
        "Drawn changes of refusals or lengths: other questions (users), other answers to the same questions (model), "
        "or other shares of the operations (mix); per cent of the draws of a row. More draws: `python -m "
        "tests.bench.movers`.",
        ("what moved", "draws", *(f"said: {said}, %" for said in SAID)),
        [partial(_mover_row, mover, size) for mover in MOVERS],
    )


def _mover_row(mover: str, size: Size) -> list[Row]:
    draws = max(size.streams, 2)
    said = Counter(explain(moved(seed, mover).question).moved for seed in range(draws))
    return [Row([mover, str(draws), *(str(share_of(said[each], draws).scaled(100)) for each in SAID)])]


def _causes(size: Size) -> Section:
    return Section(
        "causes",
        "Which change of the application did it",
        "Drawn changes with one planted cause among others that did nothing; *unseen* and *nothing* have none, and the "
        "right answer is that it is unknown; per cent of the draws of a row. More draws, and whether the stated "
        "probabilities are true: `python -m tests.bench.causes`.",
        ("planted", "draws", "right cause first, %", "in the first three, %"),
        [partial(_cause_rows, size)],
    )


def _cause_rows(size: Size) -> list[Row]:
    answers = causes.answered(range(max(size.series // 2, 10)))
    rows = []
    for kind in (kind for kind in KINDS if any(one.kind == kind for one in answers)):
        ranks = [one.rank for one in answers if one.kind == kind]
        shares = [share_of(sum(rank < most for rank in ranks), len(ranks)).scaled(100) for most in (1, 3)]
        rows.append(Row([kind, str(len(ranks)), *map(str, shares)]))
    return rows
