"""Cards of new versions: what they mark, how much they rule out, in words and in the store."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from undertow.alerts.cards import told_version, version_card
from undertow.drift.averages import NOTHING, average_of
from undertow.drift.cards import Card, CardRow, Measured, card_rows, farthest
from undertow.drift.metrics import Family
from undertow.drift.verdict import Estimate
from undertow.pipelines.card_rows import DIFFERENCES, card_columns, cards_of

T0 = 1_790_000_000.0
SURE = CardRow(
    "refusal_rate", True, Estimate(0.01, 0.005, 0.02, 900), Estimate(0.12, 0.1, 0.15, 500), 7.0, sure=True, apart=0.14
)
SAME = CardRow(
    "output_length", False, Estimate(812, 790, 834, 900), Estimate(810, 780, 840, 500), 0.1, sure=False, apart=0.046
)


def card(*rows: CardRow, value: str = "v48") -> Card:
    return Card("support", "prod", "prompt_version", value, T0, T0 + 900, 500, 4500, rows)


def test_the_card_tells_what_surely_differs_and_how_little_the_rest_may() -> None:
    assert version_card(card(SURE, SAME)) == [
        "prompt_version=v48, new since 2026-09-21 14:13:20 UTC: 500 calls, 10 % of those that it serves",
        "answers that refuse: 1 % [0.5 %, 2 %] without it, 12 % [10 %, 15 %] on it",
        "no difference seen larger than: length of answers 4.6 %",
    ]


def test_the_card_of_a_calm_version_says_what_would_have_been_seen() -> None:
    assert version_card(card(SAME))[1:] == ["no difference seen larger than: length of answers 4.6 %"]


def test_where_nothing_can_be_compared_the_card_says_so() -> None:
    (row,) = card_rows([Measured("latency", Family.POSITIVE, NOTHING, NOTHING, average_of(Family.POSITIVE, 9, 9, 10))])
    assert (row.z, row.sure) == (0.0, False)
    assert version_card(card(row))[1:] == ["nothing else to compare: too few calls on it, or none without it"]


def test_its_words_go_with_the_version_to_timelines() -> None:
    told = told_version(card(SURE))
    assert (told.value, told.service, told.environment, told.first_seen) == ("v48", "support", "prod", T0)
    assert told.card == tuple(version_card(card(SURE)))


@pytest.mark.parametrize(("level", "calls"), [(0.02, 600), (0.3, 200), (0.0, 400)])
def test_a_difference_said_to_be_ruled_out_is_hardly_ever_there(level: float, calls: int) -> None:
    """Two versions differ by 3 points or not at all: the far end of the interval lies below that in 2.5 % at most."""
    rng = np.random.default_rng(5)
    missed = 0
    for on, off in zip(rng.binomial(calls, level + 0.03, 400), rng.binomial(4 * calls, level, 400), strict=True):
        averages = (average_of(Family.RATE, n, k, k) for n, k in ((calls, on), (4 * calls, off)))
        (row,) = card_rows([Measured("refusal_rate", Family.RATE, NOTHING, *reversed(list(averages)))])
        missed += row.apart < 0.03
    assert missed <= 20


def test_how_far_levels_may_lie_apart_does_not_depend_on_which_comes_first() -> None:
    one, other = SAME.on, SAME.other
    assert farthest(Family.POSITIVE, one, other) == pytest.approx(farthest(Family.POSITIVE, other, one))
    assert farthest(Family.RATE, SURE.on, SURE.other) > 0.11


def test_cards_come_back_from_the_store_as_they_went_in() -> None:
    cards = [card(SURE, SAME), card(SAME, value="v49")]
    columns = card_columns(cards)
    order = [*_head(), "metric", "beside", "z", "sure", "apart"]
    order += [f"{level}{part}" for level in ("other", "level") for part in ("", "_low", "_high", "_events")]
    rows = list(zip(*(columns[name] for name in order), strict=True))
    assert [row[order.index("sure")] for row in rows] == [True, False, False]
    assert cards_of(rows) == cards


def test_the_document_shows_the_query_behind_the_command() -> None:
    document = Path(__file__).parents[2] / "docs" / "queries.md"
    assert f"```sql\n{DIFFERENCES}\n```" in document.read_text()


def _head() -> list[str]:
    return [field.name for field in msgspec.structs.fields(Card) if field.name != "rows"]
