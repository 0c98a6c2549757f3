"""Who moved, users, model or mix: `python -m tests.bench.movers [draws] [first seed]`.

Each draw plants one of the three and asks who it was. Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from planted_movers import MOVERS, moved

from bench.shares import report, share
from undertow.drift.causes import explain

__all__ = ["confusion", "table"]

Confusion = Counter[tuple[str, str]]  # (planted, said) → draws

SAID = (*MOVERS, "unclear")


def main() -> None:
    report("python -m tests.bench.movers", __doc__, 300, lambda seeds: table(confusion(seeds)))


def confusion(seeds: Iterable[int]) -> Confusion:
    """Return how often which mover was told for which, one draw a seed."""
    drawn = map(moved, seeds)
    return Counter((one.mover, explain(one.question).moved) for one in drawn)


def table(found: Confusion) -> str:
    """Return the confusion matrix as a Markdown table, what was planted by row."""
    lines = [f"| moved | draws | {' | '.join(f'said: {said}' for said in SAID)} |", "|---" * (len(SAID) + 2) + "|"]
    for mover in MOVERS:
        draws = sum(found[mover, said] for said in SAID)
        cells = [share(found[mover, said], draws) for said in SAID]
        lines.append(f"| {mover} | {draws} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
