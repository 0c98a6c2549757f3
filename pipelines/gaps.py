"""What each metric needs of an event, and what goes unseen without it."""

from __future__ import annotations

__all__ = ["HIDES", "TOGETHER"]

# Metric → the fields it needs, and what is hidden for want of them.
HIDES = {
    "refusal_rate": ("output or refused", "answers that refuse"),
    "partial_refusal_rate": ("output", "answers that refuse a part"),
    "schema_violation_rate": ("response_schema and output", "answers that break the format the next step needs"),
    "schema_violation": ("response_schema and output", "what answers break of their format"),
    "output_structure": ("output that is JSON", "keys that are renamed, types that change"),
    "output_format": ("output", "lists, fences, preambles and scripts that come or go"),
    "truncation_rate": ("finish_reason", "answers cut off by a length limit"),
    "stop_sequence_rate": ("finish_reason or stop_sequence", "answers cut by a delimiter that a user pasted"),
    "empty_rate": ("output or output_tokens", "answers with no content"),
    "output_length": ("output", "answers that grow or shrink"),
    "input_length": ("input", "inputs that grow or shrink, such as a prompt that swells"),
    "output_tokens": ("output_tokens", "answers that grow or shrink, where content is not logged"),
    "input_tokens": ("input_tokens", "contexts that swell"),
    "reasoning_tokens": ("reasoning_tokens", "thinking that grows, and is paid for"),
    "cached_token_share": ("cached_tokens and input_tokens", "a cache that no longer hits"),
    "latency": ("latency", "calls that get slower"),
    "time_to_first_token": ("time_to_first_token", "users who wait for the first word"),
    "cost_per_task": ("cost, or a priced model with input_tokens and output_tokens", "tasks that get dearer"),
    "calls_per_task": (
        "task or session",
        "retries and long runs: a call is its own task, and each task has one call",
    ),
    "calls_so_far": ("task or session", "tasks that do not come to their end"),
    "tools_per_task": ("task or session", "tasks that run more and more tools"),
    "loop_rate": ("task or session", "agents that repeat themselves"),
    "depth": ("parent", "agents that call agents that call agents"),
    "tool_error_rate": ("tool_calls with results or errors, or events of kind tool", "tools that fail"),
    "tool_mix": ("tools or tool_calls", "tools that are no longer, or suddenly, called"),
    "tool_schema_violation_rate": ("tools with their schemas, and tool_calls", "arguments that no tool accepts"),
    "tool_schema_violation": ("tools with their schemas, and tool_calls", "what the arguments break"),
    "model_mix": ("response_model or model", "a swap of models"),
    "config_mix": ("any of model, prompt_version, instructions, tools, config", "what changed when behaviour did"),
    "fallback_rate": ("model and response_model", "answers by another model than was asked for"),
    "label_mix": ("label", "decisions that fall otherwise"),
    "disagreement_rate": ("shadow_of", "how a candidate would answer otherwise than what is live"),
    "documents_retrieved": ("documents", "retrieval that finds less"),
    "empty_retrieval_rate": ("documents", "retrieval that finds nothing"),
    "retrieval_score": ("documents with a score", "retrieval that finds worse"),
    "input_centroid": ("input or embedding", "users who ask about other things"),
    "output_centroid": ("output or embedding", "answers about other things"),
}

# What events say only together → the fields that join them.
TOGETHER = {
    "calls_per_task": ("task", "session"),
    "tools_per_task": ("task", "session"),
    "calls_so_far": ("task", "session"),
    "loop_rate": ("task", "session"),
    "depth": ("parent",),
    "disagreement_rate": ("shadow_of",),
}
