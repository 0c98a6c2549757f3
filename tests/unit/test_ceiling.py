"""Agents that ran out of steps, and events that only mention limits."""

from typing import Any

import pytest

from undertow.drift.ceiling import hits_ceiling
from undertow.drift.interaction import Interaction, Message


def hits(**fields: Any) -> bool:
    return hits_ceiling(Interaction(id="1", time=0.0, service="s", **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"finish_reason": "max_turns"},
        {"finish_reason": "max_iterations"},
        {"finish_reason": "MaxStepsReached max_steps"},
        {"finish_reason": "iteration_limit"},
        {"error": "GraphRecursionError: Recursion limit of 25 reached without hitting a stop condition."},
        {"error": "MaxTurnsExceeded: Max turns (10) exceeded"},
        {"error": "Reached maximum number of iterations"},
        {"error": "Reached max steps."},
        {"output": "Agent stopped due to max iterations."},
        {"output": "  Agent stopped due to iteration limit or time limit."},
    ],
)
def test_frameworks_say_it_in_their_own_words(fields: dict[str, Any]) -> None:
    assert hits(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"finish_reason": "stop"},
        {"finish_reason": "max_tokens"},
        {"finish_reason": "length"},
        {"error": "rate limit reached"},
        {"error": "maximum context length is 8192 tokens"},
        {"output": "The agent stopped due to iteration limits in 2020, said the report."},
        {"output": "We have a limit of steps."},
        {"output": [Message("assistant", "Agent")]},
        {"error": " " * 500 + "recursion limit"},
    ],
)
def test_other_limits_and_prose_are_no_ceiling(fields: dict[str, Any]) -> None:
    assert not hits(**fields)
