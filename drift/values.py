"""Values that tools take and give, as JSON or as text: read, walked through, hashed; and the words of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import xxhash

__all__ = ["as_text", "bare", "hash_of", "leaves_of", "plain", "searchable", "words_in", "words_of"]

_MAX_JSON = 100_000  # characters of a text that is tried as JSON
_MAX_MEMBERS = 200  # of one object or list; a larger one is compared as it is
_LONGEST_NAME = 200  # characters of a name or key that are read
_SEPARATORS = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def plain(value: object) -> Any:
    """Return the value that a JSON text holds, any other value as it is.

    Examples
    --------
    >>> plain('{"a": 1}'), plain("{not JSON"), plain(7)
    ({'a': 1}, '{not JSON', 7)
    """
    if isinstance(value, str) and value[:1] in ("{", "[") and len(value) <= _MAX_JSON:
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return value
    return value


def leaves_of(value: object) -> Iterator[tuple[str, object]]:
    """Yield the values inside a value with their keys, in an order that the order of keys does not change.

    An object or list of more than 200 members is yielded as it is.

    Examples
    --------
    >>> list(leaves_of({"b": [1, 2], "a": {"c": None}}))
    [('c', None), ('b', 1), ('b', 2)]
    """
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, dict | list | tuple) and len(item) > _MAX_MEMBERS:
            yield key, item
        elif isinstance(item, dict):
            waiting.extend(sorted(((str(name), inner) for name, inner in item.items()), key=_first, reverse=True))
        elif isinstance(item, list | tuple):
            waiting.extend((key, inner) for inner in reversed(item))
        else:
            yield key, item


@lru_cache(maxsize=4096)
def words_in(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, in their order.

    Examples
    --------
    >>> words_in("volumeDelete"), words_in("fs.rm_tree"), words_in("HTTPGet")
    (('volume', 'delete'), ('fs', 'rm', 'tree'), ('http', 'get'))
    """
    return tuple(_SEPARATORS.sub(" ", _CAMEL.sub(" ", name[:_LONGEST_NAME])).lower().split())


@lru_cache(maxsize=4096)
def words_of(name: str) -> frozenset[str]:
    """Return the words of a name as a set."""
    return frozenset(words_in(name))


@lru_cache(maxsize=4096)
def bare(key: str) -> str:
    """Return a key in lower case, without its separators.

    Examples
    --------
    >>> bare("Request-Id"), bare("request_id"), bare("requestId")
    ('requestid', 'requestid', 'requestid')
    """
    return _SEPARATORS.sub("", key[:_LONGEST_NAME]).lower()


def hash_of(*parts: str) -> int:
    """Return 64 bits of the hash of texts: the same in every process.

    Examples
    --------
    >>> hash_of("a") == hash_of("a"), hash_of("a", "b") == hash_of("ab")
    (True, False)
    """
    return xxhash.xxh3_64_intdigest("\x1f".join(parts).encode("utf-8", "replace"))


def as_text(value: object) -> str:
    r"""Return a text as it is, any other value as JSON with sorted keys, and something for what is no JSON.

    Examples
    --------
    >>> as_text({"b": 1, "a": [None]}), as_text(" plain "), as_text("\ud800")
    ('{"a":[null],"b":1}', 'plain', '?')
    """
    if isinstance(value, str):
        return searchable(value.strip())
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # a lone surrogate, a huge number, an odd key
        return searchable(_shape(value))


def searchable(text: str) -> str:
    """Return the text without lone surrogates, which the search engine for hostile input cannot read."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _first(pair: tuple[str, object]) -> str:
    return pair[0]


def _shape(value: object) -> str:
    try:
        return repr(value)
    except (RecursionError, ValueError):  # nested without end, a number of thousands of digits
        return type(value).__name__
