"""Ways in which LLM applications failed while HTTP stayed green, each with the number that moves when it happens.

Traffic is made twice, as it was and as the failure left it; the tests ask only what was measured. Those that requests
and responses alone show are played to the page in tests/scenarios.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from undertow.drift.declared import read_declared
from undertow.drift.fleet import Fleet
from undertow.drift.interaction import Document, Interaction, Kind
from undertow.drift.own_metric import OwnMetric
from undertow.drift.rule import Rule
from undertow.drift.rules import Rules
from undertow.drift.scores import Scores
from undertow.drift.segments import dimension_reader
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.documents_retrieved import DocumentsRetrieved
from undertow.drift.signals.empty_retrieval import EmptyRetrieval
from undertow.drift.signals.model_mix import ModelMix
from undertow.drift.signals.own import own_signal
from undertow.drift.signals.retrieval_score import RetrievalScore
from undertow.drift.versions import Versions

CALLS = 1000


def traffic(make: Callable[[random.Random, int], dict[str, Any]], calls: int = CALLS) -> list[Interaction]:
    rng = random.Random(7)
    return [Interaction(id=f"c{n}", time=float(n), service="s", http_status=200, **make(rng, n)) for n in range(calls)]


def mean(signal: Signal, events: list[Interaction]) -> float:
    return float(np.nanmean(signal.measure(Batch(events))))


def mix(signal: Any, events: list[Interaction]) -> dict[str, float]:
    counts = Counter(name for name in signal.classify(Batch(events)) if name is not None)
    return {name: count / counts.total() for name, count in counts.items()}


def test_a_retriever_that_collapses_shows_in_scores_counts_and_empty_retrievals() -> None:
    def found(rng: random.Random, share: float, level: float) -> dict[str, Any]:
        documents = [Document(score=rng.gauss(level, 0.05)) for _ in range(5)]
        return {"documents": documents if rng.random() < share else []}

    before, after = traffic(lambda rng, _: found(rng, 0.99, 0.8)), traffic(lambda rng, _: found(rng, 0.8, 0.6))
    assert mean(RetrievalScore(), before) - mean(RetrievalScore(), after) > 0.15
    assert mean(EmptyRetrieval(), after) > 5 * mean(EmptyRetrieval(), before)
    assert mean(DocumentsRetrieved(), after) < mean(DocumentsRetrieved(), before)


def test_an_index_that_goes_stale_shows_in_the_retrieval_score_alone() -> None:
    before, after = (
        traffic(lambda rng, _, level=level: {"documents": [Document(score=rng.gauss(level, 0.1))]})  # type: ignore[misc]
        for level in (0.8, 0.75)
    )
    assert mean(DocumentsRetrieved(), before) == mean(DocumentsRetrieved(), after)
    spread = float(np.nanstd(RetrievalScore().measure(Batch(before)))) / CALLS**0.5
    assert mean(RetrievalScore(), before) - mean(RetrievalScore(), after) > 5 * spread


def test_a_rollout_paused_at_two_thirds_is_a_skew_that_names_its_regions() -> None:
    fleet, found = Fleet(grace_s=3600.0), []
    for n in range(4000):
        region = ("apac", "eu", "us")[n % 3]
        version = "v47" if n > 1000 and region != "apac" else "v46"
        event = Interaction(
            id=str(n), time=n * 10.0, service="s", prompt_version=version, attributes={"region": region}
        )
        found += fleet.observe(event, n * 10.0 - 60.0)
    assert [(finding.kind, finding.values) for finding in found] == [("skew", ("v47", "v46"))]
    assert "apac 0 %" in found[0].reason


def test_production_that_runs_on_something_else_than_declared_is_told() -> None:
    declared = read_declared({"s": {"prompt_version": "v46", "response_model": "gpt-4o-2024-08-06"}})
    fleet, found = Fleet(grace_s=3600.0, declared=declared), []
    for n in range(1000):
        event = Interaction(
            id=str(n), time=n * 10.0, service="s", prompt_version="v46", response_model="gpt-4o-2024-11-20"
        )
        found += fleet.observe(event, n * 10.0 - 60.0)
    assert ("undeclared", "response_model", ("gpt-4o-2024-11-20",)) in {(f.kind, f.dimension, f.values) for f in found}
    assert not [finding for finding in found if finding.dimension == "prompt_version"]


def test_wrong_advice_and_a_falling_business_figure_show_in_the_scores_that_tell_of_them() -> None:
    scores, placed = Scores(), []
    for event in traffic(lambda _, n: {"operation": "advise"}, 200):
        placed += scores.observe(event, (event.operation,), event.time - 60)
        good = 1.0 if event.time < 100 else 0.6
        later = Interaction(
            id=f"f{event.id}",
            time=event.time + 5,
            service="s",
            kind=Kind.SCORE,
            about=event.id,
            scores={"correct": good},
        )
        placed += scores.observe(later, (None,), event.time - 60)
        orders = Interaction(
            id=f"o{event.id}", time=event.time, service="s", kind=Kind.SCORE, scores={"orders": 90.0 * good}
        )
        placed += scores.observe(orders, (None,), event.time - 60)
    levels = {
        (name, half): float(
            np.mean([score.value for score in placed if score.name == name and (score.time >= 105) == half])
        )
        for name in ("correct", "orders")
        for half in (False, True)
    }
    assert levels["correct", True] < levels["correct", False] - 0.3
    assert levels["orders", True] < levels["orders", False] - 30
    assert {score.dims for score in placed if score.name == "correct"} == {("advise",)}


def test_a_provider_that_changes_behind_an_unchanged_name_shows_as_another_fingerprint() -> None:
    events = traffic(
        lambda _, n: {"model": "gpt-4o", "response_model": "gpt-4o", "config": {"fingerprint": f"fp_{n // 500}"}}
    )
    assert mix(ModelMix(), events) == {"gpt-4o": 1.0}
    assert mix(ConfigMix(), events[:500]) == {"gpt-4o · fingerprint=fp_0": 1.0}
    assert mix(ConfigMix(), events[500:]) == {"gpt-4o · fingerprint=fp_1": 1.0}
    versions = Versions(baseline_s=60.0)
    versions.observe(events)
    assert [seen.value for seen in versions.first_seen_between("s", "", 400.0, 600.0)] == ["fp_1"]


def test_a_language_that_nobody_tested_shows_as_a_slice_that_grows() -> None:
    read = dimension_reader("language")
    texts = ["Where is my parcel?", "How do I pay this?", "注文をキャンセルしたいのですが"]
    before = traffic(lambda rng, _: {"input": rng.choices(texts, (50, 50, 1))[0]})
    after = traffic(lambda rng, _: {"input": rng.choices(texts, (50, 50, 12))[0]})
    shares = [sum(read(event) == "ja" for event in events) / CALLS for events in (before, after)]
    assert shares[1] > 5 * shares[0] > 0


def test_context_that_rots_after_fifteen_turns_shows_in_the_slice_of_long_conversations() -> None:
    read = dimension_reader("turn")
    again = own_signal(OwnMetric("asked_again", pattern="(?i)as I said", on="input"))

    def asked(rng: random.Random, rot: float) -> dict[str, Any]:
        turn = rng.randrange(25)
        repeats = rng.random() < (rot if turn >= 15 else 0.02)
        return {"turn": turn, "input": "As I said, the blue one" if repeats else "The blue one"}

    before, after = traffic(lambda rng, _: asked(rng, 0.02), 3000), traffic(lambda rng, _: asked(rng, 0.2), 3000)
    levels = {
        bucket: [mean(again, [event for event in events if read(event) == bucket]) for events in (before, after)]
        for bucket in ("0–4", "5–14", "15+")
    }
    assert levels["15+"][1] > levels["15+"][0] + 0.1
    assert max(abs(levels[bucket][1] - levels[bucket][0]) for bucket in ("0–4", "5–14")) < 0.03


def test_a_soft_constraint_that_fails_shows_in_the_users_own_pattern_and_rule() -> None:
    leak = r"\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b"
    events = traffic(
        lambda _, n: {"output": "Card 4111 1111 1111 1111" if n % 200 == 199 else "Order 4111 is on its way"}
    )
    assert mean(own_signal(OwnMetric("card_shown", pattern=leak)), events) == 5 / CALLS
    rules = Rules([Rule("card", pattern=leak)])
    assert [hit.time for event in events for hit in rules.observe(event)] == [199.0]


def test_a_renamed_field_shows_as_silence_of_what_reads_it() -> None:
    own = own_signal(OwnMetric("total", field="output.status.total"))
    before, after = (
        traffic(lambda _, n, key=key: {"output": f'{{"{key}": {{"total": {n}}}}}'})  # type: ignore[misc]
        for key in ("status", "current_state")
    )
    assert np.isfinite(own.measure(Batch(before))).all()
    assert np.isnan(own.measure(Batch(after))).all()
