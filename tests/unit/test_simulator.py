"""The traffic generator: the same bytes each time, the declared world, incidents that move what they say and only that.

Traffic with an incident is compared event by event with its twin without: `task` and the position in it name a call.
"""

import gzip
import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path

import jsonschema_rs
import msgspec
import numpy as np
import pytest
import zstandard
from genai_prices import Usage, calc_price

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import METRICS
from undertow.pipelines.simulator import (
    INCIDENTS,
    MONDAY,
    SCHEMAS,
    Planted,
    Scenario,
    ScenarioError,
    events,
    generate,
    labelled,
    live,
    truth,
    world,
    write,
)
from undertow.pipelines.simulator.draws import Outcome

QUIET = Scenario(seed=5, duration_s=1400, rate_per_s=14)
AT = 600.0
GUIDE = Path(__file__).parents[2] / "docs" / "simulator.md"
Key = tuple[str, str, int]
Told = tuple[Interaction, Outcome]

# what an event says about behaviour and about HTTP; ids and parents follow the order of arrival and are left out
FIELDS = (
    *("service", "kind", "operation", "agent", "model", "response_model", "provider", "prompt_version", "config"),
    *("attributes", "user", "input", "output", "label", "tool_calls", "documents", "finish_reason", "input_tokens"),
    *("output_tokens", "cached_tokens", "reasoning_tokens", "cost", "latency", "time_to_first_token", "http_status"),
    *("error", "session", "turn", "response_schema"),
)


@lru_cache(maxsize=8)  # some thirty megabytes each
def traffic(scenario: Scenario) -> dict[Key, Told]:
    places: Counter[tuple[str, str | None]] = Counter()
    found: dict[Key, Told] = {}
    for event, outcome in labelled(scenario):
        place = (event.service, event.task)
        found[event.service, str(event.task), places[place]] = (event, outcome)
        places[place] += 1
    return found


def twins(name: str, strength: float = 1.0) -> list[tuple[Told, Told]]:
    """The calls that quiet traffic and traffic with the incident have in common."""
    quiet, planted = traffic(QUIET), traffic(QUIET.plant(name, AT, strength=strength))
    return [(quiet[key], planted[key]) for key in quiet.keys() & planted.keys()]


def touched(name: str) -> dict[str, set[str | None]]:
    """Which fields the incident changed, in which operations."""
    found: dict[str, set[str | None]] = {}
    for (before, _), (after, _) in twins(name):
        for field in FIELDS:
            if getattr(before, field) != getattr(after, field):
                found.setdefault(field, set()).add(after.operation)
    return found


def rate(name: str, outcome: Outcome, operation: str, *, after: bool = True, region: str | None = None) -> float:
    """The share of an operation's calls with that outcome, in the planted traffic before or after the change."""
    chosen = [
        told == outcome
        for event, told in traffic(QUIET.plant(name, AT)).values()
        if event.operation == operation
        and (event.time >= QUIET.start + AT + 330) == after
        and (region is None or (event.attributes or {})["region"] == region)
    ]
    return float(np.mean(chosen))


def test_the_same_scenario_gives_the_same_bytes_and_another_seed_others() -> None:
    scenario = Scenario(seed=3, duration_s=120).plant("refusal_creep", 30)
    assert list(generate(scenario)) == list(generate(scenario))
    assert list(generate(scenario)) != list(generate(replace(scenario, seed=4)))


def test_a_longer_scenario_begins_with_the_same_bytes() -> None:
    short = list(generate(Scenario(duration_s=300, rate_per_s=30)))
    assert list(islice(generate(Scenario(duration_s=900, rate_per_s=30)), len(short))) == short


