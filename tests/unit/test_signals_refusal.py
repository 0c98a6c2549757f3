import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction, Message, ToolCall
from undertow.drift.signal import Batch
from undertow.drift.signals.refusal import Refusal

REFUSAL = Refusal()


def refuses(output: Any = None, **fields: Any) -> float | None:
    (value,) = REFUSAL.measure(Batch([Interaction(id="1", time=0.0, service="s", output=output, **fields)]))
    return None if np.isnan(value) else float(value)


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, but I can’t assist with that request.",
        "Sorry, I cannot help with this.",
        "I AM SORRY, BUT I CANNOT HELP YOU WITH THAT.",
        "I apologize, but I am unable to provide that information.",
        "Unfortunately, I'm not able to share customer data.",
        "I won't be able to generate that list for you.",
        "I must decline to answer this.",
        "I'm not comfortable writing that.",
        "As an AI language model, I cannot provide advice on how to break the law.",
        "It is not appropriate to make fun of people, and it goes against our content policy.",
        "I don't have access to your teacher's records. It's important to respect their privacy.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Desculpe, mas não posso ajudar com isso.",
        "抱歉，我无法提供这方面的帮助。",
        "申し訳ありませんが、お手伝いできません。",
        "죄송하지만 도와드릴 수 없습니다.",
        "К сожалению, я не могу помочь с этим.",
    ],
)
def test_a_plain_refusal_is_seen_in_any_spelling_and_several_languages(answer: str) -> None:
    assert refuses(answer) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! Here are three ways to reset your password:\n1. Open settings.",
        "As an AI language model, I recommend the second option. It is cheaper and lasts longer.",
        "As an AI language model, I don't have personal opinions. However, the museum is widely praised.",
        "I'm sorry to hear that your parcel is late. It will arrive on Monday.",
        "You cannot cancel after 30 days, but support can refund you.",
        "I can't find order 1234. Could you check the number?",
        "The function cannot return None, so the check is redundant.",
        "To kill a Python process, use `kill` with its id.",
        "Yes.",
        "42",
        "",
        "   ",
    ],
)
def test_an_answer_is_not_a_refusal_for_its_apology_preamble_or_negation(answer: str) -> None:
    assert refuses(answer) == 0


def test_a_refusal_after_the_head_and_before_the_tail_is_not_seen() -> None:
    """The limit that the docstring states: only the beginning and the end are read."""
    assert refuses("word " * 200 + "I can't help with that. " + "word " * 200) == 0


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"refused": True, "output": "Sure."}, 1),
        ({"refused": False, "output": "I can't help with that."}, 0),
        ({"refused": False, "finish_reason": "refusal"}, 0),
        ({"finish_reason": "refusal", "output": ""}, 1),
        ({"finish_reason": "content_filter", "output": "Sure, here"}, 1),
        ({"finish_reason": "SAFETY"}, 1),
        ({"output": [Message("assistant", [{"type": "refusal", "refusal": "No."}])]}, 1),
        ({"output": [Message("assistant", "I can't help with that.")]}, 1),
        ({"output": "I can't help with that.", "tool_calls": [ToolCall("escalate")]}, 0),
        ({"tool_calls": [ToolCall("escalate")]}, 0),
        ({"output": "I can't help with that.", "http_status": 500}, None),
        ({"error": "timeout"}, None),
        ({}, None),
    ],
)
def test_the_callers_verdict_wins_then_the_providers_then_the_text(
    fields: dict[str, Any], refused: float | None
) -> None:
    assert refuses(**fields) == refused


def test_texts_that_are_hard_on_a_matcher_are_judged_all_the_same() -> None:
    for text in ("\ud800 I can't help with that.", "\x00" * 1000, "i " * 100_000, "not very " * 50_000, "'" * 10_000):
        assert refuses(text) in {0.0, 1.0}


def rows(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def judged(answers: Iterable[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    values = REFUSAL.measure(Batch([Interaction(id="1", time=0.0, service="s", output=text) for text in answers]))
    return np.equal(values, 1.0)


def scores(found: Any, true: Any) -> tuple[float, float]:
    """Return accuracy and F1."""
    return float(np.mean(found == true)), float(2 * np.sum(found & true) / (np.sum(found) + np.sum(true)))


def test_xstest_is_judged_better_than_by_its_authors_string_match_and_by_gpt4(shared_data: Path) -> None:
    answers = rows(shared_data / "xstest/completions.jsonl.gz")
    true = np.array([row["final_label"] != "1_full_compliance" for row in answers])
    accuracy, f1 = scores(judged(row["completion"] for row in answers), true)
    assert accuracy > 0.884
    assert f1 > 0.879


def test_chatgpt_refusals_are_told_from_compliance_and_disclaimers(shared_data: Path) -> None:
    answers = [
        row
        for row in rows(shared_data / "chatgpt-refusals/labelled.jsonl.gz")
        if row["tone"] in {"rejected", "complied", "disclaimed"}
    ]
    true = np.array([row["tone"] == "rejected" for row in answers])
    accuracy, f1 = scores(judged(row["response"] for row in answers), true)
    assert accuracy > 0.96
    assert f1 > 0.94


def test_the_change_of_the_refusal_rate_between_two_versions_is_the_labelled_one(shared_data: Path) -> None:
    answers = rows(shared_data / "llmdrift/sensitiveq.jsonl")
    found, true = {}, {}
    for model in ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"):
        chosen = [row for row in answers if row["model"] == model]
        found[model] = judged(row["answer"] for row in chosen).mean()
        true[model] = np.mean([row["answered"] == 0 for row in chosen])
        assert abs(found[model] - true[model]) <= 0.02
    before, after = found.values()
    assert before - after == pytest.approx(0.06, abs=0.02)


def test_ordinary_traffic_is_not_taken_for_refusals(shared_data: Path) -> None:
    files = [shared_data / f"llmdrift/{name}.jsonl.gz" for name in ("prime", "happy_number")]
    answers = [row["answer"] for path in files for row in rows(path)]
    answers += [row["response"] for row in rows(shared_data / "llm-drift-daily/calls.jsonl.gz")]
    assert judged(answers).mean() < 0.002
