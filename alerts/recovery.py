"""How much of what an incident is about is back at its old baseline: by series, and as a share of the traffic.

Each series is back when an equivalence test says so (`drift/episodes.py`), traffic when all that an incident says of it
is. Slices of different dimensions overlap by an unknown part of their calls; these are counted as if they did not, so
that never more is said to be back than is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from undertow.alerts.formats import title
from undertow.alerts.incident import Incident
from undertow.drift.verdict import Series, Verdict

__all__ = ["away", "recovery", "share_back"]

Segment = tuple[tuple[str, str], ...]
Calls = Callable[[Series], int]

_NAMED = 3  # slices, or metrics


def away(incident: Incident) -> list[Verdict]:
    """Return the verdicts worth a page whose series are not back."""
    return [v for v in incident.verdicts if v.kind == "page" and v.id not in incident.recovered]


def share_back(incident: Incident, calls: Calls) -> float | None:
    """Return the share of the calls concerned that are back, 0 to 1; None where no calls are known.

    Parameters
    ----------
    calls
        Returns how many calls of late the slice of a series had.
    """
    counted = [_counted(list(series), incident, calls) for series in _by_place(incident)]
    concerned, lost = (sum(numbers) for numbers in zip(*counted, strict=True)) if counted else (0, 0)
    return 1.0 - lost / concerned if concerned else None


def recovery(incident: Incident) -> str:
    """Return how much is back and what is not, as a clause; empty before anything is."""
    if not incident.recovered:
        return ""
    said = f"{len(incident.recovered)} of {len(incident.verdicts)} series back"
    if incident.back is not None:
        said += f": {math.floor(100 * incident.back)} % of the traffic is back"
    missing = list(dict.fromkeys(_names(incident)))
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return said + (f", {', '.join(missing[:_NAMED])}{more} {'is' if len(missing) == 1 else 'are'} not" * bool(missing))


def _names(incident: Incident) -> Iterator[str]:
    """Yield the slices that are not back; the metrics, where the whole of a service is not and no slice is known."""
    several = len({verdict.series.service for verdict in incident.verdicts}) > 1
    missing = sorted(verdict.series for verdict in away(incident))
    for series in [one for one in missing if one.segment] or missing:
        name = " ".join(f"{dimension}={value}" for dimension, value in series.segment) or title(series.metric)
        yield f"{series.service} {name}" if several else name


def _by_place(incident: Incident) -> Iterator[Iterable[Series]]:
    series = sorted({verdict.series for verdict in incident.verdicts if verdict.kind == "page"})
    return (group for _, group in groupby(series, key=lambda one: (one.service, one.environment)))


def _counted(concerned: list[Series], incident: Incident, calls: Calls) -> tuple[int, int]:
    """Return the calls of one service that are concerned, and those of them that are not back."""
    missing = {verdict.series for verdict in away(incident)}
    slices = {series.segment: series for series in concerned}
    not_back = {series.segment for series in concerned if series in missing}
    counts = {segment: calls(series) for segment, series in slices.items()}
    lost = sum(counts[segment] for segment in not_back)
    if () not in slices:
        return sum(counts.values()), lost
    if () in not_back:
        lost = counts[()] - _most({segment: count for segment, count in counts.items() if segment not in not_back})
    return counts[()], min(max(lost, 0), counts[()])


def _most(counts: dict[Segment, int]) -> int:
    """Return the calls of the slices of one dimension, of that which has most: its values share no call."""
    by_dimension: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for segment, count in counts.items():
        by_dimension[tuple(dimension for dimension, _ in segment)] += count
    return max(by_dimension.values(), default=0)
