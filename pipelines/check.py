"""What `undertow check` finds out: what of a file can be watched, what not and why; what the settings do."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import METRICS
from undertow.drift.segments import dimension_reader
from undertow.drift.signal import Batch
from undertow.drift.signals import VECTORS
from undertow.drift.vectors import VectorSource
from undertow.pipelines import embedders
from undertow.pipelines.check_text import render
from undertow.pipelines.dead_letters import DeadLetter
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.gaps import HIDES, TOGETHER
from undertow.pipelines.inbox import Inbox
from undertow.pipelines.lane import service_of
from undertow.pipelines.meter import Meter
from undertow.pipelines.paging import named
from undertow.pipelines.prices import price_table
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.report import FileReport, Gap, Metric, RejectCount, Slices, TimeOrder
from undertow.pipelines.settings import Ingest, Settings
from undertow.pipelines.sources.file import FileSource
from undertow.pipelines.sources.streams import BROKEN, open_stream
from undertow.pipelines.trial import try_on, try_scores
from undertow.pipelines.wire import decoder_for
from undertow.pipelines.wire.foreign import propose
from undertow.pipelines.wire.json_lines import parse_object

__all__ = ["FileReport", "explain_settings", "inspect_file", "render"]

MOST_RECORDS = 100_000  # records looked at
PROBE_RECORDS = 2_000  # of them, the ones that tell native from foreign and give the proposal
MOST_DOCUMENT_BYTES = 67_108_864  # a file that is one JSON document is read whole up to here

# What a metric needs and what its absence hides; what is not listed can always be watched.


def inspect_file(path: str | Path, settings: Settings | None = None) -> FileReport:
    """Return what can be watched of a file and what cannot.

    Looks at the first 100,000 records. A log that is not native is read through the map of the settings or, if there is
    none, through a proposed one.

    Raises
    ------
    undertow.pipelines.source.SourceError
        The file cannot be opened.
    """
    settings = settings or Settings()
    name = str(path)
    ingest, proposal, notes = _how_to_read(name, settings.ingest)
    decoder = decoder_for(ingest)
    events, letters, rejected, records = _read(name, decoder, settings)
    notes += _notes(name, events, records, settings)
    return FileReport(
        path=name,
        format="foreign" if ingest.fields else "native",
        records=records,
        readable=len(events),
        complete=records < MOST_RECORDS,
        rejects=_reject_counts(letters, rejected),
        presence=_presence(events),
        metrics=_metrics(events, settings),
        gaps=_gaps(events, settings),
        own=_own(events, settings),
        slices=_slices(events, settings),
        order=_order(events, settings.ingest),
        proposal=proposal,
        dropped=dict(decoder.dropped),
        notes=notes,
    )


def explain_settings(settings: Settings) -> list[str]:
    """Return sentences that say what these settings do.

    Examples
    --------
    >>> explain_settings(Settings())[0]
    'Events: none configured; name files in [ingest] paths or on the command line.'
    """
    watched = [name for name in METRICS if name not in settings.detection.metrics_off and "." not in name]
    tails = [name for name in METRICS if "." in name and name.split(".")[0] in watched]
    per_service = len(watched) + len(tails)
    dimensions, values = settings.detection.dimensions, settings.detection.values_per_dimension
    most = min(settings.detection.series_limit, per_service * (1 + len(dimensions) * (values + 1)))
    return [
        _about_paths(settings.ingest),
        f"Watched: {len(watched)} metrics ({', '.join(watched)}) and {len(tails)} tails of them.",
        f"Slices: {', '.join(dimensions) or 'none'}; at most {values} values each, the others together.",
        f"Series: {per_service} for a service as a whole, at most {most} with its slices, "
        f"{settings.detection.series_limit} in all (series_limit).",
        f"Time: windows of {settings.ingest.window_s:g} s; "
        f"events up to {settings.ingest.allowed_lateness_s:g} s late count.",
        f"Learning: {settings.detection.strict_events} events before a large change can page, "
        f"{settings.detection.min_events} before an ordinary one; `undertow learn` seeds them from history.",
        f"Rules: {', '.join(rule.name for rule in settings.hard_rules) or 'none'}.",
        f"Should be live: {', '.join(settings.declared_versions) or 'nothing declared'}.",
        f"Embeddings: {settings.embeddings.source}.",
        f"Budget: {settings.budget.false_pages_per_week:g} false pages a week; pages are {_mode(settings)}.",
        f"Channels: {', '.join(_channels(settings)) or 'none'}.",
        f"Content: {settings.ingest.content}; kept for {settings.store.retention_days} days.",
        f"Data: {settings.folder.resolve()}; store: {_without_password(settings.store.url) or 'embedded, below it'}.",
    ]


def _about_paths(ingest: Ingest) -> str:
    if not ingest.paths:
        return "Events: none configured; name files in [ingest] paths or on the command line."
    how = f"through a map of {len(ingest.fields)} fields" if ingest.fields else "native JSON lines"
    return f"Events: {', '.join(ingest.paths)}, {how}."


def _mode(settings: Settings) -> str:
    return "sent" if settings.budget.notify == "page" else "recorded, not sent (shadow)"


def _channels(settings: Settings) -> list[str]:
    return [*named(settings.alerts), *(["console"] if settings.alerts.console else [])]


def _without_password(url: str | None) -> str | None:
    if url is None or "@" not in url:
        return url
    scheme, _, rest = url.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _how_to_read(name: str, ingest: Ingest) -> tuple[Ingest, dict[str, str], list[str]]:
    """Return the settings that read the file, the map proposed for it, and what there is to say about it."""
    if ingest.fields:
        return ingest, {}, []
    lines = list(_lines(name, PROBE_RECORDS))
    native = decoder_for(ingest)
    if not lines or sum(isinstance(native(line), Interaction) for line in lines) * 2 >= len(lines):
        return ingest, {}, []
    records = [record for record in map(parse_object, lines) if not isinstance(record, Reject)]
    notes = []
    if len(records) * 2 < len(lines) or len(lines) == 1:
        document = _document(name)
        if document:
            notes.append(_about_document(name))
            records = document
    proposal = propose(records) if records else {}
    readable = "time" in proposal
    if records and not readable:
        notes.append("No field tells when a call happened; map 'time' by hand, or log it.")
    return (msgspec.structs.replace(ingest, fields=proposal) if readable else ingest), proposal, notes


def _lines(name: str, most: int) -> Iterator[bytes]:
    source = FileSource(name)
    try:
        while most > 0 and (block := source.read()) is not None:
            lines = [line for line in block.lines if line.strip()][:most]
            most -= len(lines)
            yield from lines
    finally:
        source.close()


def _document(name: str) -> list[dict[str, Any]]:
    """Return the records of a file that is one JSON value: the objects in its lists, or the one object that it is."""
    stream = open_stream(Path(name))
    try:
        value = json.loads(stream.read(MOST_DOCUMENT_BYTES))
    except (ValueError, RecursionError, *BROKEN):
        return []
    finally:
        stream.close()
    return list(itertools.islice(_objects(value), PROBE_RECORDS))


def _about_document(name: str) -> str:
    stream = open_stream(Path(name))
    try:
        first = stream.read(1_000).lstrip()[:1]
    finally:
        stream.close()
    way = "jq -c '.[]' FILE" if first == b"[" else "jq -c . FILE"
    return f"The file is one JSON document, not one object a line; `{way} > lines.jsonl` makes lines of it."


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
        inner = next((item for item in lists if len(value) <= 2 * len(lists)), None)
        yield from itertools.chain.from_iterable(map(_objects, lists)) if inner else iter((value,))


Kinds = dict[tuple[str, str], int]


def _read(name: str, decoder: Decoder, settings: Settings) -> tuple[list[Interaction], list[DeadLetter], Kinds, int]:
    redactor = Redactor(settings.ingest.content, settings.ingest.redact)
    events: list[Interaction] = []
    letters: list[DeadLetter] = []
    max_ahead_s = settings.ingest.max_ahead_s
    with Inbox(
        [name], decoder, follow=False, max_ahead_s=max_ahead_s, redact=lambda text: redactor.text(text) or ""
    ) as inbox:
        taken = inbox.take(MOST_RECORDS)
        events += taken.events
        letters += taken.rejects
        rejected = {(reason, field): count for (_, reason, field), count in inbox.rejected.items()}
    return events, letters, rejected, taken.records


def _reject_counts(letters: Sequence[DeadLetter], rejected: Kinds) -> list[RejectCount]:
    first = {(letter.reason, letter.field): letter for letter in reversed(letters)}
    counted = [
        RejectCount(reason, field, count, first[reason, field].line, first[reason, field].excerpt)
        for (reason, field), count in rejected.items()
        if (reason, field) in first
    ]
    return sorted(counted, key=lambda reject: -reject.count)


def _presence(events: Sequence[Interaction]) -> dict[str, float]:
    if not events:
        return {}
    absent = (None, "")
    return {
        name: sum(getattr(event, name) not in absent for event in events) / len(events)
        for name in Interaction.__struct_fields__
    }


def _calls(events: Iterable[Interaction]) -> list[Interaction]:
    return [event for event in events if event.kind is Kind.CALL]


def _metrics(events: Sequence[Interaction], settings: Settings) -> list[Metric]:
    shares = _shares(_calls(events), settings)
    return [Metric(name, share) for name, share in shares.items() if share > 0]


def _gaps(events: Sequence[Interaction], settings: Settings) -> list[Gap]:
    shares = _shares(_calls(events), settings)
    return [Gap(name, *HIDES[name]) for name, share in shares.items() if share == 0 and name in HIDES]


def _own(events: Sequence[Interaction], settings: Settings) -> list[str]:
    """Return what the metrics of the user's own, and the scores that events carry, say of these events."""
    redactor = Redactor(settings.ingest.content, settings.ingest.redact)
    tried = [try_on(own, events, redactor) for own in settings.own_metrics]
    return [trial.line for trial in [*tried, *try_scores(events)]]


