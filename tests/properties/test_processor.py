"""What must hold of the whole path for any stream: batching, order and restarts change nothing that comes out."""

import itertools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.catalogue import Catalogue
from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.metrics import METRICS
from undertow.drift.prices import PriceTable
from undertow.pipelines import snapshot
from undertow.pipelines.counting import Counters
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Alerts, Budget, Detection, Ingest, Settings
from undertow.pipelines.step import Step

LATENESS_S = 30.0
SETTINGS = Settings(
    ingest=Ingest(
        window_s=10.0, allowed_lateness_s=LATENESS_S, dedup_horizon_s=100.0, task_idle_s=30.0, task_limit_s=90.0
    ),
    detection=Detection(dimensions=("operation", "region"), min_events=40, strict_events=20),
    budget=Budget(false_pages_per_week=1000.0),
    alerts=Alerts(hold_s=15.0),
)
IN_ORDER_READ = ["calls_so_far", "loop_rate"]  # what came before what is just what they measure
ORDERLESS = msgspec.structs.replace(
    SETTINGS, detection=msgspec.structs.replace(SETTINGS.detection, metrics_off=IN_ORDER_READ)
)
CROWDED = msgspec.structs.replace(
    SETTINGS,
    detection=Detection(
        dimensions=("operation", "region"),
        min_events=40,
        strict_events=20,
        values_per_dimension=2,
        series_limit=6 * len(METRICS),
        detector={"latency": "kswin", "error_rate": "adwin"},
    ),
)


class Told(NamedTuple):
    """All that came out, as bytes."""

    windows: list[bytes]
    verdicts: list[bytes]
    changes: list[bytes]
    counters: Counters


def told(processor: Processor, steps: Sequence[Step]) -> Told:
    groups = processor.counting.segments.groups
    return Told(
        [window.encode(groups, Catalogue()) for step in steps for window in step.windows],
        [msgspec.msgpack.encode(verdict) for step in steps for verdict in step.verdicts],
        [msgspec.msgpack.encode(change) for step in steps for change in step.changes],
        processor.counters,
    )


Read = tuple[Interaction, int]  # event, checksum


def play(stream: Sequence[Read], sizes: Sequence[int] = (), config: Settings = SETTINGS) -> Told:
    processor = Processor(config, PriceTable())
    steps = [take(processor, batch) for batch in batched(stream, sizes)]
    return told(processor, [*steps, processor.finish()])


def take(processor: Processor, batch: Sequence[Read]) -> Step:
    return processor.step([event for event, _ in batch], [checksum for _, checksum in batch])


def batched(stream: Sequence[Read], sizes: Sequence[int]) -> list[Sequence[Read]]:
    ends = list(itertools.accumulate(sizes))
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@st.composite
def streams(draw: st.DrawFn) -> list[Read]:
    """Events of all kinds, out of order beyond the lateness now and then, some of them delivered again."""
    stream: list[Read] = []
    now = 1000.0
    for number in range(draw(st.integers(0, 40))):
        now += draw(st.sampled_from([0.0, 1.0, 4.0, 15.0, 40.0]))
        if stream and draw(st.integers(0, 5)) == 0:
            event, checksum = stream[draw(st.integers(0, len(stream) - 1))]
            stream.append((event, draw(st.sampled_from([checksum, checksum + 1]))))
            continue
        event = Interaction(
            id=str(number),
            time=now - draw(st.sampled_from([0.0, 0.0, 0.0, 6.0, 18.0, 45.0])),
            service=draw(st.sampled_from(["a", "a", "b", "c"])),
            kind=draw(st.sampled_from([Kind.CALL, Kind.CALL, Kind.CALL, *Kind])),
            operation=draw(st.sampled_from([None, "x"])),
            model=draw(st.sampled_from(["m1", "m1", "m2", "m3"])),
            attributes={"region": draw(st.sampled_from(["eu", "us", "asia", "cn"]))},
            refused=draw(st.sampled_from([None, True, False])),
            latency=draw(st.sampled_from([None, 0.5, 3.0])),
            cost=draw(st.sampled_from([None, 0.1, 0.7])),
            task=draw(st.sampled_from([None, "t1", "t2"])),
            tool_calls=draw(st.sampled_from([None, [ToolCall("find")]])),
            shadow_of=draw(st.sampled_from([None, None, None, "0"])),
        )
        stream.append((event, number))
    return stream


@settings(max_examples=60, deadline=None)
@given(streams(), st.lists(st.integers(1, 6), min_size=40, max_size=40))
def test_the_size_of_the_batches_changes_nothing(stream: list[Read], sizes: list[int]) -> None:
    sizes = sizes[: len(stream)]
    assert play(stream, sizes, CROWDED) == play(stream, [1] * len(stream), CROWDED) == play(stream, (), CROWDED)


