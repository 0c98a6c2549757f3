"""What Slack's documentation says of a message to an incoming webhook: each rule beside its check.

The service itself cannot be reached from a test. The rules are those of its pages on incoming webhooks and on the
blocks of messages.
"""

from __future__ import annotations

from typing import Any

__all__ = ["problems"]


def problems(message: dict[str, Any]) -> list[str]:
    """Return what the documentation objects to in a message."""
    # "text … used as a fallback string to display in notifications"; "limit the text field to 4,000 characters"
    found = [] if 0 < len(message.get("text", "")) <= 4000 else ["'text' is missing or too long"]
    blocks = message.get("blocks", [])
    # "You can include up to 50 blocks in each message"
    found += [] if len(blocks) <= 50 else ["more than 50 blocks"]
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    # "Maximum length for this field is 255 characters. block_id should be unique for each message"
    found += [] if len(ids) == len(set(ids)) and all(len(key) <= 255 for key in ids) else ["a block_id is wrong"]
    return found + [problem for block in blocks for problem in _BLOCKS[block["type"]](block)]


def _header(block: dict[str, Any]) -> list[str]:
    # "The text for the block, in the form of a plain_text text object. Maximum length … is 150 characters"
    text = block["text"]
    return [] if text["type"] == "plain_text" and 0 < len(text["text"]) <= 150 else ["a header is wrong"]


def _section(block: dict[str, Any]) -> list[str]:
    # "Minimum length for the text in this field is 1 and maximum length is 3000 characters"
    return [] if 0 < len(block["text"]["text"]) <= 3000 else ["a section is empty or too long"]


def _context(block: dict[str, Any]) -> list[str]:
    # "Maximum number of items is 10"; text objects hold 3000 characters
    elements = block["elements"]
    fits = 0 < len(elements) <= 10 and all(0 < len(element["text"]) <= 3000 for element in elements)
    return [] if fits else ["a context is wrong"]


_BLOCKS = {"header": _header, "section": _section, "context": _context}
