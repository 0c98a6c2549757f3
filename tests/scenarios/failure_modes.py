"""Ways in which LLM applications failed while HTTP stayed green, as traffic before and after, and what each moves."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.failure_traffic import (
    DETAILS,
    REFUSAL,
    Make,
    always,
    answers,
    bare,
    but,
    call,
    circling,
    ended,
    formed,
    labelled,
    scored,
    some,
    summary,
    tasks,
    tools,
)

__all__ = ["ELSEWHERE", "MODES", "Mode"]

Slice = tuple[str, str]


@dataclass(frozen=True)
class Mode:
    """A failure mode.

    Parameters
    ----------
    number
        Its number in the list of failure modes; 0 for one that every list has.
    metric, direction, segment
        What moves, which way (up, down, shift), and in which slice; the whole service where none is given.
    control, control_segment
        What does not move.
    told
        The kind of verdict it ends in, where the whole way is played; empty where only the measures are.
    calls
        Calls after the change when the whole way is played.
    """

    number: int
    title: str
    before: Make
    after: Make
    metric: str
    direction: str
    segment: Slice | None = None
    control: str = "error_rate"
    control_segment: Slice | None = None
    told: str = ""
    calls: int = 1000

    @property
    def id(self) -> str:
        """Its name in the list of tests."""
        return f"{self.number}: {self.title} [{self.metric}]"


MODES: list[Mode] = [
    Mode(
        0,
        "a prompt that grew leaves no room for the answer",
        some(0.01, always(finish_reason="length")),
        some(0.1, always(finish_reason="length")),
        "truncation_rate",
        "up",
        control="refusal_rate",
        told="page",
    ),
    Mode(0, "a tool behind the model fails", tools(0.01), tools(0.15), "tool_error_rate", "up", told="page"),
    Mode(
        4,
        "each region has a cache of its own",
        call,
        some(1.0, lambda rng, f: {"cached_tokens": f["cached_tokens"] // 3}, region="eu"),
        "cached_token_share",
        "down",
        ("region", "eu"),
        "cached_token_share",
        ("region", "us"),
        told="page",
    ),
    Mode(
        5,
        "a retry sends a European's data through Virginia",
        bare(attributes={"region": "eu", "serving_region": "eu-west-3"}),
        some(0.05, always(attributes={"region": "eu", "serving_region": "us-east-1"})),
        "rule.residency",
        "up",
        told="page",
    ),
    Mode(
        10,
        "a topic that nobody planned for arrives",
        call,
        some(0.3, always(input="What customs duty does a violin from Japan pay, and who files the declaration?")),
        "input_centroid",
        "shift",
        control="output_centroid",
        told="notice",
    ),
    Mode(
        12,
        "a minor version adds a paragraph",
        call,
        answers(lambda rng, text: f"{text}\n\nIn short: {rng.choice(DETAILS)}"),
        "output_format",
        "shift",
        control="input_length",
    ),
    Mode(
        12,
        "a minor version adds a paragraph",
        call,
        answers(lambda rng, text: f"{text}\n\nIn short: {rng.choice(DETAILS)}"),
        "output_length",
        "up",
        control="refusal_rate",
    ),
    Mode(
        13,
        "an extractor now escapes what it used to leave alone",
        summary("summary"),
        summary("summary", ascii_only=True),
        "output_format",
        "shift",
        control="output_structure",
    ),
    Mode(
        14,
        "an agent hits its ceiling on tasks that took three calls",
        tasks(runaway=False),
        tasks(runaway=True),
        "calls_per_task.high",
        "up",
    ),
    Mode(
        18,
        "production keeps refusing to book",
        call,
        some(0.4, always(output=REFUSAL), operation="book"),
        "refusal_rate",
        "up",
        ("operation", "book"),
        "refusal_rate",
        ("operation", "search"),
    ),
    Mode(
        19,
        "a flag makes answers evasive",
        call,
        some(
            0.3,
            lambda rng, f: {
                "output": f"I can't give legal advice. However, here are some general points:\n{f['output']}"
            },
            variant="b",
        ),
        "partial_refusal_rate",
        "up",
        ("variant", "b"),
        "partial_refusal_rate",
        ("variant", "a"),
    ),
    Mode(
        20,
        "a canary writes exec_summary in place of summary",
        summary("summary"),
        summary("exec_summary"),
        "output_structure",
        "shift",
        control="output_format",
        told="page",
    ),
    Mode(
        23,
        "satisfaction falls over a weekend",
        scored("satisfaction", 0.9, about=True),
        scored("satisfaction", 0.74, about=True),
        "score.satisfaction",
        "down",
        control="output_length",
    ),
    Mode(
        24,
        "the provider's alias points to another snapshot, which flatters",
        call,
        answers(lambda rng, text: f"What a brilliant and insightful thing to ask, you are amazing! {text}"),
        "output_centroid",
        "shift",
        control="input_centroid",
    ),
    Mode(
        24,
        "the provider's alias points to another snapshot, which is terse",
        call,
        but(lambda rng, f: {"output": f["output"][:60], "response_model": "house-large-0615"}),
        "output_length",
        "down",
        control="input_length",
        told="page",
    ),
    Mode(
        26,
        "agents ask each other back and forth on one task",
        tasks(runaway=False),
        tasks(runaway=True),
        "cost_per_task",
        "up",
        control="output_length",
    ),
    Mode(
        28,
        "'clean JSON' in place of 'strictly valid JSON'",
        labelled(0.003),
        labelled(0.11),
        "schema_violation_rate",
        "up",
    ),
    Mode(
        39,
        "the ops agent refuses the failover that is documented",
        call,
        some(0.5, always(output=REFUSAL), agent="ops"),
        "refusal_rate",
        "up",
        ("agent", "ops"),
        "refusal_rate",
        ("agent", "desk"),
    ),
    Mode(
        41,
        "the same search with other punctuation",
        circling(0.0),
        circling(0.2),
        "loop_rate",
        "up",
        control="tool_error_rate",
        told="page",
    ),
    Mode(
        44,
        "a plan of a million tokens",
        bare(operation="answer"),
        but(
            lambda rng, f: {
                "operation": "answer",
                "output_tokens": 1_000_000 if rng.random() < 0.03 else f["output_tokens"],
            }
        ),
        "rule.extreme_output_tokens",
        "up",
        told="page",
    ),
    Mode(
        46,
        "answers switch to the language of new users",
        call,
        some(0.15, always(input="注文をキャンセルしたいのですが", output="ご注文は発送前でしたらキャンセルできます。")),
        "output_format",
        "shift",
        told="page",
    ),
    Mode(
        47, "a delimiter that users paste", ended(0.0), ended(1 / 30), "output_length.low", "up", control="refusal_rate"
    ),
    Mode(
        47,
        "a delimiter that users paste ends one answer in 30",
        ended(0.0),
        ended(1 / 30),
        "stop_sequence_rate",
        "up",
        control="refusal_rate",
        told="page",
    ),
    Mode(
        51,
        "some calls stall, the median stays",
        call,
        some(0.08, lambda rng, f: {"latency": f["latency"] * 35}),
        "latency.high",
        "up",
        control="output_tokens",
    ),
    Mode(
        53,
        "never show a card number, said the prompt",
        answers(lambda rng, text: f"{text} Your order is 4111 8812."),
        some(0.05, always(output="Your card 4111 1111 1111 1111 was charged.")),
        "rule.card_number",
        "up",
        told="page",
    ),
    Mode(
        56,
        "a model is switched off",
        call,
        some(0.3, always(output=None, http_status=404, error="model_not_found", finish_reason=None)),
        "error_rate",
        "up",
        control="refusal_rate",
    ),
    Mode(
        58,
        "the provider raises its price",
        bare(response_model="dearer"),
        bare(response_model="dearer"),
        "cost_per_task",
        "up",
        control="output_tokens",
    ),
    Mode(
        60,
        "it lectures those who use it most",
        formed(0.0),
        formed(0.6),
        "output_format",
        "shift",
        ("cohort", "heavy"),
        "output_format",
        ("cohort", "regular"),
    ),
    Mode(
        63,
        "status became current_state",
        summary("status"),
        summary("current_state"),
        "output_structure",
        "shift",
        control="output_format",
    ),
    Mode(
        63,
        "completed orders drop",
        scored("orders_completed", 12.0, about=False),
        scored("orders_completed", 11.0, about=False),
        "score.orders_completed",
        "down",
        control="output_length",
    ),
]

_MIXES = "unit/test_failure_modes_mixes.py::test_"
_LOOPS = "scenarios/test_loops.py::test_"
ELSEWHERE: dict[int, list[str]] = {
    1: [_LOOPS + "a_coding_agent_deletes_the_production_volume_in_nine_seconds"],
    5: [_MIXES + "a_retry_that_serves_a_european_from_virginia_is_told_the_first_time"],
    9: [_MIXES + "a_retriever_that_collapses_shows_in_scores_counts_and_empty_retrievals"],
    11: [_MIXES + "a_new_category_of_traffic_that_is_misread_shows_in_the_labels"],
    14: [_LOOPS + "tasks_that_ended_in_three_calls_run_into_the_ceiling"],
    17: [_MIXES + "a_rollout_paused_at_two_thirds_is_a_skew_that_names_its_regions"],
    18: [_MIXES + "production_that_runs_on_something_else_than_declared_is_told"],
    19: [_MIXES + "a_flag_that_makes_answers_terse_shows_in_the_slice_of_its_variant"],
    22: [_MIXES + "wrong_advice_and_a_falling_business_figure_show_in_the_scores_that_tell_of_them"],
    24: [_MIXES + "a_provider_that_changes_behind_an_unchanged_name_shows_as_another_fingerprint"],
    25: [_MIXES + "four_artifacts_that_roll_out_by_themselves_show_as_states_that_nobody_planned"],
    26: [
        _LOOPS + "two_agents_ask_each_other_for_clarification_for_eleven_days",
        _LOOPS + "the_simulated_ping_pong_moves_the_rate_from_nothing",
    ],
    27: [_MIXES + "a_one_sentence_prompt_change_shows_in_the_labels_and_in_the_version_first_seen_with_it"],
    29: [_LOOPS + "25_tool_calls_in_400_ms_hide_a_circle_in_a_flat_trace"],
    34: ["unit/test_spend.py::test_a_principal_that_takes_over_shows_in_the_mix"],
    37: [_MIXES + "a_shadow_that_categorises_four_percent_otherwise_shows_as_that_rate"],
    40: [_MIXES + "a_fallback_that_takes_over_shows_in_its_rate_in_the_mix_and_as_a_version_first_seen"],
    41: [_LOOPS + "the_same_search_with_other_punctuation_for_six_hours"],
    42: [_LOOPS + "an_agent_swings_between_two_plans"],
    43: [_LOOPS + "a_429_is_retried_every_200_ms_until_morning"],
    44: [_MIXES + "a_million_token_plan_is_told_by_itself"],
    46: [_MIXES + "a_language_that_nobody_tested_shows_as_a_slice_that_grows"],
    47: [_MIXES + "a_delimiter_that_users_paste_shows_in_stop_sequences_while_the_mean_length_hardly_moves"],
    48: ["unit/test_spend.py::test_a_prototype_that_goes_to_production_is_projected_and_its_growth_explained"],
    49: [_MIXES + "context_that_rots_after_fifteen_turns_shows_in_the_slice_of_long_conversations"],
    52: [_LOOPS + "no_breaker_and_a_slower_retry_for_eleven_weeks"],
    53: [_MIXES + "a_soft_constraint_that_fails_shows_in_the_users_own_pattern_and_rule"],
    56: ["unit/test_retirement.py::test_what_is_due_comes_nearest_first_and_what_is_over_before_it"],
    58: ["unit/test_decomposition.py::test_a_price_change_with_the_same_tokens_is_price_and_nothing_else"],
    60: [_MIXES + "what_breaks_for_the_heaviest_users_first_shows_in_their_cohort"],
    63: [_MIXES + "a_renamed_field_shows_as_silence_of_what_reads_it"],
    64: [_MIXES + "an_index_that_goes_stale_shows_in_the_retrieval_score_alone"],
}
