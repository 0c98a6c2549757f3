"""Request bodies within a size limit: the largest part goes first, and the body says so."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["cut", "fitted"]

DROPPED = "dropped"


def cut(text: str, limit: int) -> str:
    """Return the text, cut to `limit` characters with an ellipsis.

    Examples
    --------
    >>> cut("behaviour", 9), cut("behaviours", 9)
    ('behaviour', 'behaviou…')
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def fitted(body: dict[str, Any], parts: dict[str, Any], limit: int) -> bytes:
    """Encode `body` as JSON of at most `limit` bytes, dropping parts of it, the largest first, as far as that takes.

    `parts` is a dict inside `body`; the names and sizes of what was dropped are left in its place under "dropped".

    Examples
    --------
    >>> details = {"long": "x" * 100, "short": "y"}
    >>> fitted({"details": details}, details, 70)
    b'{"details":{"short":"y","dropped":["long (102 bytes)"]}}'
    """
    encode = msgspec.json.Encoder().encode
    encoded = encode(body)
    while len(encoded) > limit and parts.keys() - {DROPPED}:
        sizes = {name: len(encode(part)) for name, part in parts.items() if name != DROPPED}
        largest = max(sizes, key=lambda name: sizes[name])
        del parts[largest]
        parts.setdefault(DROPPED, []).append(f"{largest} ({sizes[largest]:,} bytes)")
        encoded = encode(body)
    return encoded
