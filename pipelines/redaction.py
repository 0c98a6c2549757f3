"""What may be kept of a text: nothing, the text with personal data and secrets masked, or all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import re2

from undertow.pipelines.settings import SettingsError

__all__ = ["LabelPolicy", "Policy", "Redactor", "user_hash"]

Policy = Literal["none", "redacted", "full"]

_LABELS = 65_536  # distinct short values whose masked form is remembered
_USERS = 65_536  # … and users whose hash is: each has several calls, and several places ask


class _Rule(NamedTuple):
    """What one kind of secret looks like; `sure` confirms a match that the pattern alone cannot."""

    mask: str
    pattern: str
    sure: Callable[[str], bool] | None = None


def _luhn(number: str) -> bool:
    digits = [int(character) for character in number if character.isdigit()]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(account: str) -> bool:
    compact = account.replace(" ", "")
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


# In the order in which they are applied: what is surely a secret first, bare digits last.
_RULES = (
    _Rule("[key]", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    _Rule("[token]", r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    _Rule(
        "[key]",
        r"\b(?:sk-[\w-]{16,}|[srp]k_(?:live|test)_\w{10,}|A[KS]IA[A-Z0-9]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}"
        r"|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|AIza[\w-]{30,}|hf_\w{20,}|npm_\w{30,}"
        r"|pypi-[\w-]{30,})",
    ),
    _Rule("[token]", r"(?i)\b(?:bearer|basic)\s+[\w.~+/-]{16,}=*"),
    _Rule(
        "[secret]", r"(?i)\b(?:api[ _-]?key|secret|token|passw(?:or)?d|passwort)[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,}"
    ),
    _Rule("[email]", r"[\pL\pN._%+-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+"),
    _Rule("[iban]", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
    _Rule("[card]", r"\b\d(?:[ -]?\d){12,18}\b", _luhn),
    _Rule(
        "[account]",
        r"(?i)\b(?:account|acct|a/c|routing|konto|kontonummer|compte|cuenta|ssn|social security)\b"
        r"(?:\s*(?:number|no\.?|nr\.?|num\.?|id|is|=|:|#))*\s*\d[\d -]{3,}\d\b|\b\d{3}-\d{2}-\d{4}\b",
    ),
    _Rule(
        "[phone]",
        r"\+\d[\d ().-]{6,}\d\b|\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b"
        r"|\b0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,6}\b",
    ),
    _Rule("[number]", r"\b\d{9,}\b"),
)


class Redactor:
    """Applies the content policy to a text before any sink sees it.

    `redacted` masks e-mail addresses, telephone numbers, card numbers (that pass the Luhn check), IBANs and account
    numbers, digits in a run of nine or more, keys and tokens, and the user's own patterns. RE2 takes linear time,
    whatever the text. One automaton over all rules decides whether a text is clean: about 2 µs for 740 characters.

    It cannot see names, addresses, or secrets that look like words.

    Parameters
    ----------
    policy
        "none", "redacted" or "full".
    patterns
        Further RE2 patterns, masked as "[redacted]".

    Raises
    ------
    SettingsError
        A pattern is not valid RE2.

    Examples
    --------
    >>> Redactor("redacted").text("Write to ana@example.com or +44 20 7946 0018")
    'Write to [email] or [phone]'
    >>> Redactor("none").text("hello") is None
    True
    """

    def __init__(self, policy: Policy, patterns: Sequence[str] = ()) -> None:
        self.policy = policy
        self._rules = (*_RULES, *(_Rule("[redacted]", _checked(pattern)) for pattern in patterns))
        self._compiled = [re2.compile(rule.pattern) for rule in self._rules]
        self._any = _any_of(self._rules)

    def text(self, text: str | None) -> str | None:
        """Return what may be kept of the text; None when that is nothing."""
        if text is None or self.policy == "none":
            return None
        if self.policy == "full":
            return text
        content = text.encode("utf-8", "replace")
        matched = self._any.Match(content)
        if not matched:
            return text
        for index in sorted(matched):  # on bytes: in a text re2 would count the characters before each match
            content = self._compiled[index].sub(_replacement(self._rules[index]), content)
        return content.decode()

    def kept(self, text: str) -> str:
        """Return what may be kept of the text; empty when that is nothing."""
        return self.text(text) or ""


class LabelPolicy:
    """Applies the content policy to attributes and configuration: short values that slices are made of.

    They are masked like texts. Under "none" only the values of configured dimensions are kept, since whatever field a
    log has beyond the known ones is an attribute.

    Examples
    --------
    >>> LabelPolicy("redacted", [], ["region"]).kept({"region": "eu", "contact": "ana@example.com"})
    {'region': 'eu', 'contact': '[email]'}
    >>> LabelPolicy("none", [], ["region"]).kept({"region": "eu", "contact": "ana@example.com", "beta": "true"})
    {'region': 'eu'}
    """

    def __init__(self, policy: Policy, patterns: Sequence[str], dimensions: Sequence[str]) -> None:
        self._policy, self._dimensions = policy, frozenset(dimensions)
        masks = Redactor("full" if policy == "full" else "redacted", patterns)
        self._masked = lru_cache(maxsize=_LABELS)(masks.kept)

    def masked(self, text: str) -> str:
        """Return one value with personal data and secrets masked."""
        return self._masked(text)

    def kept(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return what may be kept of these values, by name."""
        return {
            name: self._masked(text)
            for name, text in texts.items()
            if self._policy != "none" or name in self._dimensions
        }


@lru_cache(maxsize=_USERS)
def user_hash(user: str, key: bytes) -> str:
    """Return the keyed hash under which a user is kept: 32 hexadecimal digits, useless without the key.

    Examples
    --------
    >>> user_hash("ana", b"secret") == user_hash("ana", b"other")
    False
    """
    short = key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(key).digest()
    return hashlib.blake2b(user.encode("utf-8", "replace"), key=short, digest_size=16).hexdigest()


def _replacement(rule: _Rule) -> Callable[[re2._Match], bytes]:
    mask, sure = rule.mask.encode(), rule.sure
    return lambda match: mask if sure is None or sure(match.group().decode()) else match.group()


def _checked(pattern: str) -> str:
    try:
        matches_nothing = re2.compile(pattern).search("") is not None
    except re2.error as error:
        raise SettingsError(
            f"ingest.redact: '{pattern}' is not a pattern that RE2 can run: {_reason(error)}; "
            "RE2 has no look-around and no back-references"
        ) from error
    if matches_nothing:
        raise SettingsError(
            f"ingest.redact: '{pattern}' matches the empty text, so it would match everywhere; narrow it"
        )
    return pattern


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


@cache
def _any_of(rules: tuple[_Rule, ...]) -> re2.Set:
    """Return one automaton over all rules; every partition that a worker takes over asks for the same."""
    options = re2.Options()
    options.log_errors = False
    found = re2.Set.SearchSet(options)
    for rule in rules:
        found.Add(rule.pattern)
    found.Compile()
    return found
