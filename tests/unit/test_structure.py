import json
from typing import Any

import pytest

from undertow.drift.shape_changes import difference, moved_paths
from undertow.drift.shapes import LONGEST_SHAPE, parse, united
from undertow.drift.structure import DEPTH, ELEMENTS, NODES, WIDTH, Shape, shape_of

ORDER = {"status": "open", "summary": "Late.", "total": 7, "items": [{"id": 1}]}


def name(value: Any) -> str:
    return shape_of(value).name


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (ORDER | changes).items() if value is not ...}


def test_a_shape_is_keys_and_types_in_order_of_the_keys() -> None:
    assert name(ORDER) == "{items:[{id:number}],status:string,summary:string,total:number}"
    assert name(dict(reversed(ORDER.items()))) == name(ORDER)


@pytest.mark.parametrize(
    "value",
    [
        changed(summary=..., exec_summary="Late."),
        changed(status=..., current_state="open"),
        changed(total="7"),
        changed(total={"amount": 7}),
        changed(items={"id": 1}),
        changed(items=[{"id": "1"}]),
        changed(items=[{"product": {"id": 1}}]),
        changed(done=True),
        [ORDER],
        {"result": ORDER},
    ],
)
def test_each_change_of_keys_types_or_nesting_is_another_category(value: Any) -> None:
    assert name(value) != name(ORDER)


@pytest.mark.parametrize(
    "value",
    [
        changed(status="closed", summary=""),
        changed(total=7.25),
        changed(items=[{"id": n} for n in range(50)]),
        changed(note=None),
        changed(items=[{"id": 1, "note": None}, {"id": 2}]),
    ],
)
def test_values_and_nulls_make_no_category_of_their_own(value: Any) -> None:
    assert name(value) == name(ORDER)


def test_elements_of_an_array_share_one_shape() -> None:
    assert name([{"a": 1}, {"a": "x", "b": True}, None]) == "[{a:number|string,b:boolean}]"
    assert name([1, "a", [2], {}]) == name([{}, [2], "a", 1]) == "[number|string|{}|[number]]"
    assert name([]) == name([None]) == "[]"


def test_keys_that_are_data_are_one_star() -> None:
    by_day = {f"2024-05-{day:02}": {"calls": day} for day in range(1, 30)}
    assert name(by_day) == "{*:{calls:number}}"
    assert name({"ann@example.com": 1, "total": 2}) == "{*:number,total:number}"


def test_a_map_of_people_is_known_by_its_values() -> None:
    people = {who: {"age": 4, "role": "x"} for who in ("Ann", "Bob", "Cem", "Dana")}
    assert name(people) == "{*:{age:number,role:string}}"
    assert name(people | {"note": None}) == name(people)
    assert name({f"word{chr(97 + n)}": 1 for n in range(25)}) == "{*:number}"


def test_depth_width_elements_and_nodes_are_limited_and_said() -> None:
    deep: Any = 1
    for _ in range(DEPTH + 1):
        deep = {"a": deep}
    wide = {f"k{chr(97 + n // 26)}{chr(97 + n % 26)}": n if n % 2 else "x" for n in range(WIDTH + 1)}
    huge = {"rows": [[[1] * ELEMENTS] * ELEMENTS]}
    assert shape_of(deep).limits == {"depth"}
    assert "…" in name(deep)
    assert shape_of(wide).limits == {"width"}
    assert shape_of([1] * (ELEMENTS + 1)).limits == {"elements"}
    assert shape_of(huge).limits == {"nodes"}
    assert NODES < ELEMENTS**2
    assert shape_of(dict.fromkeys(map(str, range(NODES)), 1) | {"rest": "x"}) == Shape(
        "{*:number}", frozenset({"nodes"})
    )
    assert shape_of(ORDER).limits == set()


