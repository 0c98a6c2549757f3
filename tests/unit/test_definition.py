"""What defines behaviour, and which names are one model."""

from typing import Any

import pytest

from undertow.drift.definition import (
    defining,
    definition_key,
    encoded,
    fallback_of,
    same_model,
    shortened,
    tools_version,
)
from undertow.drift.interaction import Interaction


def call(**fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", **fields)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("GPT-4o ", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("anthropic/claude-3.5-sonnet", "claude-3-5-sonnet-20241022"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-20250514"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-20250514"),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002"),
        ("llama3", "llama3:latest"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-v3p1-8b-instruct"),
    ],
)
def test_a_date_a_version_a_folder_or_case_make_no_other_model(asked: str, answered: str) -> None:
    assert same_model(asked, answered)
    assert same_model(answered, asked)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-35"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet", "claude-3-5-haiku-20241022"),
        ("llama3:8b", "llama3:70b"),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("gemini-2.5-pro", "gemini-2.5-flash"),
    ],
)
def test_another_name_size_or_date_is_another_model(asked: str, answered: str) -> None:
    assert not same_model(asked, answered)
    assert not same_model(answered, asked)


def test_a_fallback_needs_both_names() -> None:
    assert fallback_of(call(model="a", response_model="b")) == "a → b"
    assert fallback_of(call(model="a")) is None
    assert fallback_of(call(response_model="b")) is None
    assert fallback_of(call(model="a", response_model="a-20250101")) is None


def test_the_key_is_equal_exactly_when_the_definition_is() -> None:
    variants = [
        call(),
        call(model="m"),
        call(response_model="m"),
        call(provider="p"),
        call(prompt_version="v"),
        call(config={"k": 1}),
        call(config={"k": True}),
        call(instructions="be"),
        call(instructions="be brief"),
        call(tools=[{"name": "a"}]),
        call(tools="a"),
    ]
    keys = {definition_key(event) for event in variants}
    assert len(keys) == len(variants)
    assert len({tuple(defining(event)) for event in variants}) == len(variants)
    assert definition_key(call(model="m", input="x", user="u")) == definition_key(call(model="m", output="y"))


@pytest.mark.parametrize("value", ["\ud800", {"a": "\udfff"}, 2**200, [1e300], {"a": {1: 2}}])
def test_whatever_was_decoded_can_be_hashed(value: Any) -> None:
    assert encoded(value) == encoded(value)
    assert isinstance(encoded(value), bytes)


def test_long_texts_end_in_a_hash_of_the_whole() -> None:
    one, two = shortened("x" * 500, 40), shortened("x" * 501, 40)
    assert len(one) == len(two) == 40
    assert one != two
    assert shortened("x" * 40, 40) == "x" * 40


def test_tools_nested_more_deeply_than_can_be_followed_are_one_version() -> None:
    bomb: list[Any] = []
    for _ in range(50_000):
        bomb = [bomb]
    assert tools_version(bomb) == tools_version([bomb])
