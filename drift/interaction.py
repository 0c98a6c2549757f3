"""The event: one LLM call, tool run, score or declared change, whatever wire format it came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec

__all__ = ["Document", "Embedding", "Interaction", "Kind", "Message", "Scalar", "ToolCall", "text_of"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Scalar = str | bool | int | float


class Kind(StrEnum):
    """What an event reports. All kinds share the envelope id, time, service, environment, attributes."""

    CALL = "call"
    TOOL = "tool"
    SCORE = "score"
    CHANGE = "change"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn of a chat; `content` is text, or the provider's list of parts."""

    role: str = ""
    content: str | list[Any] | None = None


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """One tool the model called: what with, and what came back."""

    name: str
    arguments: Any = None
    result: Any = None
    error: Any = None


class Document(msgspec.Struct, frozen=True, gc=False):
    """One document that retrieval supplied."""

    id: str | None = None
    score: float | None = None


class Embedding(msgspec.Struct, frozen=True, gc=False):
    """Vectors that the caller already has."""

    input: list[float] | None = None
    output: list[float] | None = None


class Interaction(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event. Only `id`, `time` and `service` are required; docs/events.md has every field.

    `time` is the moment the call finished, in seconds since the epoch (UTC). Token counts follow OpenTelemetry:
    cached and cache-written tokens are parts of the input, reasoning tokens a part of the output.

    Examples
    --------
    >>> call = Interaction(id="1", time=1_700_000_000.0, service="support", output="Sure.")
    >>> call.kind, call.environment, text_of(call.output)
    (<Kind.CALL: 'call'>, '', 'Sure.')
    """

    id: str
    time: float
    service: str
    kind: Kind = Kind.CALL
    environment: str = ""
    operation: str | None = None
    agent: str | None = None
    model: str | None = None
    response_model: str | None = None
    provider: str | None = None
    prompt_version: str | None = None
    config: dict[str, Scalar] | None = None
    attributes: dict[str, Scalar] | None = None
    user: str | None = None
    instructions: str | None = None
    input: str | list[Message] | None = None
    output: str | list[Message] | None = None
    label: str | None = None
    tools: list[Any] | str | None = None
    tool_calls: list[ToolCall] | None = None
    documents: list[Document] | None = None
    finish_reason: str | None = None
    stop_sequence: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost: Amount | None = None
    latency: Amount | None = None
    time_to_first_token: Amount | None = None
    http_status: int | None = None
    error: str | None = None
    task: str | None = None
    parent: str | None = None
    session: str | None = None
    turn: Count | None = None
    response_schema: dict[str, Any] | str | None = None
    refused: bool | None = None
    scores: dict[str, float] | None = None
    shadow_of: str | None = None
    about: str | None = None
    embedding: Embedding | None = None


def text_of(content: str | Sequence[Message] | None) -> str | None:
    r"""Join what was said into one text; None when the event carries no text at all.

    Examples
    --------
    >>> text_of([Message("assistant", "Hello"), Message("assistant", [{"type": "text", "text": "you"}])])
    'Hello\nyou'
    """
    if content is None or isinstance(content, str):
        return content
    texts = [_message_text(message.content) for message in content]
    said = [text for text in texts if text is not None]
    return "\n".join(said) if said else None


def _message_text(content: str | list[Any] | None) -> str | None:
    if not isinstance(content, list):
        return content
    parts = [_part_text(part) for part in content]
    return "\n".join(part for part in parts if part)


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        for key in ("text", "content", "refusal"):
            value = part.get(key)
            if isinstance(value, str):
                return value
    return ""