def test_every_line_is_the_event_contract_in_order_of_time_with_ids_counted_from_one_in_each_service() -> None:
    lines = list(generate(Scenario(seed=2, duration_s=400, rate_per_s=25)))
    read = [msgspec.json.decode(line, type=Interaction) for line in lines]
    assert all(one.time <= two.time for one, two in pairwise(read))
    assert all(isinstance(json.loads(line)["time"], float) for line in lines)
    for service in world.SERVICES:
        ids = [int(event.id) for event in read if event.service == service]
        assert ids == list(range(1, len(ids) + 1))
    assert read == list(events(Scenario(seed=2, duration_s=400, rate_per_s=25)))


def test_parents_are_earlier_events_of_the_same_task_and_tools_name_their_call() -> None:
    seen: dict[str, Interaction] = {}
    tools = 0
    for event in events(Scenario(seed=2, duration_s=600, services=("support",))):
        if event.parent:
            assert seen[event.parent].task == event.task
            assert seen[event.parent].time <= event.time
        if event.kind is Kind.TOOL and event.parent:
            tools += 1
            asked = seen[str(event.about)].tool_calls
            assert asked
            assert event.tool_calls
            assert asked[0].name == event.tool_calls[0].name
        seen[event.id] = event
    assert tools > 100


def test_quiet_traffic_has_the_declared_rates() -> None:
    told = [traffic(QUIET)[key] for key in traffic(QUIET)]
    by = Counter((event.operation, outcome) for event, outcome in told if event.kind is Kind.CALL)
    calls = Counter(event.operation for event, _ in told if event.kind is Kind.CALL)
    assert by["answer", Outcome.REFUSED] / calls["answer"] == pytest.approx(0.02, abs=0.005)
    assert by["answer", Outcome.HEDGED] / calls["answer"] == pytest.approx(0.04, abs=0.008)
    failed = sum(count for (_, outcome), count in by.items() if outcome == Outcome.FAILED)
    assert failed / calls.total() == pytest.approx(0.003, abs=0.0012)
    broken = by["triage", Outcome.INVALID] + by["summarize", Outcome.INVALID]
    assert broken / (calls["triage"] + calls["summarize"]) == pytest.approx(0.003, abs=0.0015)
    stated = [event.cost is not None for event, _ in told if event.output_tokens is not None]
    assert np.mean(stated) == pytest.approx(world.COST_SHARE, abs=0.01)


def test_volume_is_the_stated_rate_and_follows_the_hour_of_the_day() -> None:
    flat = Scenario(duration_s=2000, daily_cycle=0.0)
    expected = flat.rate_per_s * flat.duration_s
    assert sum(1 for _ in events(flat)) == pytest.approx(expected, abs=5 * 2 * math.sqrt(expected))
    night, noon = (
        sum(1 for _ in events(Scenario(start=MONDAY + shift * 3600, duration_s=600, texts=False))) for shift in (-6, 6)
    )
    assert noon / night == pytest.approx(1.4 / 0.6, rel=0.1)


def test_lengths_are_lognormal_about_the_declared_medians() -> None:
    told = traffic(QUIET).values()
    answers = [len(str(event.output)) for event, outcome in told if event.operation == "answer" and not outcome]
    inputs = [len(str(event.input)) for event, _ in told if event.operation == "triage"]
    assert np.median(answers) == pytest.approx(world.OPERATIONS["answer"].output_chars, rel=0.05)
    assert np.std(np.log(answers)) == pytest.approx(world.SPREAD_OUTPUT, rel=0.1)
    assert np.median(inputs) == pytest.approx(world.OPERATIONS["triage"].input_chars, rel=0.1)


def test_tokens_agree_with_texts_and_parts_are_within_their_wholes() -> None:
    for event, outcome in traffic(QUIET).values():
        if event.output_tokens is None or outcome == Outcome.EMPTY:
            continue
        written = event.output_tokens - (event.reasoning_tokens or 0)
        assert written * world.CHARS_PER_TOKEN == pytest.approx(len(str(event.output)), rel=0.35, abs=4)
        assert (event.cached_tokens or 0) <= (event.input_tokens or 0)
        assert (event.time_to_first_token or 0.0) <= (event.latency or 0.0)


