"""Why a model stopped: every provider's raw value, brought to one class."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

__all__ = ["Finish", "finish_of"]


class Finish(StrEnum):
    """The normalised finish reason; the event keeps the raw value."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    STOP_SEQUENCE = "stop_sequence"
    CONTEXT_EXCEEDED = "context_exceeded"
    ERROR = "error"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


# Raw values in lower case with `_` between words: OpenAI (chat and responses), Anthropic, Gemini, Bedrock, Cohere,
# Mistral, Ollama, watsonx, DeepSeek, text-generation-inference, vLLM, the Vercel AI SDK and OpenTelemetry.
_RAW: dict[Finish, str] = {
    Finish.STOP: (
        "stop end_turn complete completed finish finished eos eos_token endoftext end_of_sequence success "
        "stop_criteria_met"
    ),
    Finish.LENGTH: "length max_tokens max_output_tokens max_new_tokens token_limit max_length",
    Finish.TOOL: "tool tool_call tool_calls tool_use function_call pause_turn",
    Finish.CONTENT_FILTER: (
        "content_filter content_filtered safety guardrail_intervened guardrail recitation blocklist blocked "
        "prohibited_content spii image_safety image_prohibited_content image_recitation language model_armor "
        "error_toxic"
    ),
    Finish.REFUSAL: "refusal refused",
    Finish.STOP_SEQUENCE: "stop_sequence stop_sequences",
    Finish.CONTEXT_EXCEEDED: (
        "context_exceeded context_length_exceeded model_context_window_exceeded model_length error_limit"
    ),
    Finish.ERROR: (
        "error failed failure timeout time_limit insufficient_system_resource malformed_model_output "
        "malformed_response malformed_function_call malformed_tool_use unexpected_tool_call too_many_tool_calls "
        "no_image"
    ),
    Finish.CANCELLED: "cancelled canceled cancel user_cancel abort aborted interrupted",
}
_CLASSES = {raw: finish for finish, values in _RAW.items() for raw in values.split()}
_LONGEST_RAW = 64  # characters; a longer value is somebody's text, not a reason


def finish_of(raw: str | None) -> Finish | None:
    """Return the class of a provider's finish reason; None when the event carries none.

    Case, hyphens and an enum's prefix do not matter. Values that no provider documents are `UNKNOWN`.

    Examples
    --------
    >>> finish_of("max_tokens"), finish_of("FinishReason.SAFETY"), finish_of("content-filter")
    (<Finish.LENGTH: 'length'>, <Finish.CONTENT_FILTER: 'content_filter'>, <Finish.CONTENT_FILTER: 'content_filter'>)
    >>> finish_of("tired"), finish_of(None)
    (<Finish.UNKNOWN: 'unknown'>, None)
    """
    if not raw:
        return None
    return _classify(raw) if len(raw) <= _LONGEST_RAW else Finish.UNKNOWN


@lru_cache(maxsize=1024)
def _classify(raw: str) -> Finish:
    name = raw.strip().lower().rpartition(".")[2].replace("-", "_").replace(" ", "_")
    return _CLASSES.get(name.removeprefix("finish_reason_"), Finish.UNKNOWN)
