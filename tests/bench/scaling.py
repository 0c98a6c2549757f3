"""What an installation of many machines costs, stage by stage: `python -m tests.bench scaling` writes docs/scaling.md.

Every figure is CPU time of this process, which other work on the machine changes little; a stage counts with its
fastest round. `costs` takes the simulator's traffic through the code of each role. `series` gives the detect stage
windows of 100,000 series with ever more events in them, half of all in one slice, until all bins are full; `role` takes
such windows through the whole of the role, as partials.
"""

from __future__ import annotations

import gc
import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.blocks import replaced
from bench.signals import traffic
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.categories import Categories
from undertow.drift.monitor import Monitor, MonitorConfig
from undertow.drift.segments import Group, Segments, SegmentsState
from undertow.drift.statistics.logbins import bin_of
from undertow.drift.windows import Cells, ClosedWindow
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.counting import Counting, horizon_s
from undertow.pipelines.kafka.blocks import Block, Blocks
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Send
from undertow.pipelines.kafka.partials import encode
from undertow.pipelines.kafka.series_partition import SeriesPartition
from undertow.pipelines.kafka.source_partition import Block as Counted
from undertow.pipelines.kafka.source_partition import Cut, Output, SourcePartition, Terms
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.prices import price_table
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.redaction import LabelPolicy, Redactor
from undertow.pipelines.settings import Detection, Embeddings, Kafka, Settings
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["costs", "rewrite", "role", "series"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"
LARGEST_BYTES = 8_388_608
ROUNDS = 2
RATES = (
    *("refusal_rate", "error_rate", "truncation_rate", "empty_rate", "schema_violation_rate", "loop_rate"),
    *("tool_error_rate", "partial_refusal_rate"),
)
QUANTITIES = ("latency", "output_length")
GROUPS = 10_000
WINDOW_S = 10.0
TRAFFIC = (1, 10, 100, 1_000, 10_000)
ROLE_TRAFFIC = (1, 100)
LEAST_EVENTS = 100_000  # of a window at 1×: 10,000 events a second
WARM_WINDOWS, MEASURED_WINDOWS = 2, 4
LEARNING = Detection()
MIN_EVENTS = 500  # so that the warm windows are enough to learn from
Ints = NDArray[np.int64]
_S = TypeVar("_S")
_T = TypeVar("_T")


class Timed(NamedTuple):
    """A stage: how many of what it was measured over, and what each of these takes."""

    stage: str
    unit: str
    number: int
    total: float
    measure: str = "µs"


def rewrite(events: int, say: Callable[[str], None]) -> None:
    """Measure the blocks of docs/scaling.md and write them there."""
    for name, measured in (("stages", costs(events)), ("series", series()), ("role", role())):
        say(f"\n{name}:\n\n{measured}")
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(), name, measured))


# -- stages ------------------------------------------------------------------------------------------------------------


def costs(events: int) -> str:
    """Return the cost of each stage over so many simulated events, as Markdown."""
    rows = list(_stages(traffic(events)))
    told = [f"| {row.stage} | {row.number:,} {row.unit} | {_each(row)} |" for row in rows]
    return "\n".join(["| stage | over | each |", "|---|---|---|", *told])


def _each(row: Timed) -> str:
    value = row.total / row.number * (1e6 if row.measure == "µs" else 1.0)
    return f"{value:,.{0 if value >= 100 else 1 if value >= 1 else 2}f} {row.measure}"


def _stages(lines: Sequence[bytes]) -> Iterator[Timed]:
    log = [Message(number, line, time=math.inf) for number, line in enumerate(lines)]
    decode = NativeDecoder()
    decoding, _ = _fastest(lambda: None, lambda _: [decode(line) for line in lines])
    yield Timed("decode", "events", len(lines), decoding)
    bare, _ = _fastest(lambda: _worker("off"), lambda worker: worker.take(log))
    yield Timed("signals, tasks, windows", "events", len(lines), bare - decoding)
    workers: list[_Worker] = []
    whole, outputs = _fastest(lambda: _worker("static", workers), lambda worker: worker.take(log))
    yield Timed("embedding (a sample within its budget)", "events", len(lines), whole - bare)
    counting = workers[-1].counting
    yield from _of_blocks(counting, [output for output in outputs if isinstance(output, Counted)], len(lines))
    yield from _of_cuts(counting, [output for output in outputs if isinstance(output, Cut)])


class _Worker:
    """The worker's machine on one partition, with its counting built beforehand."""

    def __init__(self, settings: Settings) -> None:
        ingest = settings.ingest
        self.counting = Counting(settings, price_table({}))
        terms = Terms(ingest.window_s, ingest.allowed_lateness_s, horizon_s(ingest), ingest.max_ahead_s)
        self._partition = SourcePartition(lambda _: self.counting, terms, NativeDecoder(), "llm.events/0", redact=str)

    def take(self, log: Sequence[Message]) -> list[Output]:
        """Take the log and return what it brings."""
        return list(self._partition.take(log))