def test_stated_costs_are_those_of_the_public_price_table() -> None:
    judged = set()
    for event in events(QUIET.plant("silent_model_swap", 1)):
        if event.cost is None or event.response_model in judged:
            continue
        usage = Usage(
            input_tokens=event.input_tokens, output_tokens=event.output_tokens, cache_read_tokens=event.cached_tokens
        )
        price = calc_price(usage, str(event.response_model), provider_id=event.provider)
        assert event.cost == pytest.approx(float(price.total_price), rel=1e-4), event.response_model
        judged.add(event.response_model)
    assert judged >= {model.served for model in world.MODELS.values() if model.name != "claude-haiku-4-5"}


def test_what_is_said_to_break_the_schema_does_and_nothing_else() -> None:
    """INVALID, RENAMED, TRUNCATED and EMPTY are the ways; a validator of its own decides."""
    broken = {Outcome.INVALID, Outcome.RENAMED, Outcome.TRUNCATED, Outcome.EMPTY}
    judged = 0
    for event, outcome in traffic(QUIET.plant("schema_slip", AT)).values():
        if not isinstance(event.response_schema, dict) or outcome == Outcome.FAILED:
            continue
        try:
            valid = jsonschema_rs.is_valid(event.response_schema, json.loads(str(event.output)))
        except ValueError:
            valid = False
        assert valid == (outcome not in broken), event.output
        judged += not valid
    assert judged > 100


def test_texts_vary_and_leave_no_slot_open() -> None:
    told = list(traffic(QUIET.plant("refusal_creep", AT)).values())
    answers = [str(event.output) for event, outcome in told if event.operation == "answer" and not outcome]
    refusals = [str(event.output) for event, outcome in told if outcome == Outcome.REFUSED]
    assert len(set(answers)) > 0.85 * len(answers)
    assert len(set(refusals)) > 0.85 * len(refusals) > 80
    prose = [str(event.output) for event, _ in told if event.output and not event.response_schema]
    assert not [text for text in prose if set("{}|") & set(text)]
    assert not [event.input for event, _ in told if "{" in str(event.input)]


def test_without_texts_the_calls_are_the_same_and_say_nothing() -> None:
    full = list(events(Scenario(duration_s=200)))
    bare = list(events(Scenario(duration_s=200, texts=False)))
    assert not [one for one in bare if one.input or one.output or one.response_schema]
    for field in ("id", "time", "output_tokens", "cost", "label"):
        assert [getattr(one, field) for one in bare] == [getattr(one, field) for one in full]


def test_schemas_may_be_named_instead_of_carried() -> None:
    names = {event.response_schema for event in events(Scenario(duration_s=60, inline_schemas=False))}
    assert names == {None, *SCHEMAS}


@pytest.mark.parametrize("name", INCIDENTS)
def test_nothing_changes_before_an_incident_begins_and_errors_never_do(name: str) -> None:
    for (before, was), (after, became) in twins(name):
        if after.time < QUIET.start + AT:
            assert before == replace_id(after, before)
        if INCIDENTS[name].metrics and name != "agent_ping_pong":  # there the last call is another one
            assert (was == Outcome.FAILED) == (became == Outcome.FAILED)


def replace_id(event: Interaction, like: Interaction) -> Interaction:
    return msgspec.structs.replace(event, id=like.id, parent=like.parent, about=like.about)


SAID = {"output", "output_tokens", "cost", "latency"}  # follows from another answer