def _shares(calls: list[Interaction], settings: Settings) -> dict[str, float]:
    """Return for each metric the share of calls that say something about it: the signals themselves are asked."""
    if not calls:
        return {}
    catalogue = Catalogue([own.metric for own in settings.own_metrics])
    measured = Meter(settings, price_table(settings.prices), catalogue, Categories()).measure(calls)
    says = np.isfinite(measured.values).mean(axis=0)
    shares = {name: float(says[column]) for name, column in catalogue.columns.items()}
    shares["cost_per_task"] = float(np.isfinite(measured.costs).mean())
    for name, fields in TOGETHER.items():
        shares[name] = sum(any(getattr(call, field) for field in fields) for call in calls) / len(calls)
    batch, source = Batch(calls), VectorSource(embedders.build(settings.embeddings.source))
    shares |= {name: len(signal(source).embed(batch)[0]) / len(calls) for name, signal in VECTORS.items()}
    return {name: share for name, share in shares.items() if name not in settings.detection.metrics_off}


def _slices(events: Sequence[Interaction], settings: Settings) -> list[Slices]:
    calls = _calls(events)
    found = []
    for dimension in settings.detection.dimensions if calls else ():
        read = dimension_reader(dimension)
        values = Counter(str(value) for value in map(read, calls) if value is not None)
        top = [value for value, _ in values.most_common(10)]
        found.append(Slices(dimension, len(values), values.total() / len(calls), top))
    return found


