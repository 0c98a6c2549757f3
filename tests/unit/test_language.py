"""The language of short requests, and honest ignorance."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from undertow.drift.language import LANGUAGES, language_of


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "How do I reset my password?"),
        ("de", "Wie kann ich mein Passwort zurücksetzen?"),
        ("de", "Die Rechnung ist falsch, bitte korrigieren Sie das"),
        ("fr", "Comment puis-je payer ma facture ?"),
        ("es", "¿Dónde está mi paquete?"),
        ("pt", "Você pode me ajudar com isso?"),
        ("it", "Vorrei annullare il mio ordine"),
        ("nl", "Hoe kan ik mijn wachtwoord wijzigen?"),
        ("sv", "Jag vill avbryta min beställning"),
        ("pl", "Gdzie jest moja paczka?"),
        ("cs", "Kde je můj balík"),
        ("tr", "Bu fatura için bir sorum var"),
        ("fi", "Miten voin maksaa laskun?"),
        ("id", "Bagaimana saya bisa membayar tagihan?"),
        ("vi", "Làm thế nào để tôi thanh toán?"),
        ("ro", "Cum pot să plătesc factura?"),
        ("hu", "Hogyan tudom kifizetni a számlát?"),
        ("ru", "Как мне сбросить пароль?"),
        ("uk", "Як мені змінити пароль?"),
        ("el", "Πώς μπορώ να πληρώσω;"),
        ("ja", "東京から大阪まで予約できますか"),
        ("zh", "如何重置密码?"),
        ("ko", "비밀번호를 잊어버렸어요"),
        ("ar", "كيف يمكنني الدفع؟"),
        ("fa", "چگونه می‌توانم پرداخت کنم؟"),
        ("he", "איך אני משלם?"),
        ("th", "ฉันจะชำระเงินได้อย่างไร"),
        ("hi", "मैं भुगतान कैसे करूँ?"),
    ],
)
def test_a_request_is_told_by_its_script_or_its_commonest_words(language: str, text: str) -> None:
    assert language_of(text) == language
    assert language in LANGUAGES


@pytest.mark.parametrize(
    "text",
    [
        "xyzzy plugh qwrt zork blarf",
        "Habari za asubuhi rafiki yangu mpendwa",
        "f(x) = y",
        "Hvordan kan jeg betale min faktura?",
        "xyzzy plugh the qwrt zork blarf quux",
    ],
)
def test_in_doubt_it_is_unknown(text: str) -> None:
    assert language_of(text) == "unknown"


@pytest.mark.parametrize("text", [None, "", "   ", "42", "12:30 — 14:00 !!!", "👍"])
def test_without_letters_there_is_no_language(text: str | None) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("text", ["\ud800", "\x00" * 1000, "a" * 10**6, "漢" * 10**6, "é" * 1000])
def test_any_text_has_an_answer(text: str) -> None:
    assert language_of(text) in {*LANGUAGES, None}


def test_of_thousands_of_short_english_requests_nearly_all_are_found(shared_data: Path) -> None:
    with gzip.open(shared_data / "clinc150" / "queries.jsonl.gz", "rt") as file:
        found = Counter(language_of(json.loads(line)["text"]) for line in file)
    assert found["en"] / found.total() > 0.97
    assert (found.total() - found["en"] - found["unknown"]) / found.total() < 0.002
