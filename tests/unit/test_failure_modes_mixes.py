"""Ways in which LLM applications failed while HTTP stayed green, each with the number that moves when it happens.

Traffic is made twice, as it was and as the failure left it; the tests ask only what was measured, not whether a
detector would have paged.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from undertow.drift.cohorts import Cohorts
from undertow.drift.declared import read_declared
from undertow.drift.fleet import Fleet
from undertow.drift.interaction import Document, Interaction, Kind
from undertow.drift.own_metric import OwnMetric
from undertow.drift.rule import Rule, extremes
from undertow.drift.rules import Rules
from undertow.drift.scores import Scores
from undertow.drift.segments import dimension_reader
from undertow.drift.shadow import Shadow
from undertow.drift.signal import Batch, Signal
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.documents_retrieved import DocumentsRetrieved
from undertow.drift.signals.empty_retrieval import EmptyRetrieval
from undertow.drift.signals.fallback import Fallback
from undertow.drift.signals.label_mix import LabelMix
from undertow.drift.signals.model_mix import ModelMix
from undertow.drift.signals.output_length import OutputLength
from undertow.drift.signals.own import own_signal
from undertow.drift.signals.retrieval_score import RetrievalScore
from undertow.drift.signals.stop_sequence import StopSequence
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


def test_a_retry_that_serves_a_european_from_virginia_is_told_the_first_time() -> None:
    rules = Rules([Rule("residency", fields=("region", "serving_region"), allowed={"eu": ["eu-*"]})])
    events = traffic(lambda _, n: {"attributes": {"region": "eu", "serving_region": "eu-west-3"}})
    assert [hit for event in events for hit in rules.observe(event)] == []
    stray = traffic(lambda _, n: {"attributes": {"region": "eu", "serving_region": "us-east-1"}}, 1)
    assert [hit.rule for hit in rules.observe(stray[0])] == ["residency"]


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


def test_a_new_category_of_traffic_that_is_misread_shows_in_the_labels() -> None:
    labels = ["billing", "shipping", "other"]
    before = traffic(lambda rng, _: {"label": rng.choices(labels, (60, 38, 2))[0]})
    after = traffic(lambda rng, _: {"label": rng.choices(labels, (50, 30, 20))[0]})
    assert mix(LabelMix(), after)["other"] > 5 * mix(LabelMix(), before)["other"]


def test_a_one_sentence_prompt_change_shows_in_the_labels_and_in_the_version_first_seen_with_it() -> None:
    labels = ["mortgage", "loan"]

    def decided(rng: random.Random, n: int) -> dict[str, Any]:
        changed = n >= 600
        label = rng.choices(labels, (70, 30) if changed else (95, 5))[0]
        return {"label": label, "instructions": "Classify, briefly." if changed else "Classify."}

    events = traffic(decided)
    assert mix(LabelMix(), events[600:])["loan"] > 3 * mix(LabelMix(), events[:600])["loan"]
    versions = Versions(baseline_s=300.0)
    versions.observe(events)
    assert [seen.first_seen for seen in versions.first_seen_between("s", "", 500.0, 700.0)] == [600.0]


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


def test_four_artifacts_that_roll_out_by_themselves_show_as_states_that_nobody_planned() -> None:
    def ran(rng: random.Random, out: float) -> dict[str, Any]:
        def new() -> bool:
            return rng.random() < out

        return {
            "model": "m2" if new() else "m1",
            "prompt_version": "v2" if new() else "v1",
            "tools": "t2" if new() else "t1",
            "config": {"context": "c2" if new() else "c1"},
        }

    signal = ConfigMix()
    assert len(mix(signal, traffic(lambda rng, _: ran(rng, 0.0)))) == 1
    assert len(mix(signal, traffic(lambda rng, _: ran(rng, 0.5)))) == 16


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


def test_a_shadow_that_categorises_four_percent_otherwise_shows_as_that_rate() -> None:
    shadow, rng = Shadow(), random.Random(7)
    found = []
    for live in traffic(lambda r, n: {"label": r.choice(["refund", "return"])}):
        other = {"refund": "return", "return": "refund"}[live.label or ""]
        label = other if rng.random() < 0.04 else live.label
        twin = Interaction(id=f"x{live.id}", time=live.time, service="s", label=label, shadow_of=live.id)
        pair = [live, twin] if rng.random() < 0.5 else [twin, live]
        found += [disagreement for event in pair for disagreement in shadow.observe(event, (), live.time - 60)]
    assert len(found) == CALLS
    assert 0.025 < sum(disagreement.differs for disagreement in found) / CALLS < 0.055


def test_a_fallback_that_takes_over_shows_in_its_rate_in_the_mix_and_as_a_version_first_seen() -> None:
    def answered(rng: random.Random, n: int) -> dict[str, Any]:
        fallen = n >= 500 and rng.random() < 0.3
        return {"model": "gpt-4o", "response_model": "gpt-4o-mini-2024-07-18" if fallen else "gpt-4o-2024-08-06"}

    events = traffic(answered)
    assert mean(Fallback(), events[:500]) == 0.0
    assert mean(Fallback(), events[500:]) > 0.2
    assert mix(ModelMix(), events[500:])["gpt-4o-mini-2024-07-18"] > 0.2
    versions = Versions(baseline_s=60.0)
    versions.observe(events)
    assert "gpt-4o → gpt-4o-mini-2024-07-18" in {v.value for v in versions.first_seen_between("s", "", 400.0, 600.0)}


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


def test_a_flag_that_makes_answers_terse_shows_in_the_slice_of_its_variant() -> None:
    read = dimension_reader("variant")
    events = traffic(lambda _, n: {"config": {"variant": "ab"[n % 2]}, "output": "x" * (400 if n % 2 else 800)})
    lengths = {name: mean(OutputLength(), [e for e in events if read(e) == name]) for name in "ab"}
    assert lengths == {"a": 800.0, "b": 400.0}


def test_a_million_token_plan_is_told_by_itself() -> None:
    rules = Rules(extremes(20.0))
    events = traffic(lambda rng, _: {"output_tokens": int(rng.lognormvariate(5.5, 1.0))}, 5000)
    assert [hit for event in events for hit in rules.observe(event)] == []
    plan = traffic(lambda _, n: {"output_tokens": 1_000_000}, 1)
    assert [hit.rule for hit in rules.observe(plan[0])] == ["extreme_output_tokens"]


def test_a_language_that_nobody_tested_shows_as_a_slice_that_grows() -> None:
    read = dimension_reader("language")
    texts = ["Where is my parcel?", "How do I pay this?", "注文をキャンセルしたいのですが"]
    before = traffic(lambda rng, _: {"input": rng.choices(texts, (50, 50, 1))[0]})
    after = traffic(lambda rng, _: {"input": rng.choices(texts, (50, 50, 12))[0]})
    shares = [sum(read(event) == "ja" for event in events) / CALLS for events in (before, after)]
    assert shares[1] > 5 * shares[0] > 0


def test_a_delimiter_that_users_paste_shows_in_stop_sequences_while_the_mean_length_hardly_moves() -> None:
    def ended(rng: random.Random, share: float) -> dict[str, Any]:
        cut = rng.random() < share
        return {
            "output": "x" * (40 if cut else rng.randint(600, 1000)),
            "finish_reason": "stop_sequence" if cut else "end_turn",
            "stop_sequence": "### " if cut else None,
        }

    before, after = traffic(lambda rng, _: ended(rng, 0.0), 6000), traffic(lambda rng, _: ended(rng, 1 / 300), 6000)
    assert mean(StopSequence(), before) == 0.0
    assert 0.001 < mean(StopSequence(), after) < 0.008
    assert abs(mean(OutputLength(), after) / mean(OutputLength(), before) - 1) < 0.01


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


def test_what_breaks_for_the_heaviest_users_first_shows_in_their_cohort() -> None:
    cohorts = Cohorts(str, heavy_calls=50)
    signal = own_signal(OwnMetric("preamble", pattern="^Certainly"))
    slices: dict[str | None, list[Interaction]] = {}

    def answered(rng: random.Random, n: int) -> dict[str, Any]:
        heavy = n % 2 == 0
        user = f"power{n % 8}" if heavy else f"u{n}"
        return {"user": user, "output": "Certainly! Done." if heavy and n > 2000 and rng.random() < 0.5 else "Done."}

    for event in traffic(answered, 4000):
        if event.time > 2000:
            slices.setdefault(cohorts.observe(event), []).append(event)
        else:
            cohorts.observe(event)
    assert mean(signal, slices["heavy"]) > 0.4
    assert mean(signal, slices["regular"]) == 0.0


def test_a_renamed_field_shows_as_silence_of_what_reads_it() -> None:
    own = own_signal(OwnMetric("total", field="output.status.total"))
    before, after = (
        traffic(lambda _, n, key=key: {"output": f'{{"{key}": {{"total": {n}}}}}'})  # type: ignore[misc]
        for key in ("status", "current_state")
    )
    assert np.isfinite(own.measure(Batch(before))).all()
    assert np.isnan(own.measure(Batch(after))).all()
