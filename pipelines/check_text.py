"""A file report in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from undertow.pipelines.report import FileReport, Metric, TimeOrder

__all__ = ["render"]

MOST_REJECTS = 10  # kinds of unreadable records shown
MOST_EXCERPT = 110  # characters of an unreadable record shown
MOST_VALUES = 5  # values of a dimension shown
ENVELOPE = frozenset({"id", "time", "service", "kind", "environment"})


def render(report: FileReport) -> str:
    """Return the report as plain text for a terminal."""
    parts = (_head, _rejects, _fields, _metrics, _own, _gaps, _slices, _order, _notes, _proposal)
    return "\n".join(line for part in parts for line in part(report)) + "\n"


def _head(report: FileReport) -> Iterator[str]:
    share = report.readable / report.records if report.records else 0.0
    seen = f"{report.records:,} records" if report.complete else f"the first {report.records:,} records"
    how = "as native events" if report.format == "native" else "through a [ingest.fields] map"
    yield f"{report.path}: {seen}, {report.readable:,} readable ({share:.1%}) {how}"


def _rejects(report: FileReport) -> Iterator[str]:
    for reject in report.rejects[:MOST_REJECTS]:
        where = f" ({reject.field})" if reject.field else ""
        yield f"  unreadable ×{reject.count:,}: {reject.reason}{where}, first in line {reject.line}"
        yield f"    {reject.excerpt[:MOST_EXCERPT]}"
    if len(report.rejects) > MOST_REJECTS:
        rest = report.rejects[MOST_REJECTS:]
        yield f"  and ×{sum(reject.count for reject in rest):,} for {len(rest)} other reasons"


def _fields(report: FileReport) -> Iterator[str]:
    shown = [f"{name} {share:.0%}" for name, share in report.presence.items() if name not in ENVELOPE and share]
    if shown:
        yield f"Fields: {', '.join(shown)}"
    if report.dropped:
        names = ", ".join(f"{name} ×{count:,}" for name, count in report.dropped.items())
        yield f"Unknown fields that are no scalars, too long or too many, and not kept: {names}"


def _metrics(report: FileReport) -> Iterator[str]:
    if report.metrics:
        yield f"Can be watched: {', '.join(_with_share(metric) for metric in report.metrics)}"


def _with_share(metric: Metric) -> str:
    return metric.name + ("" if metric.share > 0.995 else f" ({metric.share:.0%} of calls)")


def _own(report: FileReport) -> Iterator[str]:
    yield from (f"Your own: {line}" for line in report.own)


def _gaps(report: FileReport) -> Iterator[str]:
    for gap in report.gaps:
        yield f"Cannot be watched: {gap.metric}, for want of {gap.needs}. Hidden: {gap.hides}"


def _slices(report: FileReport) -> Iterator[str]:
    for slices in report.slices:
        if not slices.values:
            yield f"Slices by {slices.dimension}: none, no event carries it"
            continue
        top = ", ".join(slices.top[:MOST_VALUES]) + (", …" if slices.values > MOST_VALUES else "")
        yield f"Slices by {slices.dimension}: {slices.values:,} values on {slices.share:.0%} of calls ({top})"


def _order(report: FileReport) -> Iterator[str]:
    if report.order is None:
        return
    order = report.order
    yield f"Time: {_moment(order.first)} to {_moment(order.last)}, {order.late_share:.1%} too late to count"
    yield from _advice(order)


def _advice(order: TimeOrder) -> Iterator[str]:
    if order.newest_first:
        yield "  The newest event comes first: turn the file round (`tac FILE`), or nearly all of it is late."
    elif order.late_share > 0.01:
        yield "  Sort the file by time, or raise allowed_lateness_s in [ingest]."


def _notes(report: FileReport) -> Iterator[str]:
    yield from (f"Note: {note}" for note in report.notes)


def _proposal(report: FileReport) -> Iterator[str]:
    if report.proposal:
        whole = "time" in report.proposal
        yield "This map reads the file; put it into undertow.toml:" if whole else "This much of a map was found:"
        yield ""
        yield from report.toml.splitlines()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
