"""Summaries of windows merge exactly: any split, order and batching of the events gives the same bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.metrics import METRICS
from undertow.drift.segments import Group
from undertow.drift.windows import Windows, WindowsState, merge

CHOSEN = [METRICS["refusal_rate"], METRICS["latency"], METRICS["output_length"]]
GROUPS = [Group("a", ""), Group("a", "", (("region", "eu"),)), Group("b", "prod")]

Event = tuple[float, int, float, float, float]
seconds = st.floats(0, 50, allow_nan=False)
amount = st.one_of(st.just(float("nan")), st.floats(0, 1e6, allow_nan=False))
events = st.lists(
    st.tuples(seconds, st.integers(0, 2), st.sampled_from([0.0, 1.0, float("nan")]), amount, amount),
    min_size=1,
    max_size=40,
)


def _windows(state: WindowsState | None = None) -> Windows:
    return Windows(CHOSEN, width=10.0, lateness=60.0, state=state)


def _add(windows: Windows, batch: list[Event]) -> None:
    if batch:
        times = np.array([event[0] for event in batch])
        assert not windows.advance(times).any()
        groups = np.array([[event[1], -1] for event in batch], np.int32)
        windows.add(times, groups, np.array([event[2:] for event in batch]))


def _bytes(windows: Windows) -> list[bytes]:
    return [window.encode(GROUPS, CHOSEN) for window in windows.close(everything=True)]


@given(events, st.randoms(use_true_random=False), st.lists(st.integers(1, 7), min_size=1))
def test_order_and_batching_change_nothing(stream: list[Event], chance: object, sizes: list[int]) -> None:
    """Shuffled and cut into other batches, the windows have the same bytes."""
    plain, other = _windows(), _windows()
    _add(plain, stream)
    shuffled = list(stream)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    while shuffled:
        size = sizes[len(shuffled) % len(sizes)]
        _add(other, shuffled[:size])
        del shuffled[:size]
    assert _bytes(other) == _bytes(plain)


@given(events, st.integers(0, 40))
def test_a_split_over_two_machines_merges_to_the_same(stream: list[Event], cut: int) -> None:
    """Two partial summaries, in either order, add up to the whole."""
    whole, left, right = _windows(), _windows(), _windows()
    for windows, part in ((whole, stream), (left, stream[:cut]), (right, stream[cut:])):
        _add(windows, part)
    parts = {window.start: [window.cells] for window in left.close(everything=True)}
    for window in right.close(everything=True):
        parts.setdefault(window.start, []).append(window.cells)
    for window in whole.close(everything=True):
        for order in (parts[window.start], parts[window.start][::-1]):
            merged = merge(order)
            assert merged.keys.tolist() == window.cells.keys.tolist()
            assert merged.counts.tolist() == window.cells.counts.tolist()


@given(events, st.integers(0, 40))
def test_a_restart_between_any_two_events_changes_nothing(stream: list[Event], cut: int) -> None:
    """A snapshot continues with the same bytes."""
    plain, before = _windows(), _windows()
    _add(plain, stream)
    _add(before, stream[:cut])
    after = _windows(before.snapshot())
    _add(after, stream[cut:])
    assert _bytes(after) == _bytes(plain)
