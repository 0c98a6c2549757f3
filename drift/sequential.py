"""The Shiryaev–Roberts rule that all families share: blocks, evidence, change time, episodes and recovery.

Per series and alternative k the statistic is R_k ← (R_k + n)·L_k at the end of a block of n ≥ 50 events, closed by
count; between blocks (R_k + 50)·L_k(part) is compared and not stored. A series alarms when ln Σ w_k R_k ≥ ln(N/b) and
the log-likelihood ratio of the segment itself, max_k G_k with G_k ← max(G_k, 0) + ln L_k, reaches ln 100. The
likelihood ratio is taken against the edge of a band of benign wander, so its expectation is at most 1 wherever the
level lies in the band.

After an alarm the detector restarts at the new level, so that worsening is seen; an *episode* remembers the old
baseline and ends when a test of the old level against the new one says that the series is back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import DAY, Baselines, Slot
from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation, Progress, SeriesSettings
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["BLOCK", "Episode", "SequentialDetector"]

BLOCK = 50.0  # events in a block at the least
_SMALL_BLOCK = 10.0  # overdispersion is estimated from two block sizes, the larger one counts
_OWN_EVIDENCE = float(np.log(100.0))
_RECOVERED = float(
    np.log(1e5)
)  # a change that lasts is looked at in every window: less evidence than this says "back" by chance
_PRECISION = 0.2  # of the way back: the standard error below which a level says whether the series is back
_CHANGE_INTERVAL = 4.0  # fall of the log-likelihood within which a change time is plausible
_EVIDENCE_FLOOR = -60.0

Ints = NDArray[np.int64]


class Episode(msgspec.Struct):
    """A change that has not recovered: the level it left, the level it went to, and the test of a return."""

    sums: list[float]  # the baseline before the change
    before: Estimate
    level_before: float  # link scale, without season
    level_after: float
    changed_at: float
    changed_to: float
    told: float  # level of the last page, link scale; before the first one the level that was left
    alarms: list[float]  # when its alarms were raised, oldest first
    back: float = 0.0  # evidence of a return
    back_sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * Slot.WIDTH)  # since the evidence rose


class SequentialDetector(ABC):
    """Everything but the likelihood. A family says what its levels, ratios and estimates are.

    Parameters
    ----------
    settings
        By metric number.
    metric_of
        Turns series numbers into metric numbers.
    min_events, strict_events
        Baseline events before ordinary paging, and before the strict form may page large changes.
    """

    name: str
    log_weights: Floats

    def __init__(self, settings: Mapping[int, SeriesSettings], min_events: int, strict_events: int) -> None:
        size = max(settings) + 1
        self._settings = {name: np.zeros(size) for name in ("band", "page_from", "season", "up", "down")}
        for metric, values in settings.items():
            self._settings["band"][metric] = values.band
            self._settings["page_from"][metric] = values.page_from
            self._settings["season"][metric] = values.season
            self._settings["up"][metric] = values.harm in {"up", "both"}
            self._settings["down"][metric] = values.harm in {"down", "both"}
        self._min_events, self._strict_events = min_events, strict_events
        self.baselines = Baselines()
        self._series: Ints = np.zeros(0, np.int64)
        self._rows: Ints = np.full(0, -1, np.int64)
        components = len(self.log_weights)
        self._evidence: Floats = np.zeros((0, components))  # ln R_k
        self._segment: Floats = np.zeros((0, components))  # G_k
        self._part: Floats = np.zeros((0, Slot.WIDTH))  # the block being filled
        self._small: Floats = np.zeros((0, 3))  # the small block being filled: events, sum, expected
        self._episodes: dict[int, Episode] = {}

    # -- what a family says -------------------------------------------------------------------------------------------

    @abstractmethod
    def _link(self, events: Floats, sums: Floats) -> Floats:
        """Return the level on the link scale."""

    @abstractmethod
    def _mean(self, link: Floats) -> Floats:
        """Return the expected value of one event at a level of the link scale."""

    @abstractmethod
    def _moved(self, events: Floats, sums: Floats, shift: float) -> Floats:
        """Return the sums as they would be with the level moved by `shift` on the link scale."""

    @abstractmethod
    def _flattened(self, events: Floats, sums: Floats, usual: Floats, flat: Floats) -> Floats:
        """Return the sums as they would be if an event's expected value were `flat` and not `usual`."""

    @abstractmethod
    def _season(self, rows: Ints, time: float) -> Floats:
        """Return the known daily profile's shift of the level, link scale."""

    @abstractmethod
    def _dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        """Return the clustering of the baseline's blocks (correlation, or variance factor) plus standard errors."""

    @abstractmethod
    def _spread(self, rows: Ints, part: Floats) -> tuple[Floats, Floats]:
        """Return for a block its squared deviation beyond the independent one, and its weight."""

    @abstractmethod
    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        """Return ln L_k (rows, components) of a part against the band reaching `up` and `down` on the link scale."""

    @abstractmethod
    def _margin(self, rows: Ints, z: float) -> tuple[Floats, Floats]:
        """Return how far the baseline's limits at z standard errors lie above and below its level, link scale."""

    @abstractmethod
    def _gain(self, row: int, slots: Floats) -> Floats:
        """Return the log-likelihood that each slot gains by a level of its own over the expected one."""

    @abstractmethod
    def _return_ratio(self, row: int, part: Floats, before: float, after: float) -> float:
        """Return ln P(part | level before) − ln P(part | level after), the levels on the link scale."""

    @abstractmethod
    def _estimate(self, row: int, sums: Floats) -> Estimate:
        """Return a level in the metric's own unit with its 95 % interval."""

    @abstractmethod
    def _noise(self, rows: Ints, events: Floats, sums: Floats) -> Floats:
        """Return the sampling variance of a level on the link scale."""

    # -- the rule -----------------------------------------------------------------------------------------------------

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; return what it makes the detector say."""
        rows = self._rows_of(window)
        self._watch_days(rows, window, self._fill(rows, window))
        alarms = self._recoveries(rows, window)
        filled = self._part[rows, Slot.EVENTS]  # 0 where a recovery has just put the old baseline back
        look = rows[(filled >= BLOCK) | (self._interesting(window) & (filled > 0))]
        if len(look):
            closes = self._part[look, Slot.EVENTS] >= BLOCK
            alarms += self._judge(look, closes, window, share)
        return alarms

    def _interesting(self, window: Observation) -> NDArray[np.bool_]:
        """Return which series are worth an interim read: those where something happened in this window."""
        happened: NDArray[np.bool_] = window.sums != 0
        return happened

    def _fill(self, rows: Ints, window: Observation) -> Floats:
        """Add the window to the blocks being filled; return its sums without the daily profile."""
        level = self._learned_levels(rows)
        usual = self._mean(level + self._season(rows, window.start))
        flat = self._flattened(window.events, window.sums, usual, self._mean(level))
        fresh = self._part[rows, Slot.EVENTS] == 0
        self._part[rows[fresh], Slot.START] = window.start
        self._part[rows, Slot.END] = window.end
        expected = usual * window.events
        added = np.stack([window.events, window.sums, window.squares, window.raw, expected, flat], axis=1)
        self._part[rows, Slot.EVENTS : Slot.FLAT + 1] += added
        self._small[rows] += added[:, [0, 1, 4]]
        self._close_small(rows[self._small[rows, 0] >= _SMALL_BLOCK])
        self.baselines.record_hours(rows, window.start, window.events, window.sums)
        return flat

    def _close_small(self, rows: Ints) -> None:
        if len(rows):
            small = self._small[rows]
            part = np.zeros((len(rows), Slot.WIDTH))
            part[:, [Slot.EVENTS, Slot.SUM, Slot.EXPECTED]] = small
            self._part[rows, Slot.SMALL : Slot.LARGE] += self._clustering(rows, part)
            self._small[rows] = 0

    def _watch_days(self, rows: Ints, window: Observation, flat: Floats) -> None:
        day = window.start // DAY
        ended = self.baselines.start_day(rows, day)
        if len(ended):
            events, sums = self.baselines.days[ended, 1], self.baselines.days[ended, 2]
            enough = (events >= BLOCK) & self.baselines.whole_day(ended)
            ended, events, sums = ended[enough], events[enough], sums[enough]
            self.baselines.record_level(ended, self._link(events, sums), self._noise(ended, events, sums))
        self.baselines.record_day(rows, day, window.events, flat)

    def _learned_levels(self, rows: Ints) -> Floats:
        """Return the levels that were learned, without the daily profile; link scale."""
        sums = self.baselines.sums[rows]
        return self._link(sums[:, Slot.EVENTS], sums[:, Slot.FLAT])

    def _judge(self, rows: Ints, closes: NDArray[np.bool_], window: Observation, share: Share) -> list[Alarm]:
        part = self._part[rows]
        up, down = self._band(rows, window.start, share)
        ratios = self._log_ratios(rows, part, up, down)
        credit = np.log(np.maximum(part[:, Slot.EVENTS], BLOCK))[:, None]
        evidence = np.logaddexp(self._evidence[rows], credit) + ratios
        segment = np.maximum(self._segment[rows], 0) + ratios
        statistic: Floats = np.logaddexp.reduce(evidence + self.log_weights, axis=1)
        limits = share.thresholds(self.baselines.seen[rows], window.end - self.baselines.born[rows])
        known = self._known(rows)
        fired = (statistic >= limits) & (segment.max(axis=1) >= _OWN_EVIDENCE) & known
        evidence, segment = np.where(known[:, None], (evidence, segment), [[[_EVIDENCE_FLOOR]], [[0.0]]])
        stay = closes & ~fired
        self._commit(rows[stay], evidence[stay], segment[stay])
        return [
            alarm
            for i in np.flatnonzero(fired)
            for alarm in self._alarm(
                int(rows[i]), window, float(statistic[i]), float(limits[i]), self.directions[int(np.argmax(segment[i]))]
            )
        ]

    def _band(self, rows: Ints, time: float, share: Share) -> tuple[Floats, Floats]:
        """Return how far the benign band reaches above and below the expected level, link scale."""
        metrics = self._metric_of(rows)
        season = self._settings["season"][metrics] * self.baselines.unknown_season(rows, time)
        width = np.maximum(np.maximum(self._settings["band"][metrics], self.baselines.wander(rows)), season)
        young = self.baselines.learned(rows) < self._min_events
        up, down = self._margin(rows, share.z)
        return width + np.where(young, up, 0), width + np.where(young, down, 0)

    def _commit(self, rows: Ints, evidence: Floats, segment: Floats) -> None:
        """Close the blocks of these rows: store their evidence and hand them to the baseline."""
        if not len(rows):
            return
        self._evidence[rows] = np.maximum(evidence, _EVIDENCE_FLOOR)
        self._segment[rows] = segment
        part = self._part[rows]
        part[:, Slot.LARGE : Slot.LEARNED] = self._clustering(rows, part)
        unknown = ~self._known(rows)
        part[unknown, Slot.EXPECTED] = part[unknown, Slot.SUM]  # there was nothing to expect yet
        self.baselines.push(rows, part)
        self._part[rows] = 0

    def _clustering(self, rows: Ints, part: Floats) -> Floats:
        """Return spread, its square and its weight for blocks; nothing while there is no level to measure it from."""
        spread, weight = self._spread(rows, part)
        return np.where(self._known(rows)[:, None], np.stack([spread, spread**2, weight], axis=1), 0.0)

    def _known(self, rows: Ints) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = self.baselines.sums[rows, Slot.EVENTS] >= self._strict_events
        return known

    # -- what an alarm says -------------------------------------------------------------------------------------------

    def _alarm(self, row: int, window: Observation, statistic: float, limit: float, direction: float) -> list[Alarm]:
        slots = np.concatenate([self.baselines.history(row), self._part[[row]]])
        first, earliest, latest = self._change_point(row, slots, direction)
        after = slots[first:].sum(axis=0)
        learned = self.baselines.before(row, slots[first:-1])
        level = self._flat(learned) + self._effect(after)
        episode = self._episodes.get(row)
        if episode and self._is_back(row, episode, level, 2 * self._error(row, after)):
            episode.back_sums = after.tolist()
            return self._recover(row, episode, window, statistic, limit)
        before = self._estimate(row, learned)
        now = self._estimate(row, after)
        alarm = Alarm(
            series=int(self._series[row]),
            kind=self._kind(row, level - (episode.told if episode else self._flat(learned))),
            direction="up" if self._effect(after) > 0 else "down",
            changed_at=float(slots[first, Slot.START]),
            changed_from=earliest,
            changed_to=latest,
            before=before,
            after=now,
            events=int(after[Slot.EVENTS]),
            statistic=statistic,
            threshold=limit,
            reason=_reason(before, now, statistic, limit),
        )
        self.baselines.set_aside(row, slots[first:])
        self._begin_episode(row, window.end, alarm, learned, after)
        return [alarm]

    directions: Floats

    def _change_point(self, row: int, slots: Floats, direction: float) -> tuple[int, float, float]:
        """Return the slot at which the change most likely began, and the interval of plausible times.

        What came before may lie off what was expected of it, too: a young baseline errs, and over many events small
        errors add up to more than a change.
        """
        tails = slots[::-1].cumsum(axis=0)[::-1]
        heads = tails[0] - tails
        changed = direction * (tails[:, Slot.SUM] - tails[:, Slot.EXPECTED]) > 0
        gains = np.where(changed, self._gain(row, tails) + self._gain(row, heads), 0.0)
        first = int(np.argmax(gains))
        plausible = np.flatnonzero(gains >= gains[first] - _CHANGE_INTERVAL)
        earliest = slots[max(int(plausible[0]) - 1, 0), Slot.START]
        return first, float(earliest), float(slots[int(plausible[-1]), Slot.END])

    def _effect(self, part: Floats) -> float:
        """Return how far a part's level lies from the expected one, link scale."""
        events = part[[Slot.EVENTS]]
        return float((self._link(events, part[[Slot.SUM]]) - self._link(events, part[[Slot.EXPECTED]]))[0])

    def _flat(self, sums: Floats) -> float:
        """Return the level of these sums without the daily profile, link scale."""
        return float(self._link(sums[[Slot.EVENTS]], sums[[Slot.FLAT]])[0])

    def _kind(self, row: int, effect: float) -> str:
        """Judge a change by its distance from the episode's last page: small steps add up, none is told twice."""
        metric = int(self._metric_of(np.array([row]))[0])
        harmful = self._settings["up" if effect > 0 else "down"][metric]
        return "page" if harmful and abs(effect) >= self._settings["page_from"][metric] else "notice"

    def _begin_episode(self, row: int, at: float, alarm: Alarm, learned: Floats, after: Floats) -> None:
        known = self._episodes.get(row)
        level, effect = self._flat(learned), self._effect(after)
        told = known.told if known else level
        self._episodes[row] = Episode(
            sums=known.sums if known else learned.tolist(),
            before=known.before if known else alarm.before,
            level_before=known.level_before if known else level,
            level_after=level + effect,
            changed_at=known.changed_at if known else alarm.changed_at,
            changed_to=known.changed_to if known else alarm.changed_to,
            told=level + effect if alarm.kind == "page" else told,
            alarms=[*(known.alarms if known else []), at],
        )
        self._restart(row, np.concatenate([after[: Slot.SMALL], learned[Slot.SMALL :]]), effect, at)

    def _restart(self, row: int, sums: Floats, shift: float, time: float) -> None:
        """Begin anew with these sums, whose level lies by `shift` from the one before; the daily profile goes along."""
        hours = self.baselines.hours[row]
        hours[:, 1] = self._moved(hours[:, 0], hours[:, 1], shift)
        self.baselines.restart(row, sums, time)
        self._clear(row)

    def _clear(self, row: int) -> None:
        self._evidence[row] = _EVIDENCE_FLOOR
        self._segment[row] = 0
        self._part[row] = 0
        self._small[row] = 0

    # -- recovery -----------------------------------------------------------------------------------------------------

    def _recoveries(self, rows: Ints, window: Observation) -> list[Alarm]:
        if not self._episodes:
            return []
        alarms: list[Alarm] = []
        for index in np.flatnonzero(np.isin(rows, list(self._episodes))):
            part = np.zeros(Slot.WIDTH)
            part[[Slot.EVENTS, Slot.SUM, Slot.RAW]] = window.events[index], window.sums[index], window.raw[index]
            alarms += self._test_return(int(rows[index]), part, window)
        return alarms

    def _test_return(self, row: int, part: Floats, window: Observation) -> list[Alarm]:
        episode = self._episodes[row]
        season = float(self._season(np.array([row]), window.start)[0])
        changed = self._level_after(row, episode)
        since = np.array(episode.back_sums) + part if episode.back > 0 else part
        episode.back = max(episode.back, 0.0) + self._return_ratio(row, part, episode.level_before + season, changed + season)
        episode.back_sums = since.tolist()
        if episode.back < _RECOVERED or since[Slot.EVENTS] < BLOCK:
            return []
        level = float(self._link(since[[Slot.EVENTS]], since[[Slot.SUM]])[0]) - season
        error = self._error(row, since)
        unclear = error > abs(changed - episode.level_before) * _PRECISION  # a partial return looks alike
        if unclear or not self._is_back(row, episode, level, error):
            return []
        return self._recover(row, episode, window, episode.back, _RECOVERED)

    def _level_after(self, row: int, episode: Episode) -> float:
        """Return the level since the change: the one learned since, unless that is already on its way back."""
        if self._known(np.array([row]))[0]:
            learned = self._flat(self.baselines.sums[row])
            if abs(learned - episode.level_after) < abs(learned - episode.level_before):
                return learned
        return episode.level_after

    def _is_back(self, row: int, episode: Episode, level: float, noise: float) -> bool:
        """Return whether a level is within `page_from`, and its noise, of the one before the episode."""
        metric = int(self._metric_of(np.array([row]))[0])
        return bool(abs(level - episode.level_before) < self._settings["page_from"][metric] + noise)

    def _error(self, row: int, sums: Floats) -> float:
        """Return the standard error of the level of these sums, link scale."""
        return float(np.sqrt(self._noise(np.array([row]), sums[[Slot.EVENTS]], sums[[Slot.SUM]])[0]))

    def _recover(self, row: int, episode: Episode, window: Observation, statistic: float, limit: float) -> list[Alarm]:
        now = self._estimate(row, np.array(episode.back_sums))
        direction = "down" if episode.level_after > episode.level_before else "up"
        reason = (
            f"back at {now.value:.4g} over {now.events} events, against {episode.before.value:.4g} before the change"
        )
        self._restart(row, np.array(episode.sums), episode.level_before - episode.level_after, window.end)
        del self._episodes[row]
        return [
            Alarm(
                series=int(self._series[row]),
                kind="recovered",
                direction=direction,
                changed_at=window.end,
                changed_from=window.end,
                changed_to=window.end,
                before=episode.before,
                after=now,
                events=now.events,
                statistic=statistic,
                threshold=limit,
                reason=reason,
                opened_at=opened_at,
            )
            for opened_at in episode.alarms
        ]

    # -- rows, status and state ---------------------------------------------------------------------------------------

    def _metric_of(self, rows: Ints) -> Ints:
        metrics: Ints = self._series[rows] & 1023
        return metrics

    def _rows_of(self, window: Observation) -> Ints:
        series = window.series
        if len(series) and series.max() >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.full(int(series.max()) + 1024 - len(self._rows), -1, np.int64)])
        fresh = self._rows[series] < 0
        if fresh.any():
            start = len(self._series)
            self._series = np.concatenate([self._series, series[fresh]])
            self._rows[series[fresh]] = np.arange(start, len(self._series))
            self._grow(len(self._series), window.since[fresh])
        rows: Ints = self._rows[series]
        return rows

    def _grow(self, rows: int, born: Floats) -> None:
        self.baselines.grow(rows, born)
        for name in ("_evidence", "_segment", "_part", "_small"):
            array = getattr(self, name)
            fill = _EVIDENCE_FLOOR if name == "_evidence" else 0.0
            setattr(self, name, np.concatenate([array, np.full((rows - len(array), array.shape[1]), fill)]))

    def pageable(self) -> int:
        """Return how many series may page now."""
        learned = self.baselines.learned(np.arange(len(self._series)))
        return int((learned >= self._strict_events).sum())

    def progress(self, series: int) -> Progress | None:
        """Return how far the series is."""
        if series >= len(self._rows) or self._rows[series] < 0:
            return None
        row = int(self._rows[series])
        sums = self.baselines.sums[row]
        level = self._estimate(row, sums)
        episode = self._episodes.get(row)
        learned = int(self.baselines.learned(np.array([row]))[0])
        return Progress(learned, self._strict_events, self._min_events, level, episode.changed_at if episode else None)

    def accept(self, series: int) -> None:
        """Take the level of a changed series as its normal one: nothing is left to recover from."""
        if series < len(self._rows) and self._rows[series] >= 0:
            self._episodes.pop(int(self._rows[series]), None)

    def levels(self, series: int, since: float) -> tuple[Estimate, Estimate] | None:
        """Return the level before and since a time, None if one of them is unknown."""
        if series >= len(self._rows) or self._rows[series] < 0:
            return None
        row = int(self._rows[series])
        slots = np.concatenate([self.baselines.history(row), self._part[[row]]])
        episode = self._episodes.get(row)
        if episode and episode.changed_to >= since:  # the baseline has restarted: it holds what came after
            return episode.before, self._estimate(row, self.baselines.before(row, slots[:0]) + slots[-1])
        later = slots[:, Slot.START] >= since
        after, before = slots[later].sum(axis=0), self.baselines.before(row, slots[:-1][later[:-1]])
        if not after[Slot.EVENTS] or not before[Slot.EVENTS]:
            return None
        return self._estimate(row, before), self._estimate(row, after)

    _ARRAYS = ("_series", "_rows", "_evidence", "_segment", "_part", "_small")

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        state: dict[str, Any] = {name: getattr(self, name) for name in self._ARRAYS}
        episodes = {str(row): msgspec.to_builtins(episode) for row, episode in self._episodes.items()}
        return {**state, "baselines": self.baselines.snapshot(), "episodes": episodes}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        for name in self._ARRAYS:
            setattr(self, name, state[name])
        self.baselines.restore(state["baselines"])
        self._episodes = {int(row): msgspec.convert(episode, Episode) for row, episode in state["episodes"].items()}


def _reason(before: Estimate, now: Estimate, statistic: float, limit: float) -> str:
    return (
        f"{now.events} events at {now.value:.4g} [{now.low:.4g}, {now.high:.4g}] against {before.value:.4g} "
        f"[{before.low:.4g}, {before.high:.4g}] before: evidence {statistic:.1f} of {limit:.1f} needed"
    )
