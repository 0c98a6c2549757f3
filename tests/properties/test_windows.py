"""What must hold of windows for any stream: split, order and batching give the same bytes, restarts change nothing."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.catalogue import Catalogue
from undertow.drift.segments import Group
from undertow.drift.windows import Cells, ClosedWindow, Windows, WindowsState, merge

WIDTH_S = 10.0
LATENESS_S = 20.0
CATALOGUE = Catalogue()
FOLLOWED = [CATALOGUE.columns[name] for name in ("refusal_rate", "latency", "output_length")]
GROUPS = [Group("a", ""), Group("b", ""), Group("a", "", (("region", "eu"),))]


class Measure(NamedTuple):
    """One event: when, in which groups (−1 for none), and what was measured (NaN for nothing)."""

    time: float
    groups: tuple[int, int]
    values: tuple[float, float, float]


measures = st.builds(
    Measure,
    st.floats(0.0, 120.0).map(lambda seconds: round(seconds, 1)),
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([-1, 2])),
    st.tuples(
        st.sampled_from([0.0, 1.0, np.nan]),
        st.sampled_from([0.0, 0.8, 0.81, 1e300, np.nan]),
        st.sampled_from([0.0, 250.0, 1e6, np.nan]),
    ),
)
batch_sizes = st.lists(st.integers(1, 7), min_size=60, max_size=60)


def start(state: WindowsState | None = None) -> Windows:
    return Windows(CATALOGUE, WIDTH_S, LATENESS_S, state)


def columns_of(batch: Sequence[Measure]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.full((len(batch), len(CATALOGUE.columns)), np.nan)
    values[:, FOLLOWED] = [measure.values for measure in batch]
    return values


def feed(windows: Windows, batch: Sequence[Measure]) -> list[ClosedWindow]:
    """Take a batch as the processor does: what is late is left out, what is complete is closed."""
    if not batch:
        return []
    times = np.array([measure.time for measure in batch])
    kept = ~windows.advance(times)
    groups = np.array([measure.groups for measure in batch], np.int32)
    windows.add(times[kept], groups[kept], columns_of(batch)[kept])
    return windows.close()


def batched(stream: Sequence[Measure], sizes: Sequence[int]) -> list[Sequence[Measure]]:
    ends = list(itertools.accumulate(sizes))
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


def told(windows: Sequence[ClosedWindow]) -> list[bytes]:
    return [window.encode(GROUPS, CATALOGUE) for window in windows]


def play(stream: Sequence[Measure], sizes: Sequence[int] = ()) -> tuple[list[bytes], int]:
    windows = start()
    closed = [window for batch in batched(stream, sizes) for window in feed(windows, batch)]
    return told(closed + windows.close(everything=True)), windows.late


@given(st.lists(measures, max_size=60), batch_sizes, st.lists(st.floats(0.0, LATENESS_S), min_size=60, max_size=60))
def test_any_order_within_the_lateness_and_any_batching_give_the_same_bytes(
    stream: list[Measure], sizes: list[int], delays: list[float]
) -> None:
    read = [
        measure for _, measure in sorted(zip(delays, stream, strict=False), key=lambda pair: pair[0] + pair[1].time)
    ]
    assert play(read, sizes) == play(sorted(stream, key=lambda measure: measure.time))


@given(st.lists(measures, max_size=60), batch_sizes)
def test_what_is_late_is_decided_by_the_order_of_reading_and_not_by_the_batches(
    stream: list[Measure], sizes: list[int]
) -> None:
    assert play(stream, sizes) == play(stream, [1] * len(stream)) == play(stream)


@given(st.lists(measures, max_size=60))
def test_an_event_is_late_when_the_watermark_had_passed_its_window_and_is_counted_and_left_out(
    stream: list[Measure],
) -> None:
    late, latest = 0, -np.inf
    kept: list[Measure] = []
    for measure in stream:
        window_end = (np.floor(measure.time / WIDTH_S) + 1) * WIDTH_S
        is_late = latest - LATENESS_S >= window_end
        late += is_late
        kept += [] if is_late else [measure]
        latest = max(latest, measure.time)
    found, counted = play(stream)
    assert counted == late
    assert found == play(sorted(kept, key=lambda measure: measure.time))[0]


@given(st.lists(measures, max_size=40), batch_sizes)
def test_a_restart_after_any_event_changes_nothing(stream: list[Measure], sizes: list[int]) -> None:
    expected = play(stream, sizes)
    batches = batched(stream, sizes)
    for cut in range(len(batches) + 1):
        before = start()
        closed = [window for batch in batches[:cut] for window in feed(before, batch)]
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(before.snapshot()), type=WindowsState)
        after = start(state)
        closed += [window for batch in batches[cut:] for window in feed(after, batch)]
        assert (told(closed + after.close(everything=True)), after.late) == expected


@given(st.lists(measures, max_size=60), st.lists(st.integers(0, 2), min_size=60, max_size=60))
def test_summaries_of_any_split_add_up_to_the_whole(stream: list[Measure], owners: list[int]) -> None:
    parts = [start() for _ in range(3)]
    for windows, number in zip(parts, range(3), strict=True):
        mine = [measure for measure, owner in zip(stream, owners, strict=False) if owner == number]
        if mine:
            windows.add(
                np.array([measure.time for measure in mine]),
                np.array([measure.groups for measure in mine], np.int32),
                columns_of(mine),
            )
    closed = [window for windows in parts for window in windows.close(everything=True)]
    by_start: dict[float, list[Cells]] = {}
    for window in closed:
        by_start.setdefault(window.start, []).append(window.cells)
    together = [ClosedWindow(at, at + WIDTH_S, merge(by_start[at])) for at in sorted(by_start)]
    whole = play(sorted(stream, key=lambda measure: measure.time))[0]
    assert told(together) == whole


cells = st.dictionaries(st.integers(0, 40), st.integers(1, 1 << 40), max_size=12).map(
    lambda table: Cells(np.array(sorted(table), np.int64), np.array([table[key] for key in sorted(table)], np.int64))
)


def plain(summary: Cells) -> dict[int, int]:
    return dict(zip(summary.keys.tolist(), summary.counts.tolist(), strict=True))


@given(st.lists(cells, max_size=5))
def test_merging_is_commutative_associative_and_loses_nothing(parts: list[Cells]) -> None:
    totals: dict[int, int] = {}
    for part in parts:
        for key, count in plain(part).items():
            totals[key] = totals.get(key, 0) + count
    nested = Cells(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for part in parts[::-1]:
        nested = merge([part, nested])
    assert plain(merge(parts)) == plain(merge(parts[::-1])) == plain(nested) == totals
    assert merge(parts).keys.tolist() == sorted(totals)


@settings(max_examples=30)
@given(st.lists(measures, min_size=1, max_size=40))
def test_every_measure_that_is_in_time_is_counted_once_in_each_of_its_groups(stream: list[Measure]) -> None:
    windows = start()
    closed = feed(windows, sorted(stream, key=lambda measure: measure.time)) + windows.close(everything=True)
    counted = sum(int(window.cells.counts.sum()) for window in closed)
    assert counted == sum((1 + (measure.groups[1] >= 0)) * int(np.sum(~np.isnan(measure.values))) for measure in stream)
