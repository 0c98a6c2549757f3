"""Which answers refuse: what the caller and the provider said, else the text; judged once for a batch."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from undertow.drift.finish import Finish
from undertow.drift.interaction import Interaction, Message
from undertow.drift.refusal_model import Answer, RefusalModel, shipped
from undertow.drift.signal import Batch

__all__ = ["refusals"]

_BLOCKED = (Finish.REFUSAL, Finish.CONTENT_FILTER)
_JUDGED: WeakKeyDictionary[Batch, list[Answer | None]] = WeakKeyDictionary()  # lives as long as its batch


def refusals(batch: Batch) -> list[Answer | None]:
    """Return what each answer of the batch is, None where the call failed or its content was not recorded.

    The first of these that speaks decides: the caller's own `refused`; a finish reason `refusal` or `content_filter`,
    or a message part of type `refusal`; a tool call (the model went on with the task); the text.

    Examples
    --------
    >>> call = Interaction(id="1", time=0.0, service="s", output="I'm sorry, I can't help with that.")
    >>> refusals(Batch([call, Interaction(id="2", time=0.0, service="s", refused=False)]))
    [<Answer.REFUSAL: 2>, <Answer.COMPLIANCE: 0>]
    """
    if batch not in _JUDGED:
        _JUDGED[batch] = _judged(batch, shipped())
    return _JUDGED[batch]


def _judged(batch: Batch, model: RefusalModel) -> list[Answer | None]:
    answers: list[Answer | None] = []
    unsaid: dict[int, str] = {}
    for index, event in enumerate(batch.events):
        told = _told(event, batch.finishes[index])
        if told is None and not batch.failed[index]:
            text = batch.outputs[index]
            if event.tool_calls or text == "":
                told = Answer.COMPLIANCE
            elif text is not None:
                unsaid[index] = text
        answers.append(told)
    for index, answer in zip(unsaid, model.judge(list(unsaid.values())), strict=True):
        answers[index] = answer
    return answers


def _told(event: Interaction, finish: Finish | None) -> Answer | None:
    """Return the verdict of the caller or of the provider, if there is one."""
    if event.refused is not None:
        return Answer.REFUSAL if event.refused else Answer.COMPLIANCE
    if finish in _BLOCKED or _has_refusal_part(event.output):
        return Answer.REFUSAL
    return None


def _has_refusal_part(output: str | list[Message] | None) -> bool:
    return isinstance(output, list) and any(
        isinstance(part, Mapping) and part.get("type") == "refusal"
        for message in output
        for part in (message.content if isinstance(message.content, list) else ())
    )
