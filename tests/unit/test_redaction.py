import pytest

from undertow.pipelines.redaction import Redactor, user_hash
from undertow.pipelines.settings import SettingsError

REDACTOR = Redactor("redacted")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mail ana.b+x@example.co.uk now", "mail [email] now"),
        ("josé@exämple.de", "[email]"),
        ("call +44 20 7946 0018.", "call [phone]."),
        ("call (555) 123-4567 today", "call [phone] today"),
        ("call 555-123-4567", "call [phone]"),
        ("call 555.123.4567", "call [phone]"),
        ("Tel. 030 1234 5678", "Tel. [phone]"),
        ("card 4111 1111 1111 1111 ok", "card [card] ok"),
        ("card 4111-1111-1111-1111", "card [card]"),
        ("card 378282246310005", "card [card]"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
        ("GB82WEST12345698765432", "[iban]"),
        ("my account number is 12345678.", "my [account]."),
        ("Account #: 00-123-456", "[account]"),
        ("SSN 123-45-6789", "[account]"),
        ("order 1234567890123 shipped", "order [number] shipped"),
        ("use sk-proj-abcDEF1234567890abcd", "use [key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]"),
        ("xoxb-123456789012-abcdefghij", "[key]"),
        ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[key]"),
        ("Authorization: Bearer abcdef0123456789.abc==", "Authorization: [token]"),
        (
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U end",
            "jwt [token] end",
        ),
        ('{"password": "hunter22!"}', '{"[secret]"}'),
        ("api_key=abc123def456", "[secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye", "[key]\nbye"),
        ("a@b.co and c@d.org, 555-123-4567", "[email] and [email], [phone]"),
    ],
)
def test_personal_data_and_secrets_are_masked_and_the_rest_stays(text: str, kept: str) -> None:
    assert REDACTOR.text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to hide.",
        "The answer is 42, or 3.14159.",
        "On 2024-08-06 at 12:30:45 we sold 1,234,567 units.",
        "card 4111 1111 1111 1112 fails the check",
        "GB82 TEST 1234 5698 7654 32 fails the check",
        "version 1.2.3.4, room 101, error 503",
        "the token limit is 4096 and the secret sauce is love",
        "user@localhost",
        "ünïcödé ✓ 漢字",
    ],
)
def test_clean_text_is_returned_unchanged(text: str) -> None:
    assert REDACTOR.text(text) is text or REDACTOR.text(text) == text


def test_redacting_twice_is_redacting_once() -> None:
    once = REDACTOR.text("a@b.co, +44 20 7946 0018, account 12345678, key sk-abcdefghijklmnop123")
    assert REDACTOR.text(once) == once


def test_the_policies_none_and_full_keep_nothing_and_all() -> None:
    text = "mail ana@example.com"
    assert Redactor("none").text(text) is None
    assert Redactor("full").text(text) == text
    assert REDACTOR.text(None) is Redactor("full").text(None) is None


def test_the_users_patterns_are_masked_too() -> None:
    redactor = Redactor("redacted", [r"PRJ-\d+", r"(?i)project \w+"])
    assert redactor.text("see PRJ-77 of Project Falcon, ana@example.com") == "see [redacted] of [redacted], [email]"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        (r"(?=look)ahead", "not a pattern"),
        (r"(a)\1", "not a pattern"),
        ("x*", "matches the empty text"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_at_the_start_by_name(pattern: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Redactor("redacted", [pattern])
    assert f"'{pattern}'" in str(caught.value)
    assert reason in str(caught.value)


def test_texts_that_are_hard_on_a_matcher_pass_in_time() -> None:
    for text in (
        "1" * 100_000,
        "a@" * 50_000,
        "1 " * 50_000,
        "eyJ" * 50_000,
        "\ud800 a",
        "\ud800 a@b.com",
        "DE12 " * 20_000,
    ):
        assert isinstance(REDACTOR.text(text), str)


def test_a_user_is_kept_as_a_keyed_hash_that_names_nobody() -> None:
    hashed = user_hash("ana", b"key")
    assert hashed == user_hash("ana", b"key")
    assert len(hashed) == 32
    assert "ana" not in hashed
    assert hashed != user_hash("ana", b"other key")
    assert hashed != user_hash("bob", b"key")
    assert user_hash("ana", b"k" * 1000) != user_hash("ana", b"k" * 1001)
