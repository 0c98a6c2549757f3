"""The form of a text as one readable name: script, layout, code fence, preamble, escapes."""

from __future__ import annotations

import re

from undertow.drift.scripts import script_of

__all__ = ["LOOKED_AT", "format_of"]

LOOKED_AT = 10_000  # characters from the beginning; the form shows early

_ALIASES = {
    "python": "python py python3 ipython",
    "javascript": "javascript js jsx node",
    "typescript": "typescript ts tsx",
    "shell": "shell bash sh zsh console powershell terminal",
    "c++": "c++ cpp cc c",
    "json": "json jsonc json5 jsonl",
    "yaml": "yaml yml",
    "markup": "html xml svg",
    "text": "text txt plaintext plain",
    "markdown": "markdown md",
    "latex": "latex tex",
    "csharp": "csharp c# cs",
    "go": "go golang",
    **{name: name for name in ("java", "rust", "ruby", "php", "sql", "css", "diff")},
}
_LANGUAGES = {alias: language for language, aliases in _ALIASES.items() for alias in aliases.split()}
_FENCE = re.compile(r"```[ \t]*([\w+#-]{0,20})")

# One alternative a line; the group that matched tells what the line is.
_LINE = re.compile(
    r"\n(?:(\#{1,6}[ \t]|\*\*[^*\n]{1,80}\*\*:?[ \t]*(?=\n|\Z))"
    r"|[ \t]{0,8}(\|[^\n]{0,400}\|)"
    r"|[ \t]{0,8}([-*+•‣–][ \t]|\d{1,3}[.)][ \t]|[（(]?\d{1,2}[)、）．]))"
)
_HEADING, _ROW, _ITEM = 1, 2, 3  # its groups
_BREAK = re.compile(r"\n[ \t]*\n\s*")
_JSON = re.compile(r'(?:jsonc?\b)?\s*(?:\{\s*(?:"|\}\s*$)|\[\s*[\[{"\]])', re.IGNORECASE)
_JSON_WITHIN = re.compile(r'\{\s{0,99}"[^"\n]{0,200}"\s{0,9}:')
_MARKUP = re.compile(r"\s*<[a-zA-Z!?]")
_ESCAPED = re.compile(  # beyond ASCII, and what is escaped for HTML's sake
    r"\\u(?:00(?:[89a-f][0-9a-f]|3[ce]|2[267])|0[1-9a-f][0-9a-f]{2}|[1-9a-f][0-9a-f]{3})"
    r"|&(?:#\d{2,6}|#x[0-9a-f]{2,6}|amp|quot|lt|gt|nbsp);",
    re.IGNORECASE,
)

_PREAMBLE = re.compile(
    r"[\s\W]{0,8}(?:"
    r"(?:sure|certainly|absolutely|of course|definitely|gladly|no problem|understood|got it|okay|ok|alright|great|"
    r"excellent)(?: thing)?(?:[,.!:]| here\b| i\b)"
    r"|(?:yes, )?(?:here(?:['’]s| is| are| you go)|below (?:is|are|you)|the following is|as (?:you )?request)"
    r"|let['’]s |let me "
    r"|(?:(?:that|this|what)['’]?s? (?:is )?an? )?(?:great|good|excellent|interesting) question"
    r"|(?:i['’]d be|i would be|i am|i['’]m) (?:happy|glad|delighted)|i can (?:certainly )?help|thank(?:s| you) for"
    r"|claro|por supuesto|aqu[íi] (?:tienes|est[áa])"
    r"|bien s[ûu]r|certainement|voici|nat[üu]rlich|gerne|hier (?:ist|sind)"
    r"|certo[,!]|ecco|natuurlijk|конечно|вот |当然|好的|以下是|もちろん|はい、|以下は|물론|다음은|بالطبع|إليك"
    r")",
    re.IGNORECASE,
)


def format_of(text: str) -> str:
    r"""Return the form of a text, its parts joined by commas: script, layout, fence, preamble, escaped.

    The first 10,000 characters are looked at; the script is that of 256 characters spread over what is outside fences.

    - script: latin, han, kana (Japanese), hangul, cyrillic, greek, arabic, hebrew, devanagari … "other script"; texts
      without letters count as latin
    - layout, the first that holds: json, markup, table, headings, list, code (nothing but a fence), and for prose its
      paragraphs: "1 paragraph", "2 paragraphs", "3+ paragraphs"
    - fence: of the first code fence, with its language if it is a usual one: `fence`, `fence:python`, `fence:other`
    - preamble: it begins with words before the answer ("Sure, here is"), or sentences stand before JSON
    - escaped: `\u00e9` or `&quot;` stand where a character should, or `\n` in a text of one line

    Examples
    --------
    >>> format_of("Sure! Here are two:\n- one\n- two")
    'latin,list,preamble'
    >>> format_of("```python\nx = 1\n```"), format_of("Привет, мир")
    ('latin,code,fence:python', 'cyrillic,1 paragraph')
    """
    head = text[:LOOKED_AT].strip() or text.lstrip()[:LOOKED_AT]
    prose = "\n".join(head.split("```")[::2]).strip() if "```" in head else head
    layout = _layout(head, prose)
    preamble = _PREAMBLE.match(head) or (layout == "json" and head[:1] not in "{[`")
    marks = ("preamble" if preamble else "", "escaped" if _is_escaped(head, layout) else "")
    return ",".join(filter(None, (script_of(prose or head), layout, _fence(head), *marks)))


def _layout(head: str, prose: str) -> str:
    if _JSON.match(head) or ("{" in head and _has_json(head, prose)):
        return "json"
    if _MARKUP.match(head) and ("</" in head or "/>" in head):
        return "markup"
    if not prose:
        return "code"
    return _arrangement(prose) if "\n" in prose else "1 paragraph"


def _has_json(head: str, prose: str) -> bool:
    """Return whether a fence holds JSON, or it stands between sentences."""
    return any(_JSON.match(block) for block in head.split("```")[1::2]) or bool(_JSON_WITHIN.search(prose))


def _arrangement(prose: str) -> str:
    lines = [line.lastindex for line in _LINE.finditer("\n" + prose)]
    if lines.count(_ROW) >= 2:
        return "table"
    if _HEADING in lines:
        return "headings"
    if lines.count(_ITEM) >= 2:
        return "list"
    breaks = len(_BREAK.findall(prose))
    return ("1 paragraph", "2 paragraphs", "3+ paragraphs")[min(breaks, 2)]


def _fence(head: str) -> str:
    if "```" not in head:
        return ""
    opened = _FENCE.search(head)
    language = opened[1].lower() if opened else ""
    return f"fence:{_LANGUAGES.get(language, 'other')}" if language else "fence"


def _is_escaped(head: str, layout: str) -> bool:
    if layout == "markup" or ("\\" not in head and "&" not in head):
        return False
    broken_lines = "\\n" in head and "\n" not in head and layout != "json"
    return broken_lines or bool(_ESCAPED.search(head))
