"""The script a text is written in."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["script_of"]

_SAMPLED = 256  # characters, evenly spread, that tell the script

# First code points of blocks; what stands between is told by the nearest one below. "" carries no script.
_BLOCKS: tuple[tuple[int, str], ...] = (
    (0x0000, ""),
    (0x0041, "latin"),
    (0x005B, ""),
    (0x0061, "latin"),
    (0x007B, ""),
    (0x00C0, "latin"),
    (0x0300, ""),
    (0x0370, "greek"),
    (0x0400, "cyrillic"),
    (0x0530, "armenian"),
    (0x0590, "hebrew"),
    (0x0600, "arabic"),
    (0x0700, "other script"),
    (0x0750, "arabic"),
    (0x0780, "other script"),
    (0x08A0, "arabic"),
    (0x0900, "devanagari"),
    (0x0980, "bengali"),
    (0x0A00, "other script"),
    (0x0B80, "tamil"),
    (0x0C00, "other script"),
    (0x0E00, "thai"),
    (0x0E80, "other script"),
    (0x10A0, "georgian"),
    (0x1100, "hangul"),
    (0x1200, "other script"),
    (0x1E00, "latin"),
    (0x1F00, "greek"),
    (0x2000, ""),
    (0x2E80, "han"),
    (0x3000, ""),
    (0x3041, "kana"),
    (0x3100, "han"),
    (0x3130, "hangul"),
    (0x3190, "han"),
    (0xA000, "other script"),
    (0xAC00, "hangul"),
    (0xD7A4, ""),
    (0xF900, "han"),
    (0xFB00, "latin"),
    (0xFB1D, "hebrew"),
    (0xFB50, "arabic"),
    (0xFE00, ""),
    (0xFE70, "arabic"),
    (0xFEFF, ""),
    (0xFF21, "latin"),
    (0xFF5B, ""),
    (0xFF66, "kana"),
    (0xFFA0, ""),
    (0x10000, "other script"),
    (0x1D400, ""),
    (0x20000, "han"),
    (0x32000, ""),
)
_STARTS = np.array([start for start, _ in _BLOCKS], np.uint32)
_SCRIPTS = [script for _, script in _BLOCKS]
_DENSE = frozenset({"han", "kana", "hangul"})  # one character says what two or three letters say
_NUMBER = {script: number for number, script in enumerate(dict.fromkeys(_SCRIPTS))}
_OF_BLOCK = np.array([_NUMBER[script] for script in _SCRIPTS])
_WEIGHT = np.array([0.0 if not script else 2.0 if script in _DENSE else 1.0 for script in _NUMBER])
_BEYOND_LATIN = re.compile(  # letters, not emoji or typography
    "[\u0370-\u1dff\u1f00-\u1fff\u2e80-\ud7ff\uf900-\ufdff\ufe70-\uffee\U00010000-\U0001bfff\U00020000-\U0002ffff]"
)
_KANA_FROM = 0.1  # share of kana among Chinese characters from which a text is Japanese


def script_of(text: str) -> str:
    """Return the script of most of a text, judged by at most 256 characters spread over it.

    Examples
    --------
    >>> [script_of(text) for text in ("Grüße", "日本語です", "你好世界, world", "42 👍")]
    ['latin', 'kana', 'han', 'latin']
    """
    if text.isascii():
        return "latin"
    sample = text[:: len(text) // _SAMPLED + 1]
    if not _BEYOND_LATIN.search(sample):
        return "latin"
    codes = np.frombuffer(sample.encode("utf-32-le", "surrogatepass"), np.uint32)
    blocks = np.searchsorted(_STARTS, codes, side="right") - 1
    counts = np.bincount(_OF_BLOCK[blocks], minlength=len(_NUMBER)) * _WEIGHT
    if counts[_NUMBER["kana"]] > _KANA_FROM * counts[_NUMBER["han"]]:
        counts[_NUMBER["kana"]] += counts[_NUMBER["han"]]
    return list(_NUMBER)[int(counts.argmax())] or "latin"