def _order(events: Sequence[Interaction], ingest: Ingest) -> TimeOrder | None:
    if not events:
        return None
    times = np.array([event.time for event in events])
    closes = (np.floor(times / ingest.window_s) + 1) * ingest.window_s + ingest.allowed_lateness_s
    late = closes < np.maximum.accumulate(times)
    steps = np.sign(np.diff(times))
    falling, moving = int(np.count_nonzero(steps < 0)), int(np.count_nonzero(steps))
    newest_first = moving > 1 and falling > 0.9 * moving
    return TimeOrder(float(times.min()), float(times.max()), float(late.mean()), newest_first)


def _notes(name: str, events: Sequence[Interaction], records: int, settings: Settings) -> list[str]:
    if not records:
        return ["The file holds no records."]
    calls = _calls(events)
    notes = []
    if events and not calls:
        notes.append("No event is a call: nothing can be watched but what changes are declared.")
    if calls and all(call.service == service_of(name) for call in calls) and not settings.ingest.service:
        notes.append(f"The service is '{service_of(name)}', after the file; set `service` in [ingest] to name it.")
    if calls and not any(call.error or call.http_status for call in calls):
        notes.append("No call carries an error or a status: either none failed, or the log does not say.")
    prices = price_table(settings.prices)
    used = [call for call in calls if call.input_tokens is not None and prices.cost(call) is None]
    unpriced = Counter(call.response_model or call.model for call in used)
    named = [f"{model} ×{count:,}" for model, count in unpriced.most_common(5) if model]
    if named:
        notes.append(f"Not priced: {', '.join(named)}; give their prices in [prices].")
    repeated = len(events) - len({(event.service, event.id) for event in events})
    if repeated:
        notes.append(f"{repeated:,} events repeat an id within their service and may count as duplicates.")
    return notes
