"""Whatever an event carries: signals name and measure it within their bounds, and what remembers it can be saved."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.cohorts import Cohorts, language, turn_bucket
from undertow.drift.fleet import Fleet
from undertow.drift.interaction import Document, Interaction, Kind, ToolCall
from undertow.drift.own_metric import OwnMetric
from undertow.drift.rule import Rule
from undertow.drift.rules import Rules
from undertow.drift.scores import Scores
from undertow.drift.shadow import Shadow
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.documents_retrieved import DocumentsRetrieved
from undertow.drift.signals.empty_retrieval import EmptyRetrieval
from undertow.drift.signals.fallback import Fallback
from undertow.drift.signals.label_mix import LabelMix
from undertow.drift.signals.model_mix import ModelMix
from undertow.drift.signals.own import own_signal
from undertow.drift.signals.retrieval_score import RetrievalScore
from undertow.drift.signals.stop_sequence import StopSequence
from undertow.drift.versions import Versions

TEXTS = (
    st.none() | st.text(max_size=40) | st.sampled_from(["x" * 10_000, "[" * 3000, '{"total": 7}', "gpt-4o", "漢" * 99])
)
NUMBERS = st.floats() | st.integers(-(2**70), 2**70)
SCALARS = st.text(max_size=20) | st.booleans() | NUMBERS
JSON = st.recursive(st.none() | SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))
EVENTS = st.builds(
    Interaction,
    id=st.text(min_size=1, max_size=5),
    time=st.floats(0, 1e10),
    service=st.sampled_from(["s", "t"]),
    kind=st.sampled_from(Kind),
    operation=TEXTS,
    model=TEXTS,
    response_model=TEXTS,
    provider=TEXTS,
    prompt_version=TEXTS,
    instructions=TEXTS,
    input=TEXTS,
    output=TEXTS,
    label=TEXTS,
    user=TEXTS,
    about=TEXTS,
    shadow_of=TEXTS,
    finish_reason=TEXTS,
    stop_sequence=TEXTS,
    config=st.none() | st.dictionaries(st.text(max_size=9), SCALARS, max_size=4),
    attributes=st.none() | st.dictionaries(st.sampled_from(["region", "serving_region", "basket"]), SCALARS),
    tools=TEXTS | st.lists(JSON, max_size=3),
    tool_calls=st.none() | st.lists(st.builds(ToolCall, name=st.text(max_size=5), arguments=JSON), max_size=3),
    documents=st.none() | st.lists(st.builds(Document, score=st.none() | st.floats()), max_size=5),
    scores=st.none() | st.dictionaries(st.text(max_size=9), st.floats(), max_size=3),
    turn=st.none() | st.integers(0, 2**53),
    output_tokens=st.none() | st.integers(0, 2**53),
    latency=st.none() | st.floats(0) | st.just(float("nan")),
)
RULES = [
    Rule("residency", fields=("region", "serving_region"), equal=True),
    Rule("leak", pattern="x+"),
    Rule("runaway", number="latency", times=2),
    Rule("long", number="output_length", above=3),
]


MIXES = [ModelMix, ConfigMix, LabelMix]
NUMBERS_OF: list[Signal] = [
    Fallback(),
    StopSequence(),
    DocumentsRetrieved(),
    EmptyRetrieval(),
    RetrievalScore(),
    own_signal(OwnMetric("own_pattern", pattern="(?i)x")),
    own_signal(OwnMetric("own_field", field="attributes.basket")),
    own_signal(OwnMetric("own_amount", field="output.total", scale="log")),
    own_signal(OwnMetric("own_answer", field="output")),
]


@settings(max_examples=50)  # an event has thirty fields: drawing them is what takes the time
@given(events=st.lists(EVENTS, max_size=5))
def test_names_are_short_and_depend_on_the_event_alone(events: list[Interaction]) -> None:
    for mix in MIXES:
        signal = mix()
        names = signal.classify(Batch(events))
        assert names == [signal.classify(Batch([event]))[0] for event in events]
        assert names == mix().classify(Batch(events))
        assert all(name is None or 0 < len(name) <= 200 for name in names)


@settings(max_examples=50)
@given(events=st.lists(EVENTS, max_size=5))
def test_numbers_are_finite_or_nothing_and_depend_on_the_event_alone(events: list[Interaction]) -> None:
    for signal in NUMBERS_OF:
        values = signal.measure(Batch(events))
        assert values.shape == (len(events),)
        assert not np.isinf(values).any()
        alone = [signal.measure(Batch([event]))[0] for event in events]
        np.testing.assert_array_equal(values, np.array(alone, np.float64))


MEMORIES: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Interaction, float], Any]]] = {
    "fleet": (lambda state: Fleet.build(600.0, state=state), lambda fleet, event, mark: fleet.observe(event, mark)),
    "versions": (Versions.build, lambda versions, event, mark: versions.observe([event])),
    "shadow": (
        lambda state: Shadow.build(state=state),
        lambda shadow, event, mark: shadow.observe(event, (event.label,), mark),
    ),
    "scores": (
        lambda state: Scores.build(state=state),
        lambda scores, event, mark: scores.observe(event, (event.label,), mark),
    ),
    "rules": (lambda state: Rules.build(RULES, state=state), lambda rules, event, mark: rules.observe(event)),
    "cohorts": (lambda state: Cohorts.build(str, state=state), lambda cohorts, event, mark: cohorts.observe(event)),
}


@settings(max_examples=50)
@given(st.lists(EVENTS, max_size=10))
def test_what_remembers_events_tells_the_same_when_restarted_after_each(events: list[Interaction]) -> None:
    def saved(state: Any) -> Any:
        return json.loads(json.dumps(state, allow_nan=False))

    for build, observe in MEMORIES.values():
        plain, restarted = build(None), build(None)
        watermark = 0.0
        for event in events:
            watermark = max(watermark, event.time - 60.0)
            assert observe(plain, event, watermark) == observe(restarted, event, watermark)
            restarted = build(saved(restarted.snapshot()))
        assert saved(restarted.snapshot()) == saved(plain.snapshot())


@given(EVENTS)
def test_derived_dimensions_are_short(event: Interaction) -> None:
    assert len(turn_bucket(event) or "") < 6
    assert len(language(event) or "") <= 7