def test_a_long_shape_is_cut_but_not_confused_with_another() -> None:
    keys = [f"key_{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    one = {key: {"left": 1, "right": {"a": number} if number % 2 else "x"} for number, key in enumerate(keys)}
    other = one | {keys[-1]: {"left": 1, "right": True}}
    assert name(one) != name(other)
    assert len(name(one)) <= LONGEST_SHAPE
    assert name(one).startswith("{key_aa:{…},key_ab:{…}")


def test_fewer_levels_are_shown_before_keys_are_left_out() -> None:
    deep = {f"part_{chr(97 + n)}": {"first_inner_key": {"second_inner_key": {"third": n}}} for n in range(3)}
    value = deep | {f"other_{chr(97 + n)}{chr(120 - n)}": {f"x{chr(97 + n)}y": [{"zz": 1}]} for n in range(12)}
    shown = name(value)
    assert shown.startswith("{other_ax:{xay:[")
    assert all(key in shown for key in value)


@pytest.mark.parametrize(
    "text", ["", "{", "}", "[[[", "{a", "{a:", "{a:}", "…", "text", "{" * 10_000, "|||", "{…}", "x" * 50_000]
)
def test_anything_can_be_read_as_a_shape(text: str) -> None:
    assert len(parse(text).text()) <= len(text) + 100
    assert difference(text, "{a:number}")
    assert difference("{a:number}", text)


def test_uniting_shapes_forgets_no_key_and_no_type() -> None:
    assert united(frozenset(["{a:{b:number}}", "{a:[string]}", "string"])) == "string|{a:{b:number}|[string]}"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (ORDER, changed(summary=..., exec_summary="x"), "key summary is gone, exec_summary is new"),
        (ORDER, changed(total="7"), "total: number → string"),
        (ORDER, changed(items=[{"id": "a"}]), "items[].id: number → string"),
        (ORDER, changed(items=...), "key items is gone"),
        (ORDER, changed(total={"amount": 7, "unit": "€"}), "total: number → object"),
        (ORDER, changed(a=1, b=2), "keys a and b are new"),
        (ORDER, [ORDER], "a JSON object with items, status, summary and total → a JSON list of objects"),
        (ORDER, changed(**{f"k{c}": 1 for c in "abcdefg"}), "keys ka, kb, kc, kd, ke and 2 more are new"),
    ],
)
def test_the_difference_of_two_shapes_is_told_in_words(before: Any, after: Any, words: str) -> None:
    assert difference(name(before), name(after)) == words


def test_what_is_no_shape_is_told_by_its_name() -> None:
    assert difference("{a:number}", "text") == "a JSON object with a → text"
    assert difference("text", "broken JSON") == "text → broken JSON"
    assert difference("text", "text") == "the same"
    assert "leaves out" in difference("{a:{…}}#00000000", "{a:{…}}#00000001")


def test_the_keys_that_moved_most_come_first() -> None:
    old, new = name(ORDER), name(changed(summary=..., exec_summary="x"))
    moved = moved_paths({old: 0.9, "text": 0.1}, {old: 0.5, new: 0.3, "text": 0.2})
    assert [path for path, *_ in moved[:2]] == ["summary: string", "exec_summary: string"]
    assert moved[0][1:] == pytest.approx((0.9, 0.5))
    assert moved[1][1:] == pytest.approx((0.0, 0.3))


def test_keys_inside_one_that_moved_are_not_told_again() -> None:
    old, new = name(ORDER), name(changed(items=...))
    assert [moved.path for moved in moved_paths({old: 1.0}, {new: 1.0})] == ["items: list of objects"]


def test_a_changed_type_shows_both_types() -> None:
    moved = moved_paths({"{total:number}": 1.0}, {"{total:string}": 1.0})
    assert {move.path for move in moved} == {"total: number", "total: string"}


def test_nothing_moves_between_equal_mixes() -> None:
    mix = {name(ORDER): 0.5, "text": 0.5}
    assert moved_paths(mix, dict(reversed(mix.items()))) == []


def test_many_different_answers_take_bounded_memory() -> None:
    """Ids as keys give one category, not one an answer."""
    found = {name({f"ORD-{n:05}": {"paid": True}, "note": "x"}) for n in range(5000)}
    assert found == {"{*:{paid:boolean},note:string}"}
    assert json.dumps(sorted(found))
