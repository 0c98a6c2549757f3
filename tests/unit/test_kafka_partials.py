"""Partials carry whole windows to where their series live, as the same bytes whoever counted them."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from undertow.alerts.incident import Version
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.findings import verdict_of_hit
from undertow.drift.rule import RuleHit
from undertow.drift.segments import Group, Segments, SegmentsState
from undertow.drift.windows import Cells, ClosedWindow
from undertow.pipelines.kafka import partials
from undertow.pipelines.kafka.partials import VERSION, Partial, decode, encode, series_partition, unpacked
from undertow.pipelines.kafka.source_partition import Cut

GROUPS = [Group("a", ""), Group("a", "", (("region", "eu"),)), Group("b", "prod"), Group("c", "")]
SCORES = ["zeal", "aid"]
REFUSALS, LENGTHS, TOOLS = (Catalogue().numbers[name] for name in ("refusal_rate", "output_length", "tool_mix"))
FIRST_SCORE = Catalogue(scores=SCORES).numbers["score.zeal"]
Counts = dict[tuple[int, int, int], int]  # group, metric, bin → count


class Worker(NamedTuple):
    """What a worker has met, in its order."""

    segments: Segments
    catalogue: Catalogue
    categories: Categories


class Receiver:
    """Numbers as they come."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.catalogue = Catalogue(scores=["other"])

    def group(self, group: Group) -> int:
        self.groups += [] if group in self.groups else [group]
        return self.groups.index(group)

    def metric(self, name: str) -> int | None:
        return self.catalogue.number(name)


def worker(groups: list[Group], scores: list[str]) -> Worker:
    categories = Categories()
    categories.numbers(["search", "never used"])
    return Worker(Segments((), 9, 99, SegmentsState(groups)), Catalogue(scores=scores), categories)


WORKER = worker(GROUPS, SCORES)
SEARCH = int(WORKER.categories.numbers(["search"])[0])
COUNTS: Counts = {
    (0, REFUSALS, 0): 5,
    (0, REFUSALS, 1): 2,
    (0, LENGTHS, 700): 3,
    (1, REFUSALS, 0): 1,
    (2, FIRST_SCORE, 1): 4,
    (2, FIRST_SCORE + 1, 1): 9,
    (3, TOOLS, SEARCH): 1,
}


def cut(counts: Counts) -> Cut:
    keys = sorted(((group << 10 | metric) << 24 | bin_, count) for (group, metric, bin_), count in counts.items())
    packed = Cells(np.array([key for key, _ in keys], np.int64), np.array([count for _, count in keys], np.int64))
    return Cut(17, 9, 20.0, [ClosedWindow(10.0, 20.0, packed)])


def arrived(messages: list[tuple[int, bytes]]) -> dict[tuple[Group, str, int], int]:
    """Return all cells by name, as somebody numbers them who has met other things."""
    receiver, found = Receiver(), dict[tuple[Group, str, int], int]()
    for _, content in messages:
        for start, cells in unpacked(decode(content), receiver):
            assert start == 10.0
            columns = (cells.groups, cells.metrics, cells.bins, cells.counts)
            for group, metric, bin_, count in zip(*(column.tolist() for column in columns), strict=True):
                found[receiver.groups[group], receiver.catalogue.name(metric), bin_] = count
    return found


@pytest.mark.parametrize("room", [1, 3, 1_000])
@pytest.mark.parametrize("partitions", [1, 3, 8])
def test_nothing_is_lost_or_doubled_on_the_way(partitions: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "_CELLS", room)
    messages = encode(cut(COUNTS), 4, WORKER, partitions)
    named = {(GROUPS[g], WORKER.catalogue.name(m), b): count for (g, m, b), count in COUNTS.items()}
    assert arrived(messages) == named
    for number in range(partitions):
        told = [decode(content) for partition, content in messages if partition == number]
        assert [(one.part, one.parts) for one in told] == [(part, len(told)) for part in range(len(told))]


def test_every_series_partition_hears_of_every_cut_and_of_all_its_windows() -> None:
    heard = [decode(content) for _, content in encode(cut({(0, REFUSALS, 1): 7}), 4, WORKER, 5)]
    empty = Partial(version=VERSION, source=4, position=17, previous=9, open_from=20.0, closed=[(10.0, 20.0)])
    assert heard.count(empty) == 4
    assert {(one.position, one.previous, one.open_from) for one in heard} == {(17, 9, 20.0)}
    assert all(one.closed == empty.closed for one in heard)


def test_all_of_a_service_goes_to_one_partition_with_what_was_found_there() -> None:
    hits = [verdict_of_hit(RuleHit("r", group.service, group.environment, (), "", 1.0, "e")) for group in GROUPS]
    versions = [Version("model", "m", 1.0, group.service) for group in GROUPS]
    whole = msgspec.structs.replace(cut(COUNTS), found=hits, versions=versions)
    told = [(number, decode(content)) for number, content in encode(whole, 0, WORKER, 8)]
    homes = {(series_partition(group.service, 8), group.service) for group in GROUPS}
    assert {(number, group.service) for number, one in told for group in one.groups} == homes
    assert {(number, hit.series.service) for number, one in told for hit in one.found} == homes
    assert {(number, version.service) for number, one in told for version in one.versions} == homes


def test_only_names_of_categories_that_are_used_travel() -> None:
    assert [decode(content).names for _, content in encode(cut(COUNTS), 4, WORKER, 1)] == [{SEARCH: "search"}]


def test_the_numbers_that_a_worker_gave_do_not_show() -> None:
    order = [2, 0, 3, 1]
    swapped = {FIRST_SCORE: FIRST_SCORE + 1, FIRST_SCORE + 1: FIRST_SCORE}
    counts = {(order.index(g), swapped.get(m, m), b): count for (g, m, b), count in COUNTS.items()}
    other = worker([GROUPS[old] for old in order], SCORES[::-1])
    assert encode(cut(counts), 4, other, 3) == encode(cut(COUNTS), 4, WORKER, 3)


def test_services_stay_where_they_are_for_good() -> None:
    """Another partition would learn them anew: these numbers may never change."""
    assert [series_partition(name, 8) for name in ("support", "a", "b", "c", "(other)")] == [1, 7, 7, 3, 7]


def test_what_is_no_partial_is_refused() -> None:
    with pytest.raises(ValueError, match="is no partial"):
        decode(b"\x00")
    with pytest.raises(ValueError, match=r"is no partial: .*required field `version`"):
        decode(msgspec.msgpack.encode({name: value for name, value in _told().items() if name != "version"}))


def test_a_message_says_its_version_and_one_of_a_newer_undertow_is_refused() -> None:
    assert _told()["version"] == VERSION
    newer = msgspec.msgpack.encode(_told() | {"version": VERSION + 1, "more": 1})
    with pytest.raises(ValueError, match=f"version {VERSION + 1}, this .* up to {VERSION}: update detect before the"):
        decode(newer)


def test_a_message_of_an_older_undertow_is_read() -> None:
    """What it does not have takes its default: it was written before there was any."""
    told = _told()
    del told["versions"]
    older = decode(msgspec.msgpack.encode(told | {"version": VERSION - 1}))
    assert (older.position, older.versions) == (17, [])


def _told() -> dict[str, Any]:
    """A message of a cut as plain values, as it lies in the log."""
    version = Version("model", "m", 1.0, "a")
    (message,) = encode(msgspec.structs.replace(cut(COUNTS), versions=[version]), 4, WORKER, 1)
    content: dict[str, Any] = msgspec.msgpack.decode(message[1])
    return content
