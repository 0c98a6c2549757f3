import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from undertow.drift.answers import Form, answer_of, answers
from undertow.drift.interaction import Interaction, Message, ToolCall
from undertow.drift.signal import Batch

ORDER = {"status": "open", "items": [{"id": 1}]}
JSON = json.dumps(ORDER)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (JSON, Form.WHOLE),
        (f" \n{JSON}\n", Form.WHOLE),
        (json.dumps(ORDER, indent=2), Form.WHOLE),
        (f"```json\n{JSON}\n```", Form.FENCED),
        (f"```\n{JSON}\n```", Form.FENCED),
        (f"```JSON\r\n{JSON}\n```", Form.FENCED),
        (f"```json {JSON}```", Form.WITHIN),
        (f"Here it is:\n```json\n{JSON}\n```\nHope this helps!", Form.WITHIN),
        (f"Use this:\n```python\nx = 1\n```\nand\n```\n{JSON}\n```", Form.WITHIN),
        (f"```json\n{JSON}", Form.WITHIN),
        (f"Here it is: {JSON}", Form.WITHIN),
        (f"{JSON}\nHope this helps!", Form.WITHIN),
        (f"{JSON}\n{JSON}", Form.WITHIN),
        (f"As [1] says, and f(x) = {{x}}: {JSON}", Form.WITHIN),
        (f'It said {{"a" and then {JSON}', Form.WITHIN),
    ],
)
def test_json_is_found_however_it_is_wrapped(text: str, form: Form) -> None:
    assert answer_of(text) == (form, ORDER)


def test_json_may_hold_fences_in_its_strings() -> None:
    value = {"code": "```py\nx = {}\n```"}
    assert answer_of(json.dumps(value)) == (Form.WHOLE, value)
    assert answer_of(f"```json\n{json.dumps(value)}\n```") == (Form.FENCED, value)


def test_an_array_of_objects_between_sentences_is_found_whole() -> None:
    assert answer_of('These: [\n {"id": 1}, {"id": 2}] and no more.').value == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    "text",
    [
        "See [1] and [2, 3].",
        "f(x) = {x}",
        '"quoted"',
        "42",
        "true",
        "[link](url)",
        "{{name}}",
        "[ 1, 2",
        '```python\norder = {"id": 1}\n```',
        "```c\nint f() { return 0; }\n```",
        '```python\n{"id": 1}\n```',
        "[INST] {x} [/INST]",
    ],
)
def test_what_only_looks_a_little_like_json_is_text(text: str) -> None:
    assert answer_of(text).form is Form.TEXT


@pytest.mark.parametrize(
    "text",
    [
        JSON[:-1],
        "{'status': 'open'}",
        '{"a": 1,}',
        "{status: 1}",
        f"```json\n{JSON[:-3]}\n```",
        "```json\n{'a': 1}\n```",
        f"Here it is: {JSON[:-1]}",
        '{"a": NaN}',
        '["a", "b"',
        "[[1, 2], [3",
    ],
)
def test_json_that_no_parser_reads_is_broken(text: str) -> None:
    assert answer_of(text).form is Form.BROKEN


def test_a_cut_answer_does_not_pass_for_its_first_inner_object() -> None:
    """The structure of a truncated list is not that of one element."""
    cut = 'Sure: {"items": [{"id": 1}, {"id": 2}, {"i'
    assert answer_of(cut).form is Form.BROKEN


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_white_space_is_empty(text: str) -> None:
    assert answer_of(text).form is Form.EMPTY


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        "[" * 500_000,
        '{"a":' * 1_500 + "1" + "}" * 1_500,
        '[{"a":' * 50_000,
        '{"a": ' + "1" * 100_000 + "}",
        '{"' * 100_000,
        "{ " * 100_000 + '{"a":',
        "```{" * 50_000,
        "```json\n{" * 10_000,
        '{"a": "\ud800"}',
        '{"a": 1e999}',
    ],
)
def test_bombs_end_and_raise_nothing(text: str) -> None:
    """Brackets without end, numbers without end, half a surrogate pair."""
    assert answer_of(text).form in {Form.BROKEN, Form.TEXT, Form.WITHIN}
    assert answer_of(f"So: {text}").form in {Form.BROKEN, Form.TEXT, Form.WITHIN}


def test_an_answer_above_the_limit_is_not_looked_at() -> None:
    assert answer_of("[" + "1," * 500_000 + "1]").form is Form.LONG
    assert answer_of("a" * 2_000_000).form is Form.TEXT, "no bracket, nothing to look for"


def test_the_pieces_of_a_stream_are_joined() -> None:
    cut = JSON.index("open") + 2
    parts = [{"type": "text", "text": JSON[:cut]}, {"type": "text", "text": JSON[cut:]}]
    event = Interaction(id="1", time=0.0, service="s", output=[Message("assistant", parts)])
    assert answers(Batch([event])) == [(Form.WHOLE, ORDER)]


@pytest.mark.parametrize(
    "fields",
    [
        {"output": None},
        {"output": JSON, "error": "timeout"},
        {"output": JSON, "http_status": 503},
        {"output": " ", "tool_calls": [ToolCall("find")]},
    ],
)
def test_calls_that_owe_no_answer_have_none(fields: dict[str, Any]) -> None:
    assert answers(Batch([Interaction(id="1", time=0.0, service="s", **fields)])) == [None]


def test_a_batch_is_read_once() -> None:
    batch = Batch([Interaction(id="1", time=0.0, service="s", output=JSON)])
    assert answers(batch) is answers(batch)
    assert answers(Batch(batch.events)) is not answers(batch)


def test_models_that_were_asked_for_json_are_read(shared_data: Path) -> None:
    """Of 153 real answers of nine models to prompts that ask for JSON, those the checker passed are all found."""
    prompts = [json.loads(line) for line in (shared_data / "m-ifeval/prompts.jsonl").read_text().splitlines()]
    asked = {
        prompt["key"]: number
        for prompt in prompts
        for number, one in enumerate(prompt["instructions"])
        if one["id"] == "detectable_format:json_format"
    }
    with gzip.open(shared_data / "m-ifeval/responses.jsonl.gz", "rt") as file:
        rows = [row for row in map(json.loads, file) if row["key"] in asked and row["response"]]
    passed = [row for row in rows if row["follow"][asked[row["key"]]]]
    assert len(passed) > 80
    forms = [answer_of(row["response"]).form for row in passed]
    assert set(forms) <= {Form.WHOLE, Form.FENCED, Form.TEXT}
    assert forms.count(Form.TEXT) <= 2  # scalars, which the checker takes for JSON
