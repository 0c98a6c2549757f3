"""Planted causes: `python -m tests.bench.causes [draws] [first seed]`.

Each draw plants one cause among things that happened without doing anything, and asks for the causes ranked. A tie
counts as first only where the same rollout brought both: then no data can tell them apart, and the answer must say so.
Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from planted import KINDS, Planted, planted

from bench.shares import report, share
from undertow.drift.causes import Explanation, explain

__all__ = ["NOWHERE", "UNKNOWN", "Answer", "answered", "place", "rank", "table"]

UNKNOWN = frozenset({"unseen", "nothing"})
NOWHERE = 99
_CLAIMS = (0.0, 0.5, 0.8, 0.95, 0.99)  # edges of the probabilities that are compared with what came true


class Answer(NamedTuple):
    """What was answered to one draw.

    `rank` is that of the right cause, 0 for first, `NOWHERE` for none; where none was planted, that of the unknown.
    """

    kind: str
    rank: int
    claimed: float  # probability of what was put first
    where: str | None  # "slice", "other", "alike" or "unclear"; None where nothing moved inside the slices
    in_slice: bool


def main() -> None:
    report("python -m tests.bench.causes", __doc__, 600, lambda seeds: table(answered(seeds)))


def answered(seeds: Sequence[int]) -> list[Answer]:
    """Draw one cause for each seed and ask for it."""
    return [_answer(planted(seed)) for seed in seeds]


def table(answers: Sequence[Answer]) -> str:
    """Return how often the right cause was first and among the first three, the place right, the probability true."""
    lines = ["| planted | draws | right cause first | in the first three |", "|---|---|---|---|"]
    lines += [_row(kind, [one for one in answers if one.kind == kind]) for kind in KINDS]
    lines += [_row("**a cause**", [one for one in answers if one.kind not in UNKNOWN])]
    lines += [_row("**none: the unknown**", [one for one in answers if one.kind in UNKNOWN])]
    lines += [
        "",
        "| the change is | draws | slice named | other slice | alike | unclear |",
        "|---|---|---|---|---|---|",
    ]
    lines += _places(answers)
    lines += ["", "| probability given to the first | draws | given, on average | true |", "|---|---|---|---|"]
    return "\n".join(lines + _claims(answers))


def rank(drawn: Planted, explained: Explanation) -> int:
    """Return where the right cause stands, or the unknown where none was planted."""
    first = explained.causes[0]
    if drawn.twins and (first.dimension, first.value) in drawn.twins and drawn.truth in (*first.also, *first.names):
        return 0
    for number, cause in enumerate(explained.causes):
        named = (cause.dimension, cause.value)
        if drawn.truth is None:
            right = cause.kind == "unknown"
        elif drawn.kind == "mix":
            right = cause.kind == "mix" and cause.dimension == drawn.truth[0]
        else:
            right = drawn.truth in (named, *cause.names)
        if right:
            return number
    return NOWHERE


def place(drawn: Planted, explained: Explanation) -> str:
    """Return what the answer says of where the change is."""
    found = explained.carriers
    if found.kind not in {"slice", "uneven"}:
        return found.kind
    named = drawn.slice and found.dimension == drawn.slice[0] and drawn.slice[1] in found.values
    return "slice" if named else "other"


def _answer(drawn: Planted) -> Answer:
    explained = explain(drawn.question)
    where = None if drawn.kind in {"mix", "nothing"} else place(drawn, explained)
    return Answer(drawn.kind, rank(drawn, explained), explained.causes[0].probability, where, drawn.slice is not None)


def _row(name: str, answers: Sequence[Answer]) -> str:
    first, three = (sum(one.rank < most for one in answers) for most in (1, 3))
    return f"| {name} | {len(answers)} | {share(first, len(answers))} | {share(three, len(answers))} |"


def _places(answers: Sequence[Answer]) -> list[str]:
    where: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in answers:
        if one.where is not None:
            where["in one slice" if one.in_slice else "everywhere"][one.where] += 1
    columns = ("slice", "other", "alike", "unclear")
    return [
        f"| {name} | {found.total()} | " + " | ".join(str(found[column]) for column in columns) + " |"
        for name, found in sorted(where.items())
    ]


def _claims(answers: Sequence[Answer]) -> list[str]:
    lines = []
    for low, high in zip(_CLAIMS, (*_CLAIMS[1:], 1.01), strict=True):
        inside = [one for one in answers if low <= one.claimed < high]
        if inside:
            given = sum(one.claimed for one in inside) / len(inside)
            true = share(sum(one.rank == 0 for one in inside), len(inside))
            lines.append(f"| {low:g} to {min(high, 1):g} | {len(inside)} | {100 * given:.0f} % | {true} |")
    return lines


if __name__ == "__main__":
    main()
