"""What must hold of scores for any stream: each counts once; neither restarts nor the lateness change anything."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.scores import Score, Scores

LATENESS_S = 10.0
LIMITS: dict[str, Any] = {"remember_s": 40.0, "max_calls": 1000}


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[Interaction, float]]:
    """Calls and scores, out of order within the lateness, each with the watermark after it."""
    steps = []
    now = watermark = 0.0
    for number in range(draw(st.integers(0, 50))):
        now += draw(st.sampled_from([0.0, 1.0, 4.0, 15.0]))
        is_score = draw(st.booleans())
        event = Interaction(
            id=str(number) if is_score else f"c{draw(st.integers(0, 9))}",
            time=max(0.0, now - draw(st.sampled_from([0.0, 3.0, 9.0]))),
            service="s",
            kind=Kind.SCORE if is_score else Kind.CALL,
            about=draw(st.sampled_from([None, *(f"c{n}" for n in range(10))])) if is_score else None,
            scores={f"n{number % 3}": float(number)} if is_score or draw(st.booleans()) else None,
        )
        watermark = max(watermark, now - LATENESS_S)
        steps.append((event, watermark))
    return steps


def play(scores: Scores, steps: list[tuple[Interaction, float]]) -> list[Score]:
    return [found for event, watermark in steps for found in scores.observe(event, (event.id,), watermark)]


@given(streams())
def test_a_restart_after_any_event_changes_nothing(steps: list[tuple[Interaction, float]]) -> None:
    plain = Scores(**LIMITS)
    expected = play(plain, steps) + plain.close_all()
    for cut in range(len(steps) + 1):
        before = Scores(**LIMITS)
        found = play(before, steps[:cut])
        after = Scores.build(**LIMITS, state=json.loads(json.dumps(before.snapshot())))
        found += play(after, steps[cut:])
        assert found + after.close_all() == expected
        assert after.unplaced == plain.unplaced


@given(streams())
def test_each_score_counts_exactly_once_and_before_its_window_can_close(steps: list[tuple[Interaction, float]]) -> None:
    scores, counted = Scores(**LIMITS), []
    for event, watermark in steps:
        counted += [(found.time, found.name, found.value) for found in scores.observe(event, (event.id,), watermark)]
        assert all(waiting[0].time > watermark for waiting in scores._waiting.values() if watermark < event.time)
    counted += [(found.time, found.name, found.value) for found in scores.close_all()]
    sent = [(event.time, name, value) for event, _ in steps for name, value in (event.scores or {}).items()]
    assert sorted(counted) == sorted(sent)


@given(streams(), st.sets(st.integers(0, 50)))
def test_asking_between_events_changes_when_scores_are_told_not_which(
    steps: list[tuple[Interaction, float]], asked: set[int]
) -> None:
    plain = Scores(**LIMITS)
    expected = play(plain, steps) + plain.close_all()
    scores, found = Scores(**LIMITS), []
    for number, step in enumerate(steps):
        if number in asked:
            found += scores.expire(step[1])
        found += play(scores, [step])
    assert sorted(map(repr, found + scores.close_all())) == sorted(map(repr, expected))


@given(st.permutations(range(6)))
def test_within_the_lateness_a_score_may_come_before_its_call(order: list[int]) -> None:
    events = [Interaction(id=f"c{n}", time=float(n), service="s") for n in range(3)]
    events += [
        Interaction(id=f"f{n}", time=float(n) + 1, service="s", kind=Kind.SCORE, about=f"c{n}", scores={"x": float(n)})
        for n in range(3)
    ]
    scores = Scores(**LIMITS)
    found = [score for number in order for score in scores.observe(events[number], (events[number].id,), 0.0)]
    assert sorted((score.dims, score.value) for score in found) == [(("c0",), 0.0), (("c1",), 1.0), (("c2",), 2.0)]
