"""One self-contained HTML document: it holds everything it needs and asks the network for nothing.

A content security policy allows exactly its own style sheet and script, named by their hashes, so that not even a flaw
in escaping could run a text of the traffic.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from undertow.dashboards.markup import Markup, tag

__all__ = ["document"]


def document(title: str, sections: Sequence[Markup]) -> str:
    """Return the sections as a document with the style sheet and the script of the report.

    Examples
    --------
    >>> document("Plan", [tag("h1", "Plan")]).startswith("<!doctype html>")
    True
    """
    body = tag(
        "body",
        tag("main", *sections),
        tag("div", id="hover", hidden=True),
        tag("script", Markup(_asset("report.js"))),
    )
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='en')}\n"


@cache
def _asset(name: str) -> str:
    return (files("undertow.dashboards") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _head(title: str) -> Markup:
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Undertow"),
        tag("style", Markup(style)),
    )
