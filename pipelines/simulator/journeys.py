"""What one arriving user sets off: the steps of a conversation, of an agent's task and of a search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from undertow.pipelines.simulator.phrases import INTENTS
from undertow.pipelines.simulator.world import CONSUMER_SHARE

__all__ = ["CONSULTED", "SUMMARIZED", "TURNS_MORE", "TURNS_MOST", "Step", "events_per_arrival", "journey"]

TURNS_MORE = 0.45  # chance that another question follows an answer
TURNS_MOST = 6
SUMMARIZED = 0.4  # of the conversations are summarised at their end
TOOLS = ("lookup_order", "check_policy", "issue_refund")  # an agent's task runs the first one, two or three
CONSULTED = 0.2  # of the agent's tasks ask the policy agent once


@dataclass(frozen=True)
class Step:
    """One event to come. It starts `pause_s` (a mean) after the step before it usually ends, `lasts_s` later."""

    operation: str
    lasts_s: float
    pause_s: float = 0.05
    opens_task: bool = False
    agent: str | None = None
    tool: str | None = None  # the tool this event runs; None for a model call
    calls: str | None = None  # the tool a model call asks for
    turn: int | None = None
    handoff: bool = False  # one agent asks another
    extra: bool = False  # added by an incident: it takes nothing from the quiet traffic's random numbers


_TRIAGE = Step("triage", 1.2, opens_task=True, turn=1)


@cache
def journey(name: str, turns: int, tools: int, ends: bool, rounds: int) -> tuple[Step, ...]:
    """Return the steps of a journey.

    Parameters
    ----------
    name
        chat, refund or search.
    turns, tools
        Questions asked in a chat; tools run in a refund.
    ends
        A chat is summarised at its end; a refund consults the policy agent.
    rounds
        How often two agents ask each other for clarification.

    Examples
    --------
    >>> [step.operation for step in journey("chat", 2, 0, True, 0)]
    ['triage', 'answer', 'answer', 'summarize']
    """
    if name == "refund":
        return _refund(tools, ends, rounds)
    if name == "search":
        return (Step("rewrite", 1.0, opens_task=True), Step("ask", 2.2))
    more = [Step("answer", 3.2, 45.0, opens_task=True, turn=turn) for turn in range(2, turns + 1)]
    end = [Step("summarize", 3.0, 60.0, opens_task=True, turn=turns)] if ends else []
    return (_TRIAGE, Step("answer", 3.2, turn=1), *more, *end)


def _refund(tools: int, consults: bool, rounds: int) -> tuple[Step, ...]:
    steps = [_TRIAGE]
    for tool in TOOLS[:tools]:
        steps.append(Step("refund", 4.5, agent="refund_agent", calls=tool))
        steps.append(Step("refund", 0.5, agent="refund_agent", tool=tool))
    consult = Step("refund", 4.5, agent="policy_agent", handoff=True)
    steps += [consult] * consults
    asked = Step("refund", 4.5, agent="policy_agent", handoff=True, extra=True)
    back = Step("refund", 4.5, agent="refund_agent", handoff=True, extra=True)
    steps += [asked, back] * rounds
    return (*steps, Step("refund", 4.5, agent="refund_agent"))


def events_per_arrival(service: str) -> float:
    """Return how many events a quiet arrival sets off on average.

    Examples
    --------
    >>> events_per_arrival("search")
    2.0
    """
    if service == "search":
        return 2.0
    share = {name: CONSUMER_SHARE * one.consumer + (1 - CONSUMER_SHARE) * one.business for name, one in INTENTS.items()}
    refunds = sum(share[name] for name, one in INTENTS.items() if one.journey == "refund") / sum(share.values())
    turns = sum(TURNS_MORE**more for more in range(TURNS_MOST))
    chat = 1 + turns + SUMMARIZED
    refund = 2 + 2 * (1 + len(TOOLS)) / 2 + CONSULTED
    return (1 - refunds) * chat + refunds * refund
