import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.drift.interaction import Interaction, Message, ToolCall, text_of
from undertow.drift.refusal_model import Answer
from undertow.drift.refusals import refusals
from undertow.drift.signal import Batch
from undertow.drift.signals.partial_refusal import PartialRefusal
from undertow.drift.signals.refusal import Refusal
from undertow.pipelines.simulator import Scenario, labelled


def measured(signal: Refusal | PartialRefusal, output: Any = None, **fields: Any) -> float | None:
    (value,) = signal.measure(Batch([Interaction(id="1", time=0.0, service="s", output=output, **fields)]))
    return None if np.isnan(value) else float(value)


def refuses(output: Any = None, **fields: Any) -> float | None:
    return measured(Refusal(), output, **fields)


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
        "I don't feel comfortable roleplaying as a real person.",
        "That's not something I'm able to help with.",
        "As an AI language model, I cannot provide advice on how to break the law.",
        "It is not appropriate to make fun of people, and it goes against our content policy.",
        "I don't have access to your teacher's records. It's important to respect their privacy.",
        "I aim to be helpful, but I don't create content that sexualizes minors.",
        "I'm going to pass on this one. If you're in crisis, please call a hotline.",
        "We are unable to refund tickets bought at a discount. Is there anything else I can help you with?",
        '{"error": "I\'m sorry, but I cannot help with this request."}',
    ],
)
def test_a_plain_refusal_is_seen_in_any_spelling_and_style(answer: str) -> None:
    assert refuses(answer) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Lo siento, pero no puedo ayudarte con eso.",
        "Desculpe, mas não posso ajudar com isso.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Mi dispiace, ma non posso aiutarti con questo.",
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Sorry, daar kan ik je niet bij helpen.",
        "Przykro mi, ale nie mogę w tym pomóc.",
        "К сожалению, я не могу помочь с этим.",
        "Üzgünüm, bu konuda yardımcı olamam.",
        "抱歉，我无法提供这方面的帮助。",
        "申し訳ありませんが、お手伝いできません。",
        "죄송하지만 도와드릴 수 없습니다.",
    ],
)
def test_the_plain_form_is_seen_in_twelve_other_languages(answer: str) -> None:
    assert refuses(answer) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Claro, aquí tienes la receta que pediste.",
        "Natürlich. Die Rechnung liegt im Anhang.",
        "Je vous envoie le résumé demain matin.",
        "好的，您的订单已经发货。",
        "はい、会議は三時に始まります。",
        "Конечно, встреча начнётся в три часа.",
        "No puedo encontrar el pedido 1234. ¿Me das otra vez el número?",
        "Ich kann die Datei leider nicht finden. Wie heißt sie?",
    ],
)
def test_an_answer_in_another_language_is_no_refusal(answer: str) -> None:
    assert refuses(answer) == 0


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! Here are three ways to reset your password:\n1. Open settings.",
        "As an AI language model, I recommend the second option. It is cheaper and lasts longer.",
        "As an AI language model, I don't have personal opinions. However, the museum is widely praised.",
        "I'm sorry to hear that your parcel is late. It will arrive on Monday.",
        "You cannot cancel after 30 days, but support can refund you.",
        "I can't find order 1234. Could you check the number?",
        "I could not find that in the documents.",
        "The provided context does not mention the warranty period.",
        "Subject: Your offer\n\nDear Ms. Lee,\n\nthank you, but unfortunately we cannot accept it this year.",
        "The function cannot return None, so the check is redundant.",
        "To kill a Python process, use `kill` with its id.",
        "```python\nraise PermissionError('you are not allowed to read this')\n```",
        '{"summary": "Customer cannot sign in and asks for help.", "sentiment": "negative"}',
        "Yes.",
        "42",
        "",
        "   ",
    ],
)
def test_an_answer_is_not_a_refusal_for_its_apology_preamble_or_negation(answer: str) -> None:
    assert refuses(answer) == 0


@pytest.mark.parametrize(
    "answer",
    [
        "Tyvärr kan jag inte hjälpa dig med det.",
        "عذراً، لا يمكنني المساعدة في ذلك.",
        "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
        "Xin lỗi, tôi không thể giúp bạn việc đó.",
    ],
)
def test_in_a_language_it_never_learned_a_text_is_an_answer_but_a_verdict_still_counts(answer: str) -> None:
    assert refuses(answer) == 0
    assert refuses(answer, finish_reason="refusal") == 1


def test_a_part_that_is_withheld_counts_as_refused_and_as_partly_refused() -> None:
    tips = "\n\n1. Keep every letter.\n2. Write down the dates.\n3. Ask the tenants' union for a first opinion."
    answer = "I can't give legal advice on your case. However, here are some general tips:" + tips
    assert refuses(answer) == 1
    assert measured(PartialRefusal(), answer) == 1
    assert measured(PartialRefusal(), "I'm sorry, but I can't help with that.") == 0
    assert measured(PartialRefusal(), "Here are some general tips:" + tips) == 0


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
    assert measured(PartialRefusal(), **fields) == (None if refused is None else 0)


def test_both_signals_share_one_judgement_of_a_batch() -> None:
    batch = Batch([Interaction(id="1", time=0.0, service="s", output="I can't help with that.")])
    assert refusals(batch) is refusals(batch)
    assert refusals(batch) == [Answer.REFUSAL]
    assert refusals(Batch(batch.events)) is not refusals(batch)


def test_the_refusals_of_the_simulator_are_found_though_the_model_never_read_them() -> None:
    said: dict[bool, list[str]] = {True: [], False: []}
    for event, outcome in labelled(Scenario(seed=5, duration_s=3600, rate_per_s=5)):
        if text := text_of(event.output):
            said[outcome.name == "REFUSED"].append(text)
    assert len(said[True]) > 100
    assert judged(said[True]).mean() >= 0.95
    assert judged(said[False]).mean() < 0.002


def judged(answers: Iterable[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    values = Refusal().measure(Batch([Interaction(id="1", time=0.0, service="s", output=text) for text in answers]))
    return np.equal(values, 1.0)


def scores(found: Any, true: Any) -> tuple[float, float]:
    """Return accuracy and F1."""
    return float(np.mean(found == true)), float(2 * np.sum(found & true) / (np.sum(found) + np.sum(true)))


def test_the_shipped_model_has_learned_what_it_was_given(shared_data: Path) -> None:
    """Not its quality (the benchmark leaves each source out in turn), but that it is whole and belongs to this code."""
    answers = rows(shared_data / "xstest/completions.jsonl.gz")
    true = np.array([row["final_label"] != "1_full_compliance" for row in answers])
    accuracy, f1 = scores(judged(row["completion"] for row in answers), true)
    assert accuracy > 0.95
    assert f1 > 0.95


def test_chatgpt_refusals_are_told_from_compliance_and_disclaimers(shared_data: Path) -> None:
    answers = [
        row
        for row in rows(shared_data / "chatgpt-refusals/labelled.jsonl.gz")
        if row["tone"] in {"rejected", "complied", "disclaimed"}
    ]
    true = np.array([row["tone"] == "rejected" for row in answers])
    accuracy, f1 = scores(judged(row["response"] for row in answers), true)
    assert accuracy > 0.97
    assert f1 > 0.95


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


def rows(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]
