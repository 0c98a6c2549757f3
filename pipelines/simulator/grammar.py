"""Banks of sentences, expanded once from templates, and texts of a wanted length walked out of them.

Most slots stay in the sentences until `fill`: a conversation is about one order, one item, one city throughout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from undertow.pipelines.simulator.phrases import INTENTS, NEW_TOPIC, SHARED, SLOTS, Intent

__all__ = ["Bank", "Topic", "answers", "asks", "compose", "expand", "fill", "shared", "topic"]

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)|\{(\w+)\}")
_BANK = 480  # sentences a bank: enough that texts seldom repeat, few enough to expand in milliseconds
_LONG_ENOUGH = 40  # characters: a text this near to its target is not lengthened further


_TOPICAL = ("order", "item", "city", "plan", "device", "carrier", "month", "amount")

Topic = tuple[tuple[str, str], ...]  # (slot in braces, its value) for one conversation


def expand(template: str, rng: Random) -> str:
    """Return the template with each (a|b) decided and each {slot} filled that may differ within a conversation.

    Examples
    --------
    >>> expand("(Where is|Any news about) order {order}?", Random(3))
    'Where is order {order}?'
    """

    def decide(match: re.Match[str]) -> str:
        if match[2] in _TOPICAL:
            return str(match[0])
        options: Sequence[str] = match[1].split("|") if match[1] else SLOTS[match[2]]
        return rng.choice(options)

    previous = ""
    while template != previous:  # a choice may hold slots
        previous, template = template, _CHOICE.sub(decide, template)
    return template


def topic(word: int) -> Topic:
    """Return what the conversation with that random whole number is about."""
    pairs = []
    for name in _TOPICAL:
        word, choice = divmod(word, len(SLOTS[name]))
        pairs.append((f"{{{name}}}", SLOTS[name][choice]))
    return tuple(pairs)


def fill(text: str, about: Topic) -> str:
    """Return the text with its open slots filled.

    Examples
    --------
    >>> fill("Order {order} goes to {city}.", topic(2026))
    'Order ... goes to ...'
    """
    for slot, value in about:
        text = text.replace(slot, value)
    return text


@dataclass(frozen=True)
class Bank:
    """Sentences in an order in which walking by any of `strides` meets all `templates` before one comes again."""

    sentences: tuple[str, ...]
    strides: tuple[int, ...]
    templates: int

    def one(self, word: int) -> str:
        """Return the sentence that a random whole number stands for."""
        return self.sentences[word % len(self.sentences)]


def _bank(name: str, templates: tuple[str, ...]) -> Bank:
    rng = Random(name)
    count = len(templates)
    sentences = tuple(expand(templates[i % count], rng) for i in range(count * math.ceil(_BANK / count)))
    return Bank(sentences, tuple(stride for stride in range(1, 4 * count) if math.gcd(stride, count) == 1), count)


@cache
def shared(name: str) -> Bank:
    """Return the bank of a kind of sentence that belongs to no intent."""
    return _bank(name, SHARED[name])


@cache
def asks(name: str) -> Bank:
    """Return what opens an input of that intent."""
    return _bank(f"{name} asks", tuple(ask if ask[-1] in ".?!)" else f"{ask}." for ask in _intent(name).asks))


@cache
def answers(name: str) -> Bank:
    """Return what answers that intent."""
    return _bank(f"{name} answers", _intent(name).answers)


def _intent(name: str) -> Intent:
    return NEW_TOPIC if name == NEW_TOPIC.name else INTENTS[name]


def compose(bank: Bank, target: float, word: int, first: str = "", then: str = "general") -> str:
    """Return `first` and sentences of the bank, as near to `target` characters as whole sentences come.

    A text longer than the bank has to say goes on with the shared sentences of `then`.

    Examples
    --------
    >>> len(compose(shared("detail"), target=300, word=12345)) in range(250, 351)
    True
    """
    parts = [first] if first else []
    left = _walk(parts, bank, target - len(first), word)
    if left > _LONG_ENOUGH:
        _walk(parts, shared(then), left, word)
    return " ".join(parts)


def _walk(parts: list[str], bank: Bank, left: float, word: int) -> float:
    """Append sentences until half of one would be too much, or each template was used; return what is left to say."""
    sentences = bank.sentences
    stride = bank.strides[word % len(bank.strides)]
    at = (word >> 8) % len(sentences)
    for _ in range(bank.templates):
        sentence = sentences[at]
        if parts and left < len(sentence) / 2:
            return 0.0
        parts.append(sentence)
        left -= len(sentence) + 1
        at = (at + stride) % len(sentences)
    return left
