"""The card of a new version in words."""

from __future__ import annotations

import math

from undertow.alerts.formats import format_estimate, format_level, title, utc
from undertow.alerts.incident import Version
from undertow.drift.cards import Card, CardRow
from undertow.drift.metrics import Family, resolve

__all__ = ["told_version", "version_card"]

_ROWS = 6  # of what differs
_KEY = (  # told of a calm version, as far as they are measured
    "refusal_rate",
    "schema_violation_rate",
    "output_length",
    "output_tokens",
    "truncation_rate",
    "tool_error_rate",
    "latency",
)


def version_card(card: Card) -> list[str]:
    """Return a card as lines: how much runs on the version, what is surely different, how little the rest may be.

    Examples
    --------
    >>> from undertow.drift.verdict import Estimate
    >>> row = CardRow("refusal_rate", True, Estimate(0.02, 0.01, 0.03, 900), Estimate(0.021, 0.01, 0.03, 90),
    ...               0.1, False, 0.009)
    >>> for line in version_card(Card("support", "", "prompt_version", "v48", 0.0, 900.0, 90, 900, (row,))):
    ...     print(line)
    prompt_version=v48, new since 1970-01-01 00:00:00 UTC: 90 calls, 9 % of those that it serves
    no difference seen larger than: answers that refuse 0.9 points
    """
    told = [_difference(row) for row in card.rows if row.sure][:_ROWS]
    return [_head(card), *told, _rest([row for row in card.rows if not row.sure])]


def told_version(card: Card) -> Version:
    """Return the version of a card with the card's words, as timelines show it."""
    lines = tuple(version_card(card))
    return Version(card.dimension, card.value, card.first_seen, card.service, card.environment, card=lines)


def _head(card: Card) -> str:
    share = f"{100 * card.share:.0f} %" if card.share >= 0.01 else "under 1 %"
    since = f"{card.dimension}={card.value}, new since {utc(card.first_seen)}"
    return f"{since}: {card.calls:,} calls, {share} of those that it serves"


def _difference(row: CardRow) -> str:
    without = "without it" if row.beside else "before it"
    other, on = (format_estimate(row.metric, level) for level in (row.other, row.on))
    return f"{title(row.metric)}: {other} {without}, {on} on it"


def _rest(rows: list[CardRow]) -> str:
    """Return how large a difference would have been seen in the metrics that people ask for."""
    known = {row.metric: row for row in rows if math.isfinite(row.apart)}
    shown = [known[metric] for metric in _KEY if metric in known] or list(known.values())[:_ROWS]
    if not shown:
        return "nothing else to compare: too few calls on it, or none without it"
    return "no difference seen larger than: " + ", ".join(f"{title(row.metric)} {_apart(row)}" for row in shown)


def _apart(row: CardRow) -> str:
    family = resolve(row.metric).family
    if family is Family.RATE:
        return f"{_short(100 * row.apart)} points"
    return f"{_short(100 * row.apart)} %" if family is Family.POSITIVE else format_level(row.metric, row.apart)


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
