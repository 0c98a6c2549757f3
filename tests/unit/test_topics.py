"""Levels by what is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.topics import Asked, Topics
from undertow.pipelines import snapshot

CATALOGUE = Catalogue()
REFUSED, EVERY = CATALOGUE.columns["refusal_rate"], CATALOGUE.columns["error_rate"]
WORDS = ("refund", "parcel", "password", "invoice", "customs", "customs", "customs", "customs")
HERE = ("s", "")


def asked(number: int, topic: int | None, refused: float, label: str | None = None, text: str = "") -> Asked:
    """Return a call about one of some topics, each a direction of its own."""
    values = np.full(len(CATALOGUE.columns), np.nan)
    values[REFUSED] = refused
    vector = None
    if topic is not None:
        rng = np.random.default_rng(number)
        vector = np.rint(4096 * (np.eye(8, 64)[topic] + 0.01 * rng.standard_normal(64))).astype(np.int16)
    values[EVERY] = 0.0
    return Asked(HERE, number * 7919 % 104_729, values, vector, label, text)


def taken(calls: dict[float, list[Asked]], topics: Topics | None = None) -> Topics:
    topics = topics or Topics(CATALOGUE)
    for window, some in calls.items():
        for call in some:
            topics.observe(window, call)
        topics.advance(window + 10.0)
    return topics


def hours(first: int, last: int, refuses: int, topics: int = 4) -> dict[float, list[Asked]]:
    """Return ten calls every 100 seconds of these hours; those about one topic refuse."""
    return {
        float(start): [
            asked(start + n, n % topics, float(n % topics == refuses), text=f"my {WORDS[n % topics]}?")
            for n in range(10)
        ]
        for start in range(first * 3600, last * 3600, 100)
    }


def test_after_an_hour_calls_count_in_the_cluster_of_their_input() -> None:
    whole, slices = taken(hours(0, 3, refuses=2)).levels(HERE, "refusal_rate", ((3700, 7200), (7200, 10_800)))
    levels = {one.shift.after.mean for one in slices if one.value != "new" and one.shift.after.events}
    assert levels == {0.0, 1.0}
    assert whole.after.mean == pytest.approx(0.2, abs=0.03)


def test_a_topic_never_asked_before_is_new_and_has_no_past() -> None:
    topics = taken(hours(0, 2, refuses=9))
    taken(hours(2, 3, refuses=7, topics=8), topics)
    _, slices = topics.levels(HERE, "refusal_rate", ((3700, 7200), (7200, 10_800)))
    (new,) = [one for one in slices if one.value == "new"]
    assert new.shift.before.events == 0
    assert new.shift.after.events > 0.2 * sum(one.shift.after.events for one in slices)


def test_clusters_have_names_and_counts_before_and_since() -> None:
    topics = taken(hours(0, 2, refuses=9))
    taken(hours(2, 3, refuses=7, topics=8), topics)
    asking = {one.words: one for one in topics.asked(HERE, ((3700, 7200), (7200, 10_800))) if one.words}
    assert set(asking) == {"refund", "parcel", "password", "invoice", "customs"}
    assert asking["customs"].name == "new"
    assert asking["customs"].after > 10 * asking["customs"].before
    shares = {words: (one.before, one.after) for words, one in asking.items()}
    before, after = (sum(counts) for counts in zip(*shares.values(), strict=True))
    assert shares["refund"][1] / after < 0.6 * shares["refund"][0] / before
    assert topics.asked(("other", ""), ((0, 1), (1, 2))) == []


def test_the_users_own_label_needs_no_hour() -> None:
    calls = {0.0: [asked(n, None, float(n < 5), "billing" if n < 5 else "login") for n in range(10)]}
    _, slices = taken(calls).levels(HERE, "refusal_rate", ((0, 5), (0, 30)))
    assert {one.value: one.shift.after.mean for one in slices} == {"billing": 1.0, "login": 0.0}
    assert {one.words: one.after for one in taken(calls).asked(HERE, ((0, 5), (0, 30)))} == {"billing": 5, "login": 5}


def test_labels_beyond_the_limit_are_one() -> None:
    calls = {0.0: [asked(n, None, 0.0, f"label {n}") for n in range(60)]}
    _, slices = taken(calls).levels(HERE, "refusal_rate", ((0, 5), (0, 30)))
    assert len(slices) == 41
    assert sum(one.shift.after.events for one in slices) == 60


def test_of_a_window_a_bounded_sample_counts() -> None:
    calls = {0.0: [asked(n, None, float(n % 4 == 0), "a") for n in range(1000)]}
    whole, _ = taken(calls).levels(HERE, "refusal_rate", ((0, 5), (0, 30)))
    assert whole.after.events == 100
    assert whole.after.mean == pytest.approx(0.25, abs=0.15)


def test_services_beyond_the_limit_are_left_out_and_counted() -> None:
    topics = Topics(CATALOGUE, max_services=1)
    calls = [asked(1, None, 0.0, "a"), asked(2, None, 0.0, "a")._replace(where=("t", ""))]
    taken({0.0: calls}, topics)
    assert topics.dropped == 1


def test_the_order_of_the_calls_does_not_matter() -> None:
    calls = hours(0, 2, refuses=1)
    turned = {window: some[::-1] for window, some in calls.items()}
    spans = ((3700.0, 5000.0), (5000.0, 7200.0))
    assert taken(calls).levels(HERE, "refusal_rate", spans) == taken(turned).levels(HERE, "refusal_rate", spans)


def test_it_goes_on_from_a_snapshot_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    calls, path = hours(0, 2, refuses=1), tmp_path / "topics"
    early = {window: some for window, some in calls.items() if window < 4000}
    late = {window: some for window, some in calls.items() if window >= 4000}
    begun = taken(early)
    for call in late.pop(4000.0):
        begun.observe(4000.0, call)
    snapshot.write(path, begun.snapshot())
    resumed = Topics(CATALOGUE)
    resumed.restore(snapshot.read(path) or {})
    spans = ((3700.0, 5000.0), (5000.0, 7200.0))
    assert taken(late, resumed).levels(HERE, "refusal_rate", spans) == taken(calls).levels(HERE, "refusal_rate", spans)
