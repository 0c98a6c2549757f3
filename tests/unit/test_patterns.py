"""Patterns that users write: what is refused, what is found, and that none of them hangs."""

import random

import pytest

from undertow.drift.patterns import LONGEST_TEXT, Pattern


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("(", "RE2 can run"),
        ("(?=a)b", "RE2 can run"),
        (r"(a)\1", "RE2 can run"),
        ("", "matches the empty text"),
        ("a*", "matches the empty text"),
        (r"(?i)(?:\pL{2,20}\s+){20}", "RE2 can run|instructions"),
        (r"(?i)\pL{2,20}\s+\pL+", "25,165 instructions"),
        ("\ud800", "RE2 can run"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Pattern(expression)


def test_a_match_is_found_in_any_script_and_beside_broken_characters() -> None:
    assert Pattern("(?i)ÜBER").found("darüber")
    assert Pattern("漢.").found("\ud800 漢字")
    assert not Pattern("x").found("\ud800")
    assert not Pattern("x").found("")


def test_a_text_too_long_to_be_read_whole_says_nothing_unless_it_matches_before() -> None:
    pattern = Pattern("needle")
    assert pattern.longest == LONGEST_TEXT
    assert pattern.found("needle" + "x" * LONGEST_TEXT) is True
    assert pattern.found("x" * LONGEST_TEXT + "needle") is None
    assert pattern.found("x" * LONGEST_TEXT) is False


def test_a_large_program_reads_less_of_a_text() -> None:
    assert Pattern(r"[a-q][^u-z]{400}x").longest < 10_000


@pytest.mark.parametrize(
    "expression",
    ["(a?){1000}a{1000}", "(x+x+)+y", "(?:(?:a|b)*a(?:a|b){900})x", "(?:a.{0,300}b|b.{0,300}a)c", "(a|aa|aaa)+$b"],
)
def test_no_pattern_hangs_on_any_text(expression: str) -> None:
    """The texts are ten times as long as what is read of them; without the bounds these take minutes."""
    pattern, rng = Pattern(expression), random.Random(1)
    for alphabet in ("a", "ab", "abx"):
        text = "".join(rng.choices(alphabet, k=10 * min(pattern.longest, 50_000)))
        assert pattern.found(text) in {True, False, None}


def test_an_excerpt_shows_the_first_match_with_a_little_around_it() -> None:
    pattern = Pattern("(?i)sorry.*")
    assert pattern.excerpt("all good") is None
    excerpt = pattern.excerpt("a" * 500 + " I am so sorry " + "b" * 500)
    assert excerpt is not None
    assert "I am so sorry" in excerpt
    assert len(excerpt) <= 200
