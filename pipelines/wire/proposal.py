"""Proposes a `[ingest.fields]` map from a sample of a foreign log: well-known names that the sample bears out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from undertow.pipelines.wire.coercion import COERCIONS, GROUPS
from undertow.pipelines.wire.expressions import Expression, Found, compile_expression
from undertow.pipelines.wire.known_names import KNOWN, WRAPPERS
from undertow.pipelines.wire.moments import seconds
from undertow.pipelines.wire.paths import Path

__all__ = ["SAMPLE", "propose"]

SAMPLE = 300  # records looked at
MOST_ALTERNATIVES = 10  # places a field may come from
MOST_WRAPPERS = 12  # objects of a record that are looked into besides the well-known ones
LEAST_SHARE = 0.01  # of the sample that a place must serve: a text may hold JSON by chance
TIME_FORMATS = (
    *("%m/%d/%Y, %H:%M:%S", "%d/%m/%Y, %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S"),
    *("%Y/%m/%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S %z", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y"),
)

Records = list[dict[str, Any]]


def propose(sample: list[dict[str, Any]]) -> dict[str, str]:
    """Return event field → expression for the fields that the sample has, `time` among them if there is one.

    An expression is proposed only where its values can be read as the field; several places are joined by `|`. An id is
    proposed only if no two records share it.

    Examples
    --------
    >>> propose([{"created_at": "2026-01-01T00:00:00Z", "prompt": "Hi", "completion": "Hello", "duration_ms": 12}])
    {'time': 'created_at', 'input': 'prompt', 'output': 'completion', 'latency': 'duration_ms'}
    """
    step = max(1, len(sample) // SAMPLE)
    records = sample[::step][:SAMPLE]
    found = {name: " | ".join(_chosen(name, records)) for name in KNOWN if records}
    proposal = {name: text for name, text in found.items() if text}
    return _without_repeats(proposal, sample)


def _chosen(field: str, records: Records) -> list[str]:
    chosen: list[str] = _serving_all(field, records) if field in ("id", "time") else []
    if chosen or field == "id":
        return chosen
    missing = list(range(len(records)))
    for text in _candidates(field, records):
        hits = _hits(field, text, [records[index] for index in missing])
        if hits is None or sum(hits) <= LEAST_SHARE * (len(records) - 1) or _is_envelope(text, chosen, records):
            continue
        chosen.append(text)
        missing = [index for index, hit in zip(missing, hits, strict=True) if not hit]
        if not missing or len(chosen) == MOST_ALTERNATIVES:
            break
    return chosen or _empty_place(field, records)


def _is_envelope(text: str, chosen: list[str], records: Records) -> bool:
    """Tell whether places already chosen lie inside this one: where they are empty, the whole of it is no stand-in."""
    inside = any(place.startswith(f"{text}.") for place in chosen)
    return inside and any(isinstance(Path(text)(record), dict) for record in records)


def _serving_all(field: str, records: Records) -> list[str]:
    """Return the first place that serves every record: ids and moments from different places do not go together."""
    for text in _candidates(field, records):
        hits = _hits(field, text, records)
        if hits and all(hits) and (field != "id" or _unique(text, records)):
            return [text]
    return []


def _empty_place(field: str, records: Records) -> list[str]:
    """Return where an error would stand: a good sample has none, and what is not mapped is not seen later."""
    if field != "error":
        return []
    names = (name for name in _candidates(field, records) if " " not in name)
    return next(([name] for name in names if any(_has_key(record, name) for record in records)), [])


def _has_key(record: dict[str, Any], name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    holder = Path(parent)(record) if parent else record
    return isinstance(holder, dict) and (leaf in holder)


def _candidates(field: str, records: Records) -> Iterator[str]:
    others = dict.fromkeys(name for record in records for name, value in record.items() if isinstance(value, dict))
    wrappers = dict.fromkeys([*WRAPPERS, *(name for name in list(others)[:MOST_WRAPPERS] if name.isidentifier())])
    roots = ["", *(f"{wrapper}." for wrapper in wrappers if _holds_objects(wrapper, records))]
    for name in KNOWN[field]:
        for root in roots:
            yield from _variants(field, _rooted(root, name), records)


def _rooted(root: str, name: str) -> str:
    body, as_, conversion = name.partition(" as ")
    return " ".join(part if part in "+-" else root + part for part in body.split(" ")) + as_ + conversion


def _holds_objects(wrapper: str, records: Records) -> bool:
    inside = Path(wrapper)
    opened = sum(_opens(inside(record)) for record in records)
    return opened > LEAST_SHARE * len(records)


def _opens(value: Any) -> bool:
    return isinstance(value, dict | list) or (isinstance(value, str) and value[:1] == "{")


def _variants(field: str, text: str, records: Records) -> Iterator[str]:
    """Yield the expression as it stands and, where the values ask for it, with a conversion."""
    if field in ("input", "output", "instructions") and _some_hold_messages(text, records):
        yield f"{text} as json"
        return
    if field == "time" and " as " not in text:
        form = next((form for form in TIME_FORMATS if _all(text, records, _of_form(form))), None)
        if form:
            yield f"{text} as {form}"
            return
    yield text


def _all(text: str, records: Records, holds: Callable[[Any], bool]) -> bool:
    values = _values(compile_expression(text), records)
    return bool(values) and all(holds(value) for value in values)


def _values(expression: Expression, records: Records) -> list[Any]:
    found = []
    for record in records:
        try:
            here = expression(record)
        except ValueError:
            continue
        if here is not None:
            found.append(here.value)
    return found


def _some_hold_messages(text: str, records: Records) -> bool:
    texts = [value for value in _values(compile_expression(text), records) if isinstance(value, str)]
    return bool(texts) and all(_is_messages(value) for value in texts)


def _is_messages(value: str) -> bool:
    return value[:1] in ("[", "{") and any(f'"{key}"' in value for key in ("role", "parts", "type"))


def _of_form(form: str) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            seconds(value, form=form)
        except ValueError:
            return False
        return True

    return holds


def _hits(field: str, text: str, records: Records) -> list[bool] | None:
    """Return which records the expression serves; None when a value there contradicts the field."""
    if " + " in text and not any(
        all(Path(name)(record) is not None for name in text.split(" + ")) for record in records
    ):
        return None  # a part that no record has is no part of this log
    expression = compile_expression(text)
    hits = []
    for record in records:
        try:
            found = expression(record)
            hits.append(found is not None and _usable(field, found))
        except ValueError:
            return None
    return hits


def _usable(field: str, found: Found) -> bool:
    group = field.partition(".")[0]
    coerce = COERCIONS.get(field) or GROUPS[group]
    if field in ("input", "output") and isinstance(found.value, dict):
        return isinstance(coerce(found), list)  # an envelope is not what was said in it
    if field in _NAMES and not isinstance(found.value, str | int):
        # A list or an object may be written as text, but it is no name of anything.
        return isinstance(found.value, list) and len(found.value) == 1 and isinstance(found.value[0], str)
    return coerce(found) is not None


_NAMES = frozenset(
    {
        *(
            "id",
            "service",
            "environment",
            "operation",
            "agent",
            "model",
            "response_model",
            "provider",
            "prompt_version",
        ),
        *("user", "label", "finish_reason", "stop_sequence", "task", "parent", "session"),
    }
)


def _without_repeats(proposal: dict[str, str], sample: Records) -> dict[str, str]:
    """Leave out what says nothing or would mislead: ids that repeat, the same place under two names."""
    if "id" in proposal and not _unique(proposal["id"], sample):
        del proposal["id"]
    for later, earlier in (("task", "id"), ("response_model", "model"), ("parent", "task"), ("kind", "operation")):
        if later in proposal and later != "kind" and proposal.get(earlier) == proposal[later]:
            del proposal[later]
    if "kind" in proposal and not _has_tools(proposal["kind"], sample):
        del proposal["kind"]
    return proposal


def _unique(text: str, sample: Records) -> bool:
    values = _values(compile_expression(text), sample)
    return len({str(value) for value in values}) == len(sample)


def _has_tools(text: str, sample: Records) -> bool:
    coerced = (COERCIONS["kind"](Found(value)) for value in _values(compile_expression(text), sample))
    return any(kind == "tool" for kind in coerced)
