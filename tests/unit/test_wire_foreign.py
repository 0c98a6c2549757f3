"""Foreign logs: paths, expressions, units, and proposals that make well-known shapes readable."""

import json
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.pipelines.decoder import Reject
from undertow.pipelines.settings import Ingest, SettingsError
from undertow.pipelines.wire import decoder_for
from undertow.pipelines.wire.foreign import ForeignDecoder, propose

Record = dict[str, Any]


def decode(fields: dict[str, str], record: Record) -> Interaction | Reject:
    return ForeignDecoder({"time": "'2026-01-01T00:00:00Z'", **fields})(json.dumps(record).encode())


def read(fields: dict[str, str], record: Record) -> Interaction:
    decoded = decode(fields, record)
    assert isinstance(decoded, Interaction), decoded
    return decoded


def proposed(*records: Record) -> list[Interaction]:
    """Decode records through the map proposed for them; a time is supplied where they have none."""
    fields = propose(list(records))
    return [read(fields, record) for record in records]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1_767_225_600, 1_767_225_600.0),
        (1_767_225_600_250, 1_767_225_600.25),
        (1_781_092_801_250_000_000, 1_781_092_801.25),
        (1_767_225_600_250_000, 1_767_225_600.25),
        ("1767225600250000000", 1_767_225_600.25),
        ("1767225600.25", 1_767_225_600.25),
        ([1_767_225_600, 250_000_000], 1_767_225_600.25),
        ("2026-01-01T00:00:00.250123456Z", 1_767_225_600.250123),
        ("2026-01-01 00:00:00,250", 1_767_225_600.25),
        ("2026-01-01 01:00:00+01:00", 1_767_225_600.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 1_767_225_600.0),
    ],
)
def test_times_are_read_in_the_usual_notations(value: object, seconds: float) -> None:
    assert read({"time": "at"}, {"at": value}).time == seconds


def test_a_time_notation_can_be_given() -> None:
    assert read({"time": "at as %d/%m/%Y %H:%M"}, {"at": "02/01/2026 03:04"}).time == 1_767_323_040.0


@pytest.mark.parametrize("value", ["soon", -5, 1e21, True, {"s": 1}, None, "", "2026-13-01"])
def test_what_is_no_time_is_refused_by_name(value: object) -> None:
    decoded = decode({"time": "at"}, {"at": value})
    assert isinstance(decoded, Reject)
    assert decoded.field == "time"


@pytest.mark.parametrize(
    ("expression", "record", "seconds"),
    [
        ("took", {"took": 1.5}, 1.5),
        ("took_ms", {"took_ms": 1500}, 1.5),
        ("tookMs", {"tookMs": "1500"}, 1.5),
        ("duration", {"duration": "1500ms"}, 1.5),
        ("took as us", {"took": 1_500_000}, 1.5),
        ("end - start", {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01.5Z"}, 1.5),
        ("e_nano - s_nano", {"s_nano": "1767225600000000001", "e_nano": "1767225601500000001"}, 1.5),
        ("end_ms - start_ms", {"start_ms": 1_767_225_600_000, "end_ms": 1_767_225_601_500}, 1.5),
    ],
)
def test_durations_become_seconds(expression: str, record: Record, seconds: float) -> None:
    assert read({"latency": expression}, record).latency == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("choices.0.message.content", {"choices": [{"message": {"content": "Hi"}}]}),
        ("choices.-1.text", {"choices": [{"text": "no"}, {"text": "Hi"}]}),
        ("attributes.gen_ai.completion", {"attributes": {"gen_ai.completion": "Hi"}}),
        ("a.b.c", {"a.b": {"c": "Hi"}, "a": {"b": 1}}),
        ("body.answer", {"body": '{"answer": "Hi"}'}),
        ("attributes.answer", {"attributes": [{"key": "answer", "value": {"stringValue": "Hi"}}]}),
        ("m.*.text", {"m": [{"text": "Hi"}, {"other": 1}]}),
        ("m.*.text", {"m.0.text": "Hi"}),
        ("nothing | answer", {"answer": "Hi"}),
        ("'Hi'", {}),
    ],
)
def test_paths_find_values(path: str, record: Record) -> None:
    assert read({"output": path}, record).output == "Hi"


@pytest.mark.parametrize("path", ["a.9.b", "a.x", "b", "a.0.b.c.d", "a.*.z"])
def test_a_path_to_nothing_leaves_the_field_absent(path: str) -> None:
    assert read({"output": path}, {"a": [{"b": "x"}]}).output is None


