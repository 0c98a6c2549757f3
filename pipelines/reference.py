"""A reference file, such as an eval set, read as live traffic is: counts per metric and slice, to be pinned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from undertow.drift.metrics import Family, parent_of
from undertow.drift.pin import ReferencePart, Segment
from undertow.drift.windows import Cells, merge
from undertow.pipelines.processor import Processor
from undertow.pipelines.replay import replay
from undertow.pipelines.settings import Embeddings, Settings
from undertow.pipelines.step import Step

__all__ = ["LIMIT_BYTES", "ReferenceFileError", "read_reference"]

LIMIT_BYTES = 900_000  # as JSON: it travels in one control record
_ANY_TIME_S = 1e11  # a reference has no order of time: nothing in it is late or ahead
_COMPARED = {Family.RATE, Family.POSITIVE, Family.SCORE}


class ReferenceFileError(ValueError):
    """The file is no reference; the message says why and the way out."""


def read_reference(settings: Settings, file: str, service: str, metric: str = "") -> str:
    """Return what a file of events says, as the JSON of a tuple of `ReferencePart`.

    Events of that service are taken, of whatever environment; when the file knows one other service only, it is meant.

    Raises
    ------
    ReferenceFileError
        There is nothing of that service in it, or too much.
    """
    ingest = msgspec.structs.replace(settings.ingest, allowed_lateness_s=_ANY_TIME_S, max_ahead_s=_ANY_TIME_S)
    plain = msgspec.structs.replace(settings, ingest=ingest, embeddings=Embeddings(source="off"))
    parts: list[Cells] = []

    def take(step: Step) -> None:
        parts.extend(window.cells for window in step.windows)

    processor = replay(plain, [file], watch=take).processor
    said = _said(processor, merge(parts), _meant(processor, file, service))
    text = msgspec.json.encode([part for part in said if metric in {"", part.metric, parent_of(part.metric)}]).decode()
    if text == "[]":
        raise ReferenceFileError(f"{file} says nothing of {metric or 'any metric'} that could be compared")
    if len(text) > LIMIT_BYTES:
        raise ReferenceFileError(
            f"what {file} says takes {len(text):,} bytes, more than {LIMIT_BYTES:,}; pin one --metric at a time, or "
            "follow fewer dimensions"
        )
    return text


def _meant(processor: Processor, file: str, service: str) -> str:
    known = sorted({group.service for group in processor.counting.segments.groups})
    if service in known or len(known) == 1:
        return service if service in known else known[0]
    raise ReferenceFileError(f"{file} has no events of service '{service}'; it has {', '.join(known) or 'none at all'}")


def _said(processor: Processor, cells: Cells, service: str) -> Iterator[ReferencePart]:
    groups, catalogue = processor.counting.segments.groups, processor.counting.catalogue
    found: dict[tuple[Segment, str], Counter[int]] = defaultdict(Counter)
    columns = (column.tolist() for column in (cells.groups, cells.metrics, cells.bins, cells.counts))
    for group, number, value, count in zip(*columns, strict=True):
        if groups[group].service == service and catalogue.metric(number).family in _COMPARED:
            found[groups[group].segment, catalogue.name(number)][value] += count
    for (segment, metric), counts in sorted(found.items()):
        bins = sorted(counts)
        yield ReferencePart(segment, metric, bins, [counts[value] for value in bins])
