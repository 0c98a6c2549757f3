"""Token counts of all providers in one convention."""

from typing import Any

import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.usage import MOST_TOKENS, Fault, Usage, usage_in, usage_of


def call(**fields: Any) -> Interaction:
    return Interaction(id="1", time=0.0, service="s", **fields)


def test_parts_do_not_overlap_and_add_up_to_the_input() -> None:
    usage = usage_of(call(input_tokens=1000, cached_tokens=600, cache_write_tokens=300, output_tokens=7))
    assert usage == Usage(plain=100, cached=600, written=300, output=7)
    assert usage.input == 1000


@pytest.mark.parametrize("fields", [{}, {"cached_tokens": 5}, {"reasoning_tokens": 5}])
def test_a_call_without_input_and_output_counts_says_nothing(fields: dict[str, Any]) -> None:
    assert usage_of(call(**fields)) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"input_tokens": 10, "cached_tokens": 11}, Usage(10, cached=11, mended="cache")),
        ({"input_tokens": 10, "cached_tokens": 6, "cache_write_tokens": 5}, Usage(10, 6, 5, mended="cache")),
        ({"input_tokens": 10, "cached_tokens": 6, "cache_write_tokens": 4}, Usage(0, 6, 4)),
        ({"output_tokens": 5, "reasoning_tokens": 6}, Usage(0, output=11, reasoning=6, mended="reasoning")),
        ({"output_tokens": 5, "reasoning_tokens": 5}, Usage(0, output=5, reasoning=5)),
        (
            {"input_tokens": 1, "cached_tokens": 2, "output_tokens": 1, "reasoning_tokens": 2},
            Usage(1, 2, output=3, reasoning=2, mended="cache, reasoning"),
        ),
    ],
)
def test_a_part_above_its_whole_was_counted_outside_of_it(fields: dict[str, Any], expected: Usage) -> None:
    assert usage_of(call(**fields)) == expected


@pytest.mark.parametrize("count", [-1, MOST_TOKENS + 1, 10**18, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "field", ["input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"]
)
def test_a_count_that_cannot_be_true_is_a_fault_by_name(field: str, count: Any) -> None:
    assert usage_of(call(**{"input_tokens": 1, "output_tokens": 1} | {field: count})) is Fault.COUNT


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 20}, Usage(100, output=20)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 64},
                "completion_tokens_details": {"reasoning_tokens": 12},
            },
            Usage(36, 64, output=20, reasoning=12),
        ),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 64},
                "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 12},
            },
            Usage(36, 64, output=20, reasoning=12),
        ),
        (
            {
                "input_tokens": 4,
                "cache_creation_input_tokens": 18131,
                "cache_read_input_tokens": 50,
                "output_tokens": 9,
            },
            Usage(4, 50, 18131, 9),
        ),
        (
            {"prompt_tokens": 120, "completion_tokens": 9, "cache_read_input_tokens": 100},
            Usage(20, 100, output=9),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64}, Usage(36, 64, output=9)),
        (
            {"inputTokens": 7, "outputTokens": 3, "cacheReadInputTokens": 90, "totalTokens": 100},
            Usage(7, 90, output=3),
        ),
        (
            {"inputTokens": 97, "outputTokens": 3, "cacheReadInputTokens": 90, "totalTokens": 100},
            Usage(7, 90, output=3),
        ),
        ({"inputTokens": 100, "outputTokens": 9, "cachedInputTokens": 64}, Usage(36, 64, output=9)),
        (
            {
                "promptTokenCount": 220,
                "toolUsePromptTokenCount": 30,
                "cachedContentTokenCount": 200,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 185,
            },
            Usage(50, 200, output=190, reasoning=185),
        ),
        (
            {
                "billed_units": {"input_tokens": 377, "output_tokens": 90},
                "tokens": {"input_tokens": 577, "output_tokens": 90},
                "cached_tokens": 576,
            },
            Usage(1, 576, output=90),
        ),
        ({"billed_units": {"input_tokens": 377, "output_tokens": 90}}, Usage(377, output=90)),
        ({"prompt_eval_count": 44, "eval_count": 113}, Usage(44, output=113)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
    ],
)
def test_each_providers_own_object_reads_the_same(raw: dict[str, Any], expected: Usage) -> None:
    assert usage_in(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"topicPolicyUnits": 1},
        {"billed_units": {"search_units": 1}},
        {"prompt_tokens": "12"},
        {"input_tokens": True},
    ],
)
def test_an_object_that_counts_no_tokens_says_nothing(raw: dict[str, Any]) -> None:
    assert usage_in(raw) is None


def test_impossible_counts_of_a_provider_are_refused_too() -> None:
    assert usage_in({"prompt_tokens": 10**18, "completion_tokens": 1}) is Fault.COUNT
