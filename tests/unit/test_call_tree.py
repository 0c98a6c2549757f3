"""How often a tool stands inside itself, in whatever order its events come."""

from itertools import permutations
from typing import Any

import pytest

from undertow.drift.call_tree import CallTree, cause_of
from undertow.drift.interaction import Interaction, Kind

PLAN, OTHER, MODEL = 7, 8, 0

# id, end, parent, tool: a plan that calls the model that plans that calls the model that plans; the inner ends first
TOWER = [(5, 1.0, 4, PLAN), (4, 2.0, 3, MODEL), (3, 3.0, 2, PLAN), (2, 4.0, 1, MODEL), (1, 5.0, 0, PLAN)]


def deepest(links: Any, asked: int | None = None) -> int:
    tree = CallTree()
    return max(tree.nested(key, end, parent, tool, (asked or key) if tool else 0) for key, end, parent, tool in links)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::7])
def test_a_tool_inside_itself_is_counted_in_any_order_of_arrival(order: tuple[int, ...]) -> None:
    assert deepest(TOWER[place] for place in order) == 3


def test_other_tools_inside_do_not_count() -> None:
    assert deepest([(3, 1.0, 2, OTHER), (2, 2.0, 1, MODEL), (1, 3.0, 0, PLAN)]) == 1


def test_siblings_are_not_inside_one_another() -> None:
    assert deepest([*((key, 1.0, 1, PLAN) for key in range(2, 30)), (1, 2.0, 0, MODEL)]) == 1


def test_one_after_the_other_is_inside_only_when_it_asks_the_same() -> None:
    chain = [(key, float(key), key - 1, PLAN) for key in range(1, 9)]
    assert deepest(chain) == 1
    assert deepest(chain, asked=99) == 8


def test_a_circle_of_parents_ends() -> None:
    assert deepest([(1, 1.0, 2, PLAN), (2, 1.0, 1, PLAN), (3, 1.0, 3, PLAN)]) <= 3


def test_it_holds_64_events_and_64_parents_that_have_not_come() -> None:
    tree = CallTree()
    for key in range(1, 1_000):
        tree.nested(key, float(key), key + 5_000, PLAN, key)
    assert tree.size() == len(tree.nodes) + len(tree.below) == 128


def test_below_one_parent_eight_tools_are_counted() -> None:
    tree = CallTree()
    for key in range(2, 40):
        tree.nested(key, 1.0, 1, key, key)
    assert len(tree.below[1].counts) == 8


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"parent": "p"}, "p"),
        ({"kind": Kind.TOOL, "about": "c"}, "c"),
        ({"kind": Kind.TOOL, "about": "c", "parent": "p"}, "p"),
        ({"kind": Kind.SCORE, "about": "c"}, None),
        ({}, None),
    ],
)
def test_a_tools_run_is_caused_by_the_call_it_is_about(fields: dict[str, Any], cause: str | None) -> None:
    assert cause_of(Interaction(id="1", time=0.0, service="s", **fields)) == cause
