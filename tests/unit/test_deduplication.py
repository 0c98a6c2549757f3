"""An event counts once within the horizon."""

import numpy as np

from undertow.drift.deduplication import Deduplication
from undertow.drift.interaction import Interaction


def _admit(seen: Deduplication, *calls: tuple[str, str, int, float]) -> list[bool]:
    events = [Interaction(id=name, time=at, service=service) for service, name, _, at in calls]
    return [bool(new) for new in seen.admit(events, [c[2] for c in calls], np.array([c[3] for c in calls]))]


def test_a_repeat_is_left_out_and_one_with_other_content_is_a_conflict() -> None:
    seen = Deduplication(horizon=600)
    assert _admit(seen, ("s", "1", 7, 0), ("s", "1", 7, 1), ("s", "1", 8, 2)) == [True, False, False]
    assert (seen.duplicates, seen.conflicts) == (2, 1)


def test_an_id_belongs_to_its_service() -> None:
    assert _admit(Deduplication(600), ("a", "1", 7, 0), ("b", "1", 7, 0)) == [True, True]


def test_an_id_is_remembered_for_the_horizon_and_not_for_ever() -> None:
    seen = Deduplication(horizon=600)
    _admit(seen, ("s", "1", 7, 599))
    assert _admit(seen, ("s", "1", 7, 1199)) == [False]
    assert _admit(seen, ("s", "2", 7, 3000), ("s", "1", 7, 3000)) == [True, True]


def test_beyond_the_limit_the_older_half_is_forgotten_and_counted() -> None:
    seen = Deduplication(horizon=600, limit=4)
    _admit(seen, *[("s", str(i), 7, 0.0) for i in range(5)])
    assert seen.snapshot().forgotten_early == 2
    assert _admit(seen, ("s", "0", 7, 0), ("s", "4", 7, 0)) == [True, False]


def test_a_restart_remembers() -> None:
    seen = Deduplication(horizon=600)
    _admit(seen, ("s", "1", 7, 0))
    assert _admit(Deduplication(600, state=seen.snapshot()), ("s", "1", 7, 1)) == [False]
