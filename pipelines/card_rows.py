"""Cards of new versions as rows of the store, and back: a row for each metric of a card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from undertow.drift.cards import Card, CardRow
from undertow.drift.verdict import Estimate
from undertow.pipelines.demo_queries import seconds_of
from undertow.pipelines.rows import Columns

__all__ = ["CARDS", "DIFFERENCES", "card_columns", "cards_of"]

_HEAD = ("service", "environment", "dimension", "value", "first_seen", "until", "calls", "without")
_ROW = ("metric", "beside", "z", "sure", "apart")
_TIMES = frozenset({"first_seen", "until"})
_LEVELS = ("other", "level")
_ESTIMATE = ("", "_low", "_high", "_events")
_COLUMNS = (*_HEAD, *_ROW, *(f"{level}{part}" for level in _LEVELS for part in _ESTIMATE))

_SELECTED = ", ".join(f"{seconds_of(name)} AS {name}_s" if name in _TIMES else name for name in _COLUMNS)
CARDS = f"""SELECT {_SELECTED} FROM cards FINAL
ORDER BY cards.first_seen DESC, service, environment, dimension, value, abs(z) DESC, metric LIMIT 20000"""  # noqa: S608 – names of columns alone

DIFFERENCES = """\
SELECT first_seen, service, dimension, value, calls, round(100 * calls / (calls + without)) AS percent_of_calls, metric,
       round(other, 4) AS without_it, round(level, 4) AS on_it, round(level_low, 4) AS on_it_low,
       round(level_high, 4) AS on_it_high, sure, round(apart, 4) AS apart_at_most
FROM cards FINAL
WHERE sure OR metric IN ('refusal_rate', 'schema_violation_rate', 'output_length', 'output_tokens', 'latency')
ORDER BY first_seen DESC, service, dimension, value, sure DESC, abs(z) DESC"""


def card_columns(cards: Sequence[Card]) -> Columns:
    """Return the columns of `cards`."""
    rows = [(card, row) for card in cards for row in card.rows]
    columns: Columns = {name: [getattr(card, name) for card, _ in rows] for name in _HEAD}
    columns |= {name: [getattr(row, name) for _, row in rows] for name in _ROW}
    columns |= {name: [int(flag) for flag in columns[name]] for name in ("beside", "sure")}
    for name, estimates in (("other", [row.other for _, row in rows]), ("level", [row.on for _, row in rows])):
        columns |= {f"{name}{part}": [getattr(one, part[1:] or "value") for one in estimates] for part in _ESTIMATE}
    return columns


def cards_of(rows: Iterable[Sequence[Any]]) -> list[Card]:
    """Return the cards behind the rows that answer `CARDS`, newest first."""
    return [
        Card(**dict(zip(_HEAD, head, strict=True)), rows=tuple(_row(row[len(_HEAD) :]) for row in group))
        for head, group in groupby(rows, key=lambda row: tuple(row[: len(_HEAD)]))
    ]


def _row(values: Sequence[Any]) -> CardRow:
    metric, beside, z, sure, apart, *levels = values
    other, on = Estimate(*levels[:4]), Estimate(*levels[4:])
    return CardRow(metric, bool(beside), other, on, z, bool(sure), apart)
