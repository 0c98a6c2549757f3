"""Ways in which LLM applications failed while HTTP stayed green: what happens, and what is expected to be told of it.

One table; `playing.py` plays it, `make scenarios` measures it, `docs/scenarios.md` shows what came of it. The numbers
are those of the list of failure modes. Bounds are what on-call would accept, in events of the whole stream.
"""

from __future__ import annotations

from msgspec.structs import replace
from scenarios.failure_traffic import (
    AIRLINE,
    ASSISTANT,
    PRICED,
    QUERIES,
    SUPPORT,
    TOPICS,
    TRIAGE,
    WEEKS,
    WORDLESS,
    asked,
    evaluated,
    june,
    real_refusal,
)
from scenarios.failures import (
    added,
    attributes,
    calls,
    config,
    days,
    failing,
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
    Scenario(2, "context, model and accuracy change in one window", SUPPORT,
        [
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
        "input_tokens", ("operation", "answer"), cause="config.context=32k", within=1000, says="cannot separate"),
    Scenario(3, "a new region answers otherwise than the others from its first call on", SUPPORT,
        [
            calls(lambda rng, e: attributes(e, region="eu-north"), share=0.7, region="eu"),
            calls({"finish_reason": "length"}, share=0.08, region="eu-north"),
        ],
        "truncation_rate", ("region", "eu-north"), within=6000),
    Scenario(4, "each region has a cache of its own", SUPPORT,
        [calls(lambda rng, e: {"cached_tokens": (e.cached_tokens or 0) // 3}, region="eu")],
        "cached_token_share", ("region", "eu"), within=1000),
    Scenario(4, "each region has a cache of its own, in a log without texts", WORDLESS,
        [calls(lambda rng, e: {"cached_tokens": (e.cached_tokens or 0) // 3}, region="eu")],
        "cached_token_share", ("region", "eu"), within=1000),
    Scenario(5, "a retry sends a European's data through Virginia", SUPPORT,
        [calls(lambda rng, e: attributes(e, serving_region="us-east-1"), share=0.05, region="eu")],
        "rule.residency", ("region", "eu"), within=250),
    Scenario(6, "chattier answers add up, 4 % a day", WEEKS,
        [calls(lambda rng, e: longer(e, 1.04 ** days(e)), operation="answer")],
        "cost_per_task", within=4 * A_WEEK, pages=4),
    Scenario(7, "refusals creep, a tenth more each day", WEEKS,
        [
            lambda rng, e: calls(refused, share=min(0.01 * 1.1 ** days(e), 1.0), operation="answer")(rng, e),
        ],
        "refusal_rate", within=6 * A_WEEK),
    Scenario(8, "the cache holds 4 % less each day", WEEKS,
        [calls(lambda rng, e: {"cached_tokens": int((e.cached_tokens or 0) * 0.96 ** days(e))})],
        "cached_token_share", within=4 * A_WEEK),
    Scenario(10, "a quarter of the questions is about travel", QUERIES,
        [calls(lambda rng, e: asked(rng, ("travel",)), share=0.25)],
        "input_centroid", told="notice", within=1000, real="clinc150"),
    Scenario(11, "a category of traffic is misread, until a hot fix", TRIAGE,
        [calls(relabelled("billing", "shipping"))],
        "label_mix", within=1500, ends_after=2000, later=8000, recovers=True),
    Scenario(12, "a minor version adds a paragraph", SUPPORT,
        [
            calls(
                lambda rng, e: {"output": f"{e.output}\n\nIn short: {str(e.output)[:200]}", "response_model": NEWER},
                response_model=HAIKU,
            )
        ],
        "output_length", ("operation", "answer"), cause=f"response_model={NEWER}", within=1500),
    Scenario(13, "an extractor escapes what it used to leave alone", SUPPORT,
        [
            calls(
                rewritten(lambda value: {**value, "summary": f"Zürich: {value['summary']}"}, ascii_only=True),
                operation="summarize",
            )
        ],
        "output_format", ("operation", "summarize"), within=1000),
    Scenario(14, "an agent runs into its ceiling on tasks that took three calls", SUPPORT,
        [
            calls({"prompt_version": "v9"}, operation="refund"),
            looping(20, 1.0, lambda e, n: {"output": f"{e.output} ({n})"}, 0.2, Kind.CALL, prompt_version="v9"),
        ],
        "calls_so_far", cause="prompt_version=v9", within=4000),
    Scenario(14, "an agent's runs go wrong and take seven tools in place of four", AIRLINE, [],
        "calls_per_task", within=3000, real="tau-bench"),
    Scenario(15, "a rollback leaves one region behind", SUPPORT,
        [
            calls({"prompt_version": "v48"}, operation="answer"),
            calls(refused, share=0.2, prompt_version="v48"),
        ],
        "refusal_rate", ("operation", "answer"), cause="prompt_version=v48", within=1000, says="of the traffic is back",
        ends_after=2500, later=6000,
        then=[
            calls({"prompt_version": "v48"}, operation="answer", region="ap-south"),
            calls(refused, share=0.2, prompt_version="v48"),
        ]),
    Scenario(16, "quality falls on old devices", SUPPORT,
        [calls({"finish_reason": "length"}, share=0.15, device="old")],
        "truncation_rate", ("device", "old"), within=2500),
    Scenario(17, "a rollout pauses at two thirds of one region: 3 points more schema errors there", TRIAGE,
        "regional_skew",
        "schema_violation_rate", ("region", "ap-south"), cause="prompt_version=v13", within=10_000),
    Scenario(18, "production runs on a prompt that nobody declared, and refuses", SUPPORT,
        [
            calls({"prompt_version": "v8-hotfix"}, operation="refund"),
            calls(refused, share=0.4, prompt_version="v8-hotfix"),
        ],
        "refusal_rate", ("operation", "refund"), cause="prompt_version=v8-hotfix", within=500),
    Scenario(19, "a flag makes half of the answers terse", SUPPORT,
        [calls(lambda rng, e: longer(e, 0.6) | config(e, variant="b"), share=0.5, operation="answer")],
        "output_length", ("operation", "answer"), cause="config.variant=b", within=1500),
    Scenario(19, "a flag makes half of the answers evasive", SUPPORT,
        [
            calls(lambda rng, e: config(e, variant="b"), share=0.5, operation="answer"),
            calls(
                lambda rng, e: {
                    "output": f"I can't give legal advice. However, here are some general points:\n{e.output}"
                },
                share=0.2,
                variant="b",
            ),
        ],
        "partial_refusal_rate", ("operation", "answer"), cause="config.variant=b", within=1500),
    Scenario(20, "a canary writes exec_summary in place of summary", SUPPORT, "key_rename",
        "output_structure", ("operation", "summarize"), cause="config.variant=canary", within=1500),
    Scenario(23, "satisfaction falls by 18 %", SUPPORT, [scores(lambda rng, value: 0.82 * value, "satisfaction")],
        "score.satisfaction", within=3000),
    Scenario(24, "the provider's alias points to another snapshot", SUPPORT, "silent_model_swap",
        "output_length", ("operation", "answer"), cause=f"response_model={NEWER}", within=1000,
        says="no change on your side"),
    Scenario(24, "the provider's model flatters, under the same name", TOPICS,
        [
            calls(
                lambda rng, e: {"output": f"What a brilliant and insightful thing to ask, you are amazing! {e.output}"},
                operation="answer",
            )
        ],
        "output_centroid", ("operation", "answer"), within=1000, says="no change on your side"),
    Scenario(24, "GPT-3.5 of June 2023 answers in place of that of March", ASSISTANT, [calls(lambda rng, e: june(rng))],
        "output_length", within=1500, says="no change on your side", real="llmdrift"),
    Scenario(25, "four artifacts roll out by themselves", SUPPORT,
        [
            calls({"prompt_version": "v48"}, share=0.5, operation="answer"),
            calls({"response_model": NEWER}, share=0.5, response_model=HAIKU),
            calls(lambda rng, e: config(e, tools="t8"), share=0.5, operation="answer"),
            calls(lambda rng, e: config(e, context="32k"), share=0.5, operation="answer"),
        ],
        "config_mix", told="notice", within=500),
    Scenario(26, "two agents ask each other in circles", SUPPORT, "agent_ping_pong",
        "loop_rate", ("operation", "refund"), cause="config.tools=t8", within=1500),
    Scenario(27, "one sentence in the prompt changes the labels", TRIAGE,
        [calls({"prompt_version": "v14"}), calls(relabelled("shipping", "returns"))],
        "label_mix", cause="prompt_version=v14", within=3000),
    Scenario(28, "'clean JSON' in place of 'strictly valid JSON': errors 0.3 % → 11 %", TRIAGE, "schema_slip",
        "schema_violation_rate", cause="prompt_version=v14", within=500),
    Scenario(29, "25 steps in 400 ms hide a circle in a flat trace", SUPPORT, [nested(0.2)],
        "loop_rate", ("operation", "refund"), cause="tool=refund_agent uses plan", within=1500),
    Scenario(32, "a migration loses 4 % of what worked", TRIAGE,
        [
            calls({"response_model": "gemini-3-flash-lite"}),
            calls({"output": '{"category":"other"}'}, share=0.04),
        ],
        "schema_violation_rate", cause="response_model=gemini-3-flash-lite", within=2000),
    Scenario(33, "a shared prompt breaks form, tools, tone and latency at once", SUPPORT,
        [
            calls({"prompt_version": "shared-v2"}),
            calls(lambda rng, e: {"latency": 1.5 * (e.latency or 0.0)}),
            calls(lambda rng, e: {"reasoning_tokens": 2 * (e.reasoning_tokens or 0)}, operation="refund"),
            calls(lambda rng, e: {"output": f"Great question!\n\n{e.output}"}, operation="answer"),
            calls({"tool_calls": None, "finish_reason": "stop"}, share=0.5, operation="refund"),
        ],
        "latency", cause="prompt_version=shared-v2", within=1000),
    Scenario(34, "an evaluation runs at production scale, on a key of its own", SUPPORT,
        [added(lambda rng, e: evaluated(e), share=0.5, operation="answer")],
        "input_tokens", cause="key=evaluation", within=1500),
    Scenario(35, "users move, the model does not", TOPICS, "new_user_topic",
        "label_mix", within=4000, says="what users ask has moved"),
    Scenario(36, "a new prompt gets its card", SUPPORT, "chatty_prompt",
        "output_tokens", ("operation", "answer"), cause="prompt_version=v49", within=1000,
        says="prompt_version=v49, new since"),
    Scenario(37, "a model in the shadow categorises 4 % otherwise", TRIAGE,
        [
            lambda rng, e: [
                replace(e, label="other" if e.label == "billing" else "billing")
                if e.shadow_of and rng.random() < 0.04
                else e
            ]
        ],
        "disagreement_rate", within=4000),
    Scenario(38, "the aggregate improves, the hard cases get worse", SUPPORT,
        [
            calls({"response_model": NEWER}, response_model=HAIKU),
            calls({"response_model": "claude-sonnet-4-6"}, operation="refund"),
            scores(lambda rng, value: max(value, float(rng.random() < 0.5)), "passed", "answer"),
            scores(lambda rng, value: value * (rng.random() < 0.6), "passed", "refund"),
        ],
        "score.passed", ("operation", "refund"), cause="response_model=claude-sonnet-4-6", within=8000),
    Scenario(39, "the ops agent refuses what is documented", SUPPORT, [calls(refused, share=0.6, agent="refund_agent")],
        "refusal_rate", ("agent", "refund_agent"), within=500),
    Scenario(39, "the ops agent refuses, in the words of GPT-4", SUPPORT,
        [calls(real_refusal, share=0.3, agent="refund_agent")],
        "refusal_rate", ("agent", "refund_agent"), within=500, real="xstest"),
    Scenario(40, "a fallback that was never exercised takes over", SUPPORT,
        [calls({"response_model": "gpt-4.1-mini-2025-04-14"}, share=0.3, model="claude-haiku-4-5")],
        "fallback_rate", ("operation", "answer"), cause="response_model=gpt-4.1-mini-2025-04-14", within=500),
    Scenario(40, "a fallback takes over, in a log without texts", WORDLESS,
        [calls({"response_model": "gpt-4.1-mini-2025-04-14"}, share=0.3, model="claude-haiku-4-5")],
        "fallback_rate", ("operation", "answer"), cause="response_model=gpt-4.1-mini-2025-04-14", within=500),
    Scenario(41, "the same search with other punctuation", SUPPORT, [looping(20, 15.0, same_search, 0.2)],
        "loop_rate", ("operation", "refund"), cause="tool=refund_agent uses search", within=1500),
    Scenario(42, "an agent swings between two plans", SUPPORT, [looping(20, 5.0, two_plans, 0.2)],
        "loop_rate", ("operation", "refund"), cause="tool=refund_agent uses book", within=1500),
    Scenario(43, "a 429 is retried every 200 ms until morning", SUPPORT,
        [looping(60, 0.2, limited, 0.01, Kind.CALL, operation="answer")],
        "loop_rate", ("operation", "answer"), within=1000),
    Scenario(44, "a plan of a million tokens", SUPPORT,
        [calls({"output_tokens": 1_000_000}, share=1 / 200, operation="answer")],
        "rule.extreme_output_tokens", ("operation", "answer"), within=1000),
    Scenario(46, "a language that nobody tested", TOPICS,
        [
            calls(
                {
                    "input": "注文をキャンセルしたいのですが、どうすればよいですか",
                    "output": "ご注文は発送前でしたらキャンセルできます。",
                },
                share=0.15,
                operation="answer",
            )
        ],
        "output_format", within=1500),
    Scenario(47, "a delimiter that users paste ends one answer in 300", SUPPORT,
        [
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
        "stop_sequence_rate", within=10_000),
    Scenario(48, "from 200 to 18,000 dollars in six weeks", WEEKS,
        [
            calls(
                lambda rng, e: {
                    "input_tokens": int((e.input_tokens or 0) * 1.11 ** days(e)),
                    "output_tokens": int((e.output_tokens or 0) * 1.11 ** days(e)),
                }
            )
        ],
        "cost_per_task", within=A_WEEK, pages=4),
    Scenario(50, "the provider is short of capacity for twenty minutes", SUPPORT,
        [calls(lambda rng, e: {"latency": 25.0 * rng.lognormvariate(0, 0.3), "time_to_first_token": 22.0}, share=0.5)],
        "latency", within=500, says="no change on your side"),
    Scenario(51, "some calls stall, the median stays", SUPPORT, "latency_tail",
        "latency.high", within=10_000),
    Scenario(52, "a rate limit is hit once a minute without a breaker", SUPPORT,
        [looping(12, 60.0, limited, 0.02, Kind.CALL, operation="answer")],
        "loop_rate", ("operation", "answer"), within=4000),
    Scenario(51, "some calls stall, in a log without texts", WORDLESS, "latency_tail",
        "latency.high", within=10_000),
    Scenario(53, "never show a card number, said the prompt", SUPPORT,
        [calls(lambda rng, e: {"output": f"{e.output} Your card is 4111 1111 1111 1111."}, 0.02, operation="answer")],
        "rule.card_number", within=500),
    Scenario(55, "staging behaves otherwise than production", SUPPORT,
        [
            calls({"environment": "staging"}, share=0.4),
            lambda rng, e: [
                replace(e, finish_reason="length") if e.environment == "staging" and rng.random() < 0.08 else e
            ],
        ],
        "truncation_rate", within=6000),
    Scenario(56, "a model is switched off", SUPPORT,
        [
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
        "error_rate", within=500),
    Scenario(58, "the provider raises its price by 40 %", PRICED, (),
        "cost_per_task", ("operation", "answer"), cause=f"price={HAIKU}", within=3000),
    Scenario(59, "users adapt, days after the answers grew terse", WEEKS,
        [
            calls(lambda rng, e: {"prompt_version": "v48"} | longer(e, 0.6), operation="answer"),
            calls(lambda rng, e: {"input": f"{e.input} {e.input}"} if days(e) > 4 else {}),
        ],
        "input_length", within=2 * A_WEEK, says="users adapt", pages=2),
    Scenario(60, "it lectures those who use it most", SUPPORT,
        [
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
        "output_format", ("cohort", "heavy"), within=1500),
    Scenario(63, "a field is renamed", SUPPORT, [calls(renamed("sentiment", "mood"), operation="summarize")],
        "output_structure", ("operation", "summarize"), within=500),
    Scenario(0, "a tool behind the model fails", SUPPORT, [failing(0.2)],
        "tool_error_rate", ("operation", "refund"), within=3000),
]  # fmt: skip
