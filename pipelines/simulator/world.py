"""The simulated world: services, operations, models, regions and users, each with its stated distribution.

Every number that a test or a reader may want to know about quiet traffic stands here. Rates are shares of calls,
lengths are medians of a lognormal distribution in characters, latencies in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

__all__ = [
    "CHARS_PER_TOKEN",
    "CONSUMER_SHARE",
    "COST_SHARE",
    "ENVIRONMENT",
    "ERRORS",
    "MODELS",
    "OPERATIONS",
    "REGIONS",
    "SCHEMAS",
    "SERVICES",
    "SPREAD_INPUT",
    "SPREAD_LATENCY",
    "SPREAD_OUTPUT",
    "TAIL",
    "TENANTS",
    "TIERS",
    "TOOL_ERRORS",
    "USERS",
    "Model",
    "Operation",
    "Region",
    "Service",
]

ENVIRONMENT = "prod"
CHARS_PER_TOKEN = 4.3
COST_SHARE = 0.7  # of the calls say what they cost; the others are left to be priced
CONSUMER_SHARE = 0.6  # of the conversations, averaged over a day; the others are of business users
USERS = 6000
TENANTS = 48
SPREAD_INPUT = 0.55  # standard deviations of the logs
SPREAD_OUTPUT = 0.42
SPREAD_LATENCY = 0.3
TAIL = 0.005  # of the calls take 3 to 7 times as long
TOOL_ERRORS = 0.005


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


_Named = TypeVar("_Named", bound=_HasName)


@dataclass(frozen=True)
class Model:
    """A model as asked for and as it answers; prices in US dollars per million tokens."""

    name: str
    served: str
    provider: str
    input_price: float
    cached_price: float
    output_price: float
    first_token_s: float
    tokens_per_s: float
    fingerprint: str


def _named(*declared: _Named) -> Mapping[str, _Named]:
    return MappingProxyType({one.name: one for one in declared})


MODELS: Mapping[str, Model] = _named(
    #     asked for                served                        provider     $ input cached output  first_s  tokens/s
    Model("claude-haiku-4-5", "claude-haiku-4-5-20251001", "anthropic", 1.0, 0.1, 5.0, 1.25, 210.0, "fp_41c0d7a2"),
    Model("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic", 3.0, 0.3, 15.0, 1.6, 95.0, "fp_9b3e6f10"),
    Model("gpt-5-mini", "gpt-5-mini-2025-08-07", "openai", 0.25, 0.025, 2.0, 1.3, 180.0, "fp_c27e5a94"),
    Model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "openai", 0.4, 0.1, 1.6, 0.5, 150.0, "fp_7a1f3c58"),
    Model("gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "google", 0.1, 0.01, 0.4, 0.35, 340.0, "fp_0d6b82e5"),
    Model("gemini-2.5-flash", "gemini-2.5-flash", "google", 0.3, 0.03, 2.5, 0.6, 240.0, "fp_e84a1b37"),
)


@dataclass(frozen=True)
class Operation:
    """One kind of call. `refusal` scales the refusal rate of what is asked; the other rates are shares of calls."""

    name: str
    model: str
    prompt_version: str
    system_tokens: int
    output_chars: float
    input_chars: float
    form: str = "prose"  # what it writes: prose, triage, summary, query
    alternative: str = ""  # a second model, for `alternative_share` of the conversations
    alternative_share: float = 0.0
    refusal: float = 0.0
    violation: float = 0.0
    empty: float = 0.001
    truncation: float = 0.004
    hedge: float = 0.0
    reasoning_tokens: int = 0
    tools_version: str | None = None


OPERATIONS: Mapping[str, Operation] = _named(
    Operation(
        "triage", "gemini-2.5-flash-lite", "v12", system_tokens=900, output_chars=60.0, input_chars=150.0,
        form="triage", violation=0.003, empty=0.0002, truncation=0.0003,
    ),
    Operation(
        "answer", "claude-haiku-4-5", "v47", system_tokens=1800, output_chars=420.0, input_chars=150.0,
        alternative="gpt-5-mini", alternative_share=0.25, refusal=1.0, hedge=0.04,
    ),
    Operation(
        "summarize", "gpt-5-mini", "v21", system_tokens=1200, output_chars=260.0, input_chars=700.0,
        form="summary", violation=0.003, empty=0.0002, truncation=0.0003,
    ),
    Operation(
        "refund", "claude-sonnet-4-5", "v8", system_tokens=2400, output_chars=200.0, input_chars=220.0,
        refusal=0.3, hedge=0.02, reasoning_tokens=90, tools_version="t7",
    ),
    Operation(
        "rewrite", "gpt-4.1-mini", "v5", system_tokens=350, output_chars=45.0, input_chars=32.0,
        form="query", truncation=0.0,
    ),
    Operation(
        "ask", "gemini-2.5-flash", "v31", system_tokens=1400, output_chars=340.0, input_chars=32.0,
        refusal=0.5, hedge=0.05,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """One application; `share` of the events is its own."""

    name: str
    share: float
    index: str | None = None  # the retrieval index it reads


SERVICES: Mapping[str, Service] = _named(Service("support", 0.75), Service("search", 0.25, "kb-2026-02"))


@dataclass(frozen=True)
class Region:
    """Where users sit: their share of the day's traffic and the hour (UTC) at which they are busiest."""

    name: str
    share: float
    busiest_hour: float


REGIONS = (Region("eu", 0.45, 13.0), Region("us", 0.35, 19.0), Region("ap-south", 0.20, 8.0))
TIERS = ("free", "pro", "enterprise")

ERRORS = (  # (HTTP status, error type, share of calls): 0.3 % together
    (429, "rate_limit_exceeded", 0.0012),
    (500, "server_error", 0.0008),
    (503, "overloaded", 0.0006),
    (504, "timeout", 0.0004),
)

_TEXT = {"type": "string"}
SCHEMAS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "triage": {
            "type": "object",
            "required": ["category", "priority", "confidence"],
            "properties": {
                "category": _TEXT,
                "priority": {"enum": ["low", "normal", "high"]},
                "confidence": {"type": "number", "maximum": 1},
            },
        },
        "summary": {
            "type": "object",
            "required": ["summary", "sentiment", "next_steps"],
            "properties": {
                "summary": _TEXT,
                "sentiment": {"enum": ["positive", "neutral", "negative"]},
                "next_steps": {"type": "array", "items": _TEXT},
            },
        },
    }
)
