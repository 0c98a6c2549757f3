"""Names of clusters from their own words, and which of them grew."""

from __future__ import annotations

import random

from undertow.alerts.reasons import moved_text
from undertow.drift.averages import NOTHING, Shift
from undertow.drift.causes import Asking, Explanation, Question, explain
from undertow.drift.metrics import Family
from undertow.drift.suspicion import ChangeTime
from undertow.drift.topic_names import words_of


def explained(asking: list[Asking]) -> Explanation:
    nothing = Shift(NOTHING, NOTHING)
    change = ChangeTime(0.0, -60.0, 60.0)
    return explain(Question(metric="refusal_rate", family=Family.RATE, change=change, whole=nothing, asking=asking))


def questions(*words: str, count: int = 40, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    common = ["hello", "please", "could", "you", "help", "me", "with", "the", "order"]
    return [" ".join([*rng.sample(common, 5), *rng.sample(words, min(len(words), 2))]) + "?" for _ in range(count)]


def test_clusters_are_named_by_what_sets_them_apart() -> None:
    found = words_of(
        {
            "1": questions("refund", "invoice", "charged"),
            "2": questions("parcel", "courier"),
            "3": questions("password", "login"),
        }
    )
    assert {name: set(words.split(", ")) for name, words in found.items()} == {
        "1": {"refund", "invoice", "charged"},
        "2": {"parcel", "courier"},
        "3": {"password", "login"},
    }


def test_what_everybody_says_names_nobody() -> None:
    assert words_of({"1": questions(seed=1), "2": questions(seed=2)}) == {}
    assert words_of({"1": questions("refund")[:2], "2": questions("parcel")}).get("1") is None


def test_what_was_masked_and_numbers_are_no_names() -> None:
    masked = [f"write to [email] about [card] 12{n}" for n in range(30)]
    assert set(words_of({"1": masked, "2": questions("parcel")})["1"].split(", ")) <= {"write", "about"}


def test_the_topic_that_grew_is_told_in_its_own_words() -> None:
    asking = [Asking("1", "refund, invoice, charged", 40, 190), Asking("2", "parcel", 960, 810)]
    (grown,) = explained(asking=asking).grown
    assert (grown.words, grown.before, grown.after) == ("refund, invoice, charged", 0.04, 0.19)
    told = moved_text(explained(asking=asking))
    assert told.endswith("; questions like “refund, invoice, charged” 4 % → 19 % of the inputs")


def test_a_topic_never_asked_before_is_told_as_such_with_words_and_without() -> None:
    rest = Asking("1", "", 1000, 800)
    assert "questions like “customs, duties”, unlike any before, 0 % → 20 %" in moved_text(
        explained(asking=[rest, Asking("new", "customs, duties", 0, 200)])
    )
    assert "; questions unlike any before 0 % → 20 %" in moved_text(explained(asking=[rest, Asking("new", "", 0, 200)]))


def test_no_topic_has_grown_by_chance_or_in_a_handful_of_calls() -> None:
    rng = random.Random(3)
    named = 0
    for _ in range(200):
        counts = [[sum(rng.random() < 0.2 for _ in range(n)) for _ in range(3)] for n in (900, 300)]
        asking = [Asking(str(n), "", before, after) for n, (before, after) in enumerate(zip(*counts, strict=True))]
        named += bool(explained(asking=asking).grown)
    assert named <= 4
    assert explained(asking=[Asking("1", "", 10, 30), Asking("2", "", 30, 10)]).grown == ()
