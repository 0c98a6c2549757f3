"""Which events say that an agent ran into its limit of steps."""

from __future__ import annotations

import re

from undertow.drift.interaction import Interaction

__all__ = ["hits_ceiling"]

_LONGEST = 400  # characters looked at, from the beginning
# Finish reasons, errors and the stock answers of the agent frameworks: LangChain, LangGraph, the OpenAI and Claude
# agent kits, CrewAI, smolagents, LlamaIndex, AutoGen, the Vercel AI kit.
_REASON = re.compile(
    r"(?:max(?:imum)?|limit)[ _-]?(?:number[ _-]of[ _-]|agent[ _-])?(?:steps?|iterations?|turns?|rounds?|iters?)\b"
    r"|(?:recursion|iteration|step|turn|round)s?[ _-]?limit"
    r"|graphrecursionerror|maxturnsexceeded|error_max_turns|too_many_steps|too many (?:steps|iterations|turns)"
)
_ANSWER = re.compile(r"\s*agent stopped due to (?:iteration|max|step|time)")


def hits_ceiling(event: Interaction) -> bool:
    """Return whether the event's finish reason, error or stock answer says that the steps ran out.

    It cannot see a limit that ends a task without a word; `calls_per_task` and its upper tail show that one.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> error = "Recursion limit of 25 reached without hitting a stop condition."
    >>> hits_ceiling(Interaction(id="1", time=0.0, service="s", error=error))
    True
    >>> hits_ceiling(Interaction(id="1", time=0.0, service="s", finish_reason="max_tokens"))
    False
    """
    if event.finish_reason and event.finish_reason != "stop" and _says(event.finish_reason):
        return True
    if event.error and _says(event.error):
        return True
    output = event.output
    return isinstance(output, str) and output[:6].strip()[:1] in ("A", "a") and bool(_stock(output))


def _says(text: str) -> bool:
    return _REASON.search(text[:_LONGEST].lower()) is not None


def _stock(text: str) -> re.Match[str] | None:
    return _ANSWER.match(text[:_LONGEST].lower())
