from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.schema_violation import SchemaViolation

TICKET = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"enum": ["open", "closed"]}},
    "additionalProperties": False,
}
GOOD = '{"status": "open"}'


def violates(output: str | None, schema: dict[str, Any] | str | None = TICKET, **fields: Any) -> float | None:
    signal = SchemaViolation({"ticket": TICKET})
    event = Interaction(id="1", time=0.0, service="s", output=output, response_schema=schema, **fields)
    (value,) = signal.measure(Batch([event]))
    return None if np.isnan(value) else float(value)


@pytest.mark.parametrize(
    "output",
    [
        GOOD,
        f"\n  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"\n```JSON  \n\n{GOOD}\n\n```\n",
    ],
)
def test_raw_or_fenced_json_that_fits_is_no_violation(output: str) -> None:
    assert violates(output) == 0


@pytest.mark.parametrize(
    "output",
    [
        '{"current_status": "open"}',
        '{"status": "lost"}',
        '{"status": "open", "extra": 1}',
        f"Here is the JSON: {GOOD}",
        f"{GOOD} Hope this helps!",
        f"```json\n{GOOD}\n```\nHope this helps!",
        f"{GOOD}\n{GOOD}",
        '{"status": "open"',
        "{'status': 'open'}",
        "null",
        "NaN",
        "",
        "   ",
        "```json\n```",
        "``````",
        "I'm sorry, but I can't help with that.",
    ],
)
def test_what_a_parser_or_the_schema_would_refuse_is_a_violation(output: str) -> None:
    assert violates(output) == 1


def test_the_schema_may_be_named_or_inline() -> None:
    assert violates(GOOD, "ticket") == 0
    assert violates('{"state": 1}', "ticket") == 1


@pytest.mark.parametrize(
    ("output", "fields"),
    [
        (GOOD, {"schema": None}),
        (None, {}),
        (None, {"tool_calls": [ToolCall("find")]}),
        ("", {"tool_calls": [ToolCall("find")]}),
        ("", {"http_status": 500}),
    ],
)
def test_calls_that_owe_no_answer_say_nothing(output: str | None, fields: dict[str, Any]) -> None:
    assert violates(output, **fields) is None


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("tickets", "unknown schema 'tickets'"),
        ({"type": "no-such-type"}, "broken schema in the event"),
        ({"$ref": "http://example.invalid/schema"}, "broken schema in the event"),
        ({"pattern": "("}, "broken schema in the event"),
    ],
)
def test_a_schema_that_cannot_judge_says_nothing_and_is_counted(schema: dict[str, Any] | str, reason: str) -> None:
    signal = SchemaViolation()
    event = Interaction(id="1", time=0.0, service="s", output=GOOD, response_schema=schema)
    assert np.isnan(signal.measure(Batch([event, event]))).all()
    assert signal.skipped == {reason: 2}


def test_a_reference_to_another_document_is_never_fetched(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    assert violates(GOOD, {"$ref": (tmp_path / "other.json").as_uri()}) is None


def test_a_broken_registered_schema_is_counted_by_its_name() -> None:
    signal = SchemaViolation({"ticket": {"type": 7}, "any": {}})
    assert signal.broken == ["ticket"]
    event = Interaction(id="1", time=0.0, service="s", output=GOOD, response_schema="ticket")
    assert np.isnan(signal.measure(Batch([event]))).all()
    assert signal.skipped == {"broken schema 'ticket'": 1}


def test_unknown_names_without_end_take_bounded_memory() -> None:
    signal = SchemaViolation()
    names = [Interaction(id=str(n), time=0.0, service="s", output="1", response_schema=f"n{n}") for n in range(500)]
    signal.measure(Batch(names))
    assert len(signal.skipped) == 101
    assert signal.skipped["other"] == 400


def test_nesting_beyond_any_parser_is_a_violation_and_raises_nothing() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert violates(deep, {"properties": {"a": {"$ref": "#"}}}) == 1


def test_an_answer_beyond_the_limit_is_not_parsed_but_counted() -> None:
    signal = SchemaViolation({"any": {}})
    event = Interaction(id="1", time=0.0, service="s", output="[" + "1," * 500_000 + "1]", response_schema="any")
    assert np.isnan(signal.measure(Batch([event]))).all()
    assert signal.skipped == {"answer above 1,000,000 characters": 1}


def test_a_pattern_that_backtracks_for_ever_elsewhere_ends_here() -> None:
    for pattern in ("^(a+)+$", "^(?=a)(a+)+$"):
        assert violates('"' + "a" * 60 + '!"', {"type": "string", "pattern": pattern}) == 1
        assert violates('"aaa"', {"type": "string", "pattern": pattern}) == 0
