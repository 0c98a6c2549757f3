"""The declared incidents: what changes, which metric shows it, where, and what on-call should be told.

An incident acts on the blocks of columns.py. `share` (0 to 1, one number per row) is how far the change is out at that
moment; a change that is rolled out has reached the rows whose `rollout` lies below it, one that creeps acts on all in
proportion. No incident touches `error`, so HTTP stays green.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from undertow.pipelines.simulator.columns import Arrivals, Bools, Calls, Floats
from undertow.pipelines.simulator.phrases import NEW_TOPIC

__all__ = ["INCIDENTS", "Incident"]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A kind of shift.

    Parameters
    ----------
    metrics
        Metric → direction (up, down, shift), the headline first; empty for a null, which must not page.
    segment
        The slice of traffic in which it happens, the empty mapping for a whole service.
    may_move
        Metrics that follow a little, by arithmetic rather than by the change itself.
    cause
        The sentence that on-call should be told.
    version
        (dimension, value) first seen at the change, when one is.
    ramp_s
        Seconds from the first to the last user reached, unless the scenario says otherwise.
    """

    metrics: Mapping[str, str]
    cause: str
    segment: Mapping[str, str] = field(default_factory=dict)
    may_move: tuple[str, ...] = ()
    version: tuple[str, str] | None = None
    services: tuple[str, ...] = ("support",)
    ramp_s: float = 0.0

    def volume(self, strength: float) -> float:
        """Return by how much the number of arrivals grows, as a share of the quiet number."""
        del strength
        return 0.0

    def on_arrivals(self, arrivals: Arrivals, share: Floats, strength: float) -> None:
        """Change who arrives and with what."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Change how calls are answered."""


class RefusalCreep(Incident):
    """A careful system prompt (v48) goes out on `answer`: refusals rise from 2 % to 9 % of its answers."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Refuse more of what v48 answers."""
        reached = (calls.operation == "answer") & (calls.rollout < share)
        calls.prompt_version[reached] = "v48"
        calls.refusal[reached] += 0.072 * strength


class KeyRename(Incident):
    """A canary of `summarize` calls the key `summary` `exec_summary`, for 30 % of the conversations."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Rename the key where the canary answers."""
        reached = (calls.operation == "summarize") & (calls.rollout < 0.3 * strength * share)
        calls.variant[reached] = "canary"
        calls.renamed[reached] = True


class ChattyPrompt(Incident):
    """A friendlier prompt (v49) pads the answers of `answer`: 1.6 times as long, tokens and cost with them."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Lengthen what v49 answers."""
        reached = (calls.operation == "answer") & (calls.rollout < share)
        calls.prompt_version[reached] = "v49"
        calls.verbosity[reached] *= 1.6**strength
        calls.chatty[reached] = True


class SilentModelSwap(Incident):
    """The provider moves the alias `claude-haiku-4-5` to a newer snapshot: answers a third shorter, more refusals."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Answer with the newer snapshot."""
        reached = (calls.asked == "claude-haiku-4-5") & (calls.rollout < share)
        calls.response_model[reached] = "claude-haiku-4-5-20260114"
        calls.fingerprint[reached] = "fp_d8837b1e"
        calls.verbosity[reached] *= 0.67**strength
        calls.refusal[reached] += 0.03 * strength


class AgentPingPong(Incident):
    """A tool schema (t8) lets refund_agent and policy_agent ask each other in circles, in 15 % of the refunds.

    Each such task makes about 32 calls more; each call by itself looks as always.
    """

    def on_arrivals(self, arrivals: Arrivals, share: Floats, strength: float) -> None:
        """Let some of the refunds circle."""
        arrivals.loops[:] = np.where(arrivals.rollout < share, 0.15 * strength, arrivals.loops)

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Show the tool schema that is live."""
        del strength
        reached = (calls.operation == "refund") & (calls.rollout < share)
        calls.tools_version[reached] = "t8"


class RegionalSkew(Incident):
    """A rollout of triage v13 stops at 67 % of ap-south: schema violations rise by 3 points there and only there."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Break the schema where v13 answers."""
        reached = (calls.operation == "triage") & (calls.region == "ap-south") & (calls.rollout < 0.67 * share)
        calls.prompt_version[reached] = "v13"
        calls.violation[reached] += 0.045 * strength


class NewUserTopic(Incident):
    """A new topic (customs duties) becomes 18 % of the conversations, in long messages; nothing of ours changes."""

    def on_arrivals(self, arrivals: Arrivals, share: Floats, strength: float) -> None:
        """Bring the topic, in place of others."""
        arrivals.intent[_topical(arrivals) & (arrivals.chance < 0.18 * strength * share)] = NEW_TOPIC


class SchemaSlip(Incident):
    """A reworded prompt (triage v14) lets invalid JSON rise from 0.3 % to 11 %."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Break the schema where v14 answers."""
        reached = (calls.operation == "triage") & (calls.rollout < share)
        calls.prompt_version[reached] = "v14"
        calls.violation[reached] += 0.107 * strength


