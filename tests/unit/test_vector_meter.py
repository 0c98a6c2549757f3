"""The vector meter: what is embedded, within the budget, and that the windows get the same from any batches."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from undertow.drift.interaction import Embedding, Interaction, Kind
from undertow.drift.sampling import Sampling
from undertow.drift.signals.input_centroid import InputCentroid
from undertow.drift.signals.output_centroid import OutputCentroid
from undertow.drift.vectors import VectorSource
from undertow.pipelines.embedders import static
from undertow.pipelines.vector_meter import VectorMeasures, VectorMeter

SOURCE = VectorSource(static())
INPUT, OUTPUT = 3, 9
WIDTH = 10.0


def meter(sampling: Sampling | None = None) -> VectorMeter:
    return VectorMeter({INPUT: InputCentroid(SOURCE), OUTPUT: OutputCentroid(SOURCE)}, sampling)


def measured(
    meter: VectorMeter, events: Sequence[Interaction], groups: NDArray[np.int32] | None = None
) -> list[VectorMeasures]:
    times = np.array([event.time for event in events])
    return list(meter.measure(events, times, np.zeros((len(events), 1), np.int32) if groups is None else groups))


def test_each_metric_gets_the_vectors_of_the_calls_that_say_something() -> None:
    events = [
        Interaction(id="1", time=1.0, service="s", input="Where is my parcel?", output="On its way."),
        Interaction(id="2", time=2.0, service="s", input="Where?", kind=Kind.TOOL),
        Interaction(id="3", time=3.0, service="s", label="late"),
        Interaction(id="4", time=4.0, service="s", output="It is late."),
        Interaction(id="5", time=5.0, service="s", embedding=Embedding(input=[1.0])),
    ]
    groups = np.array([[0, 1], [0, 1], [0, 1], [0, -1], [0, 2]], np.int32)
    asked, answered = measured(meter(), events, groups)
    assert (asked.number, answered.number) == (INPUT, OUTPUT)
    assert asked.times.tolist() == [1.0, 5.0]
    assert asked.groups.tolist() == [[0, 1], [0, 2]]
    assert answered.times.tolist() == [1.0, 4.0]
    assert answered.groups.tolist() == [[0, 1], [0, -1]]
    assert len(answered.vectors) == 2


def calls(count: int, seconds: float) -> tuple[list[Interaction], NDArray[np.int32]]:
    words = ["parcel", "invoice", "refund", "card", "weather"]
    events = [
        Interaction(id=str(n), time=n * seconds / count, service="s", input=words[n % 5], output=f"the {words[n % 3]}")
        for n in range(count)
    ]
    return events, np.array([[0, 1 if n % 50 == 0 else 2] for n in range(count)], np.int32)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_what_the_windows_add_up_does_not_depend_on_batches(sizes: list[int]) -> None:
    events, groups = calls(1000, 50.0)

    def sums(sizes: list[int]) -> dict[tuple[int, int, int], list[int]]:
        embedding, bounds = meter(Sampling(8.0, WIDTH, 0.0)), [0]
        while bounds[-1] < len(events):
            bounds.append(min(bounds[-1] + sizes[len(bounds) % len(sizes)], len(events)))
        found: dict[tuple[int, int, int], NDArray[np.int64]] = {}
        for start, end in pairwise(bounds):
            for part in measured(embedding, events[start:end], groups[start:end]):
                for time, row, vector in zip(part.times, part.groups, part.vectors, strict=True):
                    for group in row[row >= 0].tolist():
                        key = (part.number, int(time // WIDTH), group)
                        found[key] = found.get(key, np.zeros(256, np.int64)) + vector
        return {key: total.tolist() for key, total in found.items()}

    assert sums(sizes) == sums([1000])


def test_an_event_that_no_slice_takes_is_not_embedded() -> None:
    events, groups = calls(2000, 50.0)
    sampling = Sampling(8.0, WIDTH, 0.0)
    asked, _ = measured(meter(sampling), events, groups)
    assert len(asked.times) == sampling.taken < 0.4 * sampling.offered
    assert (asked.groups >= 0).any(axis=1).all()
    last = asked.groups[asked.times >= 40.0]
    assert (last == 1).sum() == 8, "a small slice is seen whole"


@pytest.mark.parametrize("sampling", [None, Sampling(8.0, WIDTH, 0.0)])
def test_nothing_to_embed_gives_no_vectors(sampling: Sampling | None) -> None:
    for events in ([], [Interaction(id="1", time=0.0, service="s")]):
        assert [len(part.vectors) for part in measured(meter(sampling), events)] == [0, 0]
