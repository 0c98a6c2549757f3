"""Users, model and mix are told apart: 20 draws of the benchmark."""

from __future__ import annotations

from bench.movers import confusion
from planted_movers import MOVERS

DRAWS = 20


def test_who_moved_is_told_in_most_draws_and_hardly_ever_somebody_else() -> None:
    found = confusion(range(100, 100 + DRAWS))
    right = sum(found[mover, mover] for mover in MOVERS)
    wrong = sum(number for (mover, said), number in found.items() if said not in {mover, "unclear"})
    assert right >= 0.75 * DRAWS
    assert wrong <= 0.1 * DRAWS
