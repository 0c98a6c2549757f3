"""Names for what answered, on what it ran and what it decided; and answers by another model."""

import math
from typing import Any

import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.fallback import Fallback
from undertow.drift.signals.label_mix import LabelMix
from undertow.drift.signals.model_mix import ModelMix

FULL: dict[str, Any] = {
    "model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "provider": "openai",
    "prompt_version": "v47",
    "tools": [{"name": "find"}],
    "config": {"temperature": 0.2, "index": "2024-09", "strict": True},
}


def call(**fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", **fields)


def named(signal: Any, **fields: Any) -> str | None:
    (name,) = signal.classify(Batch([call(**fields)]))
    assert name is None or isinstance(name, str)
    return name


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"model": "a", "response_model": "b"}, "b"),
        ({"model": "a"}, "a"),
        ({"model": "a", "response_model": ""}, "a"),
        ({}, None),
        ({"model": ""}, None),
        ({"model": "a", "error": "timeout"}, None),
        ({"model": "a", "http_status": 503}, None),
    ],
)
def test_the_model_is_what_answered_else_what_was_asked_and_failed_calls_say_nothing(
    fields: dict[str, Any], name: str | None
) -> None:
    assert named(ModelMix(), **fields) == name


def test_a_combination_is_spelled_out_with_sorted_entries_and_hashes_of_content() -> None:
    name = named(ConfigMix(), **FULL)
    assert name is not None
    assert name.startswith("openai/gpt-4o→gpt-4o-2024-08-06 · v47 · tools#")
    assert name.endswith(" · index=2024-09 strict=true temperature=0.2")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gpt-4.1"},
        {"response_model": "gpt-4o-2024-11-20"},
        {"provider": "azure"},
        {"prompt_version": "v48"},
        {"tools": [{"name": "search"}]},
        {"config": FULL["config"] | {"temperature": 0.3}},
        {"config": FULL["config"] | {"flag": "b"}},
    ],
)
def test_each_part_of_what_defines_behaviour_makes_another_combination(change: dict[str, Any]) -> None:
    signal = ConfigMix()
    assert named(signal, **FULL | change) != named(signal, **FULL)
    assert named(signal, **FULL) == named(ConfigMix(), **FULL), "a name does not depend on what was named before"


def test_without_a_version_the_instructions_are_told_by_a_hash_and_never_by_their_text() -> None:
    fields = FULL | {"prompt_version": None, "instructions": "You are Ana's secret helper."}
    name = named(ConfigMix(), **fields)
    assert name is not None
    assert " · instructions#" in name
    assert "secret" not in name
    assert named(ConfigMix(), **fields | {"instructions": "You are helpful."}) != name
    assert named(ConfigMix(), **FULL | {"instructions": "whatever"}) == named(ConfigMix(), **FULL)


def test_what_differs_from_call_to_call_can_be_left_out() -> None:
    signal = ConfigMix(ignore=("request_id", "instructions", "tools", "provider", "prompt_version", "response_model"))
    assert named(signal, model="m", config={"seed": 1, "request_id": "a", "k": "v"}) == "m · k=v"
    assert named(signal, **FULL | {"config": {"seed": 2}, "instructions": "x"}) == "gpt-4o"
    ignoring = ConfigMix(ignore=("prompt_version",))
    assert named(ignoring, prompt_version="v1", instructions="a") != named(
        ignoring, prompt_version="v1", instructions="b"
    )


def test_equal_numbers_of_different_types_keep_their_own_names() -> None:
    signal = ConfigMix()
    assert [named(signal, config={"k": value}) for value in (1, True, 1.0, "1")] == ["k=1", "k=true", "k=1.0", "k=1"]


def test_names_are_bounded_and_stay_different() -> None:
    long = {f"key{n}": "x" * 5000 for n in range(50)}
    one, two = named(ConfigMix(), config=long), named(ConfigMix(), config=long | {"key49": "y" * 5000})
    assert one is not None
    assert two is not None
    assert len(one) == len(two) == 200
    assert one != two
    assert len(named(ModelMix(), model="m" * 9999) or "") == 80


def test_a_flood_of_combinations_is_named_like_any_other() -> None:
    signal = ConfigMix()
    names = [named(signal, config={"k": n}) for n in range(10_000)]
    assert names[0] == named(signal, config={"k": 0}) == "k=0"
    assert len(set(names)) == 10_000


def test_a_call_without_anything_of_the_kind_and_a_failed_one_say_nothing() -> None:
    assert named(ConfigMix()) is None
    assert named(ConfigMix(), **FULL, error="timeout") is None


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("refund", "refund"),
        (" refund\n", "refund"),
        ("Refund", "Refund"),
        ("", None),
        ("  ", None),
        (None, None),
        ("x" * 80, "x" * 80),
        ("Dear Ana, your account 12345 " * 5, "(a text)"),
        ("two\nlines", "(a text)"),
    ],
)
def test_a_label_is_a_category_and_a_text_is_none(label: str | None, name: str | None) -> None:
    assert named(LabelMix(), label=label) == name
    assert named(LabelMix(), label=label, error="timeout") is None


@pytest.mark.parametrize(
    ("fields", "fell_back"),
    [
        ({"model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"}, 0),
        ({"model": "gpt-4o", "response_model": "gpt-4o-mini"}, 1),
        ({"model": "gpt-4o"}, None),
        ({"response_model": "gpt-4o"}, None),
        ({"model": "gpt-4o", "response_model": "gpt-4o-mini", "http_status": 500}, None),
    ],
)
def test_a_fallback_is_an_answer_by_another_model(fields: dict[str, Any], fell_back: float | None) -> None:
    (value,) = Fallback().measure(Batch([call(**fields)]))
    assert (None if math.isnan(value) else value) == fell_back