def test_sums_skip_what_is_absent_and_differences_need_both_sides() -> None:
    decoded = read({"input_tokens": "u.fresh + u.cached", "latency": "end - start"}, {"u": {"fresh": 5}, "end": 7})
    assert (decoded.input_tokens, decoded.latency) == (5, None)
    assert read({"input_tokens": "u.fresh + u.cached"}, {"u": {"fresh": 5, "cached": 3}}).input_tokens == 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_tokens", -1),
        ("input_tokens", 1.5),
        ("input_tokens", "many"),
        ("latency", -1),
        ("latency", [1]),
        ("cost", "inf"),
        ("http_status", 12_345),
        ("refused", "perhaps"),
        ("scores.helpful", "very"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    decoded = decode({field: "x"}, {"x": value})
    assert isinstance(decoded, Reject)
    assert decoded.field == field


def test_empty_texts_are_absent_except_in_what_was_said() -> None:
    fields = dict.fromkeys(("model", "error", "input_tokens", "latency", "output"), "x")
    decoded = read(fields, {"x": ""})
    assert (decoded.model, decoded.error, decoded.input_tokens, decoded.latency, decoded.output) == (*[None] * 4, "")


def test_conversions_turn_flags_round_and_look_for_presence() -> None:
    fields = {"error": "ok as not", "refused": "refusal as present"}
    assert read(fields, {"ok": True, "refusal": None}).error is None
    decoded = read(fields, {"ok": False, "refusal": "I cannot"})
    assert (decoded.error, decoded.refused) == ("error", True)


def test_slices_versions_and_scores_are_mapped_by_group() -> None:
    fields = {"attributes.region": "meta.region", "config.temperature": "t", "scores.helpful": "score"}
    decoded = read(fields, {"meta": {"region": "eu"}, "t": 0.5, "score": True})
    assert (decoded.attributes, decoded.config, decoded.scores) == (
        {"region": "eu"},
        {"temperature": 0.5},
        {"helpful": 1.0},
    )


def test_an_id_is_derived_from_the_line_wherever_it_stands() -> None:
    decoder = ForeignDecoder({"time": "t"})
    first, again, other = (decoder(raw) for raw in (b'{"t": 1}', b'{"t": 1}\r', b'{"t": 2}'))
    assert isinstance(first, Interaction)
    assert isinstance(again, Interaction)
    assert isinstance(other, Interaction)
    assert first.id == again.id != other.id


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"output": "answer"}, "does not map 'time'"),
        ({"time": "t", "latancy": "x"}, "did you mean 'latency'"),
        ({"time": "t as fortnights"}, "unknown conversion 'as fortnights'"),
        ({"time": "a..b"}, "is no path"),
        ({"time": "t", "latency": "a - b - c"}, "a difference has two paths"),
        ({"time": "t", "config.": "x"}, "unknown event field"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_with_the_way_out(fields: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        decoder_for(Ingest(fields=fields))


def test_reasoning_and_tool_parts_are_no_answer_but_tool_calls_are_found() -> None:
    parts = [
        {"type": "reasoning", "content": "hmm"},
        {"type": "tool_call", "name": "weather", "arguments": {"city": "Paris"}},
        {"type": "text", "content": "Sunny."},
    ]
    decoded = read(
        {"output": "m as json", "tool_calls": "m"}, {"m": json.dumps([{"role": "assistant", "parts": parts}])}
    )
    assert text_of(decoded.output) == "Sunny."
    assert [call.name for call in decoded.tool_calls or []] == ["weather"]


def test_a_structured_answer_is_kept_as_json() -> None:
    assert read({"output": "a"}, {"a": {"city": "Paris", "days": 2}}).output == '{"city":"Paris","days":2}'


OPENAI = {
    "created_at": "2026-01-01T00:00:00Z",
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "response": {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello", "refusal": None}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
    },
}
ANTHROPIC = {
    "created_at": "2026-01-01T00:00:01Z",
    "request": {"model": "claude", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]},
    "response": {
        "id": "msg_1",
        "model": "claude-1",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 9,
            "output_tokens": 3,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 2,
        },
    },
}
ANSWER = '[{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}]'
SPAN = {
    "traceId": "t1",
    "spanId": "s1",
    "startTimeUnixNano": "1767225600000000000",
    "endTimeUnixNano": "1767225601500000000",
    "attributes": [
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.response.model", "value": {"stringValue": "gpt-4o-1"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "9"}},
        {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
        {"key": "gen_ai.output.messages", "value": {"stringValue": ANSWER}},
    ],
}
PLAIN = {"ts": 1_767_225_600_000, "prompt": "Hi", "completion": "Hello", "duration_ms": 1500, "tokens_out": 3}
LANGFUSE = {
    "id": "g1",
    "traceId": "t1",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-01-01T00:00:01.5Z",
    "model": "m",
    "input": [{"role": "user", "content": "Hi"}],
    "output": {"role": "assistant", "content": "Hello"},
    "usage": {"input": 9, "output": 3},
    "calculatedTotalCost": 0.1,
}
INNER = {"query": "Hi", "answer": "Hello", "latency_ms": 1500}
WRAPPED = {"level": "info", "ts": "2026-01-01T00:00:00Z", "msg": json.dumps(INNER)}


@pytest.mark.parametrize("record", [OPENAI, ANTHROPIC, SPAN, PLAIN, LANGFUSE, WRAPPED])
def test_proposals_make_well_known_records_readable(record: Record) -> None:
    (decoded,) = proposed(record)
    assert 1_767_225_600 <= decoded.time <= 1_767_225_602
    assert text_of(decoded.output) == "Hello"


def test_proposals_tell_what_was_asked_for_from_what_answered() -> None:
    (decoded,) = proposed(OPENAI)
    assert (decoded.model, decoded.response_model) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (decoded.input_tokens, decoded.output_tokens, decoded.cached_tokens) == (9, 3, 4)
    assert decoded.finish_reason == "stop"


def test_cached_tokens_of_anthropic_are_made_part_of_the_input() -> None:
    (decoded,) = proposed(ANTHROPIC)
    assert (decoded.input_tokens, decoded.cached_tokens, decoded.cache_write_tokens) == (15, 4, 2)
    assert decoded.instructions == "Be brief."


def test_a_mixed_log_gets_alternatives() -> None:
    first, second = proposed(OPENAI, ANTHROPIC)
    assert (text_of(first.output), text_of(second.output)) == ("Hello", "Hello")
    assert (first.finish_reason, second.finish_reason) == ("stop", "end_turn")
    assert (first.input_tokens, second.input_tokens) == (9, 15)


def test_spans_in_otlp_json_are_readable() -> None:
    (decoded,) = proposed(SPAN)
    assert (decoded.latency, decoded.task, decoded.finish_reason, decoded.input_tokens) == (1.5, "t1", "stop", 9)


def test_durations_of_plain_logs_are_seconds() -> None:
    assert [proposed(record)[0].latency for record in (PLAIN, LANGFUSE, WRAPPED)] == [1.5, 1.5, 1.5]


def test_tool_runs_among_spans_are_told_apart() -> None:
    records = [{"gen_ai.operation.name": name, "gen_ai.tool.name": "weather"} for name in ("chat", "execute_tool")]
    assert [decoded.kind for decoded in proposed(*records)] == [Kind.CALL, Kind.TOOL]


def test_an_id_that_repeats_is_not_proposed() -> None:
    assert "id" not in propose([{"id": "q1", "time": 1, "model": model} for model in ("march", "june")])
    assert propose([{"id": name, "time": 1} for name in ("a", "b")])["id"] == "id"
    assert propose([{"id": "q1", "request_id": name, "time": 1} for name in ("a", "b")])["id"] == "request_id"


def test_an_error_field_is_proposed_though_the_sample_has_no_error() -> None:
    assert propose([{"time": 1, "error": None}, {"time": 2, "error": None}])["error"] == "error"


def test_text_that_holds_json_by_chance_is_not_taken_for_an_envelope() -> None:
    records: list[Record] = [{"model": "m", "response": f"text {n}"} for n in range(200)]
    records[7]["response"] = '{"timestamp": "2026-01-01T00:00:00Z", "app_name": "x"}'
    assert propose(records) == {"model": "model", "output": "response"}


def test_month_and_day_are_told_apart_where_the_sample_says() -> None:
    assert propose([{"timestamp": "07/02/2023, 21:28:40"}])["time"] == "timestamp as %m/%d/%Y, %H:%M:%S"
    assert propose([{"timestamp": "27/02/2023, 21:28:40"}])["time"] == "timestamp as %d/%m/%Y, %H:%M:%S"
    assert propose([]) == {}