@pytest.mark.parametrize(
    ("name", "operations", "fields"),
    [
        ("refusal_creep", {"answer"}, {"prompt_version", "finish_reason"} | SAID),
        ("key_rename", {"summarize"}, {"config"} | SAID),
        ("chatty_prompt", {"answer"}, {"prompt_version"} | SAID),
        ("silent_model_swap", {"answer"}, {"response_model", "config", "finish_reason"} | SAID),
        ("regional_skew", {"triage"}, {"prompt_version", "label", "finish_reason"} | SAID),
        ("schema_slip", {"triage"}, {"prompt_version", "label", "finish_reason"} | SAID),
        ("cost_creep", {"answer"}, {"cached_tokens", "cost"}),
        ("latency_tail", {"answer", "summarize"}, {"latency", "time_to_first_token"}),
        (
            "new_user_topic",
            {"triage", "answer", "summarize"},
            {"input", "input_tokens", "label", "finish_reason"} | SAID,
        ),
    ],
)
def test_an_incident_touches_its_slice_and_its_fields_only(name: str, operations: set[str], fields: set[str]) -> None:
    found = touched(name)
    assert set(found) <= fields
    assert set().union(*found.values()) == operations


def test_refusal_creep_takes_refusals_from_two_to_nine_percent_under_a_new_prompt_version() -> None:
    assert rate("refusal_creep", Outcome.REFUSED, "answer", after=False) < 0.045
    assert rate("refusal_creep", Outcome.REFUSED, "answer") == pytest.approx(0.09, abs=0.015)
    late = [e for e, _ in traffic(QUIET.plant("refusal_creep", AT)).values() if e.time > QUIET.start + AT + 330]
    assert {e.prompt_version for e in late if e.operation == "answer"} == {"v48"}


def test_schema_slip_takes_invalid_json_from_a_third_to_eleven_percent() -> None:
    assert rate("schema_slip", Outcome.INVALID, "triage") == pytest.approx(0.11, abs=0.015)


def test_key_rename_reaches_three_tenths_of_the_summaries() -> None:
    assert rate("key_rename", Outcome.RENAMED, "summarize") == pytest.approx(0.3, abs=0.05)
    renamed = [e for e, o in traffic(QUIET.plant("key_rename", AT)).values() if o == Outcome.RENAMED]
    assert all("exec_summary" in str(e.output) and (e.config or {})["variant"] == "canary" for e in renamed)


def test_regional_skew_is_seen_in_one_region_only() -> None:
    assert rate("regional_skew", Outcome.INVALID, "triage", region="ap-south") == pytest.approx(0.033, abs=0.02)
    assert rate("regional_skew", Outcome.INVALID, "triage", region="eu") < 0.01
    both = [e for e, _ in traffic(QUIET.plant("regional_skew", AT)).values() if e.prompt_version == "v13"]
    assert {str((e.attributes or {})["region"]) for e in both} == {"ap-south"}


def after_ratio(name: str, field: str, operation: str) -> float:
    """Mean of a field in the planted traffic over its mean in the quiet twin, after the change."""
    pairs = [
        (getattr(before, field), getattr(after, field))
        for (before, _), (after, _) in twins(name)
        if after.operation == operation and after.time > QUIET.start + AT + 60 and getattr(before, field)
    ]
    quiet, planted = np.array(pairs, dtype=float).T
    return float(planted.mean() / quiet.mean())


def test_chatty_prompt_lengthens_answers_by_six_tenths_and_latency_by_little() -> None:
    assert after_ratio("chatty_prompt", "output_tokens", "answer") == pytest.approx(1.6, abs=0.06)
    assert 1.05 < after_ratio("chatty_prompt", "latency", "answer") < 1.25


def test_silent_model_swap_shortens_what_the_same_asked_model_answers() -> None:
    swapped = [e for e, _ in traffic(QUIET.plant("silent_model_swap", AT)).values() if e.operation == "answer"]
    asked = {(e.model, e.response_model) for e in swapped if e.response_model}
    assert ("claude-haiku-4-5", "claude-haiku-4-5-20260114") in asked
    assert ("gpt-5-mini", "gpt-5-mini-2025-08-07") in asked
    assert after_ratio("silent_model_swap", "output_tokens", "answer") == pytest.approx(0.75, abs=0.05)


