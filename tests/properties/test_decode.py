"""Schema and decoder agree on events that hypothesis makes and breaks; the decoder's two ways agree on all bytes."""

import copy
import json
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Reject
from undertow.pipelines.wire.native import NativeDecoder
from undertow.pipelines.wire.schema import event_schema

VALIDATOR = jsonschema_rs.validator_for(event_schema())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
amounts = st.floats(0, 1e9, allow_nan=False)
counts = st.integers(0, 2**53) | st.integers(0, 10**6).map(float)
scalars = texts | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
messages = st.lists(
    st.fixed_dictionaries({}, optional={"role": texts, "content": st.none() | texts | st.lists(anything, max_size=2)}),
    max_size=3,
)
times = st.floats(0, 9e10, allow_nan=False) | st.datetimes().filter(lambda time: 1970 <= time.year < 5000).map(
    lambda time: time.isoformat() + "Z"
)
maps = st.dictionaries(texts, st.none() | scalars, max_size=3)

REQUIRED: dict[str, Any] = {"id": names, "time": times, "service": names}
OPTIONAL: dict[str, Any] = {
    "kind": st.sampled_from(["call", "tool", "score", "change"]),
    "environment": texts,
    "operation": texts,
    "config": maps,
    "attributes": maps,
    "input": texts | messages,
    "output": texts | messages,
    "tools": texts | st.lists(anything, max_size=2),
    "tool_calls": st.lists(st.fixed_dictionaries({"name": texts}, optional={"arguments": anything}), max_size=2),
    "documents": st.lists(st.fixed_dictionaries({}, optional={"id": st.none() | texts, "score": amounts}), max_size=2),
    "input_tokens": counts,
    "turn": counts,
    "cost": amounts,
    "latency": amounts,
    "http_status": st.integers(0, 999),
    "response_schema": texts | st.dictionaries(texts, anything, max_size=2),
    "refused": st.booleans(),
    "scores": st.dictionaries(texts, st.none() | amounts, max_size=2),
    "embedding": st.fixed_dictionaries({}, optional={"input": st.lists(amounts, max_size=2)}),
    "shard": anything,
}
events = st.fixed_dictionaries(
    REQUIRED, optional={name: st.none() | values for name, values in OPTIONAL.items() if name not in REQUIRED}
)
wrong: st.SearchStrategy[object] = st.sampled_from(
    [-1, -0.5, 1.5, 10**12, 2**54, 1000, "", "text", True, [], [1], {}, {"a": []}, None, [{}], [{"name": 1}]]
)


@given(events)
@settings(max_examples=200, deadline=None)
def test_what_the_schema_allows_the_decoder_reads(event: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(event)
    decoded = NativeDecoder()(json.dumps(event).encode())
    assert type(decoded) is Interaction, decoded


@given(events, st.sampled_from([*REQUIRED, *OPTIONAL]), wrong)
@settings(max_examples=500, deadline=None)
def test_after_any_mutation_schema_and_decoder_still_agree(event: dict[str, Any], name: str, value: object) -> None:
    mutated = copy.deepcopy(event)
    mutated[name] = value
    decoded = NativeDecoder()(json.dumps(mutated).encode())
    assert VALIDATOR.is_valid(mutated) is isinstance(decoded, Interaction), decoded


@given(events, st.sampled_from(list(REQUIRED)))
@settings(deadline=None)
def test_without_a_required_field_both_refuse(event: dict[str, Any], name: str) -> None:
    del event[name]
    decoded = NativeDecoder()(json.dumps(event).encode())
    assert not VALIDATOR.is_valid(event)
    assert isinstance(decoded, Reject)
    assert decoded.field == name


@given(st.binary(max_size=200) | events.map(lambda event: json.dumps(event).encode()))
@settings(max_examples=300, deadline=None)
def test_the_fast_way_and_the_slow_way_agree_on_any_bytes(raw: bytes) -> None:
    decoder = NativeDecoder()
    assert decoder(raw) == decoder._decode_slowly(raw)


@given(events.map(json.dumps).map(str.encode), st.integers(0), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_no_damaged_byte_makes_it_raise(raw: bytes, place: int, byte: int) -> None:
    damaged = bytearray(raw)
    damaged[place % len(raw)] = byte
    assert isinstance(NativeDecoder()(bytes(damaged)), Interaction | Reject)