def _worker(embeddings: str, kept: list[_Worker] | None = None) -> _Worker:
    worker = _Worker(Settings(embeddings=Embeddings(source=embeddings)))
    if kept is not None:
        kept.append(worker)
    return worker


def _of_blocks(counting: Counting, blocks: Sequence[Counted], events: int) -> Iterator[Timed]:
    building, written = _fastest(lambda: None, lambda _: _rows(counting, blocks))
    yield Timed("rows: redaction, columns, Arrow", "events", events, building)
    calls = [block for block in written if block.table == "interactions"]
    yield Timed("a row in its block", "events", events, sum(len(block.content) for block in calls), "bytes")
    with tempfile.TemporaryDirectory() as folder, Store.open(Settings().store, Path(folder)) as store:
        _insert(store, calls, "warm")
        inserting, _ = _fastest(lambda: str(time.process_time()), lambda attempt: _insert(store, calls, attempt))
    yield Timed("insert: client and engine together", "events", events, inserting)


def _rows(counting: Counting, blocks: Sequence[Counted]) -> list[Block]:
    tables, redactor = Blocks(LARGEST_BYTES), Redactor("redacted")
    labels = LabelPolicy("redacted", (), Settings().detection.dimensions)
    recorder = Recorder(tables, redactor, labels, str, counting.catalogue, counting.categories)
    for block in blocks:
        for step in block.steps:
            recorder.add(step)
        recorder.write(f"llm.events/0:{block.position}", counting.segments.groups, ())
    return tables.drain()


def _insert(store: Store, blocks: Sequence[Block], attempt: str) -> None:
    for block in blocks:
        store.insert_block(block.table, block.content, f"{attempt} {block.token}")


def _of_cuts(counting: Counting, cuts: Sequence[Cut]) -> Iterator[Timed]:
    windows = [window for cut in cuts for window in cut.windows]
    cells = sum(len(window.cells.keys) for window in windows)
    series = sum(len(np.unique(window.cells.series)) for window in windows)
    encoding, messages = _fastest(
        lambda: None, lambda _: [content for cut in cuts for _, content in encode(cut, 0, counting, 1)]
    )
    yield Timed("partials: encode", "series and windows", series, encoding)
    yield Timed("a series in a partial", "series and windows", series, sum(map(len, messages)), "bytes")
    yield Timed("cells of a series", "series and windows", series, cells, "cells")
    log = [Message(offset, content) for offset, content in enumerate(messages)]
    judging, _ = _fastest(_detect, lambda partition: partition.take(log))
    yield Timed("partials: decode, merge; detect", "series and windows", series, judging)


def _detect(detection: Detection = LEARNING) -> SeriesPartition:
    """Return the detect role's machine on one partition."""
    settings = Settings(kafka=Kafka(series_partitions=1), detection=detection)
    return SeriesPartition(settings, Names.of(settings.kafka), 0, 1, 1)


def _fastest(prepare: Callable[[], _S], run: Callable[[_S], _T]) -> tuple[float, _T]:
    """Return the CPU seconds of the fastest round, and what the last one returned."""
    best, found = math.inf, list[_T]()
    for _ in range(ROUNDS):
        prepared = prepare()
        gc.collect()
        began = time.process_time()
        found = [run(prepared)]
        best = min(best, time.process_time() - began)
    return best, found[0]


# -- 100,000 series ----------------------------------------------------------------------------------------------------


def series(groups: int = GROUPS) -> str:
    """Return what a window of 100,000 series costs the monitor at 1, 10 and 100 times the traffic, as Markdown."""
    catalogue, draw = Catalogue(), np.random.default_rng(1)
    monitor = Monitor(MonitorConfig(min_events=MIN_EVENTS), _names(groups), catalogue, Categories())
    samples = {times: _window(catalogue, draw, groups, times * LEAST_EVENTS) for times in TRAFFIC}
    clock = iter(np.arange(0.0, 1e6, WINDOW_S))
    for _ in range(WARM_WINDOWS):
        _observed(monitor, samples[TRAFFIC[-1]], next(clock))
    rows = [
        "| traffic | events a window | in one slice | cells | CPU ms a window | µs a series | ns an event |",
        "|---|---|---|---|---|---|---|",
    ]
    for times in TRAFFIC:
        cells, events = samples[times], times * LEAST_EVENTS
        seconds = min(_observed(monitor, cells, next(clock)) for _ in range(MEASURED_WINDOWS))
        found = len(np.unique(cells.series))
        shown = [f"{times:,}×", f"{events:,}", "50 %", f"{len(cells.keys):,}", f"{seconds * 1e3:,.0f}"]
        rows.append(
            "| " + " | ".join([*shown, f"{seconds / found * 1e6:.1f}", f"{seconds / events * 1e9:,.0f}"]) + " |"
        )
    return "\n".join([*rows, "", f"{found:,} series, {monitor.pageable():,} of which may page, tails included."])


