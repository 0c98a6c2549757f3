"""A metric of the user's own, tried on sample events."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.own_metric import OwnMetric
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.trial import Trial, try_on, try_scores

APOLOGY = OwnMetric("apology", pattern="(?i)sorry")
EVENTS = [
    Interaction(id="1", time=0.0, service="s", output="So sorry!"),
    Interaction(id="2", time=0.0, service="s", output="Done."),
    Interaction(id="3", time=0.0, service="s"),
    Interaction(id="4", time=0.0, service="s", output="sorry", kind=Kind.TOOL),
]


def trial(own: OwnMetric, *outputs: str, policy: Any = "redacted") -> Trial:
    events = [Interaction(id=str(n), time=0.0, service="s", output=text) for n, text in enumerate(outputs)]
    return try_on(own, events, Redactor(policy))


def test_it_tells_the_share_with_examples_and_how_many_calls_say_anything() -> None:
    found = try_on(APOLOGY, EVENTS, Redactor("redacted"))
    assert (found.calls, found.said, found.mean, found.examples) == (3, 2, 0.5, ("So sorry!",))
    assert found.line == 'apology: 50 % of 2 calls, such as "So sorry!"; 1 say nothing'


def test_a_field_tells_its_mean_and_values() -> None:
    found = trial(OwnMetric("total", field="output.total"), '{"total": 3}', '{"total": 4.5}', "none")
    assert found.line == "total: mean 3.75 of 2 calls, such as 3, 4.5; 1 say nothing; text answer, no JSON ×1"


def test_silence_comes_with_its_reasons() -> None:
    found = try_on(OwnMetric("total", field="output.total"), EVENTS, Redactor("redacted"))
    assert math.isnan(found.mean)
    assert found.line == "total: nothing in 3 calls; text answer, no JSON ×2"
    assert try_on(APOLOGY, [], Redactor("redacted")).line == "apology: nothing in 0 calls"


def test_examples_are_few_and_short() -> None:
    found = trial(OwnMetric("apology", pattern="(?:sorry )+"), *["sorry " * 400] * 20)
    assert len(found.examples) == 3
    assert max(map(len, found.examples)) <= 120


@pytest.mark.parametrize(
    ("policy", "examples"),
    [
        ("full", ("Sorry, ana@example.com",)),
        ("redacted", ("Sorry, [email]",)),
        ("none", ()),
    ],
)
def test_what_is_shown_obeys_the_content_policy(policy: str, examples: tuple[str, ...]) -> None:
    assert trial(APOLOGY, "Sorry, ana@example.com", policy=policy).examples == examples


def test_no_part_of_a_secret_is_shown_when_the_pattern_looks_for_it() -> None:
    found = trial(OwnMetric("card", pattern=r"\b4111[ -]1111"), "Your card 4111 1111 1111 1111 was declined")
    assert (found.mean, found.examples) == (1.0, ("(masked)",))


def test_scores_are_told_by_name_whether_they_came_with_the_call_or_later() -> None:
    events = [
        Interaction(id="1", time=0.0, service="s", scores={"helpful": 1.0, "toxic": float("nan")}),
        Interaction(id="2", time=9.0, service="s", kind=Kind.SCORE, about="1", scores={"helpful": 0.0}),
        Interaction(id="3", time=9.0, service="s", kind=Kind.SCORE, about="unknown", scores={"orders": 41.0}),
    ]
    assert [found.line for found in try_scores(events)] == [
        "score.helpful: mean 0.5 of 2 values, such as 1, 0",
        "score.orders: mean 41 of 1 values, such as 41",
    ]
