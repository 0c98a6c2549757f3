"""Which differences between arguments, and between answers, make a difference."""

from typing import Any

import pytest

from undertow.drift.arguments import answer_of, asked_of, wording_of


def near(arguments: Any) -> int:
    return asked_of("f", arguments).near


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("re-send the e-mail", "re send the e mail"),
        ("Hello, World!", "hello world"),
        ("R&D", "r & d"),
        ({"q": "a"}, '{ "Q" : "A." }'),
        ({"q": "x", "deep": {"trace_id": 1}}, {"q": "x", "deep": {"trace_id": 2}}),
        ({"q": "x", "idempotency-key": "a"}, {"q": "x", "idempotency-key": "b"}),
        ("report of 2025-03-01T10:00:00Z", "report of 2025-03-01T10:00:59.123+02:00"),
    ],
)
def test_cosmetic(one: Any, other: Any) -> None:
    assert near(one) == near(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = -5", "x = 5"),
        ("1 + 2", "1 * 2"),
        ("1.5", "15"),
        ("a/b", "a b"),
        ("C++", "C"),
        ("2025-03-01", "2025-03-02"),
        ("2025-03-01T10:00:00Z", "2025-03-01T11:00:00Z"),
        ({"id": "7d9f1c3a-0000-4000-8000-000000000001"}, {"id": "7d9f1c3a-0000-4000-8000-000000000002"}),
        ({"page": 1}, {"page": 2}),
        ({"a": "x"}, {"b": "x"}),
        ("", None),
        ({}, None),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ("x" * 5000, "X" * 5000),
    ],
)
def test_meaningful(one: Any, other: Any) -> None:
    assert near(one) != near(other)


def test_the_name_is_part_of_what_was_asked_and_of_what_was_said() -> None:
    assert asked_of("f", {}) != asked_of("g", {})
    assert answer_of("f", "ok", None) != answer_of("g", "ok", None)


def test_answers_differ_by_what_they_say_and_not_by_when() -> None:
    def said(result: Any) -> Any:
        return answer_of("f", result, None)

    assert said({"x": 1, "took_ms": 3}) == said({"x": 1, "took_ms": 9})
    assert said("done at 2025-03-01T10:00:00Z") == said("done at 2025-03-01T10:00:07Z")
    assert said({"x": 1}) != said({"x": 2})
    assert said(["a", "b"]) != said(["a"])


def test_an_error_is_an_answer() -> None:
    assert answer_of("f", None, "no such order") == answer_of("f", "no such order", "no such order")
    assert answer_of("f", None, {"code": 7}) != answer_of("f", None, {"code": 8})


def test_numbers_matter_to_tools_that_change_something_and_to_pages() -> None:
    assert wording_of("search", {"q": "red shoes 3"}) == wording_of("search", {"q": "shoes, red 4"}) is not None
    assert wording_of("delete_order", {"id": "order of shoes 3"}) is None
    assert wording_of("search", "red shoes, page 3") is None
    assert wording_of("search", {"q": "red shoes", "page_token": "abc"}) is None
    assert wording_of("check", {"id": 17}) is wording_of("check", {"id": "INV-17"}) is wording_of("check", 17) is None
