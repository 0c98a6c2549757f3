"""Values as tools give and take them: read, walked through and hashed without harm."""

from typing import Any

import pytest

from undertow.drift.values import as_text, bare, hash_of, leaves_of, plain, searchable, words_in


@pytest.mark.parametrize("value", ["{", "[" * 100_000, "[1, 2", "no JSON", 7, None])
def test_what_is_no_json_stays_as_it_is(value: Any) -> None:
    assert plain(value) == value


def test_large_containers_are_leaves_of_their_own() -> None:
    many = list(range(201))
    assert list(leaves_of({"a": many, "b": 1})) == [("a", many), ("b", 1)]


def test_the_order_of_keys_changes_neither_leaves_nor_text() -> None:
    one, other = {"a": {"c": 1, "b": [2, "x"]}, "d": None}, {"d": None, "a": {"b": [2, "x"], "c": 1}}
    assert list(leaves_of(one)) == list(leaves_of(other)) == [("b", 2), ("b", "x"), ("c", 1), ("d", None)]
    assert as_text(one) == as_text(other)


ODD: list[Any] = [{"a": "\ud800"}, 10**5000, {1: {2}}, float("nan"), b"x", object]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_json_cannot_say_is_a_text_all_the_same(value: Any) -> None:
    assert as_text(value).encode()
    assert hash_of(as_text(value)) == hash_of(as_text(value))


def test_lone_surrogates_are_replaced_before_a_search() -> None:
    assert searchable("a\ud800b") == "a?b"
    assert searchable("ä") == "ä"


def test_a_text_too_long_for_json_and_a_name_too_long_to_read_are_cut() -> None:
    long = "[" + "1," * 60_000 + "1]"
    assert plain(long) is long
    assert words_in("x" * 500) == ("x" * 200,)
    assert bare("K_" * 500) == "k" * 100
