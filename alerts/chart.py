"""A chart in letters, for channels that carry no picture: the level before and since, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator

from undertow.alerts.formats import format_level, title
from undertow.alerts.incident import Incident
from undertow.alerts.ranking import ranked
from undertow.drift.verdict import Verdict

__all__ = ["bar", "chart"]

WIDTH = 24  # characters of the longest bar: it must fit the screen of a telephone
METRICS, NAMES = 4, 3  # metrics drawn, and for a mix of categories, the names whose share moved most
EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int = WIDTH) -> str:
    """Return a bar of that share of the width, to an eighth of a letter.

    Examples
    --------
    >>> bar(0.5, 4), bar(0.16, 4), bar(1.0, 4)
    ('██', '▋', '████')
    """
    if not math.isfinite(share):
        return ""
    whole, rest = divmod(round(8 * width * min(max(share, 0.0), 1.0)), 8)
    return "█" * whole + EIGHTHS[rest].strip()


def chart(incident: Incident) -> list[str]:
    """Return the lines of the chart, the metric of the headline first; none for a summary page."""
    return [line for verdict in ranked(incident.verdicts)[:METRICS] for line in _lines(verdict)]


def _lines(verdict: Verdict) -> Iterator[str]:
    metric = verdict.series.metric
    if verdict.moved:
        for name, before, after in verdict.moved[:NAMES]:
            yield f"{title(metric)}: {name}"
            yield from _pair(before, after, f"{100 * before:.1f} %", f"{100 * after:.1f} %")
        return
    before, after = verdict.before.value, verdict.after.value
    yield title(metric)
    yield from _pair(before, after, format_level(metric, before), format_level(metric, after))


def _pair(before: float, after: float, was: str, now: str) -> Iterator[str]:
    longest = max((level for level in (before, after) if math.isfinite(level)), default=0.0)
    for name, level, said in (("before", before, was), ("since", after, now)):
        drawn = bar(level / longest) if longest > 0 else ""
        yield f"  {name:<6} {drawn} {said}" if drawn else f"  {name:<6} {said}"
