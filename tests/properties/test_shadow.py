"""What must hold of shadow pairs for any stream: order and restarts change nothing, each shadow counts at most once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction
from undertow.drift.shadow import Disagreement, Shadow

DIMS = ("a", None)


@st.composite
def streams(draw: st.DrawFn) -> list[Interaction]:
    events: list[Interaction] = []
    for number in range(draw(st.integers(0, 40))):
        fields: dict[str, Any] = {
            "label": draw(st.sampled_from([None, "x", "y"])),
            "output": draw(st.sampled_from([None, "x", "y"])),
            "shadow_of": draw(st.sampled_from([None, *map(str, range(12))])),
        }
        events.append(Interaction(id=str(number), time=float(number % 7), service=f"s{number % 2}", **fields))
    return events


def play(shadow: Shadow, events: list[Interaction]) -> list[Disagreement]:
    return [found for event in events for found in shadow.observe(event, DIMS, 0.0)]


@given(streams(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_two_come_does_not_matter(events: list[Interaction], rng: Any) -> None:
    assert sorted(map(repr, play(Shadow(), rng.sample(events, len(events))))) == sorted(
        map(repr, play(Shadow(), events))
    )


@given(streams())
def test_a_restart_after_any_event_changes_nothing(events: list[Interaction]) -> None:
    plain = Shadow()
    expected = play(plain, events)
    for cut in range(len(events) + 1):
        before = Shadow()
        found = play(before, events[:cut])
        after = Shadow.build(state=json.loads(json.dumps(before.snapshot())))
        assert found + play(after, events[cut:]) == expected
        assert (after.unpaired, after.incomparable, after.evicted) == (plain.unpaired, plain.incomparable, 0)


@given(streams())
def test_each_shadow_counts_at_most_once(events: list[Interaction]) -> None:
    shadow = Shadow()
    found = play(shadow, events)
    assert len(found) + shadow.incomparable + shadow.unpaired <= sum(event.shadow_of is not None for event in events)
