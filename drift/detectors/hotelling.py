"""Embeddings: a mixture of Shiryaev–Roberts statistics over when, along how many directions and how far they moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.drift.bases import DIMENSIONS, LEADING
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.centroids import Centroid, Row, joined
from undertow.drift.detector import Alarm, Observation, Progress, SeriesSettings, recovered
from undertow.drift.displacements import Reading, change_point, read, scatter_along
from undertow.drift.scatter import BLOCK, faded
from undertow.drift.statistics.proportions import Floats
from undertow.drift.vector_episodes import VectorEpisode, cosine_distance, mean_of, standard_distance, usual_distance
from undertow.drift.verdict import Estimate

__all__ = ["Hotelling"]

_UNIT = 4096.0  # vectors come as integers: unit vectors times this
_SERIES_LIMIT = 128  # each takes about 0.8 MB
_OWN_EVIDENCE = float(np.log(100.0))
_REMEMBERED = 16.0  # blocks as which the clustering before a change counts after it: new topics scatter otherwise


class Hotelling:
    r"""Follows the centroid of embeddings: topics that come, go or gain share; answers of another model.

    A change that began with slot ν of the past is judged by the distance between the mean since and the mean before,
    whitened on the leading 8, 32, 128 and 256 principal components of the baseline: T² = |x̄ − μ̂|²/(φ(1/n + 1/n₀)). Its
    evidence is the likelihood of a shift beyond the benign band, in any direction, of one of five lengths, over that of
    a shift on the band's edge. Both depend on T² alone, and given covariance the ratio is an e-value with the unknown
    mean conditioned out; Σ_ν n_ν L_ν is a Shiryaev–Roberts statistic and meets the threshold ln(N/b) of all families.
    φ ≥ 1 is how much more than the covariance says the means of blocks of 25 and of 500 events scatter, measured on
    blocks that the covariance had not seen, plus a standard error. A direction in which the past has scattered more
    than on average is believed less.

    Levels are cosine distances from the centroid before: what sampling usually gives, and what was seen. A series takes
    0.8 MB; the first 128 are followed, the others are counted in `unfollowed`.

    Cannot see: changes that leave the centroid (a wider spread, for one); shifts under about 0.2 standard deviations;
    directions beyond the leading 8 before 160 windows of 5 events or more are known (32: 480, 128: 640), and nothing at
    all before 40.

    Parameters
    ----------
    settings
        By metric number; band, page_from and season are standard deviations of one event. Moving shares of well-told
        topics from p to p′ is a shift of √Σ(p′−p)²/p.
    min_events, strict_events
        Baseline events before the clustering φ is taken with one standard error, and before anything may page.

    References
    ----------
    Hotelling 1931; Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532); Pérez-Ortiz, Lardy, de Heide & Grünwald,
    E-statistics, group invariance and anytime-valid testing (arXiv 2208.07610).

    Examples
    --------
    >>> detector = Hotelling({0: SeriesSettings(band=0.1, page_from=0.25, season=0.1, harm="both")}, 2000, 200)
    >>> rng, one, coordinates = np.random.default_rng(1), np.ones(1), np.arange(256)
    >>> for start in range(0, 5000, 10):
    ...     vectors = rng.normal(0, 1, (10, 256)) + 2 * (start >= 4000) * (coordinates < 8)
    ...     unit = np.rint(4096 * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.int64)
    ...     columns = [np.array([0]), 10 * one, 0 * one, 0 * one, 0 * one, start * one]
    ...     cells = np.zeros(256, np.int64), coordinates * 1.0, unit.sum(axis=0)
    ...     for alarm in detector.observe(Observation(start, start + 10, *columns, cells), Share.of(1.0, 64)):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 4000 <= alarm.changed_to)
    page shift True
    """

    name = "hotelling"
    budgeted = True

    def __init__(self, settings: Mapping[int, SeriesSettings], min_events: int, strict_events: int) -> None:
        self._settings = dict(settings)
        self._min_events, self._strict_events = min_events, strict_events
        self._followed: dict[int, Centroid] = {}
        self._episodes: dict[int, VectorEpisode] = {}
        self.unfollowed: set[int] = set()  # series beyond the limit of series followed

    # -- looking -------------------------------------------------------------------------------------------------------

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; return what it makes the detector say.

        Raises
        ------
        ValueError
            Its cells are not sums over coordinates 0 to 255.
        """
        sums = _sums(window)
        alarms: list[Alarm] = []
        for number, events, total in zip(window.series.tolist(), window.events.tolist(), sums, strict=True):
            if events > 0 and self._follows(number, window.start):
                alarms += self._take(number, window, events, total, share)
        return alarms

    def _follows(self, number: int, time: float) -> bool:
        """Return whether a series is followed; a new one is while there is room."""
        if number not in self._followed:
            if len(self._followed) >= _SERIES_LIMIT:
                self.unfollowed.add(number)
                return False
            self._followed[number] = Centroid(time)
        return True

    def _take(self, number: int, window: Observation, events: float, total: Floats, share: Share) -> list[Alarm]:
        series = self._followed[number]
        flat = series.fill(window.start, window.end, events, total)
        if self._returned(number, events, flat):
            episode = self._episodes[number]
            return self._recover(number, window.end, episode.back, episode.needed)
        if series.part[Row.EVENTS] < BLOCK:
            return []
        series.close()
        limit = float(share.thresholds(np.array([number]), np.array([series.weekly_events]))[0])
        reading = self._read(number, window.start, share, limit)
        if reading is None or reading.statistic < limit or reading.own < _OWN_EVIDENCE:
            return []
        return self._alarm(number, window.end, reading, limit)

    def _read(self, number: int, time: float, share: Share, limit: float) -> Reading | None:
        """Weigh whether the series has changed; None while too little is known.

        What looks like a change is weighed again with how far the past has scattered in the same direction.
        """
        series, settings = self._followed[number], self._of(number)
        events = series.rows[:, Row.EVENTS].cumsum()
        first, leading = int(np.searchsorted(events, self._strict_events)) + 1, series.leading
        if not leading or first >= len(events):
            return None
        benign = max(settings.band, settings.season * series.profile.unknown(time))
        edge = np.maximum(benign, series.wander[:leading])
        errors = share.z if events[-1] < self._min_events else 1.0
        reading = read(series, first, edge, errors)
        if reading.statistic < limit:
            return reading
        return read(series, first, edge, errors, scatter_along(series, reading))

    def _of(self, number: int) -> SeriesSettings:
        return self._settings[number % SERIES_METRICS]

    # -- alarms --------------------------------------------------------------------------------------------------------

    def _alarm(self, number: int, at: float, reading: Reading, limit: float) -> list[Alarm]:
        series, episode = self._followed[number], self._episodes.get(number)
        first, earliest, latest = change_point(series, reading)
        rows = series.rows[first:].copy()
        after, learned = joined(rows), joined(series.rows[:first])
        if episode and episode.is_back(series, after, self._of(number).page_from, 2.0):
            episode.back_row = after
            return self._recover(number, at, reading.statistic, limit)
        distance = standard_distance(series, after, episode.told if episode else learned, reading.leading)
        pages = self._of(number).harm != "none" and distance >= self._of(number).page_from
        before, now = usual_distance(series, learned, float(after[Row.EVENTS])), cosine_distance(series, after, learned)
        alarm = Alarm(
            series=number,
            kind="page" if pages else "notice",
            direction="shift",
            changed_at=float(rows[0, Row.START]),
            changed_from=earliest,
            changed_to=latest,
            before=before,
            after=now,
            events=now.events,
            statistic=reading.statistic,
            threshold=limit,
            reason=_reason(now, before, distance, reading, limit),
        )
        self._begin_episode(number, at, alarm, learned, rows)
        return [alarm]

    def _begin_episode(self, number: int, at: float, alarm: Alarm, learned: Floats, rows: Floats) -> None:
        series, after = self._followed[number], joined(rows)
        episode = self._episodes.setdefault(
            number, VectorEpisode(learned, alarm.before, after, alarm.changed_at, alarm.changed_to)
        )
        episode.worsen(at, after, told=alarm.kind == "page")
        series.set_aside(rows)
        fresh = after.copy()
        fresh[Row.SCATTER] = faded(learned[Row.SCATTER], _REMEMBERED)
        series.restart(fresh, mean_of(after) - mean_of(learned), at)

    # -- recovery ------------------------------------------------------------------------------------------------------

    def _returned(self, number: int, events: float, flat: Floats) -> bool:
        """Return whether a changed series is back, now that a window has come."""
        series, episode = self._followed[number], self._episodes.get(number)
        return (
            episode is not None
            and episode.returns(series, events, flat, self._strict_events)
            and episode.is_certain(series)
            and episode.is_back(series, episode.back_row, self._of(number).page_from, 1.0)
        )

    def _recover(self, number: int, at: float, statistic: float, limit: float) -> list[Alarm]:
        series, episode = self._followed[number], self._episodes.pop(number)
        now = cosine_distance(series, episode.back_row, episode.usual)
        series.restart(episode.usual, mean_of(episode.usual) - mean_of(episode.changed), at)
        reason = (
            f"the centroid of {now.events} vectors is back within {now.value:.3g} of where it was before the change "
            f"(cosine distance)"
        )
        return recovered(number, at, episode.alarms, (episode.before, now), (statistic, limit), reason)

    # -- status and state ----------------------------------------------------------------------------------------------

    def pageable(self, since: float) -> NDArray[np.int64]:
        """Return the series that may page and had events since a time."""
        able = [
            number
            for number, series in self._followed.items()
            if series.leading > 0 and series.learned >= self._strict_events and series.heard >= since
        ]
        return np.array(able, np.int64)

    def progress(self, series: int) -> Progress | None:
        """Return how far the series is; its level is how far blocks of 25 usually lie from the centroid."""
        followed = self._followed.get(series)
        if followed is None:
            return None
        episode = self._episodes.get(series)
        level = episode.before if episode else usual_distance(followed, followed.past, BLOCK)
        changed_at = episode.changed_at if episode else None
        return Progress(int(followed.learned), self._strict_events, self._min_events, level, changed_at)

    def accept(self, series: int) -> None:
        """Take the level of a changed series as its normal one: nothing is left to recover from."""
        self._episodes.pop(series, None)

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return how far traffic since a time usually lay from the centroid before it, and how far it does lie."""
        followed, episode = self._followed.get(series), self._episodes.get(series)
        if followed is None:
            return None
        rows = np.concatenate([followed.rows, followed.part[None]])
        if episode and episode.changed_to >= since:  # the baseline has restarted: it holds what came after
            return episode.before, cosine_distance(followed, rows.sum(axis=0), episode.usual)
        later = rows[:, Row.START] >= since
        before, after = rows[~later].sum(axis=0), rows[later].sum(axis=0)
        if not before[Row.EVENTS] or not after[Row.EVENTS]:
            return None
        return usual_distance(followed, before, float(after[Row.EVENTS])), cosine_distance(followed, after, before)

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        return {
            "series": {str(number): series.snapshot() for number, series in self._followed.items()},
            "episodes": {str(number): episode.snapshot() for number, episode in self._episodes.items()},
            "unfollowed": sorted(self.unfollowed),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        self._followed = {int(number): Centroid.restored(series) for number, series in state["series"].items()}
        self._episodes = {int(number): VectorEpisode.restored(kept) for number, kept in state["episodes"].items()}
        self.unfollowed = set(state["unfollowed"])


def _sums(window: Observation) -> Floats:
    """Return the sums of unit vectors, a row a series."""
    index, coordinates, sums = window.cells
    strange = (coordinates < 0) | (coordinates >= DIMENSIONS) | (coordinates != np.floor(coordinates))
    if strange.any():
        raise ValueError(
            f"window {window.start}–{window.end}: vectors have coordinates 0 to {DIMENSIONS - 1}, not "
            f"{coordinates[strange][0]:g}; longer ones must be brought to {DIMENSIONS} before they are added up"
        )
    dense = np.zeros((len(window.series), DIMENSIONS))
    dense[index, coordinates.astype(np.int64)] = sums / _UNIT
    return dense


def _reason(now: Estimate, usual: Estimate, distance: float, reading: Reading, limit: float) -> str:
    return (
        f"the centroid of {now.events} vectors lies {distance:.2f} standard deviations from the one before, along the "
        f"leading {LEADING[reading.leading]} directions (cosine distance {now.value:.3g} [{now.low:.3g}, "
        f"{now.high:.3g}], usually {usual.value:.3g}): evidence {reading.statistic:.1f} of {limit:.1f} needed"
    )
