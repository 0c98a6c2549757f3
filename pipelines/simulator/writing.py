"""What is said: inputs, answers, refusals and broken JSON in words, from the banks of grammar.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from undertow.pipelines.simulator.draws import Outcome, Row
from undertow.pipelines.simulator.grammar import Topic, answers, asks, compose, fill, shared
from undertow.pipelines.simulator.phrases import Intent

__all__ = ["Visitor", "category", "write_input", "write_output"]

_encode = msgspec.json.Encoder().encode
_PRIORITIES = ("low", "normal", "normal", "high")
_SENTIMENTS = ("negative", "neutral", "neutral", "positive")
_CUT = 0.55  # of a truncated answer is there


@dataclass(frozen=True)
class Visitor:
    """One arrival as its calls see it."""

    service: str
    intent: Intent
    user: str
    session: str | None
    attributes: dict[str, Any]
    word: int


def write_input(row: Row, visitor: Visitor, about: Topic) -> str:
    """Return what the user, or the step before, puts to the model."""
    return fill(_asked(row, visitor), about)


def write_output(row: Row, visitor: Visitor, about: Topic) -> str:
    """Return what the model answers, as its outcome has it."""
    match row.outcome:
        case Outcome.FAILED | Outcome.EMPTY:
            return ""
        case Outcome.REFUSED:
            return fill(_refusal(row.word), about)
        case Outcome.HEDGED:
            return fill(f"{shared('hedge').one(row.word >> 5)} {_FORMS[row.operation.form](row, visitor)}", about)
        case _:
            text = fill(_FORMS[row.operation.form](row, visitor), about)
            return text[: int(_CUT * len(text))] if row.outcome == Outcome.TRUNCATED else text


def category(row: Row, visitor: Visitor) -> str:
    """Return the label that triage decides on: the right one, or `other` for 3 in 100."""
    return "other" if row.word % 100 < 3 else visitor.intent.label


def _asked(row: Row, visitor: Visitor) -> str:
    word = row.word
    if row.step.handoff:
        return shared("clarify").one(word >> 4)
    if visitor.service == "search":
        return compose(shared("query"), row.input_chars, visitor.word, then="query")
    first = asks(visitor.intent.name).one(word)
    if word & 3 == 0:
        first = f"{shared('greeting').one(word >> 2)} {first}"
    return compose(shared("detail"), row.input_chars, word >> 3, first, "detail")


def _refusal(word: int) -> str:
    """Return one of some hundred thousand refusals: an opening, the refusal, perhaps a reason, perhaps a way out."""
    opening = shared("refusal_open").one(word)
    core = shared("refusal_core").one(word >> 9)
    said = f"{opening} {core}" if opening else core[0].upper() + core[1:]
    if word >> 18 & 3:
        said = f"{said} {shared('refusal_reason').one(word >> 20)}"
    if word >> 29 & 1:
        said = f"{said} {shared('refusal_instead').one(word >> 30)}"
    return said


def _prose(row: Row, visitor: Visitor) -> str:
    if row.step.calls:
        return shared("plan").one(row.word >> 6)
    if row.step.handoff:
        return shared("clarify").one(row.word >> 12)
    if visitor.service == "search":
        return compose(shared("found"), row.output_chars, visitor.word)
    body = answers(visitor.intent.name)
    if not row.chatty:
        return compose(body, row.output_chars, row.word >> 6)
    # a chatty answer says the same in the same words, and pads it
    plain = compose(body, 0.6 * row.output_chars, row.word >> 6)
    return compose(shared("chatter"), row.output_chars, row.word >> 6, plain)


def _query(row: Row, visitor: Visitor) -> str:
    return compose(shared("rewritten"), row.output_chars, visitor.word, then="rewritten")


def _triage(row: Row, visitor: Visitor) -> str:
    word = row.word
    verdict: dict[str, Any] = {
        "category": category(row, visitor),
        "priority": _PRIORITIES[word >> 7 & 3],
        "confidence": round(0.55 + 0.45 * (word >> 9 & 1023) / 1024, 2),
    }
    return _json(row, verdict)


def _summary(row: Row, visitor: Visitor) -> str:
    word = row.word
    steps = shared("step")
    summary: dict[str, Any] = {
        "exec_summary" if row.outcome == Outcome.RENAMED else "summary": compose(
            answers(visitor.intent.name), row.output_chars, word >> 6
        ),
        "sentiment": _SENTIMENTS[word >> 7 & 3],
        "next_steps": [steps.one(word >> (8 + 9 * i)) for i in range(1 + (word & 1))],
    }
    return _json(row, summary)


def _json(row: Row, value: dict[str, Any]) -> str:
    if row.outcome == Outcome.INVALID:
        return _SLIPS[(row.word >> 3) % len(_SLIPS)](value)
    return _encode(value).decode()


def _fenced(value: dict[str, Any]) -> str:
    return f"Here is the JSON you asked for:\n```json\n{_encode(value).decode()}\n```"


def _unfinished(value: dict[str, Any]) -> str:
    return _encode(value).decode()[:-1]


def _explained(value: dict[str, Any]) -> str:
    return f"{_encode(value).decode()}\nLet me know if you need any other field."


def _in_python(value: dict[str, Any]) -> str:
    return repr(value)


def _without_last(value: dict[str, Any]) -> str:
    return _encode(dict(list(value.items())[:-1])).decode()


def _wrong_type(value: dict[str, Any]) -> str:
    *_, last = value
    return _encode({**value, last: "see above"}).decode()


_FORMS: dict[str, Callable[[Row, Visitor], str]] = {
    "prose": _prose,
    "triage": _triage,
    "summary": _summary,
    "query": _query,
}
_SLIPS = (_fenced, _unfinished, _explained, _in_python, _without_last, _wrong_type)
