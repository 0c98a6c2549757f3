"""Why something changed, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from undertow.alerts.reasons import cause_dicts, moved_text, place_text
from undertow.drift.averages import NOTHING, Average, Shift, average_of, pooled
from undertow.drift.causes import Explanation, Question, explain
from undertow.drift.contributions import Slice
from undertow.drift.metrics import Family
from undertow.drift.suspicion import ChangeTime, Suspect, origin_of

T0 = 1_790_000_000.0
CHANGE = ChangeTime(T0, T0 - 60, T0 + 60)
DAY = 86_400.0


def rate(events: int, hits: int) -> Average:
    return average_of(Family.RATE, events, hits, hits)


WHOLE = Shift(rate(9000, 180), rate(1000, 110))
EVEN = [Slice("region", name, Shift(rate(4500, 90), rate(500, 55))) for name in ("eu", "us")]


def suspect(dimension: str, value: str, lead: float = 10.0, **more: object) -> Suspect:
    time = T0 - lead
    fields = {"origin": origin_of(dimension), "since": time, "until": time, **more}
    return Suspect(dimension=dimension, value=value, **fields)  # type: ignore[arg-type]


def explained(*suspects: Suspect, **more: object) -> Explanation:
    fields = {"metric": "refusal_rate", "family": Family.RATE, "change": CHANGE, "whole": WHOLE, "slices": EVEN, **more}
    return explain(Question(suspects=suspects, **fields))  # type: ignore[arg-type]


def texts(found: Explanation) -> list[str]:
    return [cause["text"] for cause in cause_dicts(found)]


def test_a_version_first_seen_at_the_change_is_named_with_its_lead() -> None:
    found = explained(suspect("prompt_version", "v48", 8.0, declared="shorter answers"))
    assert texts(found)[0] == (
        "prompt_version=v48 was first seen 2026-09-21 14:13:12 UTC, 8 s before the estimated change, "
        "declared as “shorter answers”"
    )
    assert (found.yours, found.moved) == (True, "model")


def test_two_of_one_release_are_said_to_be_inseparable() -> None:
    first, second, *_ = texts(explained(suspect("tools", "tools#1"), suspect("config.index", "7")))
    assert first.endswith("coincides with tools=tools#1: these data cannot separate them")
    assert second.endswith("coincides with config.index=7: these data cannot separate them")


def test_the_hash_of_a_prompt_is_a_second_name_of_its_version() -> None:
    found = explained(suspect("prompt_version", "v48"), suspect("instructions", "instructions#ab"))
    assert [cause.dimension for cause in found.causes] == ["prompt_version", ""]
    assert texts(found)[0].startswith("prompt_version=v48 (instructions=instructions#ab) was first seen")


def test_when_another_model_answers_and_none_was_asked_for_it_is_the_provider() -> None:
    found = explained(suspect("response_model", "gpt-x-0601"))
    assert found.causes[0].kind == "provider"
    assert not found.yours
    assert texts(found)[0].startswith("no change on your side: the provider answers with response_model=gpt-x-0601")
    own = explained(suspect("response_model", "gpt-x"), suspect("model", "gpt-x"))
    assert (own.causes[0].kind, own.yours) == ("version", True)


def test_when_nothing_moved_it_says_that_nothing_of_yours_did() -> None:
    (text,) = texts(explained())
    assert text == "no change on your side explains it: the provider, or something that no event carries"


def test_old_versions_leave_the_unknown_in_front() -> None:
    found = explained(suspect("prompt_version", "v47", 5 * 3600), suspect("tools", "tools#2", 7 * 3600))
    assert found.causes[0].kind == "unknown"
    assert not found.yours


def test_a_price_is_a_suspect_of_costs_alone() -> None:
    price = suspect("price", "gpt-x", declared="input 2.5 → 5 $/M")
    assert [cause.kind for cause in explained(price).causes] == ["unknown"]
    costs = explained(price, metric="cost_per_task", family=Family.POSITIVE, slices=())
    assert costs.causes[0].kind == "price"
    assert texts(costs)[0].startswith("price of gpt-x: input 2.5 → 5 $/M since 2026-09-21 14:13:10 UTC")
    assert "declared" not in texts(costs)[0]


def test_shares_that_moved_are_the_cause_when_levels_stayed() -> None:
    slices = [
        Slice("operation", "chat", Shift(rate(9000, 90), rate(500, 5))),
        Slice("operation", "medical", Shift(rate(1000, 200), rate(500, 100))),
    ]
    found = explained(slices=slices, whole=Shift(pooled([rate(9000, 90), rate(1000, 200)]), rate(1000, 105)))
    assert (found.causes[0].kind, found.moved) == ("mix", "mix")
    assert texts(found)[0] in {
        "operation=medical went from 10 % to 50 % of the calls",
        "operation=chat went from 90 % to 50 % of the calls",
    }


def test_all_of_the_traffic_alike_names_no_slice() -> None:
    found = explained()
    assert found.carriers.kind == "alike"
    assert place_text("refusal_rate", Family.RATE, found.carriers) == "all of the traffic alike"


def test_versions_are_no_places() -> None:
    slices = [
        *EVEN,
        Slice("prompt_version", "v47", Shift(rate(9000, 180), rate(500, 10))),
        Slice("prompt_version", "v48", Shift(NOTHING, rate(500, 100))),
    ]
    assert explained(slices=slices).carriers.dimension == ""


@pytest.mark.parametrize(("inputs", "moved"), [(None, "model"), (T0 + 30, "users"), (T0 + 3600, "model")])
def test_users_moved_when_inputs_did_at_the_same_time_and_nothing_here(inputs: float | None, moved: str) -> None:
    assert explained(inputs_moved=inputs).moved == moved


def test_a_version_and_moved_inputs_together_stay_unclear() -> None:
    assert explained(suspect("prompt_version", "v48"), inputs_moved=T0).moved == "unclear"


def test_inputs_that_follow_days_later_are_users_who_adapt() -> None:
    found = explained(inputs_moved=T0 + 5 * DAY)
    assert moved_text(found).endswith("inputs shifted 5 d after the answers: users adapt")
    assert explained(inputs_moved=T0 + 3600).adapting_s is None
    assert explained(inputs_moved=T0 + 5 * DAY, of_input=True).adapting_s is None


def test_inputs_that_followed_the_answers_days_later_say_so_themselves() -> None:
    adapting = explained(of_input=True, outputs_moved=T0 - 3 * DAY)
    assert (adapting.moved, adapting.adapting_s) == ("users", 3 * DAY)
    assert explained(of_input=True, outputs_moved=T0 - 3600).adapting_s is None


def topics(before: tuple[int, int], after: tuple[int, int], rates: tuple[float, float], since: float) -> dict[str, Any]:
    """Two topics with so many calls and these refusal rates; the second's is `since` afterwards."""
    levels = ((rates[0], rates[0]), (rates[1], since))
    shifts = [
        Shift(rate(n, round(n * p)), rate(m, round(m * q))) for n, m, (p, q) in zip(before, after, levels, strict=True)
    ]
    whole = Shift(pooled(one.before for one in shifts), pooled(one.after for one in shifts))
    slices = [Slice("input_cluster", str(number), shift) for number, shift in enumerate(shifts)]
    return {"topics": slices, "asked": whole, "whole": whole}


def test_more_of_the_questions_that_were_always_refused_is_users_who_moved() -> None:
    assert explained(**topics((900, 100), (500, 500), (0.01, 0.5), since=0.5)).moved == "users"


def test_the_same_questions_refused_more_often_is_the_model() -> None:
    assert explained(**topics((500, 500), (500, 500), (0.01, 0.05), since=0.4)).moved == "model"


def test_of_few_questions_nothing_is_concluded() -> None:
    assert explained(**topics((20, 20), (20, 20), (0.0, 0.0), since=0.5)).moved == "model"
