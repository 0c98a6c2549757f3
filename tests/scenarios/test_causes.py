"""Planted causes are found among decoys, and nothing is made up where none was planted: 240 draws of the benchmark."""

from __future__ import annotations

import pytest
from bench.causes import UNKNOWN, Answer, answered
from bench.shares import shares_in
from planted import planted

SEEDS = range(5000, 5240)  # others than those of the benchmark's table
FIRST, FIRST_THREE, HONEST = 0.90, 0.98, 0.90


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return answered(SEEDS)


def test_the_planted_cause_comes_first_as_often_as_is_promised(answers: list[Answer]) -> None:
    right = [one.rank == 0 for one in answers if one.kind not in UNKNOWN]
    assert shares_in(sum(right), len(right))[1] >= FIRST


def test_the_planted_cause_is_among_the_first_three_as_often_as_is_promised(answers: list[Answer]) -> None:
    right = [one.rank < 3 for one in answers if one.kind not in UNKNOWN]
    assert shares_in(sum(right), len(right))[1] >= FIRST_THREE


def test_where_nothing_was_planted_the_unknown_leads(answers: list[Answer]) -> None:
    honest = [one.rank == 0 for one in answers if one.kind in UNKNOWN]
    assert shares_in(sum(honest), len(honest))[1] >= HONEST


def test_a_slice_is_named_where_the_change_is_in_one_and_hardly_ever_where_it_is_not(answers: list[Answer]) -> None:
    inside = [one.where for one in answers if one.where and one.in_slice]
    outside = [one.where for one in answers if one.where and not one.in_slice]
    assert inside.count("slice") >= 0.75 * len(inside)
    assert outside.count("other") <= 0.04 * len(outside)


def test_what_is_put_first_as_certain_is_true(answers: list[Answer]) -> None:
    certain = [one.rank == 0 for one in answers if one.claimed >= 0.95]
    assert shares_in(sum(certain), len(certain))[1] >= 0.95


def test_a_draw_is_the_same_for_the_same_seed() -> None:
    assert planted(7).question == planted(7).question
