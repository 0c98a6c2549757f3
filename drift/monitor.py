"""The monitor: closed windows in, verdicts out; each series has its detector and its share of the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK, Share, WeeklyCap
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.categories import Categories
from undertow.drift.claims import EPOCH_S, MILLION, Claim, Claims
from undertow.drift.detector import Alarm, Detector, Progress, SeriesSettings
from undertow.drift.detectors import DETECTORS
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.joint import JOINED_PART, Joint
from undertow.drift.metrics import Family, Metric, parent_of, resolve
from undertow.drift.observations import Observations, selected
from undertow.drift.parity import Parity
from undertow.drift.pinned import Compared, Pinned, PinStatus
from undertow.drift.planning import Prospects
from undertow.drift.prospects import PlannedDetector
from undertow.drift.scales import Scales
from undertow.drift.segments import Group
from undertow.drift.sequential import SequentialDetector
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate, Series, Verdict, verdict_id
from undertow.drift.windows import ClosedWindow

__all__ = ["Monitor", "MonitorConfig", "PinnedSeries", "SeriesStatus"]

_DEFAULTS = {
    Family.RATE: "beta_binomial",
    Family.POSITIVE: "rank_betting",
    Family.SCORE: "bounded_betting",
    Family.CATEGORY: "multinomial",
    Family.VECTOR: "hotelling",
}
_BUDGETED = frozenset({*_DEFAULTS.values(), Parity.name})
_SCALES = {Family.POSITIVE: "log", Family.SCORE: "standard"}  # of the values that a detector sees
_LINEAR = frozenset({Family.SCORE, Family.VECTOR})  # their limits are standard deviations
_UNBUDGETED_PAGES_PER_WEEK = 10  # of a service's rules, and of its detectors outside the budget

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MonitorConfig:
    """What the monitor is told.

    Parameters
    ----------
    false_pages_per_week
        The budget, for all series together.
    detectors
        Metric → name of a detector, where it is not the default of its family.
    bands, page_from
        Metric → benign wander δ, and smallest effect worth a page, where they are not the metric's own.
    stated
        Rate that is usual by what somebody says, by metric or "service/metric": tested from the first event.
    weights
        Service or metric → how many times the share of others its series have of the budget.
    parity
        Dimensions whose values should be alike; "environment" for the environments of a service.
    """

    false_pages_per_week: float = 1.0
    min_events: int = 2000
    strict_events: int = 200
    detectors: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, float] = field(default_factory=dict)
    page_from: Mapping[str, float] = field(default_factory=dict)
    stated: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    metrics_off: Sequence[str] = ()
    parity: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in (*self.detectors, *self.bands, *self.page_from, *self.metrics_off):
            resolve(name)
        for metric, detector in self.detectors.items():
            if detector not in DETECTORS:
                raise ValueError(f"detector '{detector}' of metric '{metric}' is not one of {', '.join(DETECTORS)}")
        for where, rate in self.stated.items():
            _check_stated(where, rate, self.detectors)
        if self.strict_events > self.min_events:
            raise ValueError(f"strict_events = {self.strict_events} must not exceed min_events = {self.min_events}")


class SeriesStatus(NamedTuple):
    """Where one series stands: learning, watching, or changed."""

    series: Series
    state: str
    progress: Progress


class PinnedSeries(NamedTuple):
    """A series beside its pin, in the metric's own unit."""

    series: Series
    compared: Compared