def test_agent_ping_pong_adds_calls_to_some_refunds_and_leaves_every_other_call_alone() -> None:
    quiet, planted = traffic(QUIET), traffic(QUIET.plant("agent_ping_pong", AT))
    extra = [planted[key][0] for key in planted.keys() - quiet.keys()]
    assert len(extra) > 500
    assert {event.operation for event in extra} == {"refund"}
    assert {event.agent for event in extra} == {"refund_agent", "policy_agent"}
    latencies = [[e.latency for e in some if e.latency and not e.error] for some in (extra, refund_calls(quiet))]
    assert np.median(latencies[0]) == pytest.approx(np.median(latencies[1]), rel=0.15)
    sizes = Counter(key[1] for key in planted if planted[key][0].operation == "refund")
    assert max(sizes.values()) <= 60


def refund_calls(told: dict[Key, Told]) -> list[Interaction]:
    return [event for event, _ in told.values() if event.operation == "refund" and event.kind is Kind.CALL]


def test_new_user_topic_makes_inputs_longer_and_labels_them_other() -> None:
    late = [(b, a) for (b, _), (a, _) in twins("new_user_topic") if a.label and a.time > QUIET.start + AT]
    lengths = np.array([(len(str(before.input)), len(str(after.input))) for before, after in late])
    assert np.exp(np.diff(np.log(lengths).mean(axis=0))) > 1.1
    labels = Counter(a.label for _, (a, _) in twins("new_user_topic") if a.label and a.time > QUIET.start + AT + 60)
    assert labels["other"] / labels.total() > 0.15


def test_cost_creep_raises_what_the_same_tokens_cost() -> None:
    assert after_ratio("cost_creep", "output_tokens", "answer") == 1.0
    assert after_ratio("cost_creep", "cost", "answer") > 1.05


def test_latency_tail_moves_the_tail_and_not_the_median() -> None:
    pairs = [(b.latency, a.latency) for (b, _), (a, _) in twins("latency_tail") if a.operation == "summarize"]
    quiet, planted = np.array(pairs, dtype=float).T
    assert np.median(planted) == pytest.approx(np.median(quiet), rel=0.02)
    assert np.quantile(planted, 0.99) > 5 * np.quantile(quiet, 0.99)


def test_traffic_up_40_adds_users_and_changes_none() -> None:
    quiet, planted = traffic(QUIET), traffic(QUIET.plant("traffic_up_40", AT))
    assert not touched("traffic_up_40")
    extra = [planted[key][0] for key in planted.keys() - quiet.keys()]
    later = [event for event, _ in quiet.values() if event.time >= QUIET.start + AT]
    assert len(extra) / len(later) == pytest.approx(0.4, abs=0.05)
    assert min(event.time for event in extra) >= QUIET.start + AT


def test_an_incident_that_ends_leaves_quiet_traffic_behind() -> None:
    rolled_back = traffic(QUIET.plant("refusal_creep", AT, for_s=300))
    late = [key for key, (event, _) in rolled_back.items() if event.time > QUIET.start + AT + 330]
    assert len(late) > 5000
    assert not [key for key in late if rolled_back[key][0].output != traffic(QUIET)[key][0].output]


def test_strength_scales_the_effect() -> None:
    def refused(strength: float) -> int:
        told = traffic(QUIET.plant("refusal_creep", AT, strength=strength)).values()
        return sum(outcome == Outcome.REFUSED for _, outcome in told)

    quiet = sum(outcome == Outcome.REFUSED for _, outcome in traffic(QUIET).values())
    assert (refused(0.5) - quiet) / (refused(1.0) - quiet) == pytest.approx(0.5, abs=0.1)


