import pytest

from undertow.drift.keys import ANY, key_name, key_names


@pytest.mark.parametrize(
    "key",
    [
        "summary",
        "exec_summary",
        "currentState",
        "order.id",
        "@type",
        "$ref",
        "_id",
        "q1",
        "v2",
        "p95",
        "sha256",
        "md5",
        "utf-8",
        "Total",
        "Invoice Number",
        "Amount (USD)",
        "order id",
        "Ответ",
        "概要",
        "résumé",
        "step_12",
    ],
)
def test_names_that_programs_know_are_kept(key: str) -> None:
    assert key_name(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1",
        "2024-05-01",
        "05/2024",
        "revenue_2024",
        "D77031",
        "user_48151",
        "customer_48151",
        "AB-123",
        "ann@example.com",
        "+49 30 123",
        "550e8400-e29b-41d4-a716-446655440000",
        "4f9a3c21",
        "x7Kd9fQ2",
        "https://example.com/a",
        "report.pdf",
        "Lionel Messi",
        "What is your name?",
        "a whole sentence that somebody wrote",
        "a" * 41,
        "{a}",
        "a:b",
        "a,b",
        "a|b",
        "\ud800",
        "a\nb",
        "…",
        "#0123abcd",
    ],
)
def test_keys_that_are_data_never_stand_in_a_name(key: str) -> None:
    assert key_name(key) == ANY


def test_keys_that_differ_in_a_number_only_are_one() -> None:
    assert key_names(["question_1", "question_2", "question_10", "v2"]) == [*["question_*"] * 3, "v2"]
