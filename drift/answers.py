"""The JSON in answers: as it stands, in a code fence, between sentences, or in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from undertow.drift.interaction import Message, text_of
from undertow.drift.signal import Batch

__all__ = ["JSON_FORMS", "LONGEST_ANSWER", "OBJECT_BEGINS", "Answer", "Form", "answer_of", "answers"]

LONGEST_ANSWER = 1_000_000  # characters that are looked at
_MOST_FENCES = 32  # marks of code fences
_JSON_FENCES = frozenset({"", "json", "jsonc", "json5", "jsonl", "ndjson"})

# What begins like this was meant as JSON: an object with a quoted key, or with the mistakes that models make.
_JSON_BEGINS = re.compile(r"""\{\s{0,99}(?:["'}]|\w{1,40}\s{0,9}:)|\[\s{0,99}[\[{"']""")
# Between sentences only objects count: "[1]" is a citation. All repeats are bounded, so that the search is linear.
OBJECT_BEGINS = re.compile(r'\{\s{0,99}"[^"]{0,200}"\s{0,9}:')
_MOST_SPACE = 100  # characters between the bracket of an array and its first object
_FENCE_HEAD = re.compile(r"[ \t]*(\w*)[ \t]*(\r?\n)?")


class Form(StrEnum):
    """How an answer carries JSON."""

    WHOLE = "whole"  # nothing but one object or array
    FENCED = "fenced"  # nothing but one code fence around it
    WITHIN = "within"  # beside other text
    TEXT = "text"  # not at all
    EMPTY = "empty"  # white space
    BROKEN = "broken"  # begun like JSON, but no parser reads it
    LONG = "long"  # above 1,000,000 characters, not looked at


JSON_FORMS = frozenset({Form.WHOLE, Form.FENCED, Form.WITHIN})


class Answer(NamedTuple):
    """An answer and the object or array found in it."""

    form: Form
    value: Any = None


_TEXT, _EMPTY, _BROKEN, _LONG = (Answer(form) for form in (Form.TEXT, Form.EMPTY, Form.BROKEN, Form.LONG))


@lru_cache(maxsize=1)
def answers(batch: Batch) -> list[Answer | None]:
    """Return what each answer of the batch carries, None where the call owes none or its content was not recorded.

    A failed call owes no answer, and neither does one that called a tool and said nothing. The signals of one batch
    share the work: the last batch's answers are kept.
    """
    return [
        None if text is None or failed or (event.tool_calls and not text.strip()) else answer_of(text, event.output)
        for event, text, failed in zip(batch.events, batch.outputs, batch.failed, strict=True)
    ]


def answer_of(text: str, output: str | list[Message] | None = None) -> Answer:
    r"""Return the first object or array in a text. `output` is the event's own: pieces are joined without a break too.

    Looked for in this order: the whole text; one code fence around it; code fences marked `json` or not at all; objects
    between sentences. Objects in fences of other languages are code. Scalars (`42`, `"yes"`) are texts.

    Examples
    --------
    >>> answer_of('Here you are:\n```json\n{"total": 7}\n```')
    Answer(form=<Form.WITHIN: 'within'>, value={'total': 7})
    >>> [answer_of(text).form.value for text in ("See [1].", '{"total": ', "{'total': 7}", " ")]
    ['text', 'broken', 'broken', 'empty']
    """
    if "{" not in text and "[" not in text:
        return _TEXT if text and not text.isspace() else _EMPTY
    if len(text) > LONGEST_ANSWER:
        return _LONG
    found = _found(text.strip())
    if found is _BROKEN and isinstance(output, list):
        pieces = [text_of([Message(content=[part])]) or "" for part in _parts(output)]
        return _found("".join(pieces).strip()) if len(pieces) > 1 else found
    return found


def _parts(output: Sequence[Message]) -> list[Any]:
    return [
        part
        for message in output
        for part in (message.content if isinstance(message.content, list) else [message.content])
    ]


def _found(text: str) -> Answer:
    if text[0] in "{[":
        value = _decoded(text)
        if value is not None:
            return Answer(Form.WHOLE, value)
        if _JSON_BEGINS.match(text):
            return _read_at(text, 0)
    return _fenced(text) if "```" in text else _between(text)


def _decoded(text: str) -> Any:
    """Return the object or array that the text is, None when it is none or nested too deeply for any parser."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _fenced(text: str) -> Answer:
    if text.startswith("```") and text.endswith("```") and len(text) > 6:
        language, newline, body = _opened(text[3:-3])  # JSON may hold fences in its strings
        value = _decoded(body) if language in _JSON_FENCES else None
        if value is not None:
            return Answer(Form.FENCED if newline else Form.WITHIN, value)
    pieces = text.split("```", _MOST_FENCES)
    blocks = [(language, body) for language, _, body in map(_opened, pieces[1::2]) if language in _JSON_FENCES]
    for _, body in blocks:
        value = _decoded(body)
        if value is not None:
            return Answer(Form.WITHIN, value)
    if any(_JSON_BEGINS.match(body) for _, body in blocks):
        return _BROKEN
    return _between("\n".join(pieces[::2]))


def _opened(block: str) -> tuple[str, bool, str]:
    """Return the language of a code fence, whether its head is a line of its own, and what stands in it."""
    _, language, newline, body = _FENCE_HEAD.split(block, maxsplit=1)
    return language.lower(), bool(newline), body.strip()


def _between(text: str) -> Answer:
    """Return the first object, or array of objects, between sentences."""
    begins = OBJECT_BEGINS.search(text)
    return _TEXT if begins is None else _read_at(text, _array_start(text, begins.start()))


def _read_at(text: str, start: int) -> Answer:
    """Return the object or array that begins here. If it breaks off, the objects inside it do not stand for it."""
    try:
        return Answer(Form.WITHIN, _DECODER.raw_decode(text, start)[0])
    except (ValueError, RecursionError):
        return _BROKEN


def _array_start(text: str, start: int) -> int:
    """Return where the array begins whose first object begins here, else where the object does."""
    before = text[max(start - _MOST_SPACE, 0) : start].rstrip()
    return start if before[-1:] != "[" else text.rindex("[", 0, start)


def _no_constant(name: str) -> None:
    raise ValueError(f"'{name}' is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