class CostCreep(Incident):
    """The provider's cache holds less and less of the prompt of `answer`: the same tokens cost more, within an hour."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Empty the cache little by little."""
        answer = calls.operation == "answer"
        calls.cached[answer] *= np.clip(1.0 - 0.95 * strength * share[answer], 0.0, 1.0)


class LatencyTail(Incident):
    """The provider stalls: 3 % of the calls to gpt-5-mini take some thirty times as long; the median stays."""

    def on_calls(self, calls: Calls, share: Floats, strength: float) -> None:
        """Let some calls stall."""
        slow = calls.asked == "gpt-5-mini"
        calls.stall[slow] += 0.03 * strength * share[slow]


class TrafficUp40(Incident):
    """40 % more users arrive and nothing else happens: a null."""

    def volume(self, strength: float) -> float:
        """Return the growth in arrivals."""
        return 0.4 * strength


def _topical(arrivals: Arrivals) -> Bools:
    return np.array([intent.journey == "chat" for intent in arrivals.intent], dtype=np.bool_)


INCIDENTS: Mapping[str, Incident] = MappingProxyType(
    {
        "refusal_creep": RefusalCreep(
            metrics={"refusal_rate": "up"},
            segment={"operation": "answer"},
            may_move=("output_length", "output_tokens", "cost_per_task", "latency"),
            cause="prompt_version v48 of answer, first seen when the refusals began to rise",
            version=("prompt_version", "v48"),
            ramp_s=300.0,
        ),
        "key_rename": KeyRename(
            metrics={"schema_violation_rate": "up", "output_structure": "shift"},
            segment={"operation": "summarize"},
            may_move=("output_length", "output_tokens", "cost_per_task", "latency"),
            cause="variant=canary of summarize, first seen at the change, writes exec_summary in place of summary",
            version=("variant", "canary"),
        ),
        "chatty_prompt": ChattyPrompt(
            metrics={"output_length": "up", "output_tokens": "up", "cost_per_task": "up", "latency": "up"},
            segment={"operation": "answer"},
            cause="prompt_version v49 of answer, first seen at the change; latency follows from the longer answers",
            version=("prompt_version", "v49"),
        ),
        "silent_model_swap": SilentModelSwap(
            metrics={"output_length": "down", "output_tokens": "down", "refusal_rate": "up", "model_mix": "shift"},
            segment={"operation": "answer"},
            may_move=("cost_per_task", "latency"),
            cause="the provider: response_model changed under the same asked claude-haiku-4-5, nothing on our side",
            version=("response_model", "claude-haiku-4-5-20260114"),
        ),
        "agent_ping_pong": AgentPingPong(
            metrics={"calls_per_task": "up", "cost_per_task": "up", "loop_rate": "up"},
            segment={"operation": "refund"},
            may_move=("input_length", "input_tokens", "output_length", "output_tokens", "refusal_rate", "latency"),
            cause="tools=t8 of refund_agent, first seen at the change: two agents ask each other for clarification",
            version=("tools", "t8"),
        ),
        "regional_skew": RegionalSkew(
            metrics={"schema_violation_rate": "up"},
            segment={"operation": "triage", "region": "ap-south"},
            may_move=("output_length", "output_tokens", "cost_per_task", "latency"),
            cause="prompt_version v13 of triage, live in ap-south only and stopped at 67 % there",
            version=("prompt_version", "v13"),
        ),
        "new_user_topic": NewUserTopic(
            metrics={"input_length": "up", "input_centroid": "shift", "label_mix": "shift"},
            may_move=(
                "input_tokens",
                "cost_per_task",
                "refusal_rate",
                "output_length",
                "output_tokens",
                "output_centroid",
            ),
            cause="users moved: a new topic arrives; prompts, models and tools are as before",
        ),
        "schema_slip": SchemaSlip(
            metrics={"schema_violation_rate": "up"},
            segment={"operation": "triage"},
            may_move=("output_length", "output_tokens", "cost_per_task", "latency"),
            cause="prompt_version v14 of triage, first seen at the change",
            version=("prompt_version", "v14"),
        ),
        "cost_creep": CostCreep(
            metrics={"cost_per_task": "up", "cached_token_share": "down"},
            segment={"operation": "answer"},
            cause="the provider's cache: tokens are constant, fewer of them are cached; nothing on our side",
            ramp_s=3600.0,
        ),
        "latency_tail": LatencyTail(
            metrics={"latency.high": "up", "latency": "up"},
            segment={"response_model": "gpt-5-mini-2025-08-07"},
            cause="the provider: some calls to gpt-5-mini stall; nothing on our side",
        ),
        "traffic_up_40": TrafficUp40(
            metrics={},
            services=("support", "search"),
            cause="nothing: more users, each served as before",
        ),
    }
)
