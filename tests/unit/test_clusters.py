"""Clusters of inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.drift.clusters import fit


def vectors(topics: NDArray[np.float64], each: int, noise: float, seed: int = 1) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    drawn = np.repeat(topics, each, axis=0) + noise * rng.standard_normal((each * len(topics), topics.shape[1]))
    made: NDArray[np.int16] = np.rint(4096 * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.int16)
    return made


def test_topics_far_apart_share_no_cluster() -> None:
    clusters = fit(vectors(np.eye(4, 64), 100, 0.03))
    assert clusters is not None
    told = [set(clusters.assign(vectors(np.eye(4, 64)[[n]], 60, 0.03, 2)).tolist()) for n in range(4)]
    known = [one - {len(clusters.centres)} for one in told]
    assert sum(map(len, known)) == len(set().union(*known))


def test_a_topic_never_seen_is_new_and_a_known_one_is_not() -> None:
    clusters = fit(vectors(np.eye(3, 64), 100, 0.03))
    assert clusters is not None
    new = len(clusters.centres)
    assert (clusters.assign(vectors(np.eye(5, 64)[[4]], 50, 0.03, 2)) == new).all()
    assert (clusters.assign(vectors(np.eye(3, 64)[[1]], 200, 0.03, 2)) == new).mean() < 0.1


def test_the_same_vectors_give_the_same_clusters() -> None:
    drawn = vectors(np.eye(4, 64), 100, 0.1)
    one, other = fit(drawn), fit(drawn.copy())
    assert one is not None
    assert other is not None
    assert np.array_equal(one.centres, other.centres)


def test_inputs_that_are_all_the_same_have_no_clusters() -> None:
    assert fit(np.full((500, 64), 512, np.int16)) is None


def test_few_inputs_have_no_clusters() -> None:
    assert fit(vectors(np.eye(4, 64), 10, 0.03)) is None