def test_truth_says_what_was_planted_in_order_of_time() -> None:
    scenario = QUIET.plant("schema_slip", 900).plant("refusal_creep", 300, for_s=200)
    told = truth(scenario)
    assert [(one["name"], one["at"], one["until"]) for one in told] == [
        ("refusal_creep", QUIET.start + 300, QUIET.start + 500),
        ("schema_slip", QUIET.start + 900, None),
    ]
    assert told[0]["version"] == ("prompt_version", "v48")
    assert truth(QUIET.plant("traffic_up_40", 1))[0]["metrics"] == {}
    json.dumps(told)


def test_the_guide_lists_every_incident_with_its_metrics() -> None:
    rows = [line.split("|") for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    listed = {row[1].strip(" `"): row for row in rows}
    for name, incident in INCIDENTS.items():
        assert set(re.findall(r"`([a-z_.]+)` (up|down|shift)", listed[name][3])) == set(incident.metrics.items())


# output_structure, model_mix and the like are named by the design before the table has them
LATER = {"output_structure", "model_mix", "loop_rate", "input_centroid", "output_centroid", "label_mix"}


@pytest.mark.parametrize("name", INCIDENTS)
def test_every_incident_says_what_it_is_in_the_metrics_own_names(name: str) -> None:
    incident = INCIDENTS[name]
    assert {*incident.metrics, *incident.may_move} <= METRICS.keys() | LATER | {"cached_token_share"}
    assert set(incident.metrics.values()) <= {"up", "down", "shift"}
    assert incident.cause
    assert type(incident).__doc__ != type(incident).__mro__[1].__doc__


def test_live_traffic_is_paced_by_the_clock_and_catches_up_when_the_reader_is_slow() -> None:
    scenario = Scenario(duration_s=120)
    now = [1000.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    lines = []
    for line in live(scenario, speed=60, clock=lambda: now[0], sleep=sleep):
        lines.append(line)
        due = 1000.0 + (json.loads(line)["time"] - scenario.start) / 60
        assert now[0] >= due - 0.005
        if len(lines) == 300:
            now[0] += 10.0  # a reader that stalls is not made to wait again
            slept.clear()
    assert lines == list(generate(scenario))
    assert slept == []


def test_live_refuses_a_speed_that_stands_still() -> None:
    with pytest.raises(ScenarioError, match="speed = 0"):
        next(live(Scenario(), speed=0))


def test_written_files_hold_the_lines_plain_or_compressed(tmp_path: object) -> None:
    scenario = Scenario(duration_s=60)
    lines = b"".join(generate(scenario))
    folder = f"{tmp_path}/"
    assert write(scenario, folder + "a.jsonl") == write(scenario, folder + "a.jsonl.gz") == lines.count(b"\n")
    write(scenario, folder + "a.jsonl.zst")
    memory = io.BytesIO()
    write(scenario, memory)
    assert memory.getvalue() == lines
    with open(folder + "a.jsonl", "rb") as plain, gzip.open(folder + "a.jsonl.gz") as zipped:
        assert plain.read() == zipped.read() == lines
    with zstandard.open(folder + "a.jsonl.zst", "rb") as packed:
        assert packed.read() == lines


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda: Planted("refusal_crep", MONDAY), "did you mean 'refusal_creep'"),
        (lambda: Planted("chatty_prompt", MONDAY, strength=0), "strength = 0"),
        (lambda: Planted("chatty_prompt", MONDAY, until=MONDAY), "later than at"),
        (lambda: Planted("chatty_prompt", MONDAY, ramp_s=-1), "ramp_s = -1"),
        (lambda: Scenario(incidents=(Planted("chatty_prompt", 1800),)), "seconds since the epoch"),
        (lambda: Scenario(seed=-1), "seed = -1"),
        (lambda: Scenario(rate_per_s=math.nan), "rate_per_s = nan"),
        (lambda: Scenario(services=("suport",)), "services = \\['suport'\\]"),
        (lambda: Scenario(services=("search",)).plant("schema_slip", 5), "leaves out"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_with_the_way_out(broken: object, message: str) -> None:
    assert callable(broken)
    with pytest.raises(ScenarioError, match=message):
        broken()
