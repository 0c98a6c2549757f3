"""HTML and SVG that no text can break: plain text is escaped, only `Markup` is taken as it is."""

from __future__ import annotations

import html
import re

__all__ = ["Markup", "join", "tag", "visible"]

# Controls (but tab and newline), C1 controls, direction overrides and lone surrogates: they move a terminal's cursor,
# reorder what a reader sees, or cannot be encoded.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_VOID = frozenset({"meta", "br", "input", "line", "rect", "circle", "path"})


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""Return the text with every control character made visible and line ends as newlines.

    Examples
    --------
    >>> visible("red \x1b[31m alert\r\n")
    'red ␛[31m alert\n'
    """
    return _UNSEEN.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else "�"


def join(parts: list[Markup], between: str = "") -> Markup:
    """Return the parts as one piece of markup."""
    return Markup(between.join(parts))


def tag(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """Return an element; children and attribute values are escaped unless they are `Markup`.

    A trailing underscore in an attribute's name is dropped, other underscores become hyphens; None and False leave
    the attribute out, True gives it no value.

    Examples
    --------
    >>> tag("p", "a < b", tag("br"), class_="note")
    '<p class="note">a &lt; b<br></p>'
    """
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}"
    if name in _VOID and not children:
        # SVG needs the slash, HTML allows no other form for <br>, <input> and <meta>.
        return Markup(opening + (">" if name in {"meta", "br", "input"} else "/>"))
    inner = "".join(child if isinstance(child, Markup) else _escape(child) for child in children)
    return Markup(f"{opening}>{inner}</{name}>")


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{_escape(f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value))}"'


def _escape(text: str) -> str:
    return html.escape(visible(text), quote=True)
