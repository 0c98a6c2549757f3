from typing import Any

import pytest

from undertow.drift.formatting import LOOKED_AT, format_of
from undertow.drift.interaction import Interaction
from undertow.drift.scripts import script_of
from undertow.drift.signal import Batch
from undertow.drift.signals.output_format import OutputFormat

CODE = "for i in range(3):\n    print(i)\n"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Your order is late.", "latin,1 paragraph"),
        ("One.\n\nTwo.", "latin,2 paragraphs"),
        ("One.\n\nTwo.\n \nThree.\n\nFour.", "latin,3+ paragraphs"),
        ("One line\nand the next of the same paragraph.", "latin,1 paragraph"),
        ("Do this:\n1. Open it.\n2. Close it.", "latin,list"),
        ("* one\n* two", "latin,list"),
        ("A dash - is no list\n- nor is one item.", "latin,1 paragraph"),
        ("# Title\nText", "latin,headings"),
        ("**Causes:**\nRain.\n**Effects**\nWet.", "latin,headings"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "latin,table"),
        ("<p>Tom &amp; Jerry</p>", "latin,markup"),
        ('{"a": 1}', "latin,json"),
        ('```json\n{"a": 1}\n```', "latin,json,fence:json"),
        ('```\n{"a": 1}\n```', "latin,json,fence"),
        ('The answer: {"a": 1}', "latin,json,preamble"),
        (f"```python\n{CODE}```", "latin,code,fence:python"),
        (f"```py\n{CODE}```", "latin,code,fence:python"),
        (f"```klingon\n{CODE}```", "latin,code,fence:other"),
        (f"Loop:\n```\n{CODE}```", "latin,1 paragraph,fence"),
        ("Loop:\n```sh\n# not a heading\n- not an item\n- nor this\n```", "latin,1 paragraph,fence:shell"),
        ("[1] Smith 1999.", "latin,1 paragraph"),
    ],
)
def test_the_layout_is_told(text: str, form: str) -> None:
    assert format_of(text) == form


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is the summary: it rained.",
        "Sure! It rained.",
        "Certainly. It rained.",
        "**Of course!** It rained.",
        "Here's what I found. It rained.",
        "Great question! It rained.",
        "That's a great question. It rained.",
        "I'd be happy to help. It rained.",
        "Thank you for asking. It rained.",
        "Voici le résumé : il a plu.",
        "好的，下雨了。",
    ],
)
def test_words_before_the_answer_are_a_preamble(text: str) -> None:
    assert "preamble" in format_of(text).split(",")


@pytest.mark.parametrize(
    "text",
    [
        "It rained.",
        "Surely it rained.",
        "Greater Boston was wet.",
        "Okinawa was wet.",
        "Great food.",
        "Excellent results: 7.",
    ],
)
def test_an_answer_that_comes_to_the_point_has_none(text: str) -> None:
    assert "preamble" not in format_of(text).split(",")


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ('{"name": "José"}', '{"name": "Jos\\u00e9"}'),
        ('{"name": "你好"}', '{"name": "\\u4f60\\u597d"}'),
        ('{"html": "<b>"}', '{"html": "\\u003cb\\u003e"}'),
        ("Tom & Jerry's", "Tom &amp; Jerry&#39;s"),
        ("One.\nTwo.", "One.\\nTwo."),
    ],
)
def test_escapes_where_characters_stood_show(plain: str, escaped: str) -> None:
    """An extractor that begins to escape what it left alone changes its category."""
    assert "escaped" not in format_of(plain).split(",")
    assert "escaped" in format_of(escaped).split(",")


def test_escapes_that_json_needs_are_none() -> None:
    assert format_of('{"text": "one\\ntwo \\"quoted\\" \\u0007"}') == "latin,json"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Grüße aus Köln – “schön”", "latin"),
        ("Привет, мир", "cyrillic"),
        ("你好，世界", "han"),
        ("你好世界, world", "han"),
        ("日本国憲法の前文", "kana"),
        ("これは日本語の文章です", "kana"),
        ("안녕하세요", "hangul"),
        ("Γειά σου", "greek"),
        ("مرحبا بالعالم", "arabic"),
        ("שלום", "hebrew"),
        ("नमस्ते", "devanagari"),
        ("สวัสดี", "thai"),
        ("ሰላም", "other script"),
        ("42 👍 – 7 €", "latin"),
        ("The word 水 means water in Chinese and in Japanese.", "latin"),
        ("请运行 pip install 然后重启服务，谢谢你的耐心", "han"),
        ("\ud800\udfff", "latin"),
        ("", "latin"),
    ],
)
def test_the_script_of_most_of_the_text(text: str, script: str) -> None:
    assert script_of(text) == script


def test_code_does_not_hide_the_script_of_the_sentences() -> None:
    assert format_of(f"运行这个：\n```python\n{CODE * 20}```").startswith("han,")


@pytest.mark.parametrize(
    "text", ["`" * 50_000, "\n" * 50_000 + "x", "\n|" * 50_000, "{" * 50_000, "\\u" * 50_000, "<" * 50_000]
)
def test_a_hostile_text_has_a_form_too(text: str) -> None:
    assert format_of(text).startswith("latin")


def test_what_stands_beyond_the_limit_does_not_count() -> None:
    assert format_of("a" * LOOKED_AT + "\n- b\n- c") == "latin,1 paragraph"
    assert format_of("\n" * LOOKED_AT + "- b\n- c") == "latin,list"


@pytest.mark.parametrize("fields", [{}, {"output": ""}, {"output": " \n"}, {"output": "Hi", "http_status": 500}])
def test_calls_without_an_answer_say_nothing(fields: dict[str, Any]) -> None:
    assert OutputFormat().classify(Batch([Interaction(id="1", time=0.0, service="s", **fields)])) == [None]
