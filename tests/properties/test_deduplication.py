"""What must hold of deduplication for any stream: nothing counts twice, nothing is lost, restarts change nothing."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.deduplication import Deduplication, DeduplicationState
from undertow.drift.interaction import Interaction

HORIZON_S = 100.0


class Read(NamedTuple):
    """One event as it was read: by whom, its id, its content, and how far the clock had moved since the one before."""

    service: str
    id: str
    content: int
    gap: float


reads = st.builds(
    Read,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from([7, 7, 7, 8]),
    st.sampled_from([0.0, 1.0, 30.0, 100.0, 250.0]),
)
streams = st.lists(reads, max_size=40)


def clocks(stream: Sequence[Read]) -> list[float]:
    return list(itertools.accumulate(read.gap for read in stream))


def admit(seen: Deduplication, stream: Sequence[Read], clock: Sequence[float]) -> list[bool]:
    events = [Interaction(id=read.id, time=0.0, service=read.service) for read in stream]
    return seen.admit(events, [read.content for read in stream], np.array(clock)).tolist()  # type: ignore[no-any-return]


@given(streams)
def test_nothing_counts_twice_within_the_horizon_and_nothing_is_kept_beyond_twice_of_it(stream: list[Read]) -> None:
    """The horizon begins anew whenever an id is seen."""
    clock = clocks(stream)
    admitted = admit(Deduplication(HORIZON_S), stream, clock)
    last_seen: dict[tuple[str, str], float] = {}
    for read, now, is_new in zip(stream, clock, admitted, strict=True):
        since = now - last_seen.get((read.service, read.id), -np.inf)
        assert is_new or since < 2 * HORIZON_S
        assert not is_new or since >= HORIZON_S
        last_seen[read.service, read.id] = now


@given(streams)
def test_what_is_remembered_can_be_learned_again_from_the_last_two_epochs(stream: list[Read]) -> None:
    clock = clocks(stream)
    whole, later = Deduplication(HORIZON_S), Deduplication(HORIZON_S)
    admit(whole, stream, clock)
    last = clock[-1] // HORIZON_S if clock else 0.0
    since = next((place for place, now in enumerate(clock) if now // HORIZON_S >= last - 1), 0)
    admit(later, stream[since:], clock[since:])
    learned, known = later.snapshot(), whole.snapshot()
    assert (learned.current, learned.previous) == (known.current, known.previous)


@given(streams, st.lists(st.integers(1, 5), min_size=40, max_size=40))
def test_the_size_of_the_batches_changes_nothing(stream: list[Read], sizes: list[int]) -> None:
    clock = clocks(stream)
    whole, parts = Deduplication(HORIZON_S), Deduplication(HORIZON_S)
    expected = admit(whole, stream, clock)
    ends = list(itertools.accumulate(sizes))
    found = [
        is_new
        for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)
        for is_new in (admit(parts, stream[a:b], clock[a:b]) if stream[a:b] else [])
    ]
    assert found == expected
    assert parts.snapshot() == whole.snapshot()


@given(streams)
def test_a_restart_after_any_event_changes_nothing(stream: list[Read]) -> None:
    clock = clocks(stream)
    whole = Deduplication(HORIZON_S)
    expected = admit(whole, stream, clock)
    for cut in range(len(stream) + 1):
        before = Deduplication(HORIZON_S)
        found = admit(before, stream[:cut], clock[:cut])
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(before.snapshot()), type=DeduplicationState)
        after = Deduplication(HORIZON_S, state=state)
        assert found + admit(after, stream[cut:], clock[cut:]) == expected
        assert after.snapshot() == whole.snapshot()


@given(streams)
def test_a_repeat_is_a_duplicate_and_one_with_other_content_a_conflict(stream: list[Read]) -> None:
    still = [read._replace(gap=0.0) for read in stream]
    seen = Deduplication(HORIZON_S)
    admitted = admit(seen, still, clocks(still))
    first: dict[tuple[str, str], int] = {}
    for read in still:
        first.setdefault((read.service, read.id), read.content)
    assert sum(admitted) == len(first)
    assert seen.duplicates == len(still) - len(first)
    assert seen.conflicts == sum(read.content != first[read.service, read.id] for read in still)


@given(st.integers(1, 200))
def test_two_services_that_both_count_from_one_lose_nothing(count: int) -> None:
    stream = [Read(service, str(number), 7, 0.0) for number in range(1, count + 1) for service in ("a", "b")]
    assert all(admit(Deduplication(HORIZON_S), stream, clocks(stream)))


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(2, 20))
def test_no_more_ids_are_kept_than_the_limit_and_those_forgotten_early_are_counted(
    numbers: list[int], limit: int
) -> None:
    seen = Deduplication(HORIZON_S, limit=limit)
    stream = [Read("a", str(number), 7, 0.0) for number in numbers]
    admitted = admit(seen, stream, clocks(stream))
    state = seen.snapshot()
    kept = len(state.current) + len(state.previous)
    assert kept <= limit
    assert sum(admitted) == kept + state.forgotten_early
