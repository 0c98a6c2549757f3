"""Any scenario: in order, counted, repeatable, and without effect before its incidents."""

from dataclasses import replace
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction
from undertow.pipelines.simulator import INCIDENTS, MONDAY, Planted, Scenario, generate, live, truth

names = st.sampled_from(sorted(INCIDENTS))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    start = MONDAY + draw(st.integers(-10_000, 10_000)) * 60.5
    duration_s = draw(st.floats(1, 240))
    planted = []
    for name in draw(st.lists(names, max_size=3)):
        at = start + draw(st.floats(0, 0.99)) * duration_s
        until = draw(st.none() | st.floats(1, 300).map(at.__add__))
        planted.append(Planted(name, at, until, draw(st.floats(0.1, 2))))
    return Scenario(
        seed=draw(st.integers(0, 2**40)),
        start=start,
        duration_s=duration_s,
        rate_per_s=draw(st.floats(0.01, 15)),
        incidents=tuple(planted),
        daily_cycle=draw(st.floats(0, 1)),
        day_noise=draw(st.floats(0, 0.3)),
        texts=draw(st.booleans()),
    )


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_lines_decode_in_order_within_the_scenario_with_ids_of_their_own(scenario: Scenario) -> None:
    read = [msgspec.json.decode(line, type=Interaction) for line in generate(scenario)]
    assert all(one.time <= two.time for one, two in pairwise(read))
    assert all(scenario.start <= event.time < scenario.end for event in read)
    assert len({(event.service, event.id) for event in read}) == len(read)
    assert len(truth(scenario)) == len(scenario.incidents)


@settings(max_examples=15, deadline=None)
@given(scenarios())
def test_reading_twice_and_reading_paced_give_the_same_bytes(scenario: Scenario) -> None:
    slept: list[float] = []
    paced = list(live(scenario, speed=10, clock=lambda: sum(slept), sleep=slept.append))
    assert paced == list(generate(scenario))


@settings(max_examples=25, deadline=None)
@given(scenarios())
def test_bytes_before_the_first_incident_are_those_of_quiet_traffic(scenario: Scenario) -> None:
    until = min((planted.at for planted in scenario.incidents), default=scenario.end)
    quiet = generate(replace(scenario, incidents=()))
    for one, two in zip(quiet, generate(scenario), strict=False):
        if msgspec.json.decode(two, type=Interaction).time >= until:
            break
        assert one == two
