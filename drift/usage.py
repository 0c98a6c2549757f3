"""Token counts brought to one convention: cached and written tokens are parts of the input, reasoning of the output.

Providers disagree. Anthropic and Bedrock count cached tokens beside the input, OpenAI and Gemini inside; Gemini counts
thoughts beside the answer, OpenAI inside. An event follows OpenTelemetry (all inside), and where its counts prove that
they do not, they are mended: a part cannot be larger than the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from undertow.drift.interaction import Interaction

__all__ = ["MOST_TOKENS", "Fault", "Usage", "usage_in", "usage_of"]

MOST_TOKENS = 1_000_000_000  # of one call: a hundred times the largest context on sale


class Fault(StrEnum):
    """Why an event's figures are not used."""

    COUNT = "token count below 0 or above 1e9"
    TIME = "no time since the epoch"
    COST = "cost below 0 or above 1e6 US dollars"


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call, in parts that do not overlap.

    Parameters
    ----------
    plain, cached, written
        Input tokens: neither cached nor written, read from the provider's cache, written to it.
    output
        Output tokens, reasoning included.
    reasoning
        The part of them spent on reasoning.
    mended
        What was counted outside of its whole: "cache", "reasoning", "cache, reasoning", or nothing.
    """

    plain: int
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    mended: str = ""

    @property
    def input(self) -> int:
        """All input tokens."""
        return self.plain + self.cached + self.written


def usage_of(event: Interaction) -> Usage | Fault | None:
    """Return the tokens of a call, why its counts cannot be used, or None when it gives neither input nor output.

    Examples
    --------
    >>> call = Interaction(id="1", time=0.0, service="s", input_tokens=1000, cached_tokens=400, output_tokens=50)
    >>> usage_of(call)
    Usage(plain=600, cached=400, written=0, output=50, reasoning=0, mended='')
    >>> usage_of(Interaction(id="2", time=0.0, service="s", input_tokens=10, cached_tokens=400))
    Usage(plain=10, cached=400, written=0, output=0, reasoning=0, mended='cache')
    >>> usage_of(Interaction(id="3", time=0.0, service="s", input_tokens=10**18)).value
    'token count below 0 or above 1e9'
    """
    given, output = event.input_tokens, event.output_tokens
    if given is None and output is None:
        return None
    return _parts(
        given or 0,
        output or 0,
        event.cached_tokens or 0,
        event.cache_write_tokens or 0,
        event.reasoning_tokens or 0,
    )


def _parts(given: int, output: int, cached: int, written: int, reasoning: int) -> Usage | Fault:
    most = MOST_TOKENS  # the comparison is false for NaN, too
    if not (0 <= given <= most and 0 <= output <= most and 0 <= reasoning <= most):
        return Fault.COUNT
    if not (0 <= cached <= most and 0 <= written <= most):
        return Fault.COUNT
    plain = given - cached - written
    if plain >= 0 and reasoning <= output:
        return Usage(plain, cached, written, output, reasoning)
    outside = [name for name, is_so in (("cache", plain < 0), ("reasoning", reasoning > output)) if is_so]
    return Usage(
        given if plain < 0 else plain,
        cached,
        written,
        output + reasoning if reasoning > output else output,
        reasoning,
        ", ".join(outside),
    )


class _Dialect(NamedTuple):
    """How one family of providers names its counts; the first name that is there holds.

    `marks` are the names of which one tells the dialect; `beside` and `thought` are counts that the input and the
    output leave out.
    """

    marks: tuple[str, ...]
    input: tuple[str, ...]
    output: tuple[str, ...]
    cached: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    more_input: tuple[str, ...] = ()
    cache_beside: bool = False
    reasoning_beside: bool = False
    total: tuple[str, ...] = ()


# The most telling first: LiteLLM, for one, adds Anthropic's cache names to a `prompt_tokens` that includes them.
_DIALECTS = (
    _Dialect(  # OpenAI chat completions and whoever copies them; DeepSeek, OpenRouter, LiteLLM
        marks=("prompt_tokens",),
        input=("prompt_tokens",),
        output=("completion_tokens",),
        cached=("prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"),
        written=("prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"),
        reasoning=("completion_tokens_details.reasoning_tokens",),
    ),
    _Dialect(  # OpenAI responses
        marks=("input_tokens_details", "output_tokens_details"),
        input=("input_tokens",),
        output=("output_tokens",),
        cached=("input_tokens_details.cached_tokens",),
        written=("input_tokens_details.cache_write_tokens",),
        reasoning=("output_tokens_details.reasoning_tokens",),
    ),
    _Dialect(  # Anthropic messages, wherever they are served
        marks=("input_tokens",),
        input=("input_tokens",),
        output=("output_tokens",),
        cached=("cache_read_input_tokens",),
        written=("cache_creation_input_tokens",),
        cache_beside=True,
    ),
    _Dialect(  # Vercel's AI SDK
        marks=("cachedInputTokens", "reasoningTokens"),
        input=("inputTokens", "promptTokens"),
        output=("outputTokens", "completionTokens"),
        cached=("cachedInputTokens",),
        reasoning=("reasoningTokens",),
    ),
    _Dialect(  # Bedrock converse
        marks=("inputTokens",),
        input=("inputTokens",),
        output=("outputTokens",),
        cached=("cacheReadInputTokens", "cacheReadInputTokenCount"),
        written=("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        cache_beside=True,
        total=("totalTokens",),
    ),
    _Dialect(  # Gemini; thoughts and the prompts of its own tools stand beside
        marks=("promptTokenCount",),
        input=("promptTokenCount",),
        output=("candidatesTokenCount",),
        cached=("cachedContentTokenCount",),
        reasoning=("thoughtsTokenCount",),
        more_input=("toolUsePromptTokenCount",),
        reasoning_beside=True,
    ),
    _Dialect(  # Cohere
        marks=("tokens", "billed_units"),
        input=("tokens.input_tokens", "billed_units.input_tokens"),
        output=("tokens.output_tokens", "billed_units.output_tokens"),
        cached=("cached_tokens",),
    ),
    _Dialect(marks=("prompt_eval_count",), input=("prompt_eval_count",), output=("eval_count",)),  # Ollama
)


def usage_in(raw: Mapping[str, Any]) -> Usage | Fault | None:
    """Return the tokens in a provider's own `usage` object, whichever provider wrote it; None for an unknown one.

    A stated total decides where a provider is not true to its own convention, as some models on Bedrock are not.

    Examples
    --------
    >>> usage_in({"input_tokens": 10, "cache_read_input_tokens": 400, "output_tokens": 5})
    Usage(plain=10, cached=400, written=0, output=5, reasoning=0, mended='')
    >>> usage_in({"prompt_tokens": 410, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 400}})
    Usage(plain=10, cached=400, written=0, output=5, reasoning=0, mended='')
    >>> usage_in({"promptTokenCount": 8, "candidatesTokenCount": 5, "thoughtsTokenCount": 90})
    Usage(plain=8, cached=0, written=0, output=95, reasoning=90, mended='')
    """
    dialect = next((one for one in _DIALECTS if any(raw.get(mark) is not None for mark in one.marks)), None)
    if dialect is None:
        return None
    given, output = _count(raw, dialect.input), _count(raw, dialect.output)
    if given is None and output is None:
        return None
    given, output = (given or 0) + (_count(raw, dialect.more_input) or 0), output or 0
    cached, written = _count(raw, dialect.cached) or 0, _count(raw, dialect.written) or 0
    reasoning = _count(raw, dialect.reasoning) or 0
    if dialect.cache_beside and _count(raw, dialect.total) != given + output:
        given += cached + written
    return _parts(given, output + reasoning if dialect.reasoning_beside else output, cached, written, reasoning)


def _count(raw: Mapping[str, Any], paths: tuple[str, ...]) -> int | None:
    """Return the count at the first of the paths that holds one."""
    for path in paths:
        value: Any = raw
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