class Monitor:
    """Follows every series of every group.

    Series of one service know of each other; of those of other services it knows what they claim of the budget. So the
    services of an installation may be spread over several monitors, which say together what one would say alone, if
    they all observe the same windows, those too that hold nothing of their own services.

    Parameters
    ----------
    groups
        The groups by number; it may grow while the monitor runs.
    catalogue
        The metrics by number; it may meet new scores while the monitor runs.
    categories
        What the numbers of categories stand for.
    claims
        Of all monitors; without them this one is alone.
    """

    def __init__(
        self,
        config: MonitorConfig,
        groups: Sequence[Group],
        catalogue: Catalogue,
        categories: Categories,
        claims: Claims | None = None,
    ) -> None:
        self._config, self._groups, self._catalogue, self._categories = config, groups, catalogue, categories
        self._scales = Scales(catalogue, config.strict_events, config.min_events)
        metrics = [catalogue.metric(number) for number in range(len(catalogue))]
        off = set(config.metrics_off)  # a metric takes its tails along
        self._watched = np.array([off.isdisjoint({metric.name, parent_of(metric.name)}) for metric in metrics])
        self._observations = Observations(catalogue, self._scales)
        chosen = [config.detectors.get(metric.name, _DEFAULTS[metric.family]) for metric in metrics]
        settings = {number: _settings(metric, config) for number, metric in enumerate(metrics)}
        self._detectors: dict[str, Detector] = {
            name: DETECTORS[name](settings, config.min_events, config.strict_events) for name in sorted(set(chosen))
        }
        self._rates = BetaBinomial(settings, config.min_events, config.strict_events)
        self._detectors[BetaBinomial.name] = self._rates
        self._handled: dict[str, Bools] = {name: np.array([c == name for c in chosen]) for name in self._detectors}
        self._metric_weights = np.array([config.weights.get(metric.name, 1.0) for metric in metrics])
        self.pinned = Pinned(settings, groups, catalogue, self._observations.numbers, self._clustering)
        rates = {
            number for number, metric in enumerate(metrics) if metric.family is Family.RATE and "." not in metric.name
        }
        compared = {number: settings[number] for number in rates if self._watched[number]}
        self._parity = Parity(config.parity, groups, compared, config.strict_events)
        self._joint = Joint(groups, catalogue)
        self._cap = WeeklyCap(_UNBUDGETED_PAGES_PER_WEEK)
        self._introduced = np.zeros(0, np.bool_)  # by group: whether a window has held anything of it
        self.claims = claims or Claims()
        self._in_force = Claim()
        self.last_closed = -np.inf

    def claim(self, start: float) -> Claim | None:
        """Return what the own series claim if the window that begins then is the first of ten minutes, else None."""
        if not self.claims.is_due(start):
            return None
        epoch = self.claims.epoch(start)
        weight = np.rint(self._weights(self._pageable(epoch * EPOCH_S - WEEK)) * MILLION).astype(np.int64).sum()
        services = sum(not self._groups[number].segment for number in np.flatnonzero(self._introduced).tolist())
        claim = Claim(int(weight), services)
        self.claims.take(self.claims.partition, epoch, claim)
        return claim

    def observe(self, window: ClosedWindow) -> list[Verdict]:
        """Take the next closed window; return what the detectors say, in the order of the series.

        Raises
        ------
        ValueError
            What another partition claims has to be known before, and is not.
        """
        self.claim(window.start)
        self._in_force = self.claims.turn(window.start, window.end)
        self.last_closed = window.end
        self._introduce(window)
        day_ended = self.pinned.turn(window.start)
        share = self.share()
        observed = self._observations.of(window)
        alarms = [(alarm, Pinned.name) for alarm in self.pinned.look(window.end, share)] if day_ended else []
        self.pinned.add(observed[0], self._watched)
        alarms += [
            (alarm, name)
            for name, detector in self._detectors.items()
            for observation in [selected(part, self._handled[name] & self._watched) for part in observed]
            if len(observation.series)
            for alarm in detector.observe(observation, share)
        ]
        budget, services = self._config.false_pages_per_week, self._in_force.services
        alarms += self._joint.observe(list(self._planned()), observed[0], budget, services)
        alarms += [(alarm, Parity.name) for alarm in self._parity.observe(observed[0], share)]
        verdicts = [self._verdict(alarm, name, window) for alarm, name in alarms]
        return sorted(verdicts, key=lambda verdict: (verdict.series, verdict.opened))

    def _introduce(self, window: ClosedWindow) -> None:
        """Tell the detector of rates what somebody states of the groups that the window is the first to hold."""
        self._introduced = np.append(self._introduced, np.zeros(len(self._groups) - len(self._introduced), np.bool_))
        held = np.unique(window.cells.groups)
        for number in held[~self._introduced[held]].tolist():
            for where, rate in self._config.stated.items():
                service, _, metric = where.rpartition("/")
                if service in {"", self._groups[number].service}:
                    series = number * SERIES_METRICS + self._catalogue.numbers[metric]
                    self._rates.state(series, rate, window.start)
        self._introduced[held] = True

    def share(self) -> Share:
        """Return the share of the budget that each series has now, for what it says alone."""
        alone = (1 - JOINED_PART) * self._config.false_pages_per_week
        return Share.of(alone, self._in_force.weight / MILLION, self._weights)

    def _weights(self, series: Ints) -> Floats:
        groups, metrics = np.divmod(series, SERIES_METRICS)
        if not self._config.weights:
            return np.ones(len(series))
        services = np.array([self._config.weights.get(group.service, 1.0) for group in self._groups])
        weights: Floats = services[groups] * self._metric_weights[metrics]
        return weights

    @property
    def unbudgeted(self) -> list[str]:
        """Names of the detectors whose pages are outside the budget."""
        return [name for name, detector in self._detectors.items() if not detector.budgeted]

    def pageable(self) -> int:
        """Return how many series may page and so share the budget: those that know enough and are not silent."""
        return len(self._pageable(self.last_closed - WEEK))

    def _pageable(self, since: float) -> Ints:
        able = [detector.pageable(since) for detector in self._detectors.values()]
        return np.concatenate([*able, self.pinned.compared, self._parity.pageable(since)])

    def statuses(self) -> Iterator[SeriesStatus]:
        """Say of every series whether it is learning, watching or changed."""
        for group, _ in enumerate(self._groups):
            for number, name in enumerate(self._catalogue.names):
                series = group * SERIES_METRICS + number
                progress = self._detector_of(number).progress(series)
                if progress is not None:
                    told = progress._replace(level=self._scales.in_units(series, progress.level))
                    yield SeriesStatus(self._series(group, name), _state(progress), told)

    def prospects(self, window_s: float) -> Iterator[tuple[list[Series], Prospects]]:
        """Yield, some at a time, the series whose detector says how small a change it finds in windows so wide."""
        for detector in self._planned():
            for found in detector.prospects(self.share(), self.last_closed, window_s):
                yield [self._named(series) for series in found.series.tolist()], found

    def in_units(self, of: Prospects, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return levels (series, n) of the link scale in the metric's own unit."""
        detector = self._detector_of(int(of.series[0] % SERIES_METRICS)) if len(of.series) else None
        if not isinstance(detector, PlannedDetector):
            return levels
        return self._scales.levels_in_units(of.series, detector.in_units(of.series, levels))

    def _planned(self) -> Iterator[PlannedDetector]:
        return (detector for detector in self._detectors.values() if isinstance(detector, PlannedDetector))

    def levels(self, group: Group, metric: str, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level of a metric before and since a time, None if one of them is unknown."""
        number = self._catalogue.numbers[metric]
        if group not in self._groups:
            return None
        series = self._groups.index(group) * SERIES_METRICS + number
        found = self._detector_of(number).levels(series, since)
        return found and (self._scales.in_units(series, found[0]), self._scales.in_units(series, found[1]))

    def accept(self, series: Series) -> bool:
        """Take the level that a series has moved to as its normal one; return whether a pin says otherwise."""
        group = Group(series.service, series.environment, series.segment)
        if group not in self._groups:
            return False
        number = self._groups.index(group) * SERIES_METRICS + self._catalogue.numbers[series.metric]
        self._detector_of(number % SERIES_METRICS).accept(number)
        self._parity.accept(number)
        return self.pinned.forget(number)

    def pins(self) -> Iterator[tuple[PinStatus, list[PinnedSeries]]]:
        """Return all pins, newest last, each with the series that are compared with it as of the last whole day."""
        for status in self.pinned.statuses(self.share()):
            yield status, [self._told(compared) for compared in status.compared]

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        detectors = {name: detector.snapshot() for name, detector in self._detectors.items()}
        return {
            "metrics": self._catalogue.names,
            "detectors": detectors,
            "parity": self._parity.snapshot(),
            "scales": self._scales.snapshot(),
            "pinned": self.pinned.snapshot(),
            "cap": self._cap.snapshot(),
            "introduced": self._introduced,
            "claims": self.claims.snapshot(),
            "in_force": list(msgspec.structs.astuple(self._in_force)),
            "last_closed": self.last_closed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot that was made with the same metrics and detectors."""
        known = state["metrics"]
        if known != self._catalogue.names[: len(known)] or set(state["detectors"]) != set(self._detectors):
            raise ValueError(
                "the saved state follows other metrics or detectors than this configuration; go back, or move the "
                "state away to learn anew"
            )
        for name, detector in self._detectors.items():
            detector.restore(state["detectors"][name])
        self._parity.restore(state["parity"])
        self._scales.restore(state["scales"])
        self.pinned.restore(state["pinned"])
        self._cap.restore(state["cap"])
        self._introduced, self.last_closed = state["introduced"], state["last_closed"]
        self.claims.restore(state["claims"])
        self._in_force = Claim(*state["in_force"])

    def _clustering(self, series: NDArray[np.int64]) -> Floats:
        """Return the variance factor of sums of each series; 1 where its detector measures none."""
        factors = np.ones(len(series))
        for name, detector in self._detectors.items():
            mine = self._handled[name][series % SERIES_METRICS]
            if isinstance(detector, SequentialDetector):
                factors[mine] = detector.clustering(series[mine])
        return factors

    def _detector_of(self, number: int) -> Detector:
        return next(self._detectors[name] for name, handled in self._handled.items() if handled[number])

    def _named(self, series: int) -> Series:
        group, number = divmod(series, SERIES_METRICS)
        return self._series(group, self._catalogue.name(number))

    def _series(self, group: int, metric: str) -> Series:
        where = self._groups[group]
        return Series(where.service, where.environment, where.segment, metric)

    def _told(self, compared: Compared) -> PinnedSeries:
        group, number = divmod(compared.series, SERIES_METRICS)
        before = self._scales.in_units(compared.series, compared.before)
        now = compared.now and self._scales.in_units(compared.series, compared.now)
        return PinnedSeries(
            self._series(group, self._catalogue.name(number)), compared._replace(before=before, now=now)
        )

    def _verdict(self, alarm: Alarm, detector: str, window: ClosedWindow) -> Verdict:
        series = self._named(alarm.series)
        across = detector in {Pinned.name, Parity.name}  # beside the series' own detector
        outside = not across and not self._detectors[detector].budgeted
        kind = self._cap.kind("detectors", series.service, alarm.kind, window.end) if outside else alarm.kind
        of = f"{detector} " if across else ""
        opened = verdict_id(series, alarm.opened_at, f"{of}alarm") if kind == "recovered" else ""
        said = f"{of}recovered" if opened else f"{of}alarm"
        return Verdict(
            id=verdict_id(series, alarm.opened_at if opened else window.end, said),
            kind=kind,
            series=series,
            direction=alarm.direction,
            detected_at=window.end,
            changed_at=alarm.changed_at,
            changed_from=alarm.changed_from,
            changed_to=alarm.changed_to,
            before=self._scales.in_units(alarm.series, alarm.before),
            after=self._scales.in_units(alarm.series, alarm.after),
            events=alarm.events,
            statistic=alarm.statistic,
            threshold=alarm.threshold,
            detector=detector,
            reason=alarm.reason,
            opened=opened,
            moved=tuple((self._categories.name(number), old, new) for number, old, new in alarm.moved),
        )

    def capped(self, verdict: Verdict) -> Verdict:
        """Return what a rule found, as a notice when the rules have had their pages of this week in that service."""
        kind = self._cap.kind("rules", verdict.series.service, verdict.kind, verdict.detected_at)
        return verdict if kind == verdict.kind else msgspec.structs.replace(verdict, kind=kind)


def _settings(metric: Metric, config: MonitorConfig) -> SeriesSettings:
    band, page_from = config.bands.get(metric.name, metric.band), config.page_from.get(metric.name, metric.page_from)
    season = metric.season
    if metric.family not in _LINEAR:
        band, season = float(np.log1p(band)), float(np.log(season))
    if metric.family not in {*_LINEAR, Family.CATEGORY}:  # how many of the events change category
        page_from = float(np.log(page_from))
    return SeriesSettings(band, page_from, season, metric.harm, _SCALES.get(metric.family, "share"))


def _check_stated(where: str, rate: float, detectors: Mapping[str, str]) -> None:
    metric = where.rpartition("/")[2]
    if resolve(metric).family is not Family.RATE or detectors.get(metric, _DEFAULTS[Family.RATE]) != BetaBinomial.name:
        raise ValueError(
            f"a level of '{metric}' cannot be stated: only rates that '{BetaBinomial.name}' follows can have one"
        )
    if not 0 < rate < 1:
        raise ValueError(f"stated '{where}' = {rate} is no rate; it must lie between 0 and 1")


def _state(progress: Progress) -> str:
    if progress.changed_at is not None:
        return "changed"
    if progress.learned < progress.strict_at:
        return "learning"
    return "strict" if progress.learned < progress.pages_at else "watching"
