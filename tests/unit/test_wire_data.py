"""Proposals on recorded wire formats: what they make of a log agrees with what the log's own bodies say."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from outside import data_folder

from undertow.drift.interaction import Interaction, text_of
from undertow.pipelines.check import inspect_file
from undertow.pipelines.wire.foreign import ForeignDecoder, propose

pytestmark = pytest.mark.usefixtures("shared_data")
DATA = data_folder()
FORMATS = DATA / "trace-formats"
Record = dict[str, Any]


def records(name: str) -> list[Record]:
    raw = (FORMATS / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith(".gz") else raw
    if ".jsonl" in name:
        return [json.loads(line) for line in raw.splitlines()]
    return list(objects(json.loads(raw)))


def objects(value: Any) -> Iterator[Record]:
    """Yield the spans or generations of a document, whatever lists and envelopes they lie in."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item)
    elif "generations" in value:
        yield from value["generations"]
    elif all(isinstance(item, list) for item in value.values()):
        yield from objects(list(value.values()))
    else:
        yield value


def decoded(found: list[Record]) -> list[Interaction]:
    fields = {"time": "'2026-01-01T00:00:00Z'", **propose(found)}
    decode = ForeignDecoder(fields)
    events = [decode(json.dumps(record).encode()) for record in found]
    assert all(isinstance(event, Interaction) for event in events), events
    return [event for event in events if isinstance(event, Interaction)]


EXCHANGES = "provider-exchanges/exchanges.jsonl.gz"


def test_every_recorded_exchange_is_readable_with_its_model_status_and_latency() -> None:
    found = records(EXCHANGES)
    for record, event in zip(found, decoded(found), strict=True):
        assert event.http_status == record["status"]
        if record["processing_ms"] is not None:
            assert event.latency == float(record["processing_ms"]) / 1000
        model = (record["request"] or {}).get("model") if isinstance(record["request"], dict) else None
        assert model is None or event.model == model


def test_usage_and_answers_of_chat_completions_are_those_of_the_bodies() -> None:
    found = records(EXCHANGES)
    pairs = [
        (record["response"], event)
        for record, event in zip(found, decoded(found), strict=True)
        if isinstance(record.get("response"), dict) and record["response"].get("object") == "chat.completion"
    ]
    assert len(pairs) > 40
    for response, event in pairs:
        choice = response["choices"][0]
        assert event.input_tokens == response["usage"]["prompt_tokens"]
        assert event.output_tokens == response["usage"]["completion_tokens"]
        assert event.finish_reason == choice["finish_reason"]
        assert text_of(event.output) == (choice["message"]["content"] or choice["message"].get("refusal"))
        assert len(event.tool_calls or []) == len(choice["message"].get("tool_calls") or [])


def test_usage_and_answers_of_anthropic_messages_are_those_of_the_bodies() -> None:
    found = records(EXCHANGES)
    pairs = [
        (record["response"], event)
        for record, event in zip(found, decoded(found), strict=True)
        if isinstance(record.get("response"), dict) and record["response"].get("type") == "message"
    ]
    assert len(pairs) > 15
    for response, event in pairs:
        usage = response["usage"]
        cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
        assert event.input_tokens == usage["input_tokens"] + cached
        assert event.finish_reason == response["stop_reason"]
        said = [part["text"] for part in response["content"] if part["type"] == "text"]
        assert (text_of(event.output) or "") == "\n".join(said)
        called = [part["name"] for part in response["content"] if part["type"] == "tool_use"]
        assert [call.name for call in event.tool_calls or []] == called


def test_answers_of_the_responses_api_and_of_bedrock_are_those_of_the_bodies() -> None:
    found = records(EXCHANGES)
    count = 0
    for record, event in zip(found, decoded(found), strict=True):
        output = record["response"].get("output") if isinstance(record.get("response"), dict) else None
        parts = output["message"]["content"] if isinstance(output, dict) and "message" in output else []
        for item in output if isinstance(output, list) else []:
            parts = parts + (item["content"] if item.get("type") == "message" else [])
        if parts:
            assert text_of(event.output) == "\n".join(part["text"] for part in parts if "text" in part)
            count += 1
    assert count > 20


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("litellm/standard_logging_payload.json", ("input", "output", "response_model", "cost", "latency")),
        ("openinference/otel_genai_client_span_tool_calls.json", ("input", "output", "response_model", "input_tokens")),
        ("openinference/otel_genai_deprecated_client_span_tool_calls.json", ("input", "output", "input_tokens")),
        ("openinference/openinference_client_span_tool_calls.json", ("input", "output", "model", "output_tokens")),
        ("openinference/openinference_client_span_input_output_only.json", ("input", "output", "output_tokens")),
        ("openinference/otel_genai_tool_execution_span.json", ("tool_calls",)),
        ("openinference/ai-generateText-doGenerate.json", ("input", "output", "task", "finish_reason", "latency")),
        ("openinference/ai-generateObject.json", ("input", "output", "response_schema", "latency")),
        ("openinference/ai-streamText-doStream.json", ("output", "time_to_first_token", "latency")),
        ("openinference/spans-by-operation.json", ("model", "latency", "task")),
        ("agento11y/otlpwire_openai_sync.span.json", ("input", "output", "tool_calls", "agent", "latency")),
        ("agento11y/otlpwire_anthropic_stream.generation.json", ("output", "tool_calls", "latency", "session")),
        ("agento11y/otlpwire_gemini_sync.generation.json", ("output", "cached_tokens", "reasoning_tokens")),
        ("agento11y/claude-code-basic_export.golden.json", ("output", "agent", "input_tokens", "finish_reason")),
        ("agento11y/vibe-basic_export.golden.json", ("input", "output", "cost", "instructions")),
    ],
)
def test_traces_carry_what_their_format_has(name: str, wanted: tuple[str, ...]) -> None:
    for event in decoded(records(name)):
        assert [field for field in wanted if getattr(event, field) is None] == []


def test_every_trace_file_gets_a_report_and_a_proposal() -> None:
    proposals = {path.name: set(inspect_file(path).proposal) for path in FORMATS.glob("*/*.json")}
    del proposals["capture-results.json"]  # a summary, no trace
    assert len(proposals) > 20
    assert [name for name, found in proposals.items() if not found & {"model", "input", "output", "operation"}] == []


@pytest.mark.parametrize(
    "name", ["llmdrift/prime.jsonl.gz", "llmdrift/sensitiveq.jsonl", "llm-drift-daily/calls.jsonl.gz"]
)
def test_logs_of_plain_calls_are_readable_whole(name: str) -> None:
    report = inspect_file(DATA / name)
    assert report.readable == report.records
    assert {"input", "output", "latency", "output_tokens", "model", "operation"} <= set(report.proposal)
