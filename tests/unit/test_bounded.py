"""A bounded table whose content does not depend on the order of its keys."""

import random
from collections import UserList

import pytest

from undertow.drift.bounded import Bounded, Key


class Sum(UserList[int]):
    def add(self, other: "Sum") -> None:
        self.extend(other)


def to_first(key: Key) -> Key:
    return (key[0], "*")


def to_all(key: Key) -> Key:
    return ("*", "*")


def table(limit: int = 5, groups: int = 3) -> Bounded[Sum]:
    return Bounded(limit, Sum, to_first, Bounded(groups, Sum, to_all))


def content(bounded: Bounded[Sum]) -> list[list[tuple[Key, list[int]]]]:
    return [sorted((key, sorted(cell)) for key, cell in level) for level in bounded.levels()]


def filled(entries: list[tuple[Key, int]]) -> Bounded[Sum]:
    bounded = table()
    for key, value in entries:
        bounded.cell(key).append(value)
    return bounded


ENTRIES: list[tuple[Key, int]] = [((f"group{n % 7}", f"key{n % 40}"), n) for n in range(400)]


def test_the_content_is_the_same_in_any_order() -> None:
    expected = content(filled(ENTRIES))
    for seed in range(20):
        shuffled = random.Random(seed).sample(ENTRIES, len(ENTRIES))
        assert content(filled(shuffled)) == expected


def test_nothing_is_lost_and_each_level_keeps_its_limit() -> None:
    own, groups, rest = content(filled(ENTRIES))
    assert (len(own), len(groups), len(rest)) == (5, 3, 1)
    assert sorted(value for level in (own, groups, rest) for _, cell in level for value in cell) == list(range(400))


def test_a_key_that_is_kept_holds_all_that_was_added_to_it() -> None:
    for key, cell in filled(ENTRIES).levels()[0]:
        assert sorted(cell) == [value for name, value in ENTRIES if name == key]


def test_below_the_limit_nothing_is_folded() -> None:
    few = [entry for entry in ENTRIES if entry[0] in {("group1", "key1"), ("group2", "key2")}]
    own, groups, rest = content(filled(few))
    assert len(own) == 2
    assert not groups
    assert not rest


def test_a_restored_table_goes_on_as_if_nothing_had_happened() -> None:
    for cut in (0, 3, 50, 399):
        resumed = table()
        resumed.restore(filled(ENTRIES[:cut]).levels())
        for key, value in ENTRIES[cut:]:
            resumed.cell(key).append(value)
        assert content(resumed) == content(filled(ENTRIES))


def test_a_limit_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="limit = 0"):
        Bounded(0, Sum, to_first)