def shifting(seed: int, count: int = 600, jitter_s: float = 0.0) -> list[Read]:
    """A service whose answers turn into slow refusals for a while, and another one that goes on; jittered in time."""
    rng = random.Random(seed)
    stream: list[tuple[float, Read]] = []
    for number in range(count):
        bad = 160 <= number < 300 and number % 2 == 0
        time = 1000.0 + number * 4.0  # a version seen in a service's first ten minutes was there from the start
        event = Interaction(
            id=str(number // 2),
            time=time,
            service="ab"[number % 2],
            operation=rng.choice(["x", "y"]),
            response_model="m2" if bad else "m1",
            refused=rng.random() < (0.95 if bad else 0.03),
            latency=rng.lognormvariate(2.0 if bad else 0.0, 0.3),
            http_status=200,
            cost=rng.random(),
            task=f"t{number // 6}" if number % 3 else None,
        )
        stream.append((time + rng.uniform(0.0, jitter_s), (event, number)))
        if rng.random() < 0.1:
            stream.append((time + rng.uniform(0.0, jitter_s), (event, number)))
    return [read for _, read in sorted(stream, key=lambda pair: pair[0])]


def test_the_stream_of_these_tests_leads_to_pages_recoveries_and_incidents() -> None:
    found = play(shifting(1))
    kinds = [msgspec.msgpack.decode(verdict)["kind"] for verdict in found.verdicts]
    assert {"page", "recovered"} <= set(kinds)
    assert any(msgspec.msgpack.decode(change)["incident"]["versions"] for change in found.changes)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3), st.integers(0, 1000), st.integers(1, 60))
def test_neither_order_within_the_lateness_nor_batching_changes_windows_verdicts_or_incidents(
    seed: int, order: int, size: int
) -> None:
    straight = shifting(seed)
    rng = random.Random(order)
    delayed = sorted(straight, key=lambda read: read[0].time + rng.uniform(0.0, LATENESS_S))
    sizes = [size] * (len(delayed) // size)
    assert _without_order(play(delayed, sizes, ORDERLESS)) == _without_order(play(straight, (), ORDERLESS))


def _without_order(found: Told) -> Told:
    """Return what came out, less the metrics that follow the order in which events were read."""
    windows = [msgspec.json.decode(window) for window in found.windows]
    kept = [[start, end, [row for row in rows if row[1] not in IN_ORDER_READ]] for start, end, rows in windows]
    return found._replace(windows=[msgspec.json.encode(window) for window in kept])


def restarted(processor: Processor, path: Path, config: Settings = SETTINGS) -> Processor:
    """Return the processor as it comes back from the bytes on disk."""
    snapshot.write(path, processor.snapshot())
    return Processor(config, PriceTable(), snapshot.read(path))


def resumed_everywhere(stream: Sequence[Read], step: int, config: Settings) -> None:
    """Check that at every cut the bytes of a snapshot continue exactly like the run that was not interrupted."""
    batches = batched(stream, [step] * (len(stream) // step))
    whole = Processor(config, PriceTable())
    steps: list[Step] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.snapshot"
        cuts: list[tuple[int, Processor]] = []
        for number, batch in enumerate(batches):
            cuts.append((number, restarted(whole, path, config)))
            steps.append(take(whole, batch))
        cuts.append((len(batches), restarted(whole, path, config)))
    steps.append(whole.finish())
    for number, other in cuts:
        later = [take(other, batch) for batch in batches[number:]]
        assert told(other, [*later, other.finish()]) == told(whole, steps[number:])
        assert encoded(other) == encoded(whole)


def encoded(processor: Processor) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.snapshot"
        snapshot.write(path, processor.snapshot())
        return path.read_bytes()


def test_a_restart_at_any_prefix_of_a_stream_with_incidents_changes_nothing() -> None:
    resumed_everywhere(shifting(2, jitter_s=15.0), 15, SETTINGS)


@settings(max_examples=12, deadline=None)
@given(streams())
def test_a_restart_after_any_event_changes_nothing(stream: list[Read]) -> None:
    resumed_everywhere(stream, 3, CROWDED)


@settings(max_examples=25, deadline=None)
@given(streams())
def test_every_event_is_new_a_duplicate_or_a_conflict_and_counted_once(stream: list[Read]) -> None:
    near = [
        (msgspec.structs.replace(event, time=1000.0 + number), checksum)
        for number, (event, checksum) in enumerate(stream)
    ]
    found = play(near).counters
    first: dict[tuple[str, str], int] = {}
    for event, checksum in near:
        first.setdefault((event.service, event.id), checksum)
    assert found.events == len(first)
    assert found.events + found.duplicates == len(near)
    assert found.conflicts == sum(checksum != first[event.service, event.id] for event, checksum in near)
    assert found.late == 0
