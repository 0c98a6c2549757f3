"""What must hold of the fleet for any stream: batching, restarts and the order within the lateness change nothing."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.fleet import Fleet, FleetFinding
from undertow.drift.interaction import Interaction

LATENESS_S = 60.0


@st.composite
def streams(draw: st.DrawFn) -> list[Interaction]:
    """A few hundred calls, of versions that come and go."""
    events: list[Interaction] = []
    now = 0.0
    for stage in range(draw(st.integers(1, 4))):
        versions = draw(st.lists(st.sampled_from(["v1", "v2", "v3", None]), min_size=1, max_size=3))
        operations = draw(st.sampled_from([("a",), ("a", "b"), (None,)]))
        for n in range(draw(st.integers(20, 120))):
            now += 60.0
            events.append(
                Interaction(
                    id=f"{stage}-{n}",
                    time=now,
                    service="s",
                    operation=operations[n % len(operations)],
                    prompt_version=versions[n % len(versions)],
                    attributes={"region": "eu" if n % 2 else "us"},
                )
            )
    return events


def play(fleet: Fleet, events: list[Interaction]) -> list[FleetFinding]:
    return [finding for event in events for finding in fleet.observe(event, event.time - LATENESS_S)]


@given(streams(), st.data())
def test_a_restart_after_any_event_changes_nothing(events: list[Interaction], data: st.DataObject) -> None:
    plain = Fleet(1200.0)
    expected = play(plain, events) + plain.expire(1e9)
    cut = data.draw(st.integers(0, len(events)))
    before = Fleet(1200.0)
    found = play(before, events[:cut])
    after = Fleet.build(1200.0, state=json.loads(json.dumps(before.snapshot())))
    assert after.snapshot() == before.snapshot()
    found += play(after, events[cut:]) + after.expire(1e9)
    assert found == expected
    assert after.live() == plain.live()


@given(streams(), st.integers(1, 3))
def test_the_order_within_the_lateness_changes_nothing(events: list[Interaction], size: int) -> None:
    def findings(order: list[Interaction]) -> tuple[list[FleetFinding], Any]:
        fleet, found, latest = Fleet(1200.0), [], 0.0
        for event in order:
            latest = max(latest, event.time)
            found += fleet.observe(event, latest - 4 * LATENESS_S)
        return found + fleet.expire(1e9), fleet.live()

    shuffled = [event for start in range(0, len(events), size) for event in reversed(events[start : start + size])]
    assert findings(shuffled) == findings(events)


@given(streams())
def test_whatever_was_told_is_either_open_or_over(events: list[Interaction]) -> None:
    fleet = Fleet(1200.0)
    found = play(fleet, events)
    open_now = [(f.kind, f.segment, f.dimension, f.values) for f in found if not f.over]
    for finding in found:
        if finding.over:
            open_now.remove((finding.kind, finding.segment, finding.dimension, finding.values))
    assert sorted(open_now) == sorted((f.kind, f.segment, f.dimension, f.values) for f in fleet.open)
