"""Joined evidence: many metrics of one service that have moved a little, none of them enough to page by itself.

Per service, of its whole traffic, the mean over its m metrics of Σ w_k R_k / N is followed. Each of them grows by at
most one in a week while nothing changes, hence so does their mean, whatever the dependence between them (an average of
e-values is one: Vovk & Wang 2021, Annals of Statistics 49). So it exceeds 1/b at most b times a week on average. A mean
never exceeds its largest part: what joins buys is not evidence but budget. A service as a whole has a larger share b
than one series of hundreds, and its metrics spend it together: k of m that have moved alike page at m/(k·b) each.

The metrics that carry nine tenths of the sum then say what they say when they page alone, and start anew. One metric
alone is not joined evidence and waits for its own threshold; so do tails, which say what their quantity says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.detector import Alarm, Observation
from undertow.drift.segments import Group
from undertow.drift.standings import StandingDetector
from undertow.drift.statistics.proportions import Floats

__all__ = ["JOINED_PART", "Joint"]

JOINED_PART = 0.1  # of the budget, for joined evidence; it costs each series 0.1 of some 17 units of evidence
_FEWEST_SERVICES = 2  # the share of an installation that has just begun
_CARRIED = 0.9  # of the sum, by the metrics that are told
_OWN_EVIDENCE = float(np.log(100.0))  # of one of them
_SOME_EVIDENCE = float(np.log(10.0))  # of each of them

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class _Members:
    """The evidence of all metrics of all services; `of` is the detector of each by its place."""

    series: Ints
    evidence: Floats
    own: Floats
    of: Ints


class Joint:
    """Joins the evidence of the metrics of each service.

    Parameters
    ----------
    groups
        The groups by number; it may grow.
    catalogue
        The metrics by number.
    """

    def __init__(self, groups: Sequence[Group], catalogue: Catalogue) -> None:
        self._groups, self._catalogue = groups, catalogue
        self._whole: list[bool] = []
        self._metrics = np.zeros(SERIES_METRICS, bool)
        self._metrics[: len(catalogue)] = ["." not in name for name in self._plain_names()]

    def _plain_names(self) -> list[str]:
        """Return the names of metrics, those of scores without their prefix: only tails have a dot then."""
        return [name.removeprefix("score.") for name in self._catalogue.names]

    def observe(
        self, detectors: Sequence[StandingDetector], window: Observation, false_pages_per_week: float, services: int
    ) -> Iterator[tuple[Alarm, str]]:
        """Yield what is said together, and by which detector, after the detectors have seen the window.

        `services` are those that share the budget, wherever they are followed.
        """
        self._whole += [not group.segment for group in self._groups[len(self._whole) :]]
        if not detectors:
            return
        members = self._members(detectors, window.end)
        found, index = np.unique(members.series // SERIES_METRICS, return_inverse=True)
        limit = _limit(false_pages_per_week, services)
        for number in range(len(found)):
            mine = np.flatnonzero(index == number)
            joined = float(np.logaddexp.reduce(np.sort(members.evidence[mine])) - np.log(len(mine)))
            if joined >= limit and members.own[mine].max() >= _OWN_EVIDENCE:
                yield from self._tell(detectors, members, mine, window, (joined, limit))

    def _members(self, detectors: Sequence[StandingDetector], now: float) -> _Members:
        whole = np.array(self._whole, bool)
        found = [detector.standings(whole, self._metrics, now) for detector in detectors]
        of = np.repeat(np.arange(len(found)), [len(standings.series) for standings in found])
        series, evidence, own = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return _Members(series, evidence, own, of)

    def _tell(
        self,
        detectors: Sequence[StandingDetector],
        members: _Members,
        mine: Ints,
        window: Observation,
        joined: tuple[float, float],
    ) -> Iterator[tuple[Alarm, str]]:
        carriers = _carriers(members, sorted(mine.tolist(), key=lambda i: self._name(members, i)))
        if len(carriers) < 2:
            return
        names = [self._name(members, i) for i in carriers]
        for i, name in zip(carriers, names, strict=True):
            detector = detectors[members.of[i]]
            others = ", ".join(other for other in names if other != name)
            for alarm in detector.raise_alarm(int(members.series[i]), window, *joined):
                yield replace(alarm, reason=f"{alarm.reason}, joined with that of {others}"), detector.name

    def _name(self, members: _Members, i: int) -> str:
        return self._catalogue.name(int(members.series[i] % SERIES_METRICS))


def _limit(false_pages_per_week: float, services: int) -> float:
    """Return ln(1/b), b being the share of one service of the joined part of the budget.

    What is left after an alarm, a tenth, counts again.
    """
    shared_by = 1 << (max(services, _FEWEST_SERVICES) - 1).bit_length()
    return -float(np.log(_CARRIED * JOINED_PART * false_pages_per_week / shared_by))


def _carriers(members: _Members, mine: Sequence[int]) -> list[int]:
    """Return the metrics that make up nine tenths of a service's sum, as far as they have moved; largest first."""
    order = np.array(mine)[np.argsort(-members.evidence[mine], kind="stable")]
    parts = np.exp(members.evidence[order] - members.evidence[order[0]])
    needed = 1 + int(np.searchsorted(parts.cumsum(), _CARRIED * parts.sum()))
    return [int(i) for i in order[:needed] if members.own[i] >= _SOME_EVIDENCE]
