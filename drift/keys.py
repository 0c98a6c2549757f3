"""Keys of JSON objects: which are names that a program knows, and which are data.

Keys that are data (ids, dates, addresses, people) would put users' data into names and make every answer its own
category; they all become `*`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["ANY", "LONGEST_KEY", "key_name", "key_names"]

ANY = "*"
LONGEST_KEY = 40  # characters; longer ones are sentences or ids
_MOST_WORDS = 3

# Letters with their marks, digits, `_`, and what names in use contain: "order.id", "@type", "$ref", "Amount (USD)".
_WORD = r"\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff"
_NAME = re.compile(rf"[@$#]?[{_WORD}][{_WORD} .$#()%&'-]*")
_FILE_OR_HOST = re.compile(
    r"\.(?:com|org|net|io|pdf|txt|csv|json|py|js|md|png|jpe?g|html?|docx?|xlsx?)$", re.IGNORECASE
)
_TOKEN = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_HEX = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")

# Two capitalised words are a person, a place or a label ("Lionel Messi", "Invoice Number"): a label has one of these.
_FIELD_NOUNS = """
    account action address age amount answer area author category cause city class code comment company content
    cost count country currency customer date day description discount document due duration email end entity
    error evidence field file first format goal group id impact index info information input intent invoice
    issue item items job key keyword language last level limit line link list location message method mode model
    month name next note notes number option order output owner page party payment percent period person phone
    plan price priority problem product purpose quantity question rate rating reason reference region request
    result risk role score section sender sentiment service severity size skill solution source stage start
    state status step steps street subject sum summary target task tax team term terms text time title tone
    topic total type unit unknown url user value vat vendor version weight year zip
"""
_LABELS = frozenset(_FIELD_NOUNS.split())


def key_name(key: str) -> str:
    """Return the key, or `*` when it looks like data.

    Data are keys without letters, longer than 40 characters or three words, with characters that names do not have
    (e-mail addresses, URLs, punctuation of sentences), file and host names, and those that are mostly digits or hold
    a year, a long number, a hash or a random id. Two or three capitalised words are data unless one of them is a
    field's noun ("Invoice Number"). A single word that is somebody's name cannot be told from a field.

    Examples
    --------
    >>> [key_name(key) for key in ("exec_summary", "Invoice Number", "q1", "sha256")]
    ['exec_summary', 'Invoice Number', 'q1', 'sha256']
    >>> [key_name(key) for key in ("2024-05-01", "D77031", "ann@example.com", "Lionel Messi", "4f9a3c21")]
    ['*', '*', '*', '*', '*']
    """
    return _name(key) if len(key) <= LONGEST_KEY else ANY


def key_names(keys: Sequence[str]) -> list[str]:
    """Return the names of one object's keys; those that differ only in a number share one, such as `item_*`.

    Examples
    --------
    >>> key_names(["item_1", "item_2", "total", "v2"])
    ['item_*', 'item_*', 'total', 'v2']
    """
    names = [key_name(key) for key in keys]
    numbered = [_DIGITS.sub(ANY, name) for name in names]
    shared = Counter(bare for bare, name in set(zip(numbered, names, strict=True)) if bare != name)
    return [bare if shared[bare] > 1 else name for bare, name in zip(numbered, names, strict=True)]


@lru_cache(maxsize=8192)
def _name(key: str) -> str:
    return ANY if not _NAME.fullmatch(key) or _FILE_OR_HOST.search(key) or _is_data(key) else key


def _is_data(key: str) -> bool:
    digits = sum(char.isdigit() for char in key)
    letters = sum(char.isalpha() for char in key)
    if not letters or digits >= 5 or (digits >= 3 and digits > letters):
        return True
    return any(_is_id(token) for token in _TOKEN.findall(key)) or _is_heading(key.split())


def _is_id(token: str) -> bool:
    return bool(_YEAR.fullmatch(token) or _HEX.fullmatch(token)) or len(_DIGITS.findall(token)) >= 3


def _is_heading(words: Sequence[str]) -> bool:
    """Return whether several words are a sentence, or a person's or place's name."""
    if len(words) < 2:
        return False
    if len(words) > _MOST_WORDS:
        return True
    capitalised = all(word[:1].isupper() for word in words)
    return capitalised and not any(word.strip("()&.").lower() in _LABELS for word in words)