def role(groups: int = GROUPS, traffic_times: Sequence[int] = ROLE_TRAFFIC) -> str:
    """Return what such a window costs the whole of the role, message by message, as Markdown."""
    catalogue, draw = Catalogue(), np.random.default_rng(1)
    counting = _Named(catalogue, Categories(), Segments((), groups, 1, SegmentsState(_names(groups))))
    partition, cuts = _detect(Detection(min_events=MIN_EVENTS)), itertools.count(1)
    samples = {times: _window(catalogue, draw, groups, times * LEAST_EVENTS) for times in traffic_times}
    for _ in range(WARM_WINDOWS):
        _taken(partition, samples[traffic_times[-1]], counting, next(cuts))
    rows = ["| traffic | cells | bytes of partials | CPU ms to encode | CPU ms of detect |", "|---|---|---|---|---|"]
    for times, cells in samples.items():
        sizes, encoding, taking = zip(
            *(_taken(partition, cells, counting, next(cuts)) for _ in range(ROUNDS)), strict=True
        )
        shown = (f"{times:,}×", f"{len(cells.keys):,}", f"{sizes[0]:,}", f"{min(encoding):,.0f}", f"{min(taking):,.0f}")
        rows.append("| " + " | ".join(shown) + " |")
    return "\n".join(rows)


class _Named(NamedTuple):
    """What a worker counts with, as far as its numbers have names."""

    catalogue: Catalogue
    categories: Categories
    segments: Segments


def _taken(partition: SeriesPartition, cells: Cells, counting: _Named, number: int) -> tuple[int, float, float]:
    """Return the bytes of a window's partials, and what it costs to write and to judge them, milliseconds of CPU."""
    window = ClosedWindow(number * WINDOW_S, (number + 1) * WINDOW_S, cells)
    cut = Cut(number, number - 1 if number > 1 else -1, window.end, [window])
    began = time.process_time()
    messages = [content for _, content in encode(cut, 0, counting, 1)]
    encoded = time.process_time()
    first = partition.position
    outputs = partition.take([Message(first + place, content) for place, content in enumerate(messages)])
    taken = time.process_time()
    if not any(isinstance(output, Send) and output.topic.endswith("verdicts") for output in outputs):
        raise RuntimeError("the window was not judged")
    return sum(map(len, messages)), (encoded - began) * 1e3, (taken - encoded) * 1e3


def _names(groups: int) -> list[Group]:
    return [Group(f"s{number // 100}", "", (("operation", str(number % 100)),)) for number in range(groups)]


def _observed(monitor: Monitor, cells: Cells, start: float) -> float:
    began = time.process_time()
    monitor.observe(ClosedWindow(start, start + WINDOW_S, cells))
    return time.process_time() - began


def _window(catalogue: Catalogue, draw: np.random.Generator, groups: int, events: int) -> Cells:
    """Return a window in which one slice has half of the events, and the others share the rest evenly."""
    sizes = draw.multinomial(events // 2, np.full(groups - 1, 1 / (groups - 1)))
    sizes = np.r_[events - events // 2, sizes]
    parts = [_rate(catalogue.numbers[name], sizes, draw) for name in RATES]
    parts += [_quantity(catalogue.numbers[name], sizes, draw) for name in QUANTITIES]
    keys, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys)
    return Cells(keys[order], counts[order])


def _rate(metric: int, sizes: Ints, draw: np.random.Generator) -> tuple[Ints, Ints]:
    hits = draw.binomial(sizes, 0.05)
    return _cells(metric, np.array([0, 1]), np.stack([sizes - hits, hits], 1))


def _quantity(metric: int, sizes: Ints, draw: np.random.Generator) -> tuple[Ints, Ints]:
    """Log-normal with σ = 0.6 about 300: some 180 bins when there are events enough to fill them."""
    bins, counts = np.unique(bin_of(np.exp(draw.normal(math.log(300.0), 0.6, 200_000)), 1.0), return_counts=True)
    return _cells(metric, bins, draw.multinomial(sizes, counts / counts.sum()))


def _cells(metric: int, bins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    group, column = np.nonzero(counts)
    keys = ((group.astype(np.int64) * SERIES_METRICS + metric) << 24) + bins[column]
    return keys, counts[group, column]
