"""Real exchanges from before and after the change, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.model import Example
from undertow.dashboards.units import stamp

__all__ = ["examples_section"]

LONGEST = 1200  # characters of a text that are shown


def examples_section(examples: Sequence[Example]) -> Markup:
    """Return the examples in pairs, grouped by where they come from."""
    if not examples:
        return Markup("")
    places = list(dict.fromkeys(example.where for example in examples))
    groups = [_group(where, [example for example in examples if example.where == where]) for where in places]
    return tag("section", tag("h2", "Before and after"), *groups, class_="examples")


def _group(where: str, examples: list[Example]) -> Markup:
    before = [example for example in examples if example.when == "before"]
    after = [example for example in examples if example.when != "before"]
    cells = [
        _cell(example, side) for pair in zip_longest(before, after) for example, side in zip(pair, SIDES, strict=True)
    ]
    return tag("div", tag("h3", where, dir="auto"), tag("div", *cells, class_="pair"))


SIDES = ("before", "after")


def _cell(example: Example | None, side: str) -> Markup:
    if example is None:
        return tag("div", class_=f"exchange {side} none")
    why = [tag("p", example.why, class_="why", dir="auto")] if example.why else []
    return tag(
        "div",
        tag("p", tag("b", side), tag("time", f"{stamp(example.time)} UTC"), class_="side"),
        tag("blockquote", _cut(example.input), class_="said user", dir="auto"),
        tag("blockquote", _cut(example.output), class_="said model", dir="auto"),
        *why,
        class_=f"exchange {side}",
    )


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
