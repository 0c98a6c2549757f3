"""Real calls that are kept, and those that show a change."""

from __future__ import annotations

import random
from math import inf
from typing import Any

import msgspec
import pytest

from undertow.drift.exemplars import Exemplar, Exemplars
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import Family
from undertow.drift.phrases import Phrase
from undertow.drift.showcase import showcase
from undertow.drift.values import hash_of


def call(number: int, time: float | None = None, **more: Any) -> Interaction:
    fields: dict[str, Any] = {"input": f"question {number}", "output": f"answer {number}", **more}
    return Interaction(id=str(number), time=float(number) if time is None else time, service="s", **fields)


def nothing() -> tuple[dict[str, str], dict[str, float]]:
    return {}, {}


def same(text: str) -> str:
    return text


def kept(events: list[Interaction], **limits: int) -> Exemplars:
    exemplars = Exemplars(same, **limits)
    for event in events:
        take(exemplars, event)
    exemplars.advance(inf)
    return exemplars


def take(exemplars: Exemplars, event: Interaction) -> None:
    refused = int(event.id) % 100 == 7
    exemplars.observe(event, hash_of(event.id), event.time // 10 * 10, ["refusal_rate"] if refused else [], nothing)


def test_which_are_kept_does_not_depend_on_the_order() -> None:
    events = [call(n, time=n % 600) for n in range(3000)]
    shuffled = random.Random(1).sample(events, len(events))
    assert kept(events).snapshot() == kept(shuffled).snapshot()


def test_a_rare_outcome_has_its_own_places() -> None:
    found = kept([call(n, time=n / 10) for n in range(6000)]).between("s", "", 0, 600)
    assert sum("refusal_rate" in one.true for one in found) >= 6
    assert len(found) <= 24 + 12


def test_the_last_hours_are_kept_finely_and_a_day_coarsely() -> None:
    exemplars = kept([call(n, time=n * 60.0) for n in range(26 * 60)])
    assert len(exemplars.between("s", "", 25 * 3600, 26 * 3600)) > 6 * 9
    assert 0 < len(exemplars.between("s", "", 4 * 3600, 6 * 3600)) <= 24 + 12
    assert exemplars.between("s", "", 0, 1.5 * 3600) == []


def test_texts_are_redacted_before_they_are_cut() -> None:
    exemplars = Exemplars(lambda text: text.replace("sesame", "[secret]"), longest=20)
    take(exemplars, call(1, input="x" * 15 + "sesame" + "y" * 50))
    exemplars.advance(inf)
    (one,) = exemplars.between("s", "", 0, 10)
    assert one.input == "x" * 15 + "[sec…"


def test_without_leave_nothing_is_kept() -> None:
    exemplars = Exemplars(None)
    take(exemplars, call(1))
    exemplars.advance(inf)
    assert exemplars.between("s", "", 0, 10) == []


def test_only_live_calls_are_kept() -> None:
    exemplars = kept([call(1, shadow_of="2"), call(2, kind=Kind.TOOL), call(3, kind=Kind.SCORE)])
    assert exemplars.between("s", "", 0, 10) == []


def test_the_limit_of_all_holds_and_the_oldest_go_first() -> None:
    exemplars = kept([call(n, time=n * 20.0) for n in range(3000)], max_kept=100)
    assert len(exemplars.between("s", "", 0, 1e9)) <= 100
    assert exemplars.dropped > 0
    assert exemplars.between("s", "", 58_000, 60_000)


def test_it_goes_on_from_a_snapshot_as_if_it_had_not_stopped() -> None:
    events = [call(n, time=n * 7.0) for n in range(2000)]
    begun, resumed = Exemplars(same), Exemplars(same)
    for event in events[:900]:
        take(begun, event)
    begun.advance(6000.0)
    resumed.restore(msgspec.to_builtins(begun.snapshot()))
    for event in events[900:]:
        take(resumed, event)
    resumed.advance(inf)
    assert resumed.snapshot() == kept(events).snapshot()


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 0"):
        Exemplars(same).restore({"version": 0})


def made(number: int, asked: str, answered: str, refused: bool = False, latency: float = 1.0) -> Exemplar:
    return Exemplar(
        number, str(number), 0.0, {}, ("refusal_rate",) if refused else (), {"latency": latency}, asked, answered
    )


def test_refusals_since_are_shown_beside_answers_to_the_like_before() -> None:
    old = [
        made(1, "where is my order", "on its way"),
        made(2, "cancel my flight", "done"),
        made(3, "hi", "hello", True),
    ]
    new = [made(4, "cancel my hotel", "I cannot do that", True), made(5, "hi", "hello")]
    shown = showcase("refusal_rate", Family.RATE, (0.01, 0.5), old, new)
    assert [one.output for one in shown.after] == ["I cannot do that"]
    assert [one.input for one in shown.before] == ["cancel my flight"]


def test_of_a_rate_that_fell_the_hits_are_before() -> None:
    old, new = [made(1, "a", "no", True), made(2, "b", "yes")], [made(3, "c", "yes"), made(4, "d", "no", True)]
    shown = showcase("refusal_rate", Family.RATE, (0.5, 0.01), old, new)
    assert ([one.output for one in shown.before], [one.output for one in shown.after]) == (["no"], ["yes"])


def test_of_a_number_those_near_the_levels_are_shown() -> None:
    old = [made(n, f"q{n}", f"old {n}", latency=n / 4) for n in range(1, 20)]
    new = [made(n, f"q{n}", f"new {n}", latency=n) for n in range(1, 20)]
    shown = showcase("latency", Family.POSITIVE, (1.0, 8.0), old, new, limit=3)
    assert {one.output for one in shown.after} == {"new 7", "new 8", "new 9"}
    assert all(0.4 < one.values["latency"] < 2.8 for one in shown.before)


def test_of_a_shift_those_with_the_words_that_moved() -> None:
    new = [made(n, "q", f"text {n} of course") for n in range(4)] + [made(9, "q", "plainly so")]
    shown = showcase(
        "output_centroid", Family.VECTOR, (0, 1), [], new, [Phrase("phrase", "plainly", 0, 0.5, 5.0)], limit=3
    )
    assert shown.after[0].output == "plainly so"
    assert shown.before == ()


def test_the_same_answer_is_shown_again_only_to_reach_three() -> None:
    new = [made(n, "q", "I cannot help with that request", True) for n in range(9)]
    assert len(showcase("refusal_rate", Family.RATE, (0.0, 1.0), [], new).after) == 3
    varied = [*new, *(made(20 + n, "q", f"No {n} {n * 7} {n * 31}", True) for n in range(9))]
    shown = showcase("refusal_rate", Family.RATE, (0.0, 1.0), [], varied).after
    assert sum(one.output.startswith("I cannot") for one in shown) == 1
    assert len(shown) == 5
