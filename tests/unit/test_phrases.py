"""What the words say."""

from __future__ import annotations

import random

from undertow.drift.phrases import moved_phrases, terms_of

WORDS = (
    "the",
    "a",
    "your",
    "order",
    "refund",
    "today",
    "please",
    "thanks",
    "here",
    "is",
    "was",
    "we",
    "can",
    "you",
    "it",
)


def texts(seed: int, count: int = 120, extra: str = "", share: float = 0.0) -> list[str]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        text = " ".join(rng.choices(WORDS, k=rng.randint(8, 30)))
        made.append(f"{text} {extra}" if rng.random() < share else text)
    return made


def test_a_new_saying_is_found_once_and_in_full() -> None:
    found = moved_phrases(texts(1), texts(2, extra="returns are free forever", share=0.4))
    assert found[0].z > 0
    assert found[0].before == 0
    assert set(found[0].text.split()) <= {"returns", "are", "free", "forever"}
    assert len(found) <= 2


def test_what_falls_is_found_with_the_other_sign() -> None:
    found = moved_phrases(texts(1, extra="happy to help", share=0.5), texts(2))
    assert (found[0].text, found[0].z < 0) == ("happy to help", True)


def test_texts_of_one_kind_have_nothing_to_tell_in_nearly_all_of_a_hundred() -> None:
    assert sum(bool(moved_phrases(texts(seed), texts(1000 + seed))) for seed in range(100)) <= 3


def test_a_renamed_key_is_told_as_one_that_went_and_one_that_came() -> None:
    before = ['{"summary": "x", "items": [{"id": 1}]}'] * 40
    after = ['{"exec_summary": "x", "items": [{"id": 1}]}'] * 40
    found = {(phrase.kind, phrase.text): phrase.z > 0 for phrase in moved_phrases(before, after)}
    assert found == {("key", "summary"): False, ("key", "exec_summary"): True}


def test_one_text_that_says_it_a_hundred_times_is_one_text() -> None:
    assert moved_phrases(texts(1), [*texts(2), "refused " * 100]) == []


def test_secrets_are_gone_before_they_are_read() -> None:
    found = moved_phrases(
        texts(1), texts(2, extra="mail bob", share=0.9), redact=lambda text: text.replace("bob", "[name]")
    )
    assert found
    assert not any("bob" in phrase.text for phrase in found)


def test_the_limit_holds_and_nothing_comes_of_nothing() -> None:
    assert len(moved_phrases(["alpha"] * 50, [f"beta gamma {n}" for n in range(50)], limit=1)) == 1
    assert moved_phrases([], ["a"] * 50) == []
    assert moved_phrases(["a"] * 50, []) == []


def test_a_very_long_or_deep_text_is_read_up_to_its_limits() -> None:
    assert len(terms_of("word " * 100_000)) <= 3
    assert len(terms_of(str({"a": 1}).replace("'", '"'))) == 1
    assert terms_of("[" * 50 + '{"x": 1}' + "]" * 50) is not None
    assert len(terms_of("{" + ",".join(f'"k{n}":{n}' for n in range(5000)) + "}")) <= 200


def test_numbers_count_as_one() -> None:
    assert terms_of("Order 4711") == terms_of("order 12")
