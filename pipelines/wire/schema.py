"""The JSON Schema of the native event, generated from the types that the decoder uses.

`python -m undertow.pipelines.wire.schema` prints it; docs/event.schema.json is that output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from undertow.pipelines.wire.native import MAPS, TOO_LARGE_S, Event

__all__ = ["DESCRIPTIONS", "event_schema", "render"]

RFC3339 = (
    r"^(19[7-9]\d|[2-4]\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)?$"
)

DESCRIPTIONS = {
    "id": "unique within the service; the same (service, id) again within ten minutes is the same event",
    "time": "when the call finished: RFC 3339 text (UTC when it has no zone) or seconds since the epoch",
    "service": "the application; may be absent where the settings name it (`ingest.service`)",
    "kind": "what the event reports: a call, an executed tool, a score that arrives later, a declared change",
    "environment": "deployment environment, always a slice of its own",
    "operation": "route, feature or step inside the service",
    "agent": "the agent that made the call",
    "model": "the model asked for",
    "response_model": "the model that answered",
    "provider": "who serves the model (gen_ai.provider.name)",
    "prompt_version": "the team's own label of the prompt",
    "config": "any other part of the deployed behaviour: tool schema, index, guardrail, flag variant, temperature",
    "attributes": "slices of traffic: region, tenant tier, language, cohort",
    "user": "who pays or asks; kept only as a keyed hash",
    "instructions": "the system prompt; only its hash is kept",
    "input": "what the user said: text or messages",
    "output": "what the model answered: text or messages",
    "label": "the category that the output decided",
    "tools": "what the model was offered: definitions or a name; only its hash is kept",
    "tool_calls": "what the model called",
    "documents": "what retrieval supplied",
    "finish_reason": "stop, length, tool_calls, content_filter, error …",
    "stop_sequence": "the sequence that ended the answer",
    "input_tokens": "tokens read, cached and written ones included",
    "output_tokens": "tokens answered, reasoning included",
    "cached_tokens": "input tokens read from a cache",
    "cache_write_tokens": "input tokens written to a cache",
    "reasoning_tokens": "output tokens spent on reasoning",
    "cost": "US dollars; when absent, priced from the model and the usage",
    "latency": "seconds from request to the end of the answer",
    "time_to_first_token": "seconds from request to the first token",
    "http_status": "HTTP status of the call",
    "error": "error class or message, absent when the call succeeded",
    "task": "the unit whose cost is counted: one user request through all its calls",
    "parent": "id of the call or tool that caused this one",
    "session": "conversation id",
    "turn": "position in the conversation, from 0",
    "response_schema": "what the output must satisfy: a JSON Schema, or a name registered in the configuration",
    "refused": "a verdict that the caller already has; else it is classified",
    "scores": "evaluation results by name",
    "shadow_of": "id of the live call whose input this one repeats with another model or prompt",
    "about": "for scores and tools: id of the call that it belongs to",
    "embedding": "vectors that the caller already has",
}


def event_schema() -> dict[str, Any]:
    """Return the schema of one event, JSON Schema 2020-12.

    What it cannot say: a day that its month does not have (30 February) is refused, too.

    Examples
    --------
    >>> event_schema()["required"]
    ['id', 'time', 'service']
    """
    components: dict[str, Any] = msgspec.json.schema(Event)["$defs"]
    event = components.pop("Event")
    properties = event["properties"]
    for name, schema in properties.items():
        schema.pop("default", None)
        properties[name] = {"description": DESCRIPTIONS[name], **schema}
    properties["time"] = {"description": DESCRIPTIONS["time"], "anyOf": [_seconds(), _text()]}
    for name in MAPS:
        _allow_null_values(properties[name])
    _service_is_required(properties)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Undertow event",
        "description": "One LLM call, tool run, score or declared change. Unknown fields are kept as attributes.",
        "type": "object",
        "required": ["id", "time", "service"],
        "properties": properties,
        "$defs": components,
    }


def render() -> str:
    """Return the schema as the text of docs/event.schema.json."""
    return json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n"


def _seconds() -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "exclusiveMaximum": TOO_LARGE_S}


def _text() -> dict[str, Any]:
    return {"type": "string", "pattern": RFC3339}


def _allow_null_values(schema: dict[str, Any]) -> None:
    for option in schema["anyOf"]:
        if "additionalProperties" in option:
            option["additionalProperties"] = {"anyOf": [option["additionalProperties"], {"type": "null"}]}


def _service_is_required(properties: dict[str, Any]) -> None:
    options = properties["service"].pop("anyOf")
    properties["service"] |= next(option for option in options if option.get("type") == "string")


if __name__ == "__main__":
    sys.stdout.write(render())
