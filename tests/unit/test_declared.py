"""What should be live, as its owner declared it."""

from typing import Any

import pytest

from undertow.drift.declared import read_declared


def test_values_and_lists_entries_of_config_and_environments_are_read() -> None:
    raw = {
        "s": {"prompt_version": ["v1", "v2"], "model": "m", "config": {"index": 7, "strict": True, "t": [0.2, 1]}},
        "s/prod": {"prompt_version": "v2"},
    }
    assert read_declared(raw) == {
        "s": {
            "prompt_version": {"v1", "v2"},
            "model": {"m"},
            "config.index": {"7"},
            "config.strict": {"true"},
            "config.t": {"0.2", "1"},
        },
        "s/prod": {"prompt_version": {"v2"}},
    }


def test_a_long_value_is_declared_as_it_will_be_seen() -> None:
    (value,) = read_declared({"s": {"prompt_version": "v" * 500}})["s"]["prompt_version"]
    assert len(value) == 120


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"s": "v1"}, "'s' is no table"),
        ({"s": {"config": "v1"}}, "'s.config' is no table"),
        ({"s": {"prompt_version": []}}, "prompt_version of 's'"),
        ({"s": {"prompt_version": {"a": "b"}}}, "prompt_version of 's'"),
        ({"s": {"config": {"k": None}}}, "config.k of 's'"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_refused_with_its_place(raw: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_declared(raw)
