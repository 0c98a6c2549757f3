"""Partials carry whole windows to where their series live, as the same bytes whoever counted them."""

import msgspec
import numpy as np
import pytest

from undertow.drift.segments import Group
from undertow.drift.windows import Cells, ClosedWindow
from undertow.pipelines.kafka.partials import Partial, decode, encode, series_partition
from undertow.pipelines.kafka.source_partition import Cut

GROUPS = [Group("a", ""), Group("a", "", (("region", "eu"),)), Group("b", "prod"), Group("c", "")]
METRICS = ["refusal_rate", "output_length"]


def _cut(cells: dict[tuple[int, int, int], int]) -> Cut:
    keys = sorted(((group << 10 | metric) << 24 | bin_, count) for (group, metric, bin_), count in cells.items())
    packed = Cells(np.array([key for key, _ in keys], np.int64), np.array([count for _, count in keys], np.int64))
    return Cut(17, 9, 20.0, [ClosedWindow(10.0, 20.0, packed)])


CELLS = {(0, 0, 0): 5, (0, 0, 1): 2, (0, 1, 700): -3, (1, 0, 0): 1, (2, 1, 1): 4, (3, 0, 1): 1}


def _found(messages: list[bytes], bin_type: str = "<i8") -> dict[tuple[Group, str, int], int]:
    return {
        (series.group, series.metric, bin_): count
        for content in messages
        for series in decode(content).series
        for bin_, count in zip(
            np.frombuffer(series.bins, bin_type).tolist(), np.frombuffer(series.counts, bin_type).tolist(), strict=True
        )
    }


@pytest.mark.parametrize("partitions", [1, 3, 8])
def test_nothing_is_lost_or_doubled_on_the_way(partitions: int) -> None:
    messages = encode(_cut(CELLS), 4, GROUPS, METRICS.__getitem__, partitions)
    expected = {(GROUPS[group], METRICS[metric], bin_): count for (group, metric, bin_), count in CELLS.items()}
    assert _found(messages) == expected


def test_every_series_partition_hears_of_every_cut() -> None:
    heard = [decode(content) for content in encode(_cut({}), 4, GROUPS, METRICS.__getitem__, 5)]
    assert heard == [Partial(4, 17, 9, 20.0, [])] * 5


def test_all_series_of_a_slice_go_to_one_partition() -> None:
    for number, content in enumerate(encode(_cut(CELLS), 0, GROUPS, METRICS.__getitem__, 8)):
        assert {series_partition(series.group, 8) for series in decode(content).series} <= {number}


def test_the_numbers_that_a_worker_gave_do_not_show() -> None:
    order = [2, 0, 3, 1]
    renumbered = {(order.index(group), 1 - metric, bin_): count for (group, metric, bin_), count in CELLS.items()}
    groups = [GROUPS[old] for old in order]
    assert encode(_cut(renumbered), 0, groups, METRICS[::-1].__getitem__, 3) == encode(
        _cut(CELLS), 0, GROUPS, METRICS.__getitem__, 3
    )


def test_slices_stay_where_they_are_for_good() -> None:
    """Another partition would learn them anew: these numbers may never change."""
    assert [series_partition(group, 8) for group in GROUPS] == [3, 4, 2, 2]


def test_what_is_no_partial_is_refused() -> None:
    with pytest.raises(ValueError, match="is no partial"):
        decode(b"\x00")
    with pytest.raises(ValueError, match="version 2, this Undertow reads 1: update detect before the workers"):
        decode(msgspec.msgpack.encode(msgspec.structs.replace(Partial(0, 1, 0, 0.0, []), version=2)))
