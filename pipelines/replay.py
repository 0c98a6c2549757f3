"""Replaying history through the very code that watches live traffic, as fast as it goes: the backtest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from undertow.alerts.incident import Change, ChangeKind, Incident
from undertow.drift.verdict import Verdict
from undertow.pipelines.garbage import rare_collections
from undertow.pipelines.inbox import Inbox
from undertow.pipelines.prices import price_table
from undertow.pipelines.processor import Processor
from undertow.pipelines.settings import Settings
from undertow.pipelines.step import Step
from undertow.pipelines.wire import decoder_for

__all__ = ["Replay", "incident_json", "moment", "replay"]

_BATCH = 4096


class Replay(msgspec.Struct):
    """What a replay found.

    `incidents` are those that were paged, in the order of their pages, each as it stood at the end.
    """

    incidents: list[Incident]
    verdicts: list[Verdict]
    records: int
    rejected: int
    processor: Processor


@rare_collections()
def replay(
    settings: Settings,
    paths: Sequence[str],
    progress: Callable[[int], None] = lambda _records: None,
    watch: Callable[[Step], None] = lambda _step: None,
) -> Replay:
    """Run events of files through signals, windows, detectors and incidents; nothing is stored or sent.

    Parameters
    ----------
    progress
        Called with the number of records read so far.
    watch
        Called with each step, for those who want to see more than the incidents.

    Raises
    ------
    undertow.pipelines.source.SourceError
        A file is missing or cannot be read.
    """
    processor = Processor(settings, price_table(settings.prices))
    paged: dict[str, Incident] = {}
    verdicts: list[Verdict] = []
    records = rejected = 0

    def take(step: Step) -> None:
        verdicts.extend(step.verdicts)
        _note(paged, step.changes)
        watch(step)

    with Inbox(paths, decoder_for(settings.ingest), follow=False, max_ahead_s=settings.ingest.max_ahead_s) as inbox:
        exhausted = False
        while not exhausted:
            taken = inbox.take(_BATCH)
            exhausted = taken.exhausted
            records, rejected = records + taken.records, rejected + taken.rejected
            take(processor.step(taken.events, taken.crcs))
            progress(records)
    take(processor.finish())
    return Replay(list(paged.values()), verdicts, records, rejected, processor)


def _note(paged: dict[str, Incident], changes: Sequence[Change]) -> None:
    """Remember the latest state of every incident that was paged."""
    for change in changes:
        if change.kind is ChangeKind.TRIGGER or change.incident.id in paged:
            paged[change.incident.id] = change.incident


def moment(time: float | None) -> str | None:
    """Return an event time as RFC 3339 in UTC.

    Examples
    --------
    >>> moment(1_700_000_000.0)
    '2023-11-14T22:13:20Z'
    """
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return an incident as `undertow replay --json` prints it: stable names, times in RFC 3339, event time."""
    return {
        "id": incident.id,
        "service": incident.service,
        "environment": incident.environment,
        "opened_at": moment(incident.opened_at),
        "changed_at": moment(incident.changed_at),
        "changed_from": moment(incident.changed_from),
        "changed_to": moment(incident.changed_to),
        "paged_at": moment(incident.paged_at),
        "resolved_at": moment(incident.resolved_at),
        "severity": incident.severity.value,
        "headline": incident.headline,
        "causes": incident.causes,
        "http": msgspec.to_builtins(incident.http),
        "verdicts": [_verdict_json(verdict) for verdict in incident.verdicts],
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "kind": verdict.kind,
        "metric": verdict.series.metric,
        "segment": dict(verdict.series.segment),
        "direction": verdict.direction,
        "detected_at": moment(verdict.detected_at),
        "changed_at": moment(verdict.changed_at),
        "changed_from": moment(verdict.changed_from),
        "changed_to": moment(verdict.changed_to),
        "before": verdict.before.value,
        "after": verdict.after.value,
        "before_interval": [verdict.before.low, verdict.before.high],
        "after_interval": [verdict.after.low, verdict.after.high],
        "events": verdict.events,
        "reason": verdict.reason,
    }
