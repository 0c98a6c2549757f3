"""Ways in which LLM applications failed while HTTP stayed green: what happens, and what is expected to be told of it.

One table; `playing.py` plays it, `make scenarios` measures it, `docs/scenarios.md` shows what came of it. The numbers
are those of the list of failure modes. Bounds are what on-call would accept, in events of the whole stream.
"""

from __future__ import annotations

from msgspec.structs import replace
from scenarios.failure_traffic import (
    ASSISTANT,
    PRICED,
    QUERIES,
    SUPPORT,
    TOPICS,
    TRIAGE,
    WEEKS,
    WORDLESS,
    asked,
    june,
    real_refusal,
)
from scenarios.failures import (
    added,
    attributes,
    calls,
    config,
    days,
    limited,
    longer,
    looping,
    nested,
    refused,
    relabelled,
    renamed,
    rewritten,
    same_search,
    scores,
    two_plans,
)
from scenarios.playing import Scenario

from undertow.drift.interaction import Kind

__all__ = ["SCENARIOS"]

NEWER = "claude-haiku-4-5-20260114"
HAIKU = "claude-haiku-4-5-20251001"
A_WEEK = 7 * 400  # events of `WEEKS`

SCENARIOS: list[Scenario] = [
    Scenario(
        number=2,
        title="context, model and accuracy change in one window",
        stream=SUPPORT,
        failures=[
            calls(
                lambda rng, e: {
                    "input_tokens": 4 * (e.input_tokens or 0),
                    "response_model": NEWER,
                    **config(e, context="32k"),
                },
                operation="answer",
            ),
            scores(lambda rng, value: value * (rng.random() > 0.09), "passed"),
        ],
        metric="input_tokens",
        segment=("operation", "answer"),
        cause="config.context=32k",
        says="cannot separate",
        within=1000,
    ),
    Scenario(
        number=3,
        title="a new region answers otherwise than the others from its first call on",
        stream=SUPPORT,
        failures=[
            calls(lambda rng, e: attributes(e, region="eu-north"), share=0.7, region="eu"),
            calls({"finish_reason": "length"}, share=0.08, region="eu-north"),
        ],
        metric="truncation_rate",
        segment=("region", "eu-north"),
        within=6000,
    ),
    Scenario(
        number=4,
        title="each region has a cache of its own",
        stream=SUPPORT,
        failures=[calls(lambda rng, e: {"cached_tokens": (e.cached_tokens or 0) // 3}, region="eu")],
        metric="cached_token_share",
        segment=("region", "eu"),
        within=1000,
    ),
    Scenario(
        number=4,
        title="each region has a cache of its own, in a log without texts",
        stream=WORDLESS,
        failures=[calls(lambda rng, e: {"cached_tokens": (e.cached_tokens or 0) // 3}, region="eu")],
        metric="cached_token_share",
        segment=("region", "eu"),
        within=1000,
    ),
    Scenario(
        number=5,
        title="a retry sends a European's data through Virginia",
        stream=SUPPORT,
        failures=[calls(lambda rng, e: attributes(e, serving_region="us-east-1"), share=0.05, region="eu")],
        metric="rule.residency",
        segment=("region", "eu"),
        within=250,
    ),
    Scenario(
        number=6,
        title="chattier answers add up, 4 % a day",
        stream=WEEKS,
        failures=[calls(lambda rng, e: longer(e, 1.04 ** days(e)), operation="answer")],
        metric="cost_per_task",
        within=4 * A_WEEK,
        pages=4,
    ),
    Scenario(
        number=7,
        title="refusals creep, a tenth more each day",
        stream=WEEKS,
        failures=[
            lambda rng, e: calls(refused, share=min(0.01 * 1.1 ** days(e), 1.0), operation="answer")(rng, e),
        ],
        metric="refusal_rate",
        within=6 * A_WEEK,
    ),
    Scenario(
        number=8,
        title="the cache holds 4 % less each day",
        stream=WEEKS,
        failures=[calls(lambda rng, e: {"cached_tokens": int((e.cached_tokens or 0) * 0.96 ** days(e))})],
        metric="cached_token_share",
        within=4 * A_WEEK,
    ),
    Scenario(
        number=10,
        title="a quarter of the questions is about travel",
        stream=QUERIES,
        failures=[calls(lambda rng, e: asked(rng, ("travel",)), share=0.25)],
        metric="input_centroid",
        told="notice",
        within=1000,
        real="clinc150",
    ),
    Scenario(
        number=11,
        title="a category of traffic is misread, until a hot fix",
        stream=TRIAGE,
        failures=[calls(relabelled("billing", "shipping"))],
        metric="label_mix",
        within=1500,
        ends_after=2000,
        later=8000,
        recovers=True,
    ),
    Scenario(
        number=12,
        title="a minor version adds a paragraph",
        stream=SUPPORT,
        failures=[
            calls(
                lambda rng, e: {"output": f"{e.output}\n\nIn short: {str(e.output)[:200]}", "response_model": NEWER},
                response_model=HAIKU,
            )
        ],
        metric="output_length",
        segment=("operation", "answer"),
        cause=f"response_model={NEWER}",
        within=1500,
    ),
    Scenario(
        number=13,
        title="an extractor escapes what it used to leave alone",
        stream=SUPPORT,
        failures=[
            calls(
                rewritten(lambda value: {**value, "summary": f"Zürich: {value['summary']}"}, ascii_only=True),
                operation="summarize",
            )
        ],
        metric="output_format",
        segment=("operation", "summarize"),
        within=1000,
    ),
    Scenario(
        number=14,
        title="an agent runs into its ceiling on tasks that took three calls",
        stream=SUPPORT,
        failures=[
            calls({"prompt_version": "v9"}, operation="refund"),
            looping(20, 1.0, lambda e, n: {"output": f"{e.output} ({n})"}, 0.1, Kind.CALL, prompt_version="v9"),
        ],
        metric="calls_per_task.high",
        cause="prompt_version=v9",
        within=6000,
    ),
    Scenario(
        number=15,
        title="a rollback leaves one region behind",
        stream=SUPPORT,
        failures=[
            calls({"prompt_version": "v48"}, operation="answer"),
            calls(refused, share=0.2, prompt_version="v48"),
        ],
        metric="refusal_rate",
        segment=("operation", "answer"),
        cause="prompt_version=v48",
        within=1000,
        ends_after=2500,
        then=[
            calls({"prompt_version": "v48"}, operation="answer", region="ap-south"),
            calls(refused, share=0.2, prompt_version="v48"),
        ],
        later=6000,
        says="ap-south",
    ),
    Scenario(
        number=16,
        title="quality falls on old devices",
        stream=SUPPORT,
        failures=[calls({"finish_reason": "length"}, share=0.15, device="old")],
        metric="truncation_rate",
        segment=("device", "old"),
        within=2500,
    ),
    Scenario(
        number=17,
        title="a rollout pauses at two thirds of one region: 3 points more schema errors there",
        stream=TRIAGE,
        planted="regional_skew",
        metric="schema_violation_rate",
        segment=("region", "ap-south"),
        cause="prompt_version=v13",
        within=8000,
    ),
    Scenario(
        number=18,
        title="production runs on a prompt that nobody declared, and refuses",
        stream=SUPPORT,
        failures=[
            calls({"prompt_version": "v8-hotfix"}, operation="refund"),
            calls(refused, share=0.4, prompt_version="v8-hotfix"),
        ],
        metric="refusal_rate",
        segment=("operation", "refund"),
        cause="prompt_version=v8-hotfix",
        within=500,
    ),
    Scenario(
        number=19,
        title="a flag makes half of the answers terse",
        stream=SUPPORT,
        failures=[calls(lambda rng, e: longer(e, 0.6) | config(e, variant="b"), share=0.5, operation="answer")],
        metric="output_length",
        segment=("operation", "answer"),
        cause="config.variant=b",
        within=1500,
    ),
    Scenario(
        number=20,
        title="a canary writes exec_summary in place of summary",
        stream=SUPPORT,
        planted="key_rename",
        metric="output_structure",
        segment=("operation", "summarize"),
        cause="config.variant=canary",
        within=1500,
    ),
    Scenario(
        number=24,
        title="the provider's alias points to another snapshot",
        stream=SUPPORT,
        planted="silent_model_swap",
        metric="output_length",
        segment=("operation", "answer"),
        cause=f"response_model={NEWER}",
        says="no change on your side",
        within=1000,
    ),
    Scenario(
        number=24,
        title="the provider's model flatters, under the same name",
        stream=TOPICS,
        failures=[
            calls(
                lambda rng, e: {"output": f"What a brilliant and insightful thing to ask, you are amazing! {e.output}"},
                operation="answer",
            )
        ],
        metric="output_centroid",
        segment=("operation", "answer"),
        says="no change on your side",
        within=1000,
    ),
    Scenario(
        number=24,
        title="GPT-3.5 of June 2023 answers in place of that of March",
        stream=ASSISTANT,
        failures=[calls(lambda rng, e: june(rng))],
        metric="output_length",
        says="no change on your side",
        within=1500,
        real="llmdrift",
    ),
    Scenario(
        number=25,
        title="four artifacts roll out by themselves",
        stream=SUPPORT,
        failures=[
            calls({"prompt_version": "v48"}, share=0.5, operation="answer"),
            calls({"response_model": NEWER}, share=0.5, response_model=HAIKU),
            calls(lambda rng, e: config(e, tools="t8"), share=0.5, operation="answer"),
            calls(lambda rng, e: config(e, context="32k"), share=0.5, operation="answer"),
        ],
        metric="config_mix",
        told="notice",
        within=500,
    ),
    Scenario(
        number=26,
        title="two agents ask each other in circles",
        stream=SUPPORT,
        planted="agent_ping_pong",
        metric="loop_rate",
        segment=("operation", "refund"),
        cause="config.tools=t8",
        within=1500,
    ),
    Scenario(
        number=27,
        title="one sentence in the prompt changes the labels",
        stream=TRIAGE,
        failures=[calls({"prompt_version": "v14"}), calls(relabelled("shipping", "returns"))],
        metric="label_mix",
        cause="prompt_version=v14",
        within=1500,
    ),
    Scenario(
        number=28,
        title="'clean JSON' in place of 'strictly valid JSON': errors 0.3 % → 11 %",
        stream=TRIAGE,
        planted="schema_slip",
        metric="schema_violation_rate",
        cause="prompt_version=v14",
        within=500,
    ),
    Scenario(
        number=29,
        title="25 steps in 400 ms hide a circle in a flat trace",
        stream=SUPPORT,
        failures=[nested(0.2)],
        metric="loop_rate",
        segment=("operation", "refund"),
        within=1500,
    ),
    Scenario(
        number=32,
        title="a migration loses 4 % of what worked",
        stream=TRIAGE,
        failures=[
            calls({"response_model": "gemini-3-flash-lite"}),
            calls({"output": '{"category":"other"}'}, share=0.04),
        ],
        metric="schema_violation_rate",
        cause="response_model=gemini-3-flash-lite",
        within=2000,
    ),
    Scenario(
        number=33,
        title="a shared prompt breaks form, tools, tone and latency at once",
        stream=SUPPORT,
        failures=[
            calls({"prompt_version": "shared-v2"}),
            calls(lambda rng, e: {"latency": 1.5 * (e.latency or 0.0)}),
            calls(lambda rng, e: {"reasoning_tokens": 2 * (e.reasoning_tokens or 0)}, operation="refund"),
            calls(lambda rng, e: {"output": f"Great question!\n\n{e.output}"}, operation="answer"),
            calls({"tool_calls": None, "finish_reason": "stop"}, share=0.5, operation="refund"),
        ],
        metric="latency",
        cause="prompt_version=shared-v2",
        within=1000,
    ),
    Scenario(
        number=34,
        title="an evaluation runs at production scale on somebody's own key",
        stream=SUPPORT,
        failures=[
            added(
                lambda rng, e: {
                    "input": f"{e.input} {e.input}",
                    "input_tokens": 3 * (e.input_tokens or 0),
                    "task": None,
                    **attributes(e, key="ana"),
                },
                share=0.5,
                operation="answer",
            )
        ],
        metric="input_tokens",
        cause="key=ana",
        within=1500,
    ),
    Scenario(
        number=35,
        title="users move, the model does not",
        stream=TOPICS,
        planted="new_user_topic",
        metric="input_length",
        says="what users ask has moved",
        within=4000,
    ),
    Scenario(
        number=36,
        title="a new prompt gets its card",
        stream=SUPPORT,
        planted="chatty_prompt",
        metric="output_tokens",
        segment=("operation", "answer"),
        cause="prompt_version=v49",
        says="prompt_version=v49, new since",
        within=1000,
    ),
    Scenario(
        number=37,
        title="a model in the shadow categorises 4 % otherwise",
        stream=TRIAGE,
        failures=[
            lambda rng, e: [
                replace(e, label="other" if e.label == "billing" else "billing")
                if e.shadow_of and rng.random() < 0.04
                else e
            ]
        ],
        metric="disagreement_rate",
        within=4000,
    ),
    Scenario(
        number=38,
        title="the aggregate improves, the hard cases get worse",
        stream=SUPPORT,
        failures=[
            calls({"response_model": NEWER}, response_model=HAIKU),
            calls({"response_model": "claude-sonnet-4-6"}, operation="refund"),
            scores(lambda rng, value: max(value, float(rng.random() < 0.5)), "passed", "answer"),
            scores(lambda rng, value: value * (rng.random() < 0.6), "passed", "refund"),
        ],
        metric="score.passed",
        segment=("operation", "refund"),
        cause="response_model=claude-sonnet-4-6",
        within=8000,
    ),
    Scenario(
        number=39,
        title="the ops agent refuses what is documented",
        stream=SUPPORT,
        failures=[calls(refused, share=0.6, agent="refund_agent")],
        metric="refusal_rate",
        segment=("agent", "refund_agent"),
        within=500,
    ),
    Scenario(
        number=39,
        title="the ops agent refuses, in the words of GPT-4",
        stream=SUPPORT,
        failures=[calls(real_refusal, share=0.3, agent="refund_agent")],
        metric="refusal_rate",
        segment=("agent", "refund_agent"),
        within=500,
        real="xstest",
    ),
    Scenario(
        number=40,
        title="a fallback that was never exercised takes over",
        stream=SUPPORT,
        failures=[calls({"response_model": "gpt-4.1-mini-2025-04-14"}, share=0.3, model="claude-haiku-4-5")],
        metric="fallback_rate",
        segment=("operation", "answer"),
        cause="response_model=gpt-4.1-mini-2025-04-14",
        within=500,
    ),
    Scenario(
        number=40,
        title="a fallback takes over, in a log without texts",
        stream=WORDLESS,
        failures=[calls({"response_model": "gpt-4.1-mini-2025-04-14"}, share=0.3, model="claude-haiku-4-5")],
        metric="fallback_rate",
        segment=("operation", "answer"),
        cause="response_model=gpt-4.1-mini-2025-04-14",
        within=500,
    ),
    Scenario(
        number=41,
        title="the same search with other punctuation",
        stream=SUPPORT,
        failures=[looping(20, 15.0, same_search, 0.2)],
        metric="loop_rate",
        segment=("operation", "refund"),
        cause="tool=refund_agent uses search",
        within=1500,
    ),
    Scenario(
        number=42,
        title="an agent swings between two plans",
        stream=SUPPORT,
        failures=[looping(20, 5.0, two_plans, 0.2)],
        metric="loop_rate",
        segment=("operation", "refund"),
        cause="tool=refund_agent uses book",
        within=1500,
    ),
    Scenario(
        number=43,
        title="a 429 is retried every 200 ms until morning",
        stream=SUPPORT,
        failures=[looping(60, 0.2, limited, 0.01, Kind.CALL, operation="answer")],
        metric="loop_rate",
        segment=("operation", "answer"),
        within=1000,
    ),
    Scenario(
        number=44,
        title="a plan of a million tokens",
        stream=SUPPORT,
        failures=[calls({"output_tokens": 1_000_000}, share=1 / 200, operation="answer")],
        metric="rule.extreme_output_tokens",
        segment=("operation", "answer"),
        within=1000,
    ),
    Scenario(
        number=46,
        title="a language that nobody tested",
        stream=TOPICS,
        failures=[
            calls(
                {
                    "input": "注文をキャンセルしたいのですが、どうすればよいですか",
                    "output": "ご注文は発送前でしたらキャンセルできます。",
                },
                share=0.15,
                operation="answer",
            )
        ],
        metric="output_format",
        within=1500,
    ),
    Scenario(
        number=47,
        title="a delimiter that users paste ends one answer in 300",
        stream=SUPPORT,
        failures=[
            calls(
                lambda rng, e: {
                    "input": f"### {e.input}",
                    "output": "Thanks! I see two things.",
                    "finish_reason": "stop_sequence",
                    "stop_sequence": "### ",
                },
                share=1 / 300,
            )
        ],
        metric="stop_sequence_rate",
        within=10_000,
    ),
    Scenario(
        number=48,
        title="from 200 to 18,000 dollars in six weeks",
        stream=WEEKS,
        failures=[
            calls(
                lambda rng, e: {
                    "input_tokens": int((e.input_tokens or 0) * 1.11 ** days(e)),
                    "output_tokens": int((e.output_tokens or 0) * 1.11 ** days(e)),
                }
            )
        ],
        metric="cost_per_task",
        within=A_WEEK,
    ),
    Scenario(
        number=50,
        title="the provider is short of capacity for twenty minutes",
        stream=SUPPORT,
        failures=[
            calls(lambda rng, e: {"latency": 25.0 * rng.lognormvariate(0, 0.3), "time_to_first_token": 22.0}, share=0.5)
        ],
        metric="latency",
        says="no change on your side",
        within=500,
        ends_after=4000,
        later=5000,
        recovers=True,
    ),
    Scenario(
        number=51,
        title="some calls stall, the median stays",
        stream=SUPPORT,
        planted="latency_tail",
        metric="latency.high",
        within=10_000,
    ),
    Scenario(
        number=52,
        title="a rate limit is hit once a minute without a breaker",
        stream=SUPPORT,
        failures=[looping(12, 60.0, limited, 0.02, Kind.CALL, operation="answer")],
        metric="loop_rate",
        segment=("operation", "answer"),
        within=4000,
    ),
    Scenario(
        number=51,
        title="some calls stall, in a log without texts",
        stream=WORDLESS,
        planted="latency_tail",
        metric="latency.high",
        within=10_000,
    ),
    Scenario(
        number=55,
        title="staging behaves otherwise than production",
        stream=SUPPORT,
        failures=[
            calls({"environment": "staging"}, share=0.4),
            lambda rng, e: [
                replace(e, finish_reason="length") if e.environment == "staging" and rng.random() < 0.08 else e
            ],
        ],
        metric="truncation_rate",
        within=6000,
    ),
    Scenario(
        number=56,
        title="a model is switched off",
        stream=SUPPORT,
        failures=[
            calls(
                {
                    "output": None,
                    "http_status": 404,
                    "error": "model_not_found",
                    "finish_reason": None,
                    "response_model": None,
                },
                model="gpt-5-mini",
            )
        ],
        metric="error_rate",
        within=500,
    ),
    Scenario(
        number=58,
        title="the provider raises its price by 40 %",
        stream=PRICED,
        metric="cost_per_task",
        segment=("operation", "answer"),
        cause=f"price={HAIKU}",
        within=3000,
    ),
    Scenario(
        number=59,
        title="users adapt, days after the answers grew terse",
        stream=WEEKS,
        failures=[
            calls(lambda rng, e: {"prompt_version": "v48"} | longer(e, 0.6), operation="answer"),
            calls(lambda rng, e: {"input": f"{e.input} {e.input}"} if days(e) > 4 else {}),
        ],
        metric="input_length",
        says="users adapt",
        within=2 * A_WEEK,
        pages=2,
    ),
    Scenario(
        number=60,
        title="it lectures those who use it most",
        stream=SUPPORT,
        failures=[
            calls(
                lambda rng, e: (
                    {"output": f"Great question! Here is what I found:\n\n{e.output}"}
                    if str(e.user).startswith("power")
                    else {}
                ),
                share=0.6,
                operation="answer",
            )
        ],
        metric="output_format",
        segment=("cohort", "heavy"),
        within=1500,
    ),
    Scenario(
        number=63,
        title="a field is renamed",
        stream=SUPPORT,
        failures=[calls(renamed("sentiment", "mood"), operation="summarize")],
        metric="output_structure",
        segment=("operation", "summarize"),
        within=500,
    ),
]
