"""One line of JSON → one object, or the reason why not: what the decoders share when a line is out of the ordinary."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from undertow.pipelines.decoder import Reject

__all__ = ["BOM", "field_of", "parse_object", "reject_of"]

BOM = b"\xef\xbb\xbf"
DIAGNOSED_BYTES = 65_536  # longer malformed lines are refused without looking for NaN, which takes a slower parser
MAX_DEPTH_REASON = "JSON is nested too deeply"

_decode = msgspec.json.Decoder().decode
_MALFORMED = re.compile(r"^JSON is malformed: (?P<what>.*?)(?: \(byte (?P<at>\d+)\))?$")
_INVALID = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>.*?)`")
# A whole pair is consumed at once and any other escape by its backslash: `\\ud800` holds no surrogate.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def parse_object(line: bytes) -> dict[str, Any] | Reject:
    r"""Parse one line as a JSON object, forgiving a byte-order mark and half of a surrogate pair.

    Examples
    --------
    >>> parse_object(b'\xef\xbb\xbf{"text": "cut off: \\ud83d"}')
    {'text': 'cut off: �'}
    >>> parse_object(b'[1, 2]').reason
    'expected a JSON object, got an array'
    """
    try:
        value = _decode(line)
    except RecursionError:
        return Reject(MAX_DEPTH_REASON)
    except UnicodeDecodeError:
        return Reject("text is not UTF-8")
    except msgspec.DecodeError as error:
        return _second_look(line, error)
    return value if isinstance(value, dict) else Reject(f"expected a JSON object, got {_kind(value)}")


def reject_of(error: msgspec.DecodeError) -> Reject:
    """Return msgspec's complaint as a reason without positions or values, and the field by its dotted name."""
    if str(error).startswith("Input data was truncated"):
        return Reject("not valid JSON: it ends too early")
    malformed = _MALFORMED.match(str(error))
    if malformed:
        at = malformed["at"]
        return Reject(f"not valid JSON: {malformed['what']}", "", int(at) if at else None)
    invalid = _INVALID.match(str(error))
    what, path = (invalid["what"], invalid["path"] or "") if invalid else (str(error), "")
    missing = _MISSING.search(what)
    if missing:
        return Reject("required field is missing", field_of(f"{path}.{missing['name']}"))
    return Reject(_plain(what), field_of(path))


def field_of(path: str) -> str:
    """Return the dotted field name of a msgspec path: indexes and keys of maps are left out.

    Examples
    --------
    >>> field_of("$.tool_calls[3].name"), field_of("$.attributes[...]")
    ('tool_calls.name', 'attributes')
    """
    return re.sub(r"\[[^\]]*\]", "", path).removeprefix("$").strip(".")


def _plain(what: str) -> str:
    if what.startswith("Invalid enum value"):
        return "value is not one of those allowed"
    plain = what.replace("`", "")
    return plain[:1].lower() + plain[1:] if plain.startswith(("Expected", "Number", "Object")) else plain


def _second_look(line: bytes, error: msgspec.DecodeError) -> dict[str, Any] | Reject:
    if line.startswith(BOM):
        return parse_object(line[len(BOM) :])
    # The parser's complaint about half a pair depends on what follows it, so the line itself is looked at.
    mended = _ESCAPES.sub(_mend, line) if b"\\u" in line else line
    if mended != line:
        return parse_object(mended)
    return _not_finite(line) or reject_of(error)


def _mend(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match["lone"] else match[0]


def _not_finite(line: bytes) -> Reject | None:
    if len(line) > DIAGNOSED_BYTES or not re.search(rb"NaN|Infinity|\d[eE]\d", line):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    path = _path_to_not_finite(value)
    return None if path is None else Reject("number is NaN or infinite", field_of(path))


def _path_to_not_finite(value: Any) -> str | None:
    """Return the dotted path of the first number that is not finite; the walk is as deep as the parser allowed."""
    todo = [("", value)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, float) and not math.isfinite(node):
            return path
        if isinstance(node, dict):
            todo.extend((f"{path}.{key}", child) for key, child in reversed(node.items()))
        elif isinstance(node, list):
            todo.extend((path, child) for child in reversed(node))
    return None


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
