"""Whatever an event says, it is measured or says nothing: all fields, nasty values, in any batch, over any restart."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.interaction import Document, Embedding, Interaction, Kind, Message, ToolCall
from undertow.drift.metrics import Family
from undertow.drift.prices import Price, PriceTable
from undertow.pipelines.decoder import Reject
from undertow.pipelines.meter import Measures, Meter
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Detection, Ingest, OwnMetric, Rule, Settings
from undertow.pipelines.trackers import Trackers
from undertow.pipelines.wire.native import NativeDecoder

SETTINGS = Settings(
    ingest=Ingest(
        task_idle_s=30.0,
        task_limit_s=90.0,
        task_limit_calls=5,
        max_open_tasks=3,
        schemas={"named": {"type": "object", "required": ["a"]}},
    ),
    detection=Detection(dimensions=("region", "cohort", "language", "turn")),
    metrics={
        "own_pattern": OwnMetric(pattern="x+"),
        "own_field": OwnMetric(field="output.a.b"),
        "own_amount": OwnMetric(field="scores.q", scale="log"),
    },
    rules={
        "pair": Rule(fields=("region", "serving_region"), equal=True),
        "leak": Rule(pattern=r"\d{4}"),
        "large": Rule(number="output_tokens", above=10.0),
        "slow": Rule(number="latency", times=2.0),
    },
)
PRICES = PriceTable({"m": Price(input=1.0, output=2.0)})
DIMS = (None, None, None, None)

WORDS = [
    *("", " ", "\x00", "\U0010ffff\u202e", "é" * 300, "漢字 " * 40, "0", "1e999", "NaN", "\\u00e9", "### "),
    *("null", '{"a": {"b": 1}}', '{"a":', "[" * 3000, '{"a":' * 3000, '```json\n{"a": NaN}\n```', "data: {}\n\n" * 20),
    *("I’m sorry, but I can’t help with that.", "Sure, here is:\n\n- a\n- b\n", "|a|b|\n|-|-|\n" * 30, "<div>" * 90),
    *("x" * 2000, "4111 1111 1111 1111", "http://[::1", "rm -rf / ; DROP TABLE t", "&quot;" * 40),
]
NAMES = ["a", "t", "u", "m", "eu", "stop", "MAX_TOKENS", "content_filter", "max_steps"]
KEYS = ["type", "properties", "required", "items", "$ref", "enum", "text", "content", "a", "pattern"]
Strategy = st.SearchStrategy[Any]

readable: st.SearchStrategy[str] = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=9
)
odd = st.characters(categories=["Cs", "Cc", "Mn"])
halves = st.sampled_from(["\ud800", "\ud83d tail"]) | st.text(odd, max_size=4)
amounts = st.sampled_from([0.0, 5e-324, 0.1, 1e300, float("inf"), float("nan")])
floats = amounts | st.sampled_from([-0.0, -1.0, -1e300, float("-inf")])


def fields_of(texts: st.SearchStrategy[str], largest: int) -> dict[str, Strategy]:
    """Return what each field may hold, with such texts and counts up to the largest."""
    names, counts = st.sampled_from(NAMES) | texts, st.sampled_from([0, 1, 7, 2**53, largest])
    values = st.recursive(
        st.none() | st.booleans() | texts | floats | st.integers(-(2**70), 2**70),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | texts, inner, max_size=3),
        max_leaves=6,
    )
    said = st.builds(Message, role=names, content=st.none() | texts | st.lists(values, max_size=3))
    used = st.builds(ToolCall, name=names, arguments=values, result=values, error=values)
    scalars = st.booleans() | st.integers(-(2**70), 2**70) | floats | names
    dimensions = st.sampled_from(["region", "serving_region", "fingerprint", "k"]) | texts
    return {
        **dict.fromkeys(["operation", "agent", "model", "response_model", "provider", "prompt_version", "user"], names),
        **dict.fromkeys(["instructions", "label", "finish_reason", "stop_sequence", "error", "task", "session"], names),
        **dict.fromkeys(["parent", "shadow_of", "about"], st.sampled_from(["0", "1", "2", "3"]) | texts),
        **dict.fromkeys(["input", "output"], texts | st.lists(said, max_size=3)),
        **dict.fromkeys(["input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "turn"], counts),
        **dict.fromkeys(["cost", "latency", "time_to_first_token"], amounts),
        **dict.fromkeys(["config", "attributes"], st.dictionaries(dimensions, scalars, max_size=3)),
        "reasoning_tokens": counts,
        "http_status": st.sampled_from([0, 200, 404, 429, 999]),
        "refused": st.booleans(),
        "environment": names,
        "kind": st.sampled_from([Kind.CALL, Kind.CALL, *Kind]),
        "tools": texts | st.lists(values, max_size=3),
        "tool_calls": st.lists(used, max_size=3),
        "documents": st.lists(st.builds(Document, id=st.none() | names, score=st.none() | floats), max_size=3),
        "response_schema": names | st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
        "scores": st.dictionaries(names, floats, max_size=3),
        "embedding": st.builds(Embedding, input=st.none() | st.lists(floats, max_size=3)),
    }


ANYTHING = fields_of(readable | halves, 10**30)
AS_READ = fields_of(readable, 2**53)  # a decoder mends half a surrogate pair before anything can remember it


@st.composite
def streams(draw: st.DrawFn, fields: dict[str, Strategy]) -> list[Interaction]:
    """A few events, each with a few fields: what breaks is a value beside another, seldom thirty of them."""
    stream, now = [], 1000.0
    for number in range(draw(st.integers(1, 6))):
        now += draw(st.sampled_from([0.0, 1.0, 20.0, 100.0]))
        chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=8, unique=True))
        said = {name: draw(fields[name]) for name in chosen}
        stream.append(Interaction(id=str(number), time=now, service=draw(st.sampled_from(["s", "r"])), **said))
    return stream


def built() -> tuple[Catalogue, Meter]:
    catalogue = Catalogue([own.metric for own in SETTINGS.own_metrics])
    return catalogue, Meter(SETTINGS, PRICES, catalogue, Categories())


def same(one: Measures, other: Measures) -> bool:
    return np.array_equal(one.values, other.values, equal_nan=True) and repr(one.charges) == repr(other.charges)


@settings(max_examples=80)
@given(streams(ANYTHING))
def test_every_event_is_measured_by_numbers_that_its_families_allow(stream: list[Interaction]) -> None:
    catalogue, meter = built()
    measured = meter.measure(stream).values
    said = ~np.isnan(measured)
    assert np.isfinite(measured[said]).all()
    for name, column in catalogue.columns.items():
        family = catalogue.metric(catalogue.numbers[name]).family
        found = measured[said[:, column], column]
        assert family is Family.SCORE or (found >= 0).all(), name
        assert family is not Family.RATE or np.isin(found, (0.0, 1.0)).all(), name
        assert family is not Family.CATEGORY or ((found < 1 << 24) & (found == found.round())).all(), name


@settings(max_examples=60)
@given(streams(ANYTHING), st.integers(0, 6))
def test_an_event_is_measured_alike_in_any_batch_and_stays_as_it_was(stream: list[Interaction], cut: int) -> None:
    before = repr(stream)
    whole = built()[1].measure(stream)
    parts = [built()[1].measure(part) for part in (stream[:cut], stream[cut:])]
    joined = Measures(np.concatenate([part.values for part in parts]), parts[0].charges + parts[1].charges)
    assert same(whole, joined)
    assert repr(stream) == before


def followed(trackers: Trackers, meter: Meter, event: Interaction) -> Any:
    """Show trackers the next event and return all that they say."""
    (charge,) = meter.measure([event]).charges
    trackers.arrive(event, charge, event.time - 50.0)
    said = trackers.observe(event, DIMS, charge, event.time - 50.0)
    trackers.expire(event.time - 50.0)
    return said, trackers.figures(), trackers.found(), trackers.spent()


def state_of(trackers: Trackers) -> bytes:
    return msgspec.msgpack.encode(trackers.snapshot())


def resumed(state: bytes) -> Trackers:
    return Trackers(SETTINGS, str, msgspec.msgpack.decode(state))


@settings(max_examples=60)
@given(streams(AS_READ))
def test_a_restart_after_any_event_changes_nothing_that_trackers_say(stream: list[Interaction]) -> None:
    meter = built()[1]
    steady, restarted = Trackers(SETTINGS, str), Trackers(SETTINGS, str)
    for event in stream:
        expected = followed(steady, meter, event)
        assert repr(followed(restarted, meter, event)) == repr(expected)
        assert all(np.isfinite(value) for value in expected[0].values())
        assert all(np.isfinite(figure.value) for figure in expected[1])
        state = state_of(steady)
        assert state_of(restarted) == state
        restarted = resumed(state)
        assert state_of(restarted) == state


@settings(max_examples=40)
@given(streams(AS_READ))
def test_the_whole_way_takes_any_stream_and_gives_its_state_back(stream: list[Interaction]) -> None:
    processor = Processor(SETTINGS, PRICES)
    processor.step(stream, list(range(len(stream))))
    state = msgspec.msgpack.encode(processor.snapshot(), enc_hook=lambda found: found.tolist())
    assert state
    processor.finish()
    assert processor.counters.events == len(stream)


WELL = {"id": "1", "time": 1000.0, "service": "s", "output": "Hello"}
BAD: dict[str, tuple[bytes, str, str]] = {
    "NaN": (b'{"id": "1", "time": 1000.0, "service": "s", "latency": NaN}', "number is NaN or infinite", "latency"),
    "infinite": (b'{"id": "1", "time": 1000.0, "service": "s", "cost": 1e999}', "number", "cost"),
    "negative tokens": (json.dumps(WELL | {"output_tokens": -1}).encode(), "expected int >= 0", "output_tokens"),
    "negative latency": (json.dumps(WELL | {"latency": -0.5}).encode(), "expected float >= 0.0", "latency"),
    "a bomb of brackets": (b'{"id": "1", "tools": ' + b"[" * 1_000_000, "JSON is nested too deeply", ""),
    "a bomb of objects": (b'{"id": "1", "config": ' + b'{"a":' * 1_000_000, "JSON is nested too deeply", ""),
    "half a line": (json.dumps(WELL).encode()[:-9], "not valid JSON: it ends too early", ""),
    "no UTF-8": (b'{"id": "\xff", "time": 1000.0, "service": "s"}', "text is not UTF-8", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name_and_the_next_event_is_read_as_ever(case: str) -> None:
    raw, reason, field = BAD[case]
    decode = NativeDecoder()
    good = decode(json.dumps(WELL).encode())
    refused = decode(raw)
    assert isinstance(refused, Reject)
    assert (refused.reason.startswith(reason), refused.field) == (True, field), refused
    assert decode(json.dumps(WELL).encode()) == good


DEEP = 900  # as deep as a record may be and still be read
BRACKETS = "[" * 5_000_000
HOSTILE: dict[str, dict[str, Any]] = {
    "10 MB of words": {"output": "I cannot say. " * 750_000, "input": "x" * 10_000_000},
    "10 MB in one message": {"output": [{"role": "assistant", "content": "- item\n" * 1_500_000}]},
    "10 MB of JSON": {"output": json.dumps([{"a": 1}] * 1_000_000)},
    "a bomb in an answer": {"output": BRACKETS, "response_schema": {"type": "array"}},
    "a bomb in a fence": {"output": f"```json\n{BRACKETS}\n```"},
    "a bomb of objects in prose": {"output": "Here: " + '{"a":' * 1_000_000},
    "a bomb in arguments": {"tool_calls": [{"name": "find", "arguments": BRACKETS, "result": BRACKETS}]},
    "deep JSON": {"output": "[" * DEEP + "]" * DEEP, "tools": json.loads('{"a":' * DEEP + "1" + "}" * DEEP).items()},
    "a schema without end": {"output": "[[[]]]", "response_schema": {"items": {"$ref": "#"}}},
    "a schema that cannot be": {"output": "{}", "response_schema": {"type": 7, "$ref": "http://example.invalid"}},
    "a number of no size": {"output": "9" * 100_000, "response_schema": {"type": "number"}},
}


def event_of(fields: dict[str, Any], number: int = 1) -> Interaction:
    shown = {name: list(value) if isinstance(value, type({}.items())) else value for name, value in fields.items()}
    return msgspec.convert({"id": str(number), "time": 1000.0 + number, "service": "s", **shown}, Interaction)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_content_is_measured_or_says_nothing_and_its_neighbours_do_not_notice(case: str) -> None:
    ordinary = partial(event_of, {"output": '{"a": 1}', "response_schema": {"required": ["a"]}, "latency": 0.5})
    _, meter = built()
    alone = meter.measure([ordinary(2)])
    both = meter.measure([event_of(HOSTILE[case]), ordinary(2)])
    assert not np.isinf(both.values).any()
    assert np.array_equal(both.values[1:], alone.values, equal_nan=True)
    trackers = Trackers(SETTINGS, str)
    for number in range(1, 7):
        followed(trackers, meter, event_of(HOSTILE[case], number))
    state = state_of(trackers)
    assert len(state) < 1_000_000, "what is remembered of an event is bounded"
    assert state_of(resumed(state)) == state


def test_half_a_surrogate_pair_is_mended_before_anything_remembers_it() -> None:
    names = ["environment", "operation", "agent", "model", "user", "task", "session", "label", "error", "output"]
    event = NativeDecoder()(json.dumps(WELL | dict.fromkeys(names, "\ud800")).encode())
    assert isinstance(event, Interaction)
    assert {getattr(event, name) for name in names} == {"\ufffd"}
    trackers = Trackers(SETTINGS, str)
    followed(trackers, built()[1], event)
    assert state_of(resumed(state_of(trackers))) == state_of(trackers)
