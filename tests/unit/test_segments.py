"""Slices of traffic, their limits and the slice of all others."""

import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.segments import OTHER, Group, Segments


def _event(number: int = 0, service: str = "s", **fields: object) -> Interaction:
    return Interaction(id=str(number), time=0.0, service=service, **fields)  # type: ignore[arg-type]


def _segments(values: int = 2, groups: int = 100) -> Segments:
    return Segments(("operation", "region"), values, groups)


def test_an_event_counts_in_its_service_and_in_each_of_its_slices() -> None:
    segments = _segments()
    assert segments.assign([_event(operation="ask", attributes={"region": "eu"}), _event()]).tolist() == [
        [0, 1, 2],
        [0, -1, -1],
    ]
    assert segments.groups == [
        Group("s", ""),
        Group("s", "", (("operation", "ask"),)),
        Group("s", "", (("region", "eu"),)),
    ]


def test_environments_are_never_blended() -> None:
    segments = _segments()
    rows = segments.assign([_event(environment="prod"), _event(environment="staging")])
    assert rows[:, 0].tolist() == [0, 1]


def test_values_beyond_the_limit_share_one_slice_and_are_counted() -> None:
    segments = _segments(values=2)
    rows = segments.assign([_event(operation=name) for name in ("a", "b", "c", "d", "a")])
    assert segments.groups[-1].segment == (("operation", OTHER),)
    assert rows[2, 1] == rows[3, 1]
    assert rows[4, 1] == rows[0, 1]
    assert segments.overflowed == 2


def test_beyond_the_limit_of_groups_an_event_counts_in_its_service_alone() -> None:
    segments = _segments(values=50, groups=2)
    assert segments.assign([_event(operation=name) for name in ("a", "b")]).tolist() == [[0, 1, -1], [0, -1, -1]]
    assert segments.assign([_event(service="new")]).tolist() == [[2, -1, -1]]  # a service is always seen


@pytest.mark.parametrize(
    ("dimension", "fields", "value"),
    [
        ("response_model", {"model": "asked", "response_model": "answered"}, "answered"),
        ("response_model", {"model": "asked"}, "asked"),
        ("prompt_version", {"prompt_version": "v2", "instructions": "Be brief."}, "v2"),
        ("region", {"attributes": {"region": "eu"}, "config": {"region": "us"}}, "eu"),
        ("temperature", {"config": {"temperature": 0.2}}, "0.2"),
        ("tier", {}, None),
    ],
)
def test_where_a_dimension_is_read(dimension: str, fields: dict[str, object], value: str | None) -> None:
    assert Segments((dimension,), 20, 100).dims(_event(0, "s", **fields)) == (value,)


def test_without_a_version_the_instructions_are_one() -> None:
    one, same, other = (_event(instructions=text) for text in ("Be brief.", "Be brief.", "Be long."))
    read = [Segments(("prompt_version",), 20, 100).dims(event)[0] for event in (one, same, other)]
    assert read[0] == read[1] != read[2]
    assert str(read[0]).startswith("instructions#")


def test_a_restart_keeps_the_numbers_and_the_limits() -> None:
    segments = _segments(values=1)
    segments.assign([_event(operation="a"), _event(operation="b")])
    again = Segments(("operation", "region"), 1, 100, segments.snapshot())
    assert again.groups == segments.groups
    assert again.assign([_event(operation="c")]).tolist() == segments.assign([_event(operation="c")]).tolist()
