r"""The right-hand sides of a `[ingest.fields]` map.

    PATH                    choices.0.message.content, see paths.py
    PATH as CONVERSION      latency as ms · at as %d/%m/%Y %H:%M · gen_ai.output.messages as json
    PATH - PATH, PATH + PATH    end - start; usage.input + usage.cached (what is absent adds nothing)
    A | B                   the first that is there
    'text'                  a constant

Conversions: `s`, `ms`, `us`, `ns` (the unit of a time or duration; without it the name tells: `duration_ms`), a
strptime format, `json` (a text that holds JSON), `present` (true when there is something), `not` (the opposite).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from undertow.pipelines.wire.moments import UNITS, number, seconds, unit_in
from undertow.pipelines.wire.paths import Path, embedded

__all__ = ["Expression", "Found", "compile_expression"]

WORDS = ("json", "present", "not")


@dataclass(frozen=True, slots=True)
class Found:
    """A value with what the map says about its unit (s, ms, us, ns) or its time format."""

    value: Any
    unit: str | None = None
    form: str | None = None


Expression = Callable[[Any], Found | None]


def compile_expression(text: str) -> Expression:
    """Return a function from a record to what it finds there, None when it finds nothing.

    Raises
    ------
    ValueError
        The text is no expression; the message says what is wrong.

    Examples
    --------
    >>> compile_expression("took_ms | stop - start")({"start": 1.0, "stop": 3.5})
    Found(value=2.5, unit='s', form=None)
    >>> compile_expression("took_ms")({"took_ms": 120})
    Found(value=120, unit='ms', form=None)
    """
    terms = [_compile_term(term.strip()) for term in re.split(r"\s\|\s", text)]
    if len(terms) == 1:
        return terms[0]

    def first(record: Any) -> Found | None:
        return next((found for found in (term(record) for term in terms) if found is not None), None)

    return first


def _compile_term(text: str) -> Expression:
    constant = re.fullmatch(r"'([^']*)'", text)
    if constant:
        found = Found(constant[1])
        return lambda _record: found
    body, _, conversion = text.partition(" as ")
    operands = re.split(r"\s([+-])\s", body.strip())
    paths = [Path(operand.strip()) for operand in operands[::2]]
    unit, form, word = _conversion(conversion.strip(), paths[0])
    if len(paths) == 1:
        return _single(paths[0], unit, form, word)
    if form or word:
        raise ValueError(f"'as {conversion.strip()}' does not go with + or -: only units do ({', '.join(UNITS)})")
    if set(operands[1::2]) == {"-"} and len(paths) == 2:
        return _difference(paths[0], paths[1], unit)
    if set(operands[1::2]) == {"+"}:
        return _sum(paths, unit)
    raise ValueError("a difference has two paths, a sum any number; they do not mix")


def _conversion(text: str, path: Path) -> tuple[str | None, str | None, str | None]:
    """Return the unit, the time format and the conversion word."""
    if not text:
        return unit_in(path.text.rsplit(".", 1)[-1]), None, None
    if text in UNITS:
        return text, None, None
    if text in WORDS:
        return None, None, text
    if "%" in text:
        return None, text, None
    known = ", ".join((*UNITS, *WORDS))
    raise ValueError(f"unknown conversion 'as {text}'; known: {known}, or a time format such as %d/%m/%Y %H:%M")


def _single(path: Path, unit: str | None, form: str | None, word: str | None) -> Expression:
    convert = {"json": _json, "present": _present, "not": _not}.get(word or "")

    def find(record: Any) -> Found | None:
        value = path(record)
        if value is not None and convert is not None:
            value = convert(value)
        return None if value is None else Found(value, unit, form)

    return find


def _difference(end: Path, start: Path, unit: str | None) -> Expression:
    def find(record: Any) -> Found | None:
        last, first = end(record), start(record)
        if last is None or first is None:
            return None
        return Found(_elapsed(last, first, unit), "s")

    return find


def _elapsed(last: Any, first: Any, unit: str | None) -> float:
    if isinstance(last, str) and isinstance(first, str) and last.isdecimal() and first.isdecimal():
        last, first = int(last), int(first)
    if isinstance(last, int) and isinstance(first, int) and unit:
        return (last - first) / UNITS[unit]  # exact: nanoseconds since the epoch do not fit a float
    return seconds(last, unit) - seconds(first, unit)


def _sum(paths: list[Path], unit: str | None) -> Expression:
    def find(record: Any) -> Found | None:
        values = [value for value in (path(record) for path in paths) if value is not None]
        return Found(sum(number(value) for value in values), unit) if values else None

    return find


def _json(value: Any) -> Any:
    return embedded(value) if isinstance(value, str) else value


def _present(value: Any) -> bool | None:
    return True if value not in ("", [], {}, False, 0) else None


def _not(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("false", "no", "0", "")
    return not value
