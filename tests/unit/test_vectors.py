"""Vectors from three sources become one kind, made of whole numbers; what cannot be used is counted by its reason."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from undertow.drift.embedding import DIMENSIONS, Rows, nothing
from undertow.drift.vectors import LONGEST_VECTOR, QUANTA, VectorSource, fitted, quantised

# -- vectors from elsewhere -------------------------------------------------------------------------------------------


@given(arrays(np.float64, (3, 700), elements=st.floats(-1, 1, width=16)), st.sampled_from([2.0**-900, 0.5, 3.0, 1e200]))
def test_only_the_direction_of_a_foreign_vector_counts(vectors: NDArray[np.float64], scale: float) -> None:
    np.testing.assert_allclose(fitted(vectors), fitted(vectors * scale), atol=1e-3)


def test_a_short_vector_is_padded_and_a_full_one_kept() -> None:
    vectors = np.random.default_rng(1).normal(size=(4, DIMENSIONS))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted(vectors), unit, atol=1e-5)
    padded = fitted(vectors[:, :100])
    assert not padded[:, 100:].any()
    np.testing.assert_allclose(np.linalg.norm(padded, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dimensions", [384, 768, 1536, 3072])
def test_a_long_vector_keeps_its_angles_nearly(dimensions: int) -> None:
    """Vectors on 20 directions, as texts of a few topics are."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(200, 20)) @ rng.normal(size=(20, dimensions))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    folded = fitted(vectors)
    before, after = (unit @ unit.T).ravel(), (folded @ folded.T).ravel()
    assert np.corrcoef(before, after)[0, 1] > 0.9
    assert np.abs(after - before).mean() < 0.1


def test_the_projection_is_the_same_everywhere() -> None:
    """Another one would move every centroid of an installation that is upgraded."""
    rows = fitted(np.arange(1.0, 1025.0)[None, :] ** 2)
    assert np.rint(rows[0, :6] * QUANTA).astype(int).tolist() == [71, -251, 108, -108, -71, -71]


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([], "empty"),
        ([0.0] * 8, "all zero"),
        ([float("nan")] + [1.0] * 300, "not finite"),
        ([float("inf")], "not finite"),
        ([-float("inf"), 1.0], "not finite"),
        ([1.0] * (LONGEST_VECTOR + 1), "more than 16,384 coordinates"),
    ],
    ids=["empty", "zero", "nan", "inf", "-inf", "too long"],
)
def test_a_vector_that_says_nothing_is_left_out_and_counted_by_its_reason(vector: list[float], reason: str) -> None:
    source = VectorSource()
    events, vectors = source.vectors([vector, [1.0], vector], [None] * 3)
    assert events.tolist() == [1]
    assert len(vectors) == 1
    assert source.skipped == {reason: 2}


def test_where_the_number_of_coordinates_is_known_vectors_of_another_model_are_left_out() -> None:
    source = VectorSource(coordinates=1536)
    events, _ = source.vectors([[1.0] * 1536, [1.0] * 3072, None, []], [None] * 4)
    assert events.tolist() == [0]
    assert source.skipped == {"not of 1,536 coordinates": 2}


@pytest.mark.parametrize("coordinates", [0, -1, LONGEST_VECTOR + 1])
def test_a_number_of_coordinates_that_no_vector_can_have_is_refused(coordinates: int) -> None:
    with pytest.raises(ValueError, match=f"{coordinates} coordinates"):
        VectorSource(coordinates=coordinates)


def test_a_bad_vector_leaves_its_neighbours_alone() -> None:
    alone = fitted(np.array([[3.0, 4.0]]))
    among = fitted(np.array([[np.nan, 1.0], [3.0, 4.0], [np.inf, -np.inf], [0.0, 0.0]]))
    assert among[1].tobytes() == alone[0].tobytes()
    assert not among[[0, 2, 3]].any()


def test_the_longest_vector_adds_up_exactly() -> None:
    assert 256 * (LONGEST_VECTOR // DIMENSIONS * 65_536) ** 2 < 2**53
    assert np.isfinite(fitted(np.ones((1, LONGEST_VECTOR)))).all()


# -- for the windows --------------------------------------------------------------------------------------------------


class Lengths:
    """Points along the first axis by the length of the text, so that one sees what was embedded."""

    name = "lengths"

    def embed(self, texts: Sequence[str]) -> Rows:
        rows = nothing(len(texts))
        rows[np.arange(len(texts)), [len(text) for text in texts]] = 1.0
        return rows


def test_a_carried_vector_comes_before_the_text_and_a_bad_one_is_not_replaced_by_it() -> None:
    carried = [[0.0, 1.0], None, None, [float("nan")], [0.0] * 299 + [1.0]]
    events, vectors = VectorSource(Lengths()).vectors(carried, ["abc", "abc", None, "abc", ""])
    assert events.tolist() == [0, 1, 4]
    assert vectors.dtype == np.int16
    assert [np.abs(vector).argmax() for vector in vectors] == [1, 3, 299 - DIMENSIONS]
    assert set(np.abs(vectors).max(axis=1)) == {QUANTA}


def test_without_an_embedder_only_carried_vectors_count() -> None:
    events, vectors = VectorSource().vectors([None, [1.0]], ["abc", None])
    assert events.tolist() == [1]
    assert vectors.shape == (1, DIMENSIONS)


def test_rounding_turns_a_vector_by_less_than_a_thousandth() -> None:
    unit = fitted(np.random.default_rng(3).normal(size=(50, DIMENSIONS)))
    _, steps = quantised(unit)
    cosines = (unit * steps).sum(axis=1) / np.linalg.norm(steps.astype(float), axis=1)
    assert cosines.min() > 0.999


@given(st.lists(st.none() | st.lists(st.floats(), max_size=400), max_size=6))
def test_no_carried_vector_is_beyond_it_and_each_is_used_or_counted(carried: list[list[float] | None]) -> None:
    source = VectorSource()
    events, vectors = source.vectors(carried, [None] * len(carried))
    assert len(events) + source.skipped.total() == len(carried) - carried.count(None)
    lengths = np.linalg.norm(vectors.astype(float), axis=1)
    np.testing.assert_allclose(lengths, QUANTA, rtol=0.01)


def test_a_carried_vector_is_the_same_to_the_bit_in_any_batch() -> None:
    carried = [row.tolist() for row in np.random.default_rng(4).normal(size=(40, 1536))]
    whole = VectorSource().vectors(carried, [None] * 40)[1]
    singly = [VectorSource().vectors([vector], [None])[1] for vector in carried]
    assert whole.tobytes() == np.concatenate(singly).tobytes()
